// The classes of the Durable Objects. They wait and carry; what they carry is decided in Rust, in calls that never wait.

import { DurableObject } from "cloudflare:workers";

// The one object that knows of all sockets.
export const WATCH = "watch";

// After how long the alarm looks whether a change was told: nearly always it was.
const TELL_AGAIN_MS = 1000;
const LONGEST_MS = 60_000;

/**
 * @param {object} rust the module that worker-build made of a crate that has lessor-worker in it
 */
export function objects(rust) {
  /** Holds the leases of one key, or of a shard of keys. Reached only through a binding: it trusts who asks. */
  class LeaseObject extends DurableObject {
    #leases;
    /** When the alarm is set, by what this instance knows. */
    #alarm = null;
    #telling = false;
    #failures = 0;

    constructor(ctx, env) {
      super(ctx, env);
      this.#leases = new rust.Leases(ctx.storage.sql);
      ctx.blockConcurrencyWhile(async () => {
        this.#alarm = await ctx.storage.getAlarm();
      });
    }

    /** Does an errand. From the reading of the clock to the last write nothing is awaited: that makes it one step. */
    run(errand, payload) {
      const [answers, due, news] = this.#leases.run(Date.now(), errand, payload);
      this.#wakeAt(due);
      if (news && this.env.WATCH) {
        this.#wakeAt(Date.now() + TELL_AGAIN_MS);
        this.ctx.waitUntil(this.#tell());
      }
      return answers;
    }

    /** For Workers that cannot call `run`: a list of operations as the body, the list of their answers. */
    async fetch(request) {
      const answers = this.run("ask", await request.text());
      return new Response(`[${answers.join(",")}]`, { headers: { "content-type": "application/json" } });
    }

    /** Tells and tidies. No lease ends by it: each is judged by the clock when it is asked for. */
    async alarm() {
      this.#alarm = null;
      try {
        this.#wakeAt(this.#leases.tidy(Date.now()));
      } catch (error) {
        // Thrown on, it would be tried six times and then never again.
        console.error("alarm", error);
        this.#wakeAt(Date.now() + LONGEST_MS);
      }
      await this.#tell();
    }

    /** The earliest wins. Later is no hurry: the alarm looks again, and a renewal need not write it anew. */
    #wakeAt(due) {
      if (due === undefined || (this.#alarm !== null && this.#alarm <= due)) return;
      // An alarm for this very moment can be lost.
      this.#alarm = Math.max(due, Date.now() + 1);
      this.ctx.waitUntil(this.ctx.storage.setAlarm(this.#alarm));
    }

    /** Tells those who watch. What could not be told stays, and is told at the next change or alarm. */
    async #tell() {
      if (this.#telling || !this.env.WATCH) return;
      this.#telling = true;
      try {
        for (let news; (news = this.#leases.news(Date.now())); ) {
          const [last, ...changes] = news;
          await this.env.WATCH.getByName(WATCH).tell(changes);
          this.#leases.told(last);
        }
        this.#failures = 0;
      } catch (error) {
        console.error("tell", error);
        this.#wakeAt(Date.now() + Math.min(TELL_AGAIN_MS * 2 ** this.#failures++, LONGEST_MS));
      } finally {
        this.#telling = false;
      }
    }
  }

  /** Tells sockets of changes. It knows all keys, and no lease: those it asks for. */
  class WatchObject extends DurableObject {
    #watchers;

    constructor(ctx, env) {
      super(ctx, env);
      this.#watchers = new rust.Watchers(ctx.storage.sql, env.LESSOR_SHARDS);
      // After a restart the sockets are gone, and what they watched is not.
      this.#watchers.keep(ctx.getWebSockets().map((socket) => socket.deserializeAttachment().id));
      ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    }

    /** A socket of this caller, which `service.js` has checked. */
    fetch(request) {
      if (this.ctx.getWebSockets().length >= 10_000) throw new Error("overloaded: too many sockets");
      const [client, server] = Object.values(new WebSocketPair());
      const id = crypto.randomUUID();
      this.ctx.acceptWebSocket(server, [id]);
      server.serializeAttachment({ id, caller: request.headers.get("lessor-caller") });
      const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
      const headers = offered.includes("lessor.v1") ? { "sec-websocket-protocol": "lessor.v1" } : {};
      return new Response(null, { status: 101, webSocket: client, headers });
    }

    async webSocketMessage(socket, text) {
      try {
        const { id, caller } = socket.deserializeAttachment();
        const [answer, ...asks] = this.#watchers.hear(id, caller, typeof text === "string" ? text : "");
        for (const state of await this.#ask(asks)) socket.send(`{"state":${state}}`);
        socket.send(answer);
      } catch (error) {
        // The client connects again, and asks again.
        console.error("watch", error);
        socket.close(1011, "failed");
      }
    }

    webSocketClose(socket, code) {
      this.#watchers.forget(socket.deserializeAttachment().id);
      // These two are never sent.
      socket.close(code === 1005 || code === 1006 ? 1000 : code);
    }

    webSocketError(socket) {
      this.#watchers.forget(socket.deserializeAttachment().id);
    }

    /** Takes news from an object with leases: keys and changes, in turn. */
    tell(news) {
      const messages = this.#watchers.spread(news);
      for (let at = 0; at < messages.length; at += 2) {
        for (const socket of this.ctx.getWebSockets(messages[at])) {
          try {
            socket.send(messages[at + 1]);
          } catch (error) {
            // It is just closing; the others are to hear of it all the same.
            console.warn("tell", error);
          }
        }
      }
    }

    /** A page of keys and their leases. */
    async list(prefix, after, limit) {
      const [next, ...asks] = this.#watchers.list(prefix, after, limit);
      return `{"keys":[${await this.#ask(asks)}],"after":${next}}`;
    }

    /** Asks objects, given as names, what to ask, and keys, in turn: the JSON of a key and its lease for each. */
    async #ask(asks) {
      const answers = [];
      for (let at = 0; at < asks.length; at += 3) {
        const [name, gets, keys] = asks.slice(at, at + 3);
        const told = this.env.LEASES.getByName(name).run("ask", gets);
        // An answer is {"lease":..}: the key goes before it.
        answers.push(told.then((told) => told.map((lease, number) => `{"key":${keys[number]},${lease.slice(1)}`)));
      }
      return (await Promise.all(answers)).flat();
    }
  }

  return { LeaseObject, WatchObject };
}
