// The classes of the Durable Objects. They wait and carry; what they carry is decided in Rust, in calls that never wait.

import { DurableObject } from "cloudflare:workers";

// The one object that knows of all sockets.
export const WATCH = "watch";

// After how long the alarm looks whether a change was told: nearly always it was.
const TELL_AGAIN_MS = 1000;
const LONGEST_MS = 60_000;
/** The most characters of a message: a thousand keys. */
const LONGEST = 512 * 1024;
const SOCKETS = 10_000;
/** The code with which a socket is closed whose token has ended. */
const EXPIRED = 4401;
/** How many messages of a socket may wait for the one that is under way. */
const WAITING = 16;
/** How long an object may take to answer another one. */
const ANSWER_MS = 5_000;
/** How many leases are looked up at a time, for all sockets and lists together. */
const LOOKUPS = 16;

/** What fails when the module does: it is shared, and starts anew for whoever calls next. */
const underWay = new Set();

const trapped = (error) => {
  if (!(error instanceof WebAssembly.RuntimeError)) return;
  for (const fail of underWay) fail(new Error("the module starts anew after a panic", { cause: error }));
  underWay.clear();
};
addEventListener("error", (event) => trapped(event.error));

/** Takes back what was written. */
const undone = new Error("undone");

/** A call into Rust. It never waits, so nothing else of ours is inside. */
function call(act) {
  try {
    return act();
  } catch (error) {
    trapped(error);
    throw error;
  }
}

/** Lets so many run at a time; the others wait, in their order. */
function places(most) {
  const waiting = [];
  return async (act) => {
    if (most > 0) most--;
    else await new Promise((go) => waiting.push(go));
    try {
      return await act();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else most++;
    }
  };
}

/** What another object answers: one that hangs must not hold whoever asks it, and with that the places of others, for ever. */
async function within(name, answer) {
  const over = new AbortController();
  const late = async () => {
    await scheduler.wait(ANSWER_MS, { signal: over.signal });
    throw new Error(`the object ${name} has not answered within ${ANSWER_MS} ms`);
  };
  const tooLate = late();
  // Ended, it throws, too.
  tooLate.catch(() => {});
  try {
    return await Promise.race([answer, tooLate]);
  } finally {
    over.abort();
  }
}

/** What an event answers that waits inside of Rust. When a panic, of whatever, takes the module down it fails at once instead of never ending. */
export async function guard(answer) {
  let fail;
  const failure = new Promise((_, reject) => (fail = reject));
  underWay.add(fail);
  try {
    return await Promise.race([answer(), failure]);
  } catch (error) {
    trapped(error);
    throw error;
  } finally {
    underWay.delete(fail);
  }
}

/** Whether an object has a problem with what it was asked, and has done nothing of it. */
export const isProblem = (answer) => answer.startsWith('{"failed":');

/** The alarm of an object. */
class Alarm {
  #ctx;
  /** For when it is set, by what this instance knows. */
  #dueMs = null;

  constructor(ctx) {
    this.#ctx = ctx;
    ctx.blockConcurrencyWhile(async () => {
      this.#dueMs = await ctx.storage.getAlarm();
    });
  }

  rang() {
    this.#dueMs = null;
  }

  /** The earliest wins. Later is no hurry: the alarm looks again, and a renewal need not write it anew. */
  wakeAt(due) {
    const now = Date.now();
    // One that is long overdue was lost.
    const set = this.#dueMs !== null && this.#dueMs > now - LONGEST_MS;
    if (due === undefined || (set && this.#dueMs <= due)) return;
    // An alarm for this very moment can be lost.
    this.#dueMs = Math.max(due, now + 1);
    this.#ctx.waitUntil(this.#ctx.storage.setAlarm(this.#dueMs));
  }
}

/** When the token of who looks ends; 0: never by itself. */
const endOf = (looker) => Number(looker.split(" ", 5)[4]);

/**
 * A class of Durable Objects that is written in Rust and waits inside of it, such as a candidate: each of its events is guarded. The platform calls an
 * alarm that failed again.
 *
 * @param {object} Class as worker-build exports it
 */
export function guarded(Class) {
  return class extends DurableObject {
    #rust;

    constructor(ctx, env) {
      super(ctx, env);
      this.#rust = new Class(ctx, env);
    }

    fetch(request) {
      return guard(() => this.#rust.fetch(request));
    }

    alarm(info) {
      return guard(() => this.#rust.alarm(info));
    }

    webSocketMessage(socket, message) {
      return guard(() => this.#rust.webSocketMessage(socket, message));
    }

    webSocketClose(...args) {
      return guard(() => this.#rust.webSocketClose(...args));
    }

    webSocketError(...args) {
      return guard(() => this.#rust.webSocketError(...args));
    }
  };
}

/**
 * @param {object} rust the module that worker-build made of a crate that has lessor-worker in it, or what `restarting` makes of one
 */
export function objects(rust) {
  /** Holds the leases of one key, or of a shard of keys. Reached only through a binding: it trusts who asks. */
  class LeaseObject extends DurableObject {
    #leases;
    #alarm;
    /** The telling that is under way. */
    #telling;
    #failures = 0;

    constructor(ctx, env) {
      super(ctx, env);
      this.#open();
      this.#alarm = new Alarm(ctx);
    }

    #open() {
      this.#leases = call(() => new rust.Leases(this.ctx.storage.sql, this.ctx.id.name, this.env.LESSOR_SHARDS));
    }

    /**
     * Does an errand: its answers. `owner` is who asks, and what that may; over a binding, nobody, who may everything.
     */
    async run(errand, payload, owner = "") {
      // Where nobody keeps a list of keys, all are admitted.
      let done = this.#run(errand, payload, owner, this.env.WATCH ? undefined : "");
      if (done.unknown) {
        const admission = await within(WATCH, this.env.WATCH.getByName(WATCH).admit(done.unknown, owner));
        done = this.#run(errand, payload, owner, admission);
      }
      if (errand === "forget" && this.env.WATCH && !isProblem(done.answers[0])) await within(WATCH, this.env.WATCH.getByName(WATCH).drop(payload));
      return done.answers;
    }

    /** From the reading of the clock to the last write nothing is awaited: that makes it one step. */
    #run(errand, payload, owner, admission) {
      let answers, due, news, unknown;
      try {
        // All of it or nothing: a lease that was granted without a note of it would be told of to nobody.
        this.ctx.storage.transactionSync(() => {
          [answers, due, news, unknown] = call(() => this.#leases.run(Date.now(), errand, payload, owner, admission));
          if (unknown.length > 0) throw undone;
        });
      } catch (error) {
        if (error === undone) return { unknown };
        // It may remember a table that is not there any more.
        this.#open();
        throw error;
      }
      if (news && this.env.WATCH) {
        due = Math.min(due ?? Infinity, Date.now() + TELL_AGAIN_MS);
        this.ctx.waitUntil(this.#tell());
      }
      this.#alarm.wakeAt(due);
      return { answers };
    }

    /** For Workers that cannot call `run`: a list of requests as the body, the list of their replies. */
    async fetch(request) {
      const answers = await this.run("ask", await request.text());
      return new Response(`[${answers.join(",")}]`, { headers: { "content-type": "application/json" } });
    }

    /** Tells and tidies. No lease ends by it: each is judged by the clock when it is asked for. */
    async alarm() {
      this.#alarm.rang();
      try {
        this.#alarm.wakeAt(call(() => this.#leases.tidy(Date.now())));
      } catch (error) {
        // Thrown on, it would be tried six times and then never again.
        console.error("alarm", error);
        this.#alarm.wakeAt(Date.now() + LONGEST_MS);
      }
      await this.#tell();
    }

    /** Tells those who watch of all that is news, until there is none. */
    #tell() {
      this.#telling ??= this.#tellAll();
      return this.#telling;
    }

    /** What could not be told stays, and is told at the next change or alarm. */
    async #tellAll() {
      // It is not over before it is known to be under way.
      await undefined;
      try {
        for (let news; this.env.WATCH && (news = call(() => this.#leases.news(Date.now()))); ) {
          const [last, ...changes] = news;
          await within(WATCH, this.env.WATCH.getByName(WATCH).tell(changes));
          call(() => this.#leases.told(last));
        }
        this.#failures = 0;
      } catch (error) {
        console.error("tell", error);
        // Not all at once who failed at once.
        const pause = Math.min(TELL_AGAIN_MS * 2 ** this.#failures++, LONGEST_MS);
        this.#alarm.wakeAt(Date.now() + pause * (0.5 + Math.random() / 2));
      } finally {
        this.#telling = undefined;
      }
    }
  }

  /** Tells sockets of changes. It knows all keys, and no lease: those it asks for. */
  class WatchObject extends DurableObject {
    #watchers;
    /** Of sockets with messages: how many there are, and the last of them. */
    #lines = new Map();
    #lookups = places(LOOKUPS);
    #alarm;

    constructor(ctx, env) {
      super(ctx, env);
      this.#alarm = new Alarm(ctx);
      this.#watchers = call(() => new rust.Watchers(ctx.storage.sql, env.LESSOR_SHARDS));
      // After a restart the sockets are gone, and what they watched is not.
      const sockets = ctx.getWebSockets().map((socket) => socket.deserializeAttachment()?.id);
      call(() => this.#watchers.keep(JSON.stringify(sockets)));
      ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    }

    /** Admits keys that are used for the first time: nothing, or a problem. */
    admit(keys, owner) {
      return call(() => this.#watchers.admit(keys, owner));
    }

    /** Lists a key no more. */
    drop(key) {
      call(() => this.#watchers.drop_key(key));
    }

    /** How keys are spread over objects. */
    layout() {
      return call(() => this.#watchers.layout());
    }

    /** A socket of who looks, as `service.js` was told. */
    fetch(request) {
      if (this.ctx.getWebSockets().length >= SOCKETS) throw new Error("overloaded: too many sockets");
      const looker = request.headers.get("lessor-looker");
      const [name, most] = looker.split(" ");
      const of = `of ${name}`;
      if (this.ctx.getWebSockets(of).length >= Number(most)) {
        const detail = `the token has ${most} sockets, and no more are allowed`;
        const problem = { type: "too-many", status: 429, detail, retry_after_ms: TELL_AGAIN_MS };
        const headers = { "content-type": "application/problem+json", "retry-after": "1" };
        return new Response(JSON.stringify(problem), { status: 429, headers });
      }
      const [client, server] = Object.values(new WebSocketPair());
      const id = crypto.randomUUID();
      server.serializeAttachment({ id, looker });
      this.#alarm.wakeAt(endOf(looker) || undefined);
      this.ctx.acceptWebSocket(server, [id, of]);
      const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
      const headers = offered.includes("lessor.v1") ? { "sec-websocket-protocol": "lessor.v1" } : {};
      return new Response(null, { status: 101, webSocket: client, headers });
    }

    /** One after the other: a client that does not wait for answers has others wait for it no longer. */
    webSocketMessage(socket, message) {
      const { id, looker } = socket.deserializeAttachment();
      const line = this.#lines.get(id) ?? { count: 0, last: undefined };
      if (line.count > WAITING) {
        call(() => this.#watchers.forget(id));
        return socket.close(1008, "too many messages at once");
      }
      line.count++;
      this.#lines.set(id, line);
      const heard = (async () => {
        await line.last;
        await this.#hear(socket, id, looker, message);
        if (--line.count === 0) this.#lines.delete(id);
      })();
      line.last = heard;
      return heard;
    }

    /** Ends the sockets whose tokens have ended. */
    alarm() {
      this.#alarm.rang();
      for (const socket of this.ctx.getWebSockets()) {
        const { id, looker } = socket.deserializeAttachment();
        if (!this.#outlived(socket, id, looker)) this.#alarm.wakeAt(endOf(looker) || undefined);
      }
    }

    /** Whether it has outlived its token: then it ends. */
    #outlived(socket, id, looker) {
      const end = endOf(looker);
      if (end === 0 || Date.now() < end) return false;
      call(() => this.#watchers.forget(id));
      socket.close(EXPIRED, "the token has expired");
      return true;
    }

    async #hear(socket, id, looker, message) {
      const isOpen = () => socket.readyState === WebSocket.OPEN;
      // What it said before it was closed.
      if (!isOpen() || this.#outlived(socket, id, looker)) return;
      try {
        const text = typeof message === "string" && message.length <= LONGEST ? message : "";
        const [answer, partial, ...asks] = call(() => this.#watchers.hear(Date.now(), id, looker, text));
        const { entries, failed } = await this.#ask(asks);
        if (!isOpen()) return call(() => this.#watchers.forget(id));
        for (const state of entries) if (state) socket.send(JSON.stringify({ state }));
        // What could not be asked for is missing.
        socket.send(failed ? partial : answer);
      } catch (error) {
        // The client connects again, and asks again.
        console.error("watch", error);
        this.#watchers.forget(id);
        socket.close(1011, "failed");
      }
    }

    webSocketClose(socket) {
      call(() => this.#watchers.forget(socket.deserializeAttachment().id));
      // Many codes that come are never sent.
      socket.close(1000);
    }

    webSocketError(socket) {
      call(() => this.#watchers.forget(socket.deserializeAttachment().id));
    }

    /** Takes news from an object with leases: keys and changes, in turn. */
    tell(news) {
      // Sockets and places in the news, in turn.
      const told = call(() => this.#watchers.spread(news));
      for (let at = 0; at < told.length; at += 2) {
        for (const socket of this.ctx.getWebSockets(told[at])) {
          try {
            socket.send(news[told[at + 1]]);
          } catch (error) {
            // It is just closing; the others are to hear of it all the same.
            console.warn("tell", error);
          }
        }
      }
    }

    /**
     * A page of keys and their leases, as JSON; or a problem, in a list of one. What to list is a text of JSON, too; `before` is the key before the
     * first.
     */
    async list(looker, what, before = "") {
      const [after, next, ...asks] = call(() => this.#watchers.list(Date.now(), looker, what, before));
      if (next === undefined) return [after];
      const { entries, failed } = await this.#ask(asks);
      if (failed) throw failed;
      return JSON.stringify({ keys: entries, after, next });
    }

    /**
     * Asks objects, given as names, what to ask, and keys with their places, in turn: a key and its lease in each place,
     * and why one did not answer.
     */
    async #ask(asks) {
      const entries = [];
      const asked = [];
      let failed;
      for (let at = 0; at < asks.length; at += 3) {
        const [name, gets, keys] = asks.slice(at, at + 3);
        const answer = (told) => {
          told.forEach((text, number) => {
            const [key, place] = keys.slice(2 * number);
            entries[place] = { key, ...JSON.parse(text) };
          });
        };
        const failure = (error) => {
          failed = error;
        };
        const look = async () => {
          // Others have their turn in between: where all is in one process, what comes from outside would wait for the last of them.
          await scheduler.wait(1);
          return within(name, this.env.LEASES.getByName(name).run("ask", gets));
        };
        asked.push(this.#lookups(look).then(answer, failure));
      }
      await Promise.all(asked);
      return { entries, failed };
    }
  }

  return { LeaseObject, WatchObject };
}
