// The entry: the candidates of this Worker, and the leases that they campaign for.

import * as rust from "./build/index.js";
import { guarded, objects } from "../../js/objects.js";

export const { LeaseObject } = objects(rust);
export const Region = guarded(rust.Region);
export { Report, default } from "./build/index.js";
