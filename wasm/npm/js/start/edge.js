import { initSync } from "../core/lessor.js";
import module from "../core/lessor_bg.wasm?module";

initSync({ module });
