// Storages, as operators see them; and one in memory.

import { now_ms } from "./core/lessor.js";
import { failed, invalid } from "./errors.js";
import { judge, listed } from "./judge.js";
import { problem, repliedRow, shownLease } from "./wire.js";

/** Makes sure of what candidates ask. */
export function usable(storage) {
  if (typeof storage?.call === "function") return storage;
  throw invalid("a storage is needed: one of this package, or an object with a method `call`");
}

/** What a storage answers, or what it has thrown. */
export async function ask(storage, request, options) {
  try {
    return await storage.call(request, options);
  } catch (error) {
    throw failed(error);
  }
}

export class Storage {
  /** One that is written in JavaScript, with what operators ask. */
  static of(custom) {
    return custom instanceof Storage ? custom : new Wrapped(usable(custom));
  }

  async check() {}

  async get(key) {
    return shownLease(repliedRow(await ask(this, { get: { key } }))[4]) ?? undefined;
  }

  async list({ prefix, start, limit } = {}) {
    const reply = await ask(this, { list: { prefix, start, limit } });
    if (reply?.failed) throw problem(reply.failed);
    if (!Array.isArray(reply?.listed?.keys)) repliedRow(reply?.listed);
    const keys = reply.listed.keys.map(({ key, lease }) => ({ key, lease: shownLease(repliedRow({ lease })[4]) ?? undefined }));
    return reply.listed.next === null ? { keys } : { keys, next: reply.listed.next };
  }

  async revoke(key, { term, now } = {}) {
    const reply = await ask(this, { revoke: { key, term, now } });
    const lease = shownLease(repliedRow(reply)[4]);
    return lease ? { term: reply.revoked.term, lease } : {};
  }
}

class Wrapped extends Storage {
  #of;

  constructor(of) {
    super();
    this.#of = of;
    if (of.subscribe) this.subscribe = (key, wake) => of.subscribe(key, wake);
    this.tellsAll = of.tellsAll === true;
  }

  call(request, options) {
    return this.#of.call(request, options);
  }

  async check() {
    try {
      await this.#of.check?.();
    } catch (error) {
      throw failed(error);
    }
  }
}

/** Who waits for wake-ups of which key. */
export class Subscribers {
  #followers = new Map();

  /** What ends it. */
  subscribe(key, wake) {
    const followers = this.#followers.get(key) ?? new Set();
    this.#followers.set(key, followers.add(wake));
    return () => {
      followers.delete(wake);
      if (followers.size === 0 && this.#followers.get(key) === followers) this.#followers.delete(key);
    };
  }

  wake(key) {
    for (const wake of this.#followers.get(key) ?? []) wake();
  }

  keys() {
    return this.#followers.keys();
  }

  has(key) {
    return this.#followers.has(key);
  }
}

export class MemoryStorage extends Storage {
  #records = new Map();
  #subscribers = new Subscribers();
  tellsAll = true;

  async call(request) {
    if (request.list) return listed(this.#records, request, now_ms());
    const [{ key }] = Object.values(request);
    const { reply, write, wakes } = judge(this.#records.get(key), request, now_ms());
    if (write) this.#records.set(key, write);
    if (wakes) this.#subscribers.wake(key);
    return reply;
  }

  subscribe(key, wake) {
    return this.#subscribers.subscribe(key, wake);
  }
}
