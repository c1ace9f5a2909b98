import { readFileSync } from "node:fs";

import { initSync } from "../core/lessor.js";

initSync({ module: readFileSync(new URL("../core/lessor_bg.wasm", import.meta.url)) });
