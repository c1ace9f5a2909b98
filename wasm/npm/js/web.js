// Pages and their workers, and what bundlers make for them: the module is loaded.

import "./start/fetched.js";

export * from "./api.js";
