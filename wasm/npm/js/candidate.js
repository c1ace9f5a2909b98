// A candidate: the state machine, driven by JavaScript's clock, timers and promises.

import { ElectionCore, now_ms } from "./core/lessor.js";
import { checked, invalid, lost, stopped } from "./errors.js";
import { read } from "./settings.js";
import { shownEvent, shownStatus } from "./shown.js";
import { ask, usable } from "./storage.js";
import { Stream } from "./stream.js";
import { repliedRow, requestOf } from "./wire.js";

/** The longest that `setTimeout` waits. */
const LONGEST_MS = 2 ** 31 - 1;

/** Whose leadership it is. */
const reigns = new WeakMap();

/** One term of a candidate, as that sees it. */
class Reign {
  /** Why it ends. */
  ending;
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

  end(reason, state) {
    this.ending ??= reason;
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
  #ends = [];
  #timer;
  #goes = false;
  /** Aborted when it has stopped. */
  #over = new AbortController();
  #serial = 1;
  /** The request that is under way. */
  #flight;
  /** Who waits for a change. */
  #waiting = new Set();
  #streams = new Set();

  constructor(storage, settings) {
    this.#storage = usable(storage);
    this.#settings = read(settings);
    const { keys, row } = this.#settings;
    try {
      // Before the first claim: a release right after it must not be missed. What comes before there is anything to wake wakes nobody.
      const wake = () => this.#core && this.#tell("wakeup");
      for (const key of keys) {
        const end = this.#storage.subscribe?.(key, wake);
        if (typeof end === "function") this.#ends.push(end);
      }
      const told = this.#ends.length > 0 && this.#storage.tellsAll === true;
      this.#core = checked(() => new ElectionCore(row, now_ms(), told, true));
    } catch (error) {
      this.#unsubscribe();
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
    return this.#when(() => this.leadership(), signal);
  }

  async lead(work, { signal } = {}) {
    const stop = () => void this.shutdown();
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      for (let leadership; ; ) {
        leadership ??= await this.#unlessStopped(() => this.leadership());
        if (!leadership) return;
        leadership = await this.#after(await this.#work(work, leadership), leadership);
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      // Nobody would do the work.
      await this.shutdown();
    }
  }

  async resign(successor) {
    if (successor !== undefined && typeof successor !== "string") throw invalid(`a successor is named by its id, and not by ${typeof successor}`);
    checked(() => this.#tell("resign", successor));
    await this.#unlessStopped(() => !this.#core.is_handing_over());
  }

  async shutdown() {
    this.#tell("stop");
    await this.#unlessStopped(() => false);
  }

  async setValue(value) {
    if (value !== undefined && typeof value !== "string") throw invalid(`a value is a text, and not ${typeof value}`);
    if (this.#stopped) throw stopped();
    const serial = ++this.#serial;
    checked(() => this.#core.set_value(now_ms(), value, serial));
    this.#go();
    // Who holds no term publishes it with the next claim.
    await this.#when(() => this.#core.has_stored(serial) || !(this.status().timeLeftMs > 0));
  }

  events() {
    const stream = new Stream(() => this.#streams.delete(stream));
    const { leader, term, slot, timeLeftMs, jeopardy } = this.status();
    stream.push({ type: "leader-changed", leader });
    if (term !== null) stream.push({ type: "elected", term, slot, timeLeftMs });
    if (jeopardy) stream.push({ type: "jeopardy", term, timeLeftMs });
    if (term !== null && this.#reign?.ending) stream.push({ type: "ending", term, reason: this.#reign.ending });
    if (this.#stopped) stream.push({ type: "stopped" });
    else this.#streams.add(stream);
    return stream;
  }

  [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    return this.shutdown();
  }

  get #stopped() {
    return this.#over.signal.aborted;
  }

  #leadership(reign) {
    const { key, keys } = this.#settings;
    const leadership = new Leadership(reign.slot === null ? key : keys[reign.slot], reign, (of) => this.#remainingMs(of));
    reigns.set(leadership, reign);
    return leadership;
  }

  #remainingMs(reign) {
    if (reign !== this.#reign || this.#stopped) return 0;
    const { term, timeLeftMs } = this.status();
    return term === reign.term ? (timeLeftMs ?? 0) : 0;
  }

  // === work ===

  /** What the work of one term answers. */
  async #work(work, leadership) {
    const reign = reigns.get(leadership);
    const isOver = () => reign.ending || !leadership.isValid();
    // A timer that rings late must not let it begin.
    this.#tell("timeout");
    if (isOver()) return "next-term";
    reign.working++;
    try {
      return then(await work(leadership));
    } catch (error) {
      // It was told to end, or saw it first: what it says of that is no failure.
      if (isOver()) return "next-term";
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
    else if (then === "next-term") await pause(Infinity, signal);
    else if (then.againMs !== undefined) {
      await pause(Math.max(then.againMs, 1), signal);
      if (!signal.aborted) return leadership;
    } else {
      // If its term has ended meanwhile there is nothing to hand over.
      if (leadership.isValid()) await this.resign();
      await pause(this.#settings.resignedMs, this.#over.signal);
    }
    return undefined;
  }

  // === the driver ===

  /** When this is so: what it answers. It is looked at again whenever something has changed. */
  async #when(look, signal) {
    for (;;) {
      signal?.throwIfAborted();
      const found = look();
      if (found) return found;
      if (this.#stopped) throw stopped();
      await this.#changed(signal);
    }
  }

  /** The same; nothing, if it never will be. */
  async #unlessStopped(look) {
    for (;;) {
      if (this.#stopped) return undefined;
      const found = look();
      if (found) return found;
      await this.#changed();
    }
  }

  #changed(signal) {
    return new Promise((changed, refused) => {
      const aborted = () => {
        this.#waiting.delete(wake);
        refused(signal.reason);
      };
      const wake = () => {
        signal?.removeEventListener("abort", aborted);
        changed();
      };
      this.#waiting.add(wake);
      signal?.addEventListener("abort", aborted, { once: true });
    });
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
        else if (output[0] === "request") void this.#send(output[1], requestOf(output[2]));
        else {
          waits = true;
          if (output[0] === "timeout") this.#sleep(output[1]);
          else this.#stop();
        }
      }
    } finally {
      this.#goes = false;
    }
    if (this.#flight && !this.#core.waits_for(this.#flight.number)) this.#giveUp();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  #sleep(atMs) {
    const ms = Math.min(Math.max(Math.ceil(atMs - now_ms()), 0), LONGEST_MS);
    this.#timer = setTimeout(() => this.#tell("timeout"), ms);
  }

  #stop() {
    this.#over.abort();
    this.#reign?.end("stopped", "has ended");
    this.#unsubscribe();
  }

  #unsubscribe() {
    for (const end of this.#ends.splice(0)) {
      try {
        end();
      } catch {
        // Its storage may call what nobody listens to.
      }
    }
  }

  /** The request under way is not waited for any more. */
  #giveUp() {
    this.#flight.controller.abort();
    this.#flight = undefined;
  }

  async #send(number, request) {
    if (this.#flight) this.#giveUp();
    const controller = new AbortController();
    const flight = { number, controller };
    this.#flight = flight;
    try {
      const row = repliedRow(await ask(this.#storage, request, { signal: controller.signal }));
      if (!this.#stopped) this.#core.replied(now_ms(), number, row);
    } catch (error) {
      if (!this.#stopped) this.#core.failed(now_ms(), number, error.message, error.transient);
    }
    if (this.#flight === flight) this.#flight = undefined;
    this.#go();
  }

  #happened(output) {
    const event = shownEvent(output);
    if (event.type === "elected") this.#reign = new Reign(event.term, event.slot);
    if (event.type === "ending" && this.#reign?.term === event.term) {
      this.#reign.end(event.reason, "is ending: a hand-over has begun");
      if (this.#reign.working === 0) this.#core.handle(now_ms(), "drained", event.term);
    }
    if (event.type === "lost" && this.#reign?.term === event.term) this.#reign.end(event.reason, `has ended: ${event.reason}`);
    for (const stream of this.#streams) stream.push(event);
  }
}

/** So many ms, or less if the signal is aborted. */
function pause(ms, signal) {
  return new Promise((over) => {
    if (signal.aborted || ms <= 0) return over();
    let timer;
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      over();
    };
    if (ms < Infinity) timer = setTimeout(end, Math.min(ms, LONGEST_MS));
    signal.addEventListener("abort", end);
  });
}

function then(answer) {
  if (answer === undefined || answer === null) return "next-term";
  if (["next-term", "resign", "stop"].includes(answer)) return answer;
  if (typeof answer === "object" && (answer.againMs >= 0 || typeof answer.failed === "string")) return answer;
  const allowed = 'nothing, "next-term", "resign", "stop", { againMs: number } and { failed: string }';
  throw invalid(`the work has answered ${JSON.stringify(answer)}, allowed are ${allowed}`);
}
