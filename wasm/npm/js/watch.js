// Wake-ups: one socket for all keys of a storage, while somebody subscribes.

import { Subscribers } from "./storage.js";

/** The most keys that a service watches for one socket, and of one message. */
const MOST = 1000;
const TOGETHER = 100;
/** How often a sign of life is asked for: the socket counts as dead when the last one has not come by then. (Nobody's clock: hidden pages are late.) */
const HEARTBEAT_MS = 30_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;

/** With nothing but what the name of a sub-protocol may have: a socket of JavaScript sends no headers. */
const escaped = (token) => token.replace(/[^A-Za-z0-9\-._~]/g, (letter) => `%${letter.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`);

export class Watch {
  #url;
  #token;
  #timeoutMs;
  #subscribers = new Subscribers();
  /** Who has which key, as it was told last, on whichever socket. */
  #turns = new Map();
  #socket;
  /** What the service watches on this socket, or refuses to. */
  #known = new Map();
  /** Parts of a refused message, to find out which keys are meant. */
  #parts = [];
  #asked;
  #number = 0;
  #paused = false;
  #pauseMs = 0;
  /** Whether a sign of life is waited for. */
  #pinged = false;
  #timer;

  constructor(url, token, timeoutMs) {
    this.#url = url;
    this.#token = token;
    this.#timeoutMs = timeoutMs;
  }

  subscribe(key, wake) {
    const end = this.#subscribers.subscribe(key, wake);
    if (this.#socket === undefined && this.#timer === undefined) void this.#connect();
    else this.#say();
    return () => {
      end();
      // A program may come to its end.
      if (this.#subscribers.keys().next().done) {
        this.#close();
        this.#turns.clear();
      } else this.#say();
    };
  }

  #close() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  async #connect() {
    // None other is made meanwhile.
    this.#later(this.#timeoutMs, () => this.#again());
    const timer = this.#timer;
    let token;
    try {
      token = await this.#token.newest();
    } catch {
      if (timer === this.#timer) this.#again();
    }
    if (timer !== this.#timer) return;
    this.#known.clear();
    this.#parts = [];
    this.#asked = undefined;
    this.#paused = false;
    this.#pinged = false;
    let socket;
    try {
      socket = new WebSocket(this.#url, ["lessor.v1", `lessor.bearer.${escaped(token)}`]);
    } catch {
      return this.#again();
    }
    this.#socket = socket;
    // Whatever comes of one that was given up is nobody's.
    const on = (event, act) => socket.addEventListener(event, (what) => socket === this.#socket && act(what));
    on("open", () => {
      this.#later(HEARTBEAT_MS, () => this.#beat());
      this.#say();
    });
    on("message", ({ data }) => this.#hear(data));
    on("close", () => this.#again());
  }

  #later(ms, act) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, ms);
  }

  /** Another socket, after a pause. */
  #again() {
    this.#close();
    this.#pauseMs = Math.min(Math.max(2 * this.#pauseMs, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
    this.#later(this.#pauseMs * (0.5 + Math.random() / 2), () => this.#connect());
  }

  #beat() {
    const overdue = this.#asked && ++this.#asked.age > 2;
    if (overdue || this.#pinged) return this.#again();
    // It has lasted for a while.
    this.#pauseMs = 0;
    this.#paused = false;
    this.#pinged = true;
    this.#socket.send("ping");
    this.#say();
    this.#later(HEARTBEAT_MS, () => this.#beat());
  }

  /** The next message, if there is anything to say: one at a time, since a refusal does not say which it is about. */
  #say() {
    if (this.#socket?.readyState !== 1 || this.#asked || this.#paused) return;
    const gone = [...this.#known].filter(([key, state]) => state === "watched" && !this.#subscribers.has(key)).map(([key]) => key);
    const keys = gone.length > 0 ? gone.slice(0, TOGETHER) : this.#next();
    if (keys.length === 0) return;
    const kind = gone.length > 0 ? "unwatch" : "watch";
    this.#number++;
    this.#asked = { number: this.#number, kind, keys, age: 0 };
    this.#socket.send(JSON.stringify({ [kind]: { number: this.#number, keys } }));
  }

  /** The keys to ask for next. Those without room are left for when there is some. */
  #next() {
    while (this.#parts.length > 0) {
      const part = this.#parts.pop().filter((key) => this.#subscribers.has(key));
      if (part.length > 0) return part;
    }
    const watched = [...this.#known.values()].filter((state) => state === "watched").length;
    const room = Math.min(TOGETHER, MOST - watched);
    const keys = [];
    for (const key of this.#subscribers.keys()) {
      if (keys.length === room) break;
      if (!this.#known.has(key)) keys.push(key);
    }
    return keys;
  }

  #hear(data) {
    this.#pinged = false;
    let told;
    try {
      told = JSON.parse(data) ?? {};
    } catch {
      // An answer to a ping.
      return;
    }
    const seen = told.state ?? told.change;
    if (seen) return this.#see(seen);
    if (told.failed) this.#failed(told.failed);
    else if (this.#asked && (told.watched ?? told.unwatched)?.number === this.#asked.number) this.#done();
    this.#say();
  }

  /**
   * A key that is in other hands than was known. Of one that was never told before nothing is known: whoever asked for it meanwhile may have seen
   * what was before.
   */
  #see({ key, lease }) {
    const turn = lease ? `${lease.term} ${lease.id}` : "";
    if (this.#turns.get(key) === turn) return;
    this.#turns.set(key, turn);
    this.#subscribers.wake(key);
  }

  #done() {
    const { kind, keys } = this.#asked;
    this.#asked = undefined;
    for (const key of keys) {
      if (kind === "watch") this.#known.set(key, "watched");
      else {
        this.#known.delete(key);
        this.#turns.delete(key);
      }
    }
  }

  /** Nothing of the message was done. One key that is not allowed must not cost the others their wake-ups. */
  #failed({ status }) {
    const asked = this.#asked;
    this.#asked = undefined;
    if (!asked) return;
    const { kind, keys } = asked;
    if (status === 429) {
      // It is said once more, after a heartbeat.
      this.#paused = true;
      if (kind === "watch") this.#parts.push(keys);
    } else if (kind === "unwatch") {
      for (const key of keys) this.#known.delete(key);
    } else if (keys.length > 1) {
      const half = Math.ceil(keys.length / 2);
      this.#parts.push(keys.slice(half), keys.slice(0, half));
    } else {
      this.#known.set(keys[0], "refused");
    }
  }
}
