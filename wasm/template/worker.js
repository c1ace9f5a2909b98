// The entry. A panic in Rust fails the events that are under way at once, instead of letting them hang.

import { guarded } from "lessor/cloudflare/guarded";

import * as rust from "./build/index.js";

export const Region = guarded(rust.Region);
export default rust.default;
