// The lease service.

import { objects } from "./js/objects.js";
import { restarting } from "./js/restarting.js";
import { service as made } from "./js/service.js";
import page from "./page.js";
import * as module from "./modules/service/module.js";

const rust = restarting(module, ["Front", "Leases", "Watchers"]);

export const { LeaseObject, WatchObject } = objects(rust);

export const service = made(rust, page);
