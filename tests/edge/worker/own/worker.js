// The service with faults planted by key, by a module that is made as the service's own.

import * as module from "./build/module.js";
import { objects } from "../../../../wasm/js/objects.js";
import { restarting } from "../../../../wasm/js/restarting.js";
import { service } from "../../../../wasm/js/service.js";
import { planted } from "../planted.js";

const rust = restarting(module, ["Fault", "Front", "Leases", "Watchers"]);

export const { LeaseObject, WatchObject } = objects({ ...rust, Leases: planted(rust) });

export default service(rust, "");
