// Workers of Cloudflare and their like: the module is imported, since none may be compiled there.

import "./start/imported.js";

export * from "./api.js";
