// Node, Deno, Bun: the module is a file beside this one.

import "./start/file.js";

export * from "./api.js";
