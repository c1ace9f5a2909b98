#!/usr/bin/env node
// Runs a command while this process leads, with nothing but Node: takes the lease, renews it, stops in time, gives it back.
//
//     LESSOR_URL=http://127.0.0.1:8787 LESSOR_TOKEN=... ./client.mjs KEY COMMAND...
//
// The command finds its term in LESSOR_TERM: it sends that along with each write, and the resource refuses older ones.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** A tenth of the ttl is left for clocks that do not run alike. */
const SURE = 0.9;

/** A claim to one key, by one process. */
class Lease {
  #url;
  #token;
  #ttlMs;
  #claim;
  #newest = null;
  #deadline = 0;
  term;

  constructor(url, token, key, ttlMs) {
    this.#url = `${url}/v1/keys/${encodeURIComponent(key)}/`;
    this.#token = token;
    this.#ttlMs = ttlMs;
    const id = process.env.LESSOR_ID ?? `${hostname()}-${process.pid}`;
    // The session proves who holds the lease: unpredictable, and drawn anew at each start.
    this.#claim = { id, session: randomBytes(16).toString("hex"), ttl_ms: ttlMs };
  }

  /** The answer; nothing if there is none: then it is open what happened. */
  async #post(operation, body) {
    try {
      const answer = await fetch(this.#url + operation, {
        method: "POST",
        headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(this.#ttlMs / 3),
      });
      if (answer.status === 200) return await answer.json();
      console.error(operation, await answer.text());
      if ([400, 401, 403, 404].includes(answer.status)) process.exit(1);
    } catch (error) {
      console.error(operation, error.message);
    }
    return {};
  }

  /** Waits until it leads. */
  async acquire() {
    for (;;) {
      // The lease counts from before the request was sent. This clock is set by nobody.
      const asked = performance.now();
      const { granted, refused } = await this.#post("acquire", { ...this.#claim, after: this.#newest });
      if (granted) {
        this.term = granted.term;
        this.#deadline = asked + this.#ttlMs * SURE;
        return;
      }
      // The newest term that is known is always sent.
      if (refused?.lease) this.#newest = refused.lease.term;
      await sleep((this.#ttlMs / 3) * (0.5 + Math.random()));
    }
  }

  /** Whether it still leads: asks the clock, and nobody else. */
  leads() {
    return performance.now() < this.#deadline;
  }

  /** Keeps the lease if it is time to. False: the term is over. */
  async renew() {
    if (performance.now() >= this.#deadline - this.#ttlMs * 0.6) {
      const asked = performance.now();
      const { extended, lost } = await this.#post("renew", { ...this.#claim, term: this.term });
      if (extended) this.#deadline = asked + this.#ttlMs * SURE;
      if (lost) this.#deadline = 0;
    }
    return this.leads();
  }

  /** Gives it back: the next one leads at once. */
  async release() {
    this.#deadline = 0;
    await this.#post("release", { session: this.#claim.session });
  }
}

const [key, command, ...args] = process.argv.slice(2);
const ttlMs = Number(process.env.LESSOR_TTL_MS ?? 30_000);
const lease = new Lease(process.env.LESSOR_URL, process.env.LESSOR_TOKEN, key, ttlMs);
await lease.acquire();
const work = spawn(command, args, { stdio: "inherit", env: { ...process.env, LESSOR_TERM: String(lease.term) } });
const ended = new Promise((resolve) => work.on("exit", (code) => resolve(code ?? 1)));
let code;
while (code === undefined) {
  // It stops by itself when its time is over, also while it waits for an answer.
  const late = sleep(ttlMs / 10).then(() => undefined);
  code = await Promise.race([ended, late]);
  if (code !== undefined) break;
  const renewal = lease.renew();
  while (lease.leads() && !(await Promise.race([renewal.then(() => true), sleep(ttlMs / 20).then(() => false)])));
  if (lease.leads()) continue;
  work.kill("SIGKILL");
  await ended;
  console.error(`the term ${lease.term} is over`);
  process.exit(75);
}
await lease.release();
process.exit(code);
