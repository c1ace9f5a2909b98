// A candidate that is a Durable Object, as a class to extend. What it does is decided in Rust (`src/campaign.rs`).

import { DurableObject } from "cloudflare:workers";

import { guard } from "./objects.js";

const named = (name, message) => Object.assign(new Error(message), { name });

/** JSON would leave these away, or write `null`: then a default would be taken for what was meant. */
function told(name, value) {
  const fits = typeof value === "number" ? Number.isFinite(value) : !["bigint", "function", "symbol"].includes(typeof value);
  if (fits) return value;
  throw named("InvalidSettings", `\`${name}\` is ${String(value)}, allowed is what JSON can tell: a text, a finite number, an object`);
}

/** The time in which an object leads, as its work sees it. */
class Leadership {
  #remainingMs;

  constructor(key, term, signal, remainingMs) {
    Object.assign(this, { key, term, slot: undefined, signal });
    this.#remainingMs = remainingMs;
  }

  isValid() {
    return this.#remainingMs() > 0;
  }

  remainingMs() {
    return this.#remainingMs();
  }
}

/** Leadership that is handed on to who asked. */
const shown = (lead) => (lead ? { term: lead[0], timeLeftMs: lead[1] } : null);

/**
 * @param {object} rust what `restarting` makes of a module that has lessor-worker with its feature `script` in it
 */
export function campaign(rust) {
  return class Campaign extends DurableObject {
    #core;
    /** The work that was begun last, until it has ended. */
    #working;

    /** Made when it is first asked for: a class that extends this one may use what it has. */
    get #rust() {
      return (this.#core ??= this.#open());
    }

    #open() {
      const { schedule, ...settings } = this.settings();
      if (schedule !== undefined) settings.schedule = typeof schedule === "string" ? { cron: schedule } : schedule;
      try {
        return new rust.CampaignCore(this.ctx, this.env, JSON.stringify(settings, told));
      } catch (error) {
        throw error?.name === "Error" ? named("InvalidSettings", error.message) : error;
      }
    }

    async alarm() {
      let end;
      const begin = (key, term, atMs) => {
        const controller = new AbortController();
        const leadership = new Leadership(key, term, controller.signal, () => this.#rust.remaining_ms(term));
        end = () => controller.abort(named("LeadershipLost", `term ${term} has ended, or is being handed over`));
        return [this.#work(leadership, atMs), end];
      };
      try {
        const [what, why, atMs] = (await guard(() => this.#rust.alarm(begin))) ?? [];
        // Thrown on, an alarm would be tried six times and then never again: the next one is set.
        if (what === "failed") this.failed(why, atMs);
        if (what === "lost") this.lost(why);
      } catch (error) {
        // A module that starts anew tells nobody.
        end?.();
        throw error;
      }
    }

    /** Never beside an earlier run of it, which may not heed its signal. */
    async #work(leadership, atMs) {
      while (this.#working) await this.#working;
      leadership.signal.throwIfAborted();
      const work = (async () => this.work(leadership, atMs))();
      const over = () => (this.#working = undefined);
      this.#working = work.then(over, over);
      return work;
    }

    failed(error, scheduledMs) {
      const of = scheduledMs === undefined ? "" : `for ${new Date(scheduledMs).toISOString()}: `;
      console.error(`${of}the work has failed:`, error);
    }

    lost(why) {
      console.warn(`the work was told to end: ${why}`);
    }

    lead() {
      return guard(async () => shown(await this.#rust.lead()));
    }

    leadOnce(scheduledMs, name = "schedule") {
      return guard(async () => shown(await this.#rust.lead_once(name, scheduledMs)));
    }

    ensure() {
      return guard(() => this.#rust.ensure());
    }

    resign() {
      return guard(() => this.#rust.resign());
    }

    stop() {
      return guard(() => this.#rust.stop());
    }
  };
}
