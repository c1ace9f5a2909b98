// The lease service as it is deployed.

import * as module from "./build/module.js";
import { objects } from "./js/objects.js";
import { restarting } from "./js/restarting.js";
import { service } from "./js/service.js";
import page from "./page.html";

const rust = restarting(module, ["Front", "Leases", "Watchers"]);

export const { LeaseObject, WatchObject } = objects(rust);

export default service(rust, page);
