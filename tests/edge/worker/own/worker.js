// The service with faults planted by key, and candidates in JavaScript, by a module that is made as the service's own.

import * as module from "./build/module.js";
import { objects } from "../../../../wasm/js/objects.js";
import { restarting } from "../../../../wasm/js/restarting.js";
import { service } from "../../../../wasm/js/service.js";
import { planted } from "../planted.js";
import { candidate } from "./candidate.js";

const rust = restarting(module, ["CampaignCore", "Fault", "Front", "Leases", "Watchers"]);

export const { LeaseObject, WatchObject } = objects({ ...rust, Leases: planted(rust) });

export const Candidate = candidate(rust);

const leases = service(rust, "");

export default {
  fetch(request, env) {
    const [, name] = new URL(request.url).pathname.split("/");
    return name === "v1" ? leases.fetch(request, env) : env.CANDIDATES.getByName(name).fetch(request);
  },
};
