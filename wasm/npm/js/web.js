// Pages and their workers, and what bundlers make for them: the module is loaded.

import init from "./core/lessor.js";

// Whatever a bundler makes of this file: `core` lies beside it.
await init({ module_or_path: new URL("./core/lessor_bg.wasm", import.meta.url) });

export * from "./api.js";
