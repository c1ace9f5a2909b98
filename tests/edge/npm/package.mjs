// What is tested of the npm package, wherever it runs: each function gets the package, and fails by throwing.

import { expect, fails } from "./expect.mjs";

export * from "./network.mjs";
export * from "./tabs.mjs";

/** What a storage of JavaScript's own needs no more than. */
class Kept {
  #records = new Map();
  #judge;
  #listed;

  constructor({ judge, listed }) {
    this.#judge = judge;
    this.#listed = listed;
  }

  call(request) {
    if (request.list) return this.#listed(this.#records, request, Date.now());
    const [{ key }] = Object.values(request);
    const { reply, write } = this.#judge(this.#records.get(key), request, Date.now());
    if (write) this.#records.set(key, write);
    return reply;
  }
}

const storages = {
  http: ({ HttpStorage }, url, token) => new HttpStorage(url, { token }),
  browser: ({ BrowserStorage }) => new BrowserStorage(`test ${Math.random()}`),
  memory: ({ MemoryStorage }) => new MemoryStorage(),
  custom: (lessor) => lessor.Storage.of(new Kept(lessor)),
};

/** A storage as Rust asks it: by rows. */
const rows = (storage, { requestOf, repliedRow, leaseRow }) => ({
  async call(row) {
    const [operation, prefix, start, limit] = row;
    if (operation === "check") return storage.check();
    if (operation !== "list") return repliedRow(await storage.call(requestOf(row)));
    const { listed } = await storage.call({ list: { prefix: prefix || undefined, start: start ?? undefined, limit } });
    return ["listed", listed.keys.map(({ key, lease }) => [key, leaseRow(lease)]), listed.next];
  },
  subscribe: (key, wake) => storage.subscribe?.(key, wake),
  tells_all: storage.tellsAll === true,
});

/** The report of the contract. */
export function keepsTheContract(lessor, kind, url, token) {
  const unreachable = kind === "http" ? new lessor.HttpStorage("http://127.0.0.1:9", { token }) : undefined;
  const storage = rows(storages[kind](lessor, url, token), lessor.wire);
  return lessor.keeps_the_contract(storage, unreachable && rows(unreachable, lessor.wire), kind === "browser");
}

/** What candidates do, as the types say. */
export async function campaigns({ Candidate, MemoryStorage, Storage }) {
  const storage = new MemoryStorage();
  const candidate = new Candidate(storage, { key: "k", id: "one", value: "here", coolOffMs: 10, drainTimeoutMs: 5_000 });
  expect("what it is", [candidate.key, candidate.id, candidate.isLeader()], ["k", "one", false]);
  const events = candidate.events();

  // The work is begun again as it says, and told when it is to end.
  const seen = [];
  const stopping = new AbortController();
  const over = candidate.lead(
    async (leadership) => {
      const { term, key, slot, signal } = leadership;
      seen.push([term, key, slot, signal.aborted, leadership.isValid(), leadership.remainingMs() > 5_000]);
      if (seen.length === 1) return { againMs: 1 };
      if (seen.length === 2) return "resign";
      setTimeout(() => stopping.abort(), 10);
      await new Promise((ended) => signal.addEventListener("abort", ended));
      expect("why", [signal.reason.name, signal.reason.message], ["LeadershipLost", "term 2 is ending: a hand-over has begun"]);
      expect("while it ends", [leadership.isValid(), candidate.isLeader(), candidate.leadership()], [true, false, undefined]);
    },
    { signal: stopping.signal },
  );
  await over;
  expect("the work", seen, [1, 1, 2].map((term) => [term, "k", null, false, true, true]));
  const types = [];
  for await (const { type } of events) if (type !== "leader-changed") types.push(type);
  expect("events", types, ["elected", "ending", "lost", "elected", "ending", "lost", "stopped"]);
  expect("status", [candidate.status().role, candidate.status().running], ["stopped", false]);
  await fails("stopped", "Stopped", "was shut down", () => candidate.elected());
  const lease = await storage.get("k");
  expect("released", [lease.id, lease.term, lease.timeLeftMs, lease.value], [null, 2, 0, "here"]);
  expect("nobody's", await storage.get("other"), undefined);

  // What the work throws is thrown, when others may lead.
  const failing = new Candidate(storage, { key: "k", id: "two" });
  await fails("work that fails", "RangeError", "too far", () =>
    failing.lead(() => {
      throw new RangeError("too far");
    }),
  );
  await fails("an answer that is none", "InvalidSettings", 'allowed are nothing, "next-term"', () =>
    new Candidate(storage, { key: "k" }).lead(() => "go on"),
  );

  // A value, a hand-over to somebody, a revoke, the end of a scope.
  const [from, to] = ["from", "to"].map((id) => new Candidate(storage, { key: "h", id, retryIntervalMs: 50 }));
  const leader = await Promise.race([from, to].map(async (one) => ((await one.elected()), one)));
  const other = leader === from ? to : from;
  await leader.setValue("new");
  expect("the value", (await storage.get("h")).value, "new");
  await leader.resign(other.id);
  expect("the successor", (await other.elected()).term, 2);
  expect("a revoke", (await storage.revoke("h", { term: 2, now: true })).lease.id, other.id);
  expect("of a term that is over", await storage.revoke("h", { term: 2 }), {});
  await Promise.all([from, to].map((one) => one[Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]()));

  // Of three, two lead at once.
  const three = ["x", "y", "z"].map((id) => new Candidate(storage, { key: "s", id, slots: 2, retryIntervalMs: 50 }));
  await Promise.any(three.map((one) => one.elected()));
  while (three.filter((one) => one.isLeader()).length < 2) await new Promise((go) => setTimeout(go, 5));
  const slots = three.flatMap((one) => one.leadership()?.slot ?? []);
  expect("slots", slots.sort(), [0, 1]);
  await Promise.all(three.map((one) => one.shutdown()));

  // What is wrong is named.
  const make = (settings) => () => new Candidate(storage, settings);
  await fails("a field", "InvalidSettings", "unknown field `ttl`, expected one of `key`", make({ key: "k", ttl: 3 }));
  await fails("no key", "InvalidSettings", "missing field `key`", make({}));
  await fails("a short ttl", "InvalidSettings", "ttl", make({ key: "k", ttlMs: 5 }));
  await fails("no number", "InvalidSettings", "`ttlMs` is NaN", make({ key: "k", ttlMs: Number.NaN }));
  await fails("below nothing", "InvalidSettings", "`ttlMs` is -1", make({ key: "k", ttlMs: -1 }));
  await fails("too many slots", "InvalidSettings", "`slots` is 1001, allowed is a whole number from 1 to 1000", make({ key: "k", slots: 1001 }));
  await fails("an empty key", "InvalidSettings", "1 to 256 bytes", make(""));
  await fails("no storage", "InvalidSettings", "a storage is needed", () => new Candidate(undefined, "k"));
  await fails("no call", "InvalidSettings", "an object with a method `call`", () => new Candidate({}, "k"));
  await fails("no settings", "InvalidSettings", "a key at least", make());
  const gone = new AbortController();
  gone.abort(new RangeError("gone"));
  await fails("who waits no more", "RangeError", "gone", () => new Candidate(storage, "k").elected({ signal: gone.signal }));
  // A storage that fails says how.
  const broken = Storage.of({ call: () => Promise.reject(Object.assign(new Error("no disk"), { transient: false })) });
  await fails("a storage that fails", "StorageError", "no disk", () => broken.get("k"));
  // One that is built on another.
  class Counted extends Storage {
    asked = 0;
    call(request, options) {
      this.asked++;
      return storage.call(request, options);
    }
  }
  const counted = new Counted();
  expect("a term", (await counted.get("k")).term, (await storage.get("k")).term);
  expect("what it was asked", counted.asked, 1);
  const strange = Storage.of({ call: () => ({ yes: 1 }) });
  await fails("a strange one", "StorageError", 'has answered {"yes":1}, which is no reply', () => strange.get("k"));
}

/** Work and storages that do what nobody should. */
export async function endures({ Candidate, MemoryStorage, Storage }) {
  const storage = new MemoryStorage();
  const candidate = (key, settings) => new Candidate(storage, { key, retryIntervalMs: 50, ...settings });

  // Thrown is thrown, whatever it is; and nobody leads without its work.
  const failing = candidate("nothing");
  const thrown = await failing.lead(() => Promise.reject()).then(() => "nothing was thrown", (error) => error);
  expect("what was thrown", [thrown, failing.status().running], [undefined, false]);

  // A thread that stood still for longer than the term: work is not begun in what is over, and what it says of that is no failure.
  const slow = candidate("slow", { ttlMs: 4_000 });
  const begun = [];
  await slow.lead((leadership) => {
    begun.push([leadership.term, leadership.isValid()]);
    if (begun.length === 3) return "stop";
    const until = performance.now() + 3_700;
    while (performance.now() < until);
    if (begun.length === 2) throw new Error(`it is over: ${leadership.isValid()}`);
    return { againMs: 1 };
  });
  expect("where it was begun", begun, [
    [1, true],
    [2, true],
    [3, true],
  ]);
  const { term } = await candidate("late").elected();
  expect("others", term, 1);

  // Who waits no more leaves nothing behind.
  const [leader, follower] = [candidate("wait"), candidate("wait")];
  const led = await Promise.race([leader, follower].map(async (one) => (await one.elected(), one)));
  const other = led === leader ? follower : leader;
  await fails("who has never waited", "RangeError", "gone", () => other.elected({ signal: AbortSignal.abort(new RangeError("gone")) }));
  await fails("who waited a while", "TimeoutError", "", () => other.elected({ signal: AbortSignal.timeout(20) }));
  await Promise.all([leader, follower].map((one) => one.shutdown()));
  await fails("a value of who has stopped", "Stopped", "", () => led.setValue("v"));

  // Subscriptions that throw, or wake at once.
  const kept = new MemoryStorage();
  const odd = {
    call: (request) => kept.call(request),
    subscribe(key, wake) {
      wake();
      return () => {
        throw new Error("not again");
      };
    },
  };
  const over = new Candidate(odd, "k");
  await over.elected();
  await over.shutdown();

  // What is not waited for any more is told so; the release does not wait for the renewal before it.
  const [asked, ended] = [[], []];
  const slowly = {
    call(request, { signal }) {
      const [operation] = Object.keys(request);
      asked.push(operation);
      signal.addEventListener("abort", () => ended.push(operation));
      return operation === "renew" ? new Promise(() => {}) : kept.call(request);
    },
  };
  const hung = new Candidate(slowly, { key: "hung", ttlMs: 4_000, renewIntervalMs: 1 });
  await hung.elected();
  while (!asked.includes("renew")) await new Promise((go) => setTimeout(go, 1));
  await hung.shutdown();
  expect("what was given up", [asked.at(-1), ended], ["release", ["renew"]]);

  // Events that nobody takes any more.
  const told = candidate("told");
  const events = told.events();
  const pending = events.next().then(() => events.next()).then(() => events.next());
  await told.elected();
  await events.return();
  const last = await pending;
  expect("what comes then", (await events.next()).done || last.done, true);
  await told.shutdown();
  await fails("a strange storage", "StorageError", "which is no reply", () => Storage.of({ call: () => ({}) }).list());
}

/** The state machine by hand, with time that does not pass by itself. */
export function drives({ Election, judge }) {
  const election = new Election({ key: "k", id: "one", ttlMs: 10_000 }, 0);
  let record;
  let now = 0;
  let resigned = false;
  const events = [];
  for (;;) {
    const output = election.poll(now);
    if (output.type === "done") break;
    if (output.type === "event") events.push(output.event.type);
    if (output.type === "request") {
      if (!election.waitsFor(output.number)) throw new Error("nobody waits for a new request");
      const { reply, write } = judge(record, output.request, now);
      record = write ?? record;
      election.handle(now, { type: "reply", number: output.number, reply });
    }
    if (output.type === "timeout") {
      now = output.atMs;
      election.handle(now, { type: "timeout" });
      if (now > 20_000 && !resigned) {
        resigned = true;
        expect("it leads", [election.isLeader(now), election.status(now).term], [true, 1]);
        election.handle(now, { type: "stop" });
        election.handle(now, { type: "drained", term: 1 });
      }
    }
    if (now > 60_000) throw new Error("it goes on and on");
  }
  const kinds = [...new Set(events)];
  expect("events", kinds, ["elected", "leader-changed", "renewed", "ending", "lost", "stopped"]);
  const text = new TextDecoder().decode(record);
  if (!text.startsWith("lessor 1\nterm 1\n")) throw new Error(text);
}
