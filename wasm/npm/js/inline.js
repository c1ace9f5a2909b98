// Node, Deno, Bun, and bundles that are one file: the module is in this code, and is there at once.

import "./start/inline.js";

export * from "./api.js";
