// A candidate in JavaScript, which does what the one in Rust does (`../src/lib.rs`) when it is asked for the same paths.

import { campaign } from "../../../../wasm/js/campaign.js";

/** @param {object} rust the module, which has faults, too */
export const candidate = (rust) =>
  class Candidate extends campaign(rust) {
    #jobs = 0;
    /** When a job failed last, and when those did that it was told of: in ms since 1970. */
    #failedMs;
    #failures = [];
    /** Why work was told to end, and whether its leadership was over by then. */
    #ends = [];

    /** Of work that does not heed its signal: how often it was begun, how much is under way, and how much ever was; and what ends it. */
    #deaf = { begun: 0, now: 0, most: 0 };
    #hear;

    /** How often the alarm came, and how often it was set. */
    #alarms = { came: 0, set: 0 };

    constructor(ctx, env) {
      super(ctx, env);
      const set = ctx.storage.setAlarm.bind(ctx.storage);
      ctx.storage.setAlarm = (...args) => {
        this.#alarms.set++;
        return set(...args);
      };
    }

    get #id() {
      return this.ctx.id.name;
    }

    settings() {
      const id = this.#id;
      if (id === "nobody") return { key: "", id };
      if (id === "endless") return { key: "k", id, ttlMs: Infinity };
      if (id === "unnumbered") return { key: "k", id, schedule: { cron: "* * * * *", makeUpMs: NaN } };
      if (id === "lazy") return { key: "k", id, ttlMs: () => 5_000 };
      const ttlMs = id.startsWith("patient") ? 60_000 : 5_000;
      const schedule = { cron: "* * * * * *", name: "each second", makeUpMs: 600_000 };
      const timing = { ttlMs, renewIntervalMs: 500, retryIntervalMs: 500 };
      return { key: this.env.TEST_KEY ?? "campaign", id, ...timing, ...(id.startsWith("scheduled") ? { schedule } : {}) };
    }

    async work(leadership, scheduledMs) {
      const { term, signal } = leadership;
      if (this.#id === "deaf") {
        this.#deaf.begun++;
        this.#deaf.most = Math.max(this.#deaf.most, ++this.#deaf.now);
        await new Promise((end) => (this.#hear = end));
        this.#deaf.now--;
        return;
      }
      if (scheduledMs !== undefined) {
        if (await this.ctx.storage.get("failing")) {
          this.#failedMs = Date.now();
          throw new Error("it is to fail");
        }
        await this.ctx.storage.put("runs", [...(await this.#runs()), [scheduledMs, term]]);
        return;
      }
      // Longer than the lease lasts: it is renewed meanwhile. Or without an end.
      const isLong = this.#id.startsWith("long") && term === 1;
      if (this.#jobs === 0 && (isLong || this.#id.endsWith("busy"))) {
        const ended = new Promise((end) => signal.addEventListener("abort", end));
        await (isLong ? Promise.race([ended, scheduler.wait(6_000)]) : ended);
        if (signal.aborted) this.#ends.push([signal.reason.name, leadership.isValid()]);
      }
      this.#jobs++;
    }

    failed() {
      this.#failures.push(this.#failedMs);
    }

    async alarm() {
      this.#alarms.came++;
      if (!(await this.ctx.storage.get("dead"))) await super.alarm();
    }

    async #runs() {
      return (await this.ctx.storage.get("runs")) ?? [];
    }

    async fetch(request) {
      const [, , verb, scheduledMs] = new URL(request.url).pathname.split("/");
      try {
        return Response.json((await this.#told(verb, scheduledMs)) ?? null);
      } catch (error) {
        return new Response(`${error.name}: ${error.message}`, { status: 500 });
      }
    }

    async #told(verb, scheduledMs) {
      const { storage } = this.ctx;
      switch (verb) {
        case "start":
          return this.ensure();
        case "lead": {
          const lead = await (scheduledMs === undefined ? this.lead() : this.leadOnce(Number(scheduledMs), "test"));
          return lead && { term: lead.term, time_left_ms: lead.timeLeftMs };
        }
        case "resign":
          return this.resign();
        case "stop":
          return this.stop();
        case "changes":
          return storage.sql.exec("SELECT total_changes() AS changes").one().changes;
        case "alarm":
          return storage.getAlarm();
        case "alarms":
          return this.#alarms;
        case "die":
          return storage.put("dead", true);
        case "revive":
          return storage.delete("dead");
        case "fail":
          return storage.put("failing", true);
        case "heal":
          return storage.delete("failing");
        case "runs":
          return this.#runs();
        case "failures":
          return this.#failures;
        case "panic":
          return new rust.Fault().panic();
        case "jobs":
          return this.#jobs;
        case "deaf":
          return this.#deaf;
        case "hear":
          return this.#hear();
        case "ends":
          return this.#ends;
      }
    }
  };
