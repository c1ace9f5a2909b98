/**
 * The lease service as a Worker of Cloudflare. No Rust is needed: it is compiled.
 *
 * Its types build on those of the platform: `wrangler types`, or the package `@cloudflare/workers-types`.
 *
 * @packageDocumentation
 */

import { DurableObject } from "cloudflare:workers";

/**
 * Holds the leases of one key, or of a shard of keys. Reached only through a binding, called `LEASES` here: whoever has that may do everything.
 * Its migration is `new_sqlite_classes`.
 */
export class LeaseObject extends DurableObject {}

/** Tells sockets of changes, and knows all keys: the service's binding `WATCH`. A Worker that only campaigns needs none. */
export class WatchObject extends DurableObject {}

/**
 * The lease service's HTTP API, with its page: a Worker's default export, or what answers its requests under `/v1` and `/`.
 *
 * Bindings: `LEASES`, `WATCH`. The secret `LESSOR_TOKENS`, or the variable `LESSOR_ISSUERS`, says who may what; without them nothing is served.
 */
export const service: { fetch(request: Request, env: unknown, ctx: ExecutionContext): Promise<Response> };
