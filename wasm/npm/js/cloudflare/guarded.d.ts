/**
 * For Workers of Cloudflare that are written in Rust.
 *
 * @packageDocumentation
 */

import { DurableObject } from "cloudflare:workers";

/** A class of Durable Objects that worker-build made of Rust: its events fail at once, and do not hang, when a panic takes the module down. */
export function guarded<Class extends abstract new (...args: any[]) => unknown>(Class: Class): typeof DurableObject;
