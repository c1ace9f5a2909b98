/**
 * Candidates that are Durable Objects of Cloudflare. No Rust is needed: it is compiled.
 *
 * Its types build on those of the platform: `wrangler types`, or the package `@cloudflare/workers-types`.
 *
 * @packageDocumentation
 */

import { DurableObject } from "cloudflare:workers";

import type { InvalidSettings, Leadership, Settings } from "../index.js";

export type { InvalidSettings, Leadership };

/** What a candidate of any kind is set by. */
type Common = "key" | "value" | "requestTimeoutMs" | "marginMs" | "drainTimeoutMs" | "coolOffMs" | "minHoldMs";

/** What a {@link Campaign} campaigns for. Durations are in milliseconds. */
export interface CampaignSettings extends Pick<Settings, Common> {
  /** The name that others see, 1 to 128 bytes, of this object alone: its own name, say. */
  id: string;
  /** The namespace of `LeaseObject` (`lessor/cloudflare/leases`): of this Worker, or the deployed service's, by `script_name`. Default `LEASES`. */
  binding?: string;
  /** If the service's variable `LESSOR_SHARDS` is set: the same. */
  shards?: number;
  /**
   * When the work is done: a cron expression in UTC, as those of cron triggers. Each time once, by whoever leads then; the latest one that was missed
   * is made up for, or each that was missed within `makeUpMs`. Schedules of one key are told apart by their `name`.
   *
   * Without one the work is done at every alarm of the leader, so about every `renewIntervalMs`.
   */
  schedule?: string | { cron: string; name?: string; makeUpMs?: number };
  /** How long a lease lasts, unless it is renewed. Default 30,000; others may take over that long after a failure. */
  ttlMs?: number;
  /** Default a third of the ttl: two alarms may be late. */
  renewIntervalMs?: number;
  /** How often a follower asks. Default a third of the ttl. */
  retryIntervalMs?: number;
}

/** Leadership that is handed on to another handler. */
export interface Lead {
  /** Send it along with every write. */
  term: number;
  /** For how long it lasted when it was asked for. Ask again later: nothing is written by that. */
  timeLeftMs: number;
}

/**
 * A candidate that is a Durable Object, to extend: no loop survives in a Worker, so its alarm is the sleep between two steps. It keeps its term through
 * eviction, restart and deployment, if they come between two events: an object that dies while its work is under way leaves a lease that has to run out.
 * `isValid()` goes by a clock that stands still while a Worker computes: after a long computation wait for something before you ask.
 *
 * ```ts
 * import { Campaign, type CampaignSettings, type Leadership } from "lessor/cloudflare/campaign";
 *
 * export class Nightly extends Campaign<Env> {
 *   settings(): CampaignSettings {
 *     return { key: "nightly-report", id: this.ctx.id.name!, schedule: "0 2 * * *" };
 *   }
 *
 *   async work({ term, signal }: Leadership, scheduledMs?: number) {
 *     const headers = { "fencing-term": String(term) };
 *     await fetch(`https://reports.example.com/${scheduledMs}`, { method: "PUT", headers, signal });
 *   }
 * }
 * ```
 *
 * The campaign begins with {@link ensure}: call it from a cron trigger, `env.NIGHTLY.getByName("weur").ensure()`, which is also what sets an alarm again
 * that was lost. An object has one campaign and one alarm. All its methods can be called over the binding.
 */
export abstract class Campaign<Env = unknown> extends DurableObject<Env> {
  /** Asked for before the first event. What does not fit fails that with {@link InvalidSettings}. */
  abstract settings(): CampaignSettings;
  /**
   * What the leader does. The signal is aborted when the term ends, or a hand-over begins: end then, somebody else may lead. Renewals go on meanwhile;
   * an alarm has 15 minutes.
   *
   * Work that does not end when its signal is aborted goes on beside the next leader's, and is not begun again in this object before it has ended.
   *
   * @param scheduledMs with a schedule, the time that it is for. It is done when this has ended without an error; after an error it is tried again,
   *   after 5 s, then after twice as long each time, up to 10 minutes. If the object dies in between it is done once more: let the target refuse a
   *   time that it has taken, and each term but the newest
   */
  abstract work(leadership: Leadership, scheduledMs?: number): void | Promise<void>;
  /** The work has thrown this. Logs it, unless it is overridden. */
  failed(error: unknown, scheduledMs?: number): void;
  /** The term has ended before the work had. Logs it, unless it is overridden. */
  lost(why: string): void;
  /** Begins the campaign if it has not begun, and sets an alarm again that was lost. */
  ensure(): Promise<void>;
  /** Whether this candidate leads; it asks the storage if it does not know. Of one that leads nothing is written or asked. */
  lead(): Promise<Lead | null>;
  /**
   * {@link lead}, once for each time: for a cron trigger, which may come twice. A time that is not later than the last one that was led for, by
   * whichever candidate, is not led for again.
   */
  leadOnce(scheduledMs: number, name?: string): Promise<Lead | null>;
  /** Hands over: work that is under way is told to end, and others may lead for the cool-off. Whether this candidate led. */
  resign(): Promise<boolean>;
  /** Ends the campaign, for a place that is given up: hands over, and sets no alarm any more. {@link ensure} begins another one. */
  stop(): Promise<void>;
  /** The platform's. */
  alarm(): Promise<void>;
}
