// What people import, once Rust is there.

export { BrowserStorage } from "./browser.js";
export { Candidate } from "./candidate.js";
export { Election } from "./election.js";
export { HttpStorage } from "./http.js";
export { judge, listed } from "./judge.js";
export { MemoryStorage, Storage } from "./storage.js";
