/// <reference lib="esnext.disposable" />
/**
 * Leader election: many copies of a program run, and for each key exactly one of them acts. It knows by itself when it must stop, and has a fencing
 * term, which grows with each leader.
 *
 * All durations are in milliseconds. Errors have a `name`: {@link InvalidSettings}, {@link StorageError}, {@link Stopped}.
 *
 * @packageDocumentation
 */

/** What is wrong with settings, a key or a value: the message names the field, what was given and what is allowed. */
export interface InvalidSettings extends Error {
  name: "InvalidSettings";
}

/** A storage failed: whether it did what it was asked is open. */
export interface StorageError extends Error {
  name: "StorageError";
  /** It may pass by itself. If not, somebody has to change something. */
  transient: boolean;
}

/** The candidate has stopped: what was waited for does not come any more. */
export interface Stopped extends Error {
  name: "Stopped";
}

/** How a candidate campaigns. Only the key is needed. */
export interface Settings {
  /** What there is to be one leader of: 1 to 256 bytes. */
  key: string;
  /** What people call this candidate: 1 to 128 bytes. Default: a random one. */
  id?: string;
  /** What is published with the lease, such as an address: at most 4,096 bytes. */
  value?: string;
  /** How long a grant or a renewal lasts: a crashed leader is mostly replaced when this is over. Default 10 s; at least 3.6 s. */
  ttlMs?: number;
  /** From one renewal to the next. Default: a fifth of the ttl. */
  renewIntervalMs?: number;
  /** The longest that a follower waits before it asks again. Default: a fifth of the ttl, or all of it where the storage tells of everything. */
  retryIntervalMs?: number;
  /** How long one request may take before it counts as failed. Default: a fifth of the ttl. */
  requestTimeoutMs?: number;
  /** By how much a leader stops before its lease ends in the storage. Default: a tenth of the ttl. */
  marginMs?: number;
  /** How long the end of a term waits for work of `lead`. Default: the ttl. */
  drainTimeoutMs?: number;
  /** For how long a candidate that resigned lets others lead. Default: twice the retry interval, if that is set, or two fifths of the ttl. */
  coolOffMs?: number;
  /** How long a term is held at least, even if its leader resigns or stops. Default 0. */
  minHoldMs?: number;
  /** How long a follower waits beyond the end of another's expired lease. Default 0. */
  takeoverDelayMs?: number;
  /** For how long the key has to be free before this candidate claims it: others go first. Default: its rank times the cool-off. */
  claimDelayMs?: number;
  /** Whether a follower judges an expired lease by its own clock too. Default false. */
  takeoverGuard?: boolean;
  /** After how many failed renewals in a row a leader steps down. Default: when its time is over. */
  fallBackAfter?: number;
  /** 0 goes first; those of a higher rank leave the key to lower ones, as long as there are any. Default 0. */
  rank?: number;
  /** How many may lead at once, in slots 0 to count - 1. All candidates of the key say the same. */
  slots?: number;
}

/** What others may see of a key, as it was when the storage answered. */
export interface Lease {
  /** Who was granted it, also after it has expired. `null`: it was released or revoked. */
  id: string | null;
  term: number;
  /** Moves at every write. */
  version: number;
  ttlMs: number;
  /** 0: expired or released. Above 0 where nobody has it: reserved, or revoked, for so long. */
  timeLeftMs: number;
  /** How long ago the term was granted. */
  ageMs: number | null;
  value: string | null;
}

/** The time in which a candidate leads. */
export interface Leadership {
  /** Send it along with every write, and let the resource refuse older ones. 1 to 2^53 - 1. */
  readonly term: number;
  readonly key: string;
  /** With `slots`: which of them. */
  readonly slot: number | undefined;
  /**
   * Aborted when a hand-over begins, or the term ends: its reason is an error with the name `LeadershipLost`. Hand it to whatever the work waits
   * for. It comes late where the thread was busy, or the page asleep: {@link isValid} asks the clock.
   */
  readonly signal: AbortSignal;
  /** Whether the term still lasts, by the clock, right now. (In a Worker of Cloudflare: as it was when something was waited for last, since its clock stands still while it computes.) */
  isValid(): boolean;
  /** For how long it lasts, unless it is renewed. */
  remainingMs(): number;
}

/**
 * What comes after work that has ended:
 *
 * - nothing, or `"next-term"`: it is begun again in the next term of this candidate, which goes on leading until then;
 * - `{ againMs }`: it is begun again after this pause, in this term, if that lasts;
 * - `"resign"`: others lead for the cool-off, and then perhaps this one again;
 * - `{ failed }`: the same;
 * - `"stop"`: the candidate stops.
 */
export type Then = void | undefined | null | "next-term" | "resign" | "stop" | { againMs: number } | { failed: string };

export type Role = "observer" | "follower" | "leader" | "ending" | "cooling_off" | "stopped";

/** Why a term ended. */
export type LostReason =
  | "expired"
  | "superseded"
  | "failures"
  | "resigned"
  | "stopped"
  | "clock_went_back"
  | "driver_dropped"
  | (string & {});

/** How a candidate is: for health checks. */
export interface Status {
  role: Role;
  term: number | null;
  slot: number | null;
  /** Until the present term ends, unless it is renewed. */
  timeLeftMs: number | null;
  /** Whether renewals of the present term are failing. */
  jeopardy: boolean;
  leader: Lease | null;
  /** How long ago the storage last gave a clear answer. */
  sinceSuccessMs: number | null;
  /** How many requests in a row have failed. */
  failures: number;
  lastError: string | null;
  /** Whether it still goes. */
  running: boolean;
  /** By how much it is late with its next step: where this is above the ttl, the thread is blocked or the page asleep. */
  overdueMs: number;
}

/** What happens to a candidate. There may be types to come: leave alone what is not known. */
export type Event =
  | { type: "leader-changed"; leader: Lease | null }
  | { type: "elected"; term: number; slot: number | null; timeLeftMs: number }
  | { type: "renewed"; term: number; timeLeftMs: number }
  | { type: "jeopardy"; term: number; timeLeftMs: number }
  | { type: "ending"; term: number; reason: LostReason }
  | { type: "lost"; term: number; reason: LostReason }
  | { type: "storage-failed"; operation: string; message: string; transient: boolean }
  | { type: "missed"; count: number }
  | { type: "stopped" }
  | { type: "other" };

/**
 * One participant in the election for a key. It campaigns from when it is made, by itself, until {@link shutdown}.
 *
 * ```ts
 * const candidate = new Candidate(storage, "nightly-report");
 * await candidate.lead(async ({ term, signal }) => {
 *   await fetch("/reports", { method: "POST", headers: { "fencing-term": String(term) }, signal });
 *   return { againMs: 60_000 };
 * });
 * ```
 */
export class Candidate {
  /** @throws InvalidSettings */
  constructor(storage: Storage | CustomStorage, settings: Settings | string);
  readonly key: string;
  readonly id: string;
  /** Whether it leads and takes on new work, by the clock, right now. Turns false by itself at the deadline. */
  isLeader(): boolean;
  /** The present leadership, without waiting: for schedulers. */
  leadership(): Leadership | undefined;
  /** Who leads as far as this candidate knows, itself included. */
  leader(): Lease | undefined;
  status(): Status;
  /**
   * Waits until it leads; at once if it does. For work in each term there is {@link lead}.
   *
   * @throws Stopped; the signal's reason
   */
  elected(options?: { signal?: AbortSignal }): Promise<Leadership>;
  /**
   * Does this work whenever the candidate leads, until it is stopped. When a hand-over begins, or the term ends, the leadership's signal is aborted;
   * the lease is released when the work has ended, or after the drain timeout. What the work answers says what comes {@link Then | then}.
   *
   * Let the work answer `"resign"` or `"stop"` rather than call {@link resign} or {@link shutdown} itself: those wait for its end.
   *
   * Work that does not end when its signal is aborted goes on beside the next leader's, and is not begun again before it has ended.
   *
   * An error that the work throws is thrown here, once the candidate has handed over and stopped: nobody would do the work. What it throws when its
   * signal is aborted is no error.
   *
   * @param options `signal`: when it is aborted the candidate hands over and stops, and this ends without an error
   * @throws what the work throws
   */
  lead(work: (leadership: Leadership) => Then | Promise<Then>, options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Hands over: ends the term, releases the lease and lets others lead for the cool-off; or reserves the key for this candidate. Does nothing if
   * it does not lead.
   */
  resign(successor?: string): Promise<void>;
  /** Stops for good: ends the term and releases the lease. */
  shutdown(): Promise<void>;
  /**
   * Publishes a value with the lease, now and in terms to come. Waits, while it leads, until the storage has it or the term has ended.
   *
   * @throws Stopped
   */
  setValue(value: string | undefined): Promise<void>;
  /** What happens from now on, beginning with the present state. */
  events(): AsyncIterableIterator<Event>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Leases, as operators see them. A class that extends this one, such as one that counts what another storage is asked, has a `call`, and hands on the rest
 * as well: without `subscribe` a follower asks at its retry interval.
 */
export abstract class Storage {
  /** Of a storage that is written in JavaScript. */
  static of(storage: CustomStorage): Storage;
  /** Whether it can be reached, and the token may campaign. @throws StorageError */
  check(): Promise<void>;
  get(key: string): Promise<Lease | undefined>;
  /** Keys in the order of their bytes, at most 1,000. The next page begins with `next`. */
  list(options?: { prefix?: string; start?: string; limit?: number }): Promise<{ keys: { key: string; lease: Lease | undefined }[]; next?: string }>;
  /**
   * Takes the lease from its holder, in a new term. Nobody is granted it before that lease would have ended, unless `now`: for a holder that is
   * known to be gone. Name the term that is meant: then a late request takes nothing from a successor.
   */
  revoke(key: string, options?: { term?: number; now?: boolean }): Promise<{ term?: number; lease: Lease | undefined }>;
  /** Any request, as the lease service's API has them in a batch. The signal is aborted when nobody waits for it any more. */
  abstract call(request: Request, options?: { signal?: AbortSignal }): Promise<Reply>;
  /** Calls this when the key was granted, released or revoked, by whomever, until what it answers is called. Missing: it wakes nobody. */
  subscribe?(key: string, wake: () => void): () => void;
  /** Whether it wakes at everything that happens, whoever does it: then followers hardly ask. */
  readonly tellsAll?: boolean;
}

/** A lease service: in pages (its `LESSOR_ORIGINS` has to name their origin), workers, Node, Deno, Bun, and other Workers. */
export class HttpStorage extends Storage {
  /**
   * What a page releases as it is closed is sent all the same.
   *
   * @param url `https`, or `http` on this machine
   * @param settings `token`: or a function that gives the token of the moment, which may be one that it has kept: it is asked for the first request,
   *   whenever the service refuses the last token, and for each socket. `timeoutMs` of a request, default 30 s; `wakeups`, default true: over one WebSocket, where there are any (Node has them since
   *   version 22)
   * @throws InvalidSettings
   */
  constructor(url: string | URL, settings: { token: string | (() => string | Promise<string>); timeoutMs?: number; wakeups?: boolean });
  call(request: Request, options?: { signal?: AbortSignal }): Promise<Reply>;
}

/** Leases in memory, of this module alone: for tests. */
export class MemoryStorage extends Storage {
  constructor();
  call(request: Request, options?: { signal?: AbortSignal }): Promise<Reply>;
  subscribe(key: string, wake: () => void): () => void;
}

/**
 * Leases in the browser's own database, for all tabs and workers of an origin: without a server. A browser that throws the database away while a
 * tab leads lets another lead beside it until the first one's next renewal.
 *
 * The database is open while somebody subscribes, as candidates do, or a call is under way. What a page releases as it is closed stands in its
 * `localStorage` until another page, or the next one, has carried it out.
 */
export class BrowserStorage extends Storage {
  /** @param name tells storages of one origin apart; default `leases` */
  constructor(name?: string);
  call(request: Request, options?: { signal?: AbortSignal }): Promise<Reply>;
  subscribe(key: string, wake: () => void): () => void;
}

/** A request, as the lease service's API has them in a batch: an object with one field, named after the operation. */
export type Request = { [operation: string]: unknown };

/** A reply, as the lease service's API has them in a batch. */
export type Reply = { [operation: string]: unknown };

/** A storage that is written in JavaScript. It may decide by {@link judge}. */
export interface CustomStorage {
  /**
   * Answers a request, in one step that nothing comes between. What it throws leaves open what happened; `transient: false` in it says that it
   * lasts. The signal is aborted when nobody waits for it any more.
   */
  call(request: Request, options?: { signal?: AbortSignal }): Reply | Promise<Reply>;
  check?(): void | Promise<void>;
  /** Calls this when the key was granted, released or revoked, by whomever, until what it answers is called. */
  subscribe?(key: string, wake: () => void): () => void;
  /** Whether it wakes at everything that happens, whoever does it: then followers hardly ask. */
  tellsAll?: boolean;
}

/**
 * Judges a request by the record of its key, under whatever lock the storage has: the reply, and what is to be written.
 *
 * @param record as it was last written; `undefined`: there is none
 * @param nowMs the storage's clock, read under the lock
 * @param options `mayLose`: the storage may lose what it has acknowledged, so terms go by its clock
 */
export function judge(
  record: Uint8Array | undefined,
  request: Request,
  nowMs: number,
  options?: { mayLose?: boolean },
): { reply: Reply; write: Uint8Array | undefined; wakes: boolean };

/** The reply to a request for a list, of all records of a storage, in any order. */
export function listed(records: Iterable<[key: string, record: Uint8Array]>, request: Request, nowMs: number): Reply;

/** What an {@link Election} is told. */
export type Input =
  | { type: "timeout" | "wakeup" | "stop" }
  | { type: "reply"; number: number; reply: Reply }
  | { type: "failed"; number: number; message: string }
  | { type: "set-value"; value: string | null; serial: number }
  | { type: "drained"; term: number }
  | { type: "resign"; to?: string };

/** What an {@link Election} wants done. */
export type Output =
  | { type: "request"; number: number; request: Request }
  | { type: "event"; event: Event }
  | { type: "timeout"; atMs: number }
  | { type: "done" };

/**
 * The state machine alone: no clock, no requests of its own. Hand in what happened; then take outputs, until one is `timeout` or `done`; then wait until
 * that instant, or until something happens.
 */
export class Election {
  /** @param settings with an `id`; @param nowMs by a clock that never goes back */
  constructor(settings: Settings & { id: string }, nowMs: number);
  handle(nowMs: number, input: Input): void;
  poll(nowMs: number): Output;
  /** Whether this request is still waited for; else let it go. */
  waitsFor(number: number): boolean;
  isLeader(nowMs: number): boolean;
  status(nowMs: number): Status;
}
