// A candidate: the state machine, driven by JavaScript's clock, timers and promises.

import { ElectionCore, now_ms } from "./core/lessor.js";
import { checked, invalid, lost, stopped } from "./errors.js";
import { read } from "./settings.js";
import { shownEvent, shownStatus } from "./shown.js";
import { ask, usable } from "./storage.js";
import { repliedRow, requestOf } from "./wire.js";

/** The longest that `setTimeout` waits. */
const LONGEST_MS = 2 ** 31 - 1;
/** Of the settings. */
const DEFAULT_TTL_MS = 10_000;
/** More than this are not kept for who does not take them. */
const KEPT = 1024;

/** What a promise says, unless the signal is aborted before. */
function until(promise, signal) {
  if (!signal) return promise;
  return new Promise((done, refused) => {
    const aborted = () => refused(signal.reason);
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted, { once: true });
    promise.then(done, refused).finally(() => signal.removeEventListener("abort", aborted));
  });
}

/** Whose leadership it is. */
const reigns = new WeakMap();

/** One term of a candidate, as that sees it. */
class Reign {
  ending = false;
  /** How much work is under way in it. */
  working = 0;
  #controller = new AbortController();

  constructor(term, slot) {
    this.term = term;
    this.slot = slot;
  }

  get signal() {
    return this.#controller.signal;
  }

  end(state) {
    this.ending = true;
    this.#controller.abort(lost(`term ${this.term} ${state}`));
  }
}

export class Leadership {
  #reign;
  #remainingMs;

  constructor(key, reign, remainingMs) {
    this.key = key;
    this.#reign = reign;
    this.#remainingMs = remainingMs;
  }

  get term() {
    return this.#reign.term;
  }

  get slot() {
    return this.#reign.slot ?? undefined;
  }

  get signal() {
    return this.#reign.signal;
  }

  isValid() {
    return this.remainingMs() > 0;
  }

  remainingMs() {
    return this.#remainingMs(this.#reign);
  }
}

export class Candidate {
  #core;
  #storage;
  #settings;
  #reign;
  #ends;
  #timer;
  #goes = false;
  #stopped = false;
  #serial = 1;
  /** The request that is under way. */
  #flight;
  /** Who waits for a change. */
  #waiting = [];
  #streams = new Set();

  constructor(storage, settings) {
    this.#storage = usable(storage);
    this.#settings = read(settings);
    const { keys, row } = this.#settings;
    // Before the first claim: a release right after it must not be missed.
    const wake = () => this.#tell("wakeup");
    this.#ends = keys.map((key) => this.#storage.subscribe?.(key, wake)).filter((end) => typeof end === "function");
    const told = this.#ends.length > 0 && this.#storage.tellsAll === true;
    try {
      this.#core = checked(() => new ElectionCore(row, now_ms(), told, true));
    } catch (error) {
      for (const end of this.#ends) end();
      throw error;
    }
    // Whoever has made it may listen first.
    queueMicrotask(() => this.#go());
  }

  get key() {
    return this.#settings.key;
  }

  get id() {
    return this.#settings.id;
  }

  isLeader() {
    return !this.#stopped && this.#core.is_leader(now_ms());
  }

  leadership() {
    const reign = this.#reign;
    return reign && !reign.ending && this.isLeader() ? this.#leadership(reign) : undefined;
  }

  leader() {
    return this.status().leader ?? undefined;
  }

  status() {
    return shownStatus(this.#core.status(now_ms()), !this.#stopped);
  }

  async elected({ signal } = {}) {
    return until(this.#when(() => this.leadership()), signal);
  }

  async lead(work, { signal } = {}) {
    const stop = () => void this.shutdown();
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      for (let leadership; !this.#stopped; ) {
        leadership ??= await this.elected();
        const then = await this.#work(work, leadership);
        leadership = await this.#after(then, leadership);
      }
    } catch (error) {
      if (error.name === "Stopped" && this.#stopped) return;
      // Nobody would do the work.
      await this.shutdown();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  async resign(successor) {
    if (successor !== undefined && typeof successor !== "string") throw invalid(`a successor is named by its id, and not by ${typeof successor}`);
    checked(() => this.#tell("resign", successor));
    await this.#when(() => !this.#core.is_handing_over(), true);
  }

  async shutdown() {
    this.#tell("stop");
    await this.#when(() => this.#stopped, true);
  }

  async setValue(value) {
    if (value !== undefined && typeof value !== "string") throw invalid(`a value is a text, and not ${typeof value}`);
    const serial = ++this.#serial;
    checked(() => this.#core.set_value(now_ms(), value, serial));
    this.#go();
    // Who does not lead publishes it with the next claim.
    await this.#when(() => this.#core.has_stored(serial) || !this.isLeader(), true);
  }

  events() {
    const stream = { events: [], wake: () => {} };
    const { leader } = this.status();
    if (leader) stream.events.push({ type: "leader-changed", leader });
    const leadership = this.leadership();
    if (leadership) {
      const { term, slot } = leadership;
      stream.events.push({ type: "elected", term, slot: slot ?? null, timeLeftMs: leadership.remainingMs() });
    }
    if (this.#stopped) stream.events.push({ type: "stopped" });
    this.#streams.add(stream);
    return this.#stream(stream);
  }

  async *#stream(stream) {
    try {
      for (;;) {
        while (stream.events.length === 0) await new Promise((wake) => (stream.wake = wake));
        const event = stream.events.shift();
        yield event;
        if (event.type === "stopped") return;
      }
    } finally {
      this.#streams.delete(stream);
    }
  }

  [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    return this.shutdown();
  }

  #ttlMs() {
    return this.#settings.ttlMs ?? DEFAULT_TTL_MS;
  }

  #leadership(reign) {
    const { key, keys } = this.#settings;
    const leadership = new Leadership(reign.slot === null ? key : keys[reign.slot], reign, (of) => this.#remainingMs(of));
    reigns.set(leadership, reign);
    return leadership;
  }

  #remainingMs(reign) {
    if (reign !== this.#reign || this.#stopped) return 0;
    const [, term, , left] = this.#core.status(now_ms());
    return term === reign.term ? (left ?? 0) : 0;
  }

  // === work ===

  /** What the work of one term answers. */
  async #work(work, leadership) {
    const reign = reigns.get(leadership);
    if (reign.ending) return "next-term";
    reign.working++;
    try {
      return then(await work(leadership));
    } catch (error) {
      // It was told to end: what it says of that is no failure.
      if (reign.ending) return "next-term";
      throw error;
    } finally {
      reign.working--;
      if (reign.ending && reign.working === 0) this.#tell("drained", reign.term);
    }
  }

  /** What comes then: the leadership, if the work begins again in the same term. */
  async #after(then, leadership) {
    const { signal } = leadership;
    if (then === "stop") await this.shutdown();
    else if (then === "next-term") await new Promise((ended) => (signal.aborted ? ended() : signal.addEventListener("abort", ended, { once: true })));
    else if (then.againMs !== undefined) {
      await pause(Math.max(then.againMs, 1), signal);
      return signal.aborted ? undefined : leadership;
    } else {
      // If its term has ended meanwhile there is nothing to hand over.
      if (leadership.isValid()) await this.resign();
      await pause(this.#ttlMs() / 20);
    }
    return undefined;
  }

  // === the driver ===

  /** When this is so: what it answers. It is looked at again whenever something has changed. */
  async #when(look, alsoStopped = false) {
    for (;;) {
      const found = look();
      if (found) return found;
      if (this.#stopped) {
        if (alsoStopped) return undefined;
        throw stopped();
      }
      await new Promise((changed) => this.#waiting.push(changed));
    }
  }

  #tell(kind, what) {
    if (this.#stopped) return;
    this.#core.handle(now_ms(), kind, what);
    this.#go();
  }

  /** Carries out what the state machine asks for, until it has to wait. */
  #go() {
    // What is told within, by who listens to a signal, is carried out by whoever goes already.
    if (this.#goes || this.#stopped) return;
    this.#goes = true;
    clearTimeout(this.#timer);
    try {
      for (let waits = false; !waits; ) {
        const output = this.#core.poll(now_ms());
        if (output[0] === "event") this.#happened(output);
        else if (output[0] === "request") this.#send(output[1], requestOf(output[2]));
        else {
          waits = true;
          if (output[0] === "timeout") this.#sleep(output[1]);
          else this.#stop();
        }
      }
    } finally {
      this.#goes = false;
    }
    if (this.#flight && !this.#core.waits_for(this.#flight.number)) {
      this.#flight.abort();
      this.#flight = undefined;
    }
    for (const changed of this.#waiting.splice(0)) changed();
  }

  #sleep(atMs) {
    const ms = Math.min(Math.max(Math.ceil(atMs - now_ms()), 0), LONGEST_MS);
    this.#timer = setTimeout(() => this.#tell("timeout"), ms);
  }

  #stop() {
    this.#stopped = true;
    this.#reign?.end("has ended");
    for (const end of this.#ends) end();
  }

  async #send(number, request) {
    const controller = new AbortController();
    this.#flight = { number, abort: () => controller.abort() };
    try {
      const row = repliedRow(await ask(this.#storage, request, { signal: controller.signal }));
      if (!this.#stopped) this.#core.replied(now_ms(), number, row);
    } catch (error) {
      if (!this.#stopped) this.#core.failed(now_ms(), number, error.message, error.transient);
    }
    this.#go();
  }

  #happened(output) {
    const event = shownEvent(output);
    if (event.type === "elected") this.#reign = new Reign(event.term, event.slot);
    if (event.type === "ending" && this.#reign?.term === event.term) {
      this.#reign.end("is ending: a hand-over has begun");
      if (this.#reign.working === 0) this.#core.handle(now_ms(), "drained", event.term);
    }
    if (event.type === "lost" && this.#reign?.term === event.term) this.#reign.end(`has ended: ${event.reason}`);
    for (const stream of this.#streams) push(stream, event);
  }
}

/** So many ms, or less if the signal is aborted. */
function pause(ms, signal) {
  return new Promise((over) => {
    if (signal?.aborted) return over();
    let timer;
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      over();
    };
    timer = setTimeout(end, Math.min(ms, LONGEST_MS));
    signal?.addEventListener("abort", end);
  });
}

function then(answer) {
  if (answer === undefined || answer === null) return "next-term";
  if (["next-term", "resign", "stop"].includes(answer)) return answer;
  if (typeof answer === "object" && (answer.againMs >= 0 || typeof answer.failed === "string")) return answer;
  const allowed = 'nothing, "next-term", "resign", "stop", { againMs: number } and { failed: string }';
  throw invalid(`the work has answered ${JSON.stringify(answer)}, allowed are ${allowed}`);
}

/** Of renewals that follow each other only the newest is kept; of more than fits the oldest are counted. */
function push(stream, event) {
  const { events } = stream;
  const last = events.at(-1);
  if (event.type === "renewed" && last?.type === "renewed" && last.term === event.term) events.pop();
  events.push(event);
  if (events.length > KEPT) {
    const [oldest] = events.splice(0, 2);
    const missed = oldest.type === "missed" ? oldest.count : 1;
    events.unshift({ type: "missed", count: missed + 1 });
  }
  stream.wake();
}
