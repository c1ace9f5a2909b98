// The entry: the candidates of this Worker, and the leases that they campaign for.

import * as rust from "./build/index.js";
import { objects } from "../../js/objects.js";

export const { LeaseObject } = objects(rust);
export { Region, Report, default } from "./build/index.js";
