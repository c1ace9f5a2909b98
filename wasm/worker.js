// The lease service as it is deployed.

import * as rust from "./build/index.js";
import { objects } from "./js/objects.js";
import { service } from "./js/service.js";
import page from "./page.html";

export const { LeaseObject, WatchObject } = objects(rust);

export default service(rust, page);
