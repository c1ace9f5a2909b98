// For classes of Durable Objects that are written in Rust.

export { guarded } from "./js/objects.js";
