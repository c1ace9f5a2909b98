import init from "../core/lessor.js";

await init({ module_or_path: new URL("../core/lessor_bg.wasm", import.meta.url) });
