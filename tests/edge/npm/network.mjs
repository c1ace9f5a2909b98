// What is tested of the npm package over a service, or one that is not there.

import { expect, fails } from "./expect.mjs";

/** What `check` says. */
export async function checks({ HttpStorage }, url, token) {
  try {
    await new HttpStorage(url, { token }).check();
    return "it is there";
  } catch (error) {
    return `${error.name}${error.transient ? " (transient)" : ""}: ${error.message}`;
  }
}

/** Leads until so many tokens were asked for, each from this address and good for a moment; another one follows, and leads next. */
export async function outlivesTokens({ Candidate, HttpStorage }, url, tokens, key, count) {
  const asked = { one: 0, two: 0 };
  const candidate = (id) => {
    const token = async () => {
      asked[id]++;
      return (await fetch(tokens)).text();
    };
    return new Candidate(new HttpStorage(url, { token }), { key, id, ttlMs: 4_000 });
  };
  const one = candidate("one");
  const leadership = await one.elected();
  const two = candidate("two");
  while (asked.one < Number(count) || asked.two < Number(count) / 2) {
    await new Promise((go) => setTimeout(go, 100));
    expect("it leads", [leadership.isValid(), one.leadership().term], [true, leadership.term]);
  }
  await one.shutdown();
  const { term } = await two.elected();
  expect("the next term", term, leadership.term + 1);
  await two.shutdown();
  return asked;
}

/** What goes wrong with tokens that are asked for. */
export async function failingTokens({ HttpStorage }, url) {
  const check = (token, more) => new HttpStorage(url, { token, wakeups: false, ...more }).check();
  const failing = () => {
    throw new Error("the vault is sealed");
  };
  await fails("a source that fails", "StorageError", "there is no token: the vault is sealed", () => check(failing));
  await fails("no token", "StorageError", "there is no token: token is not allowed", () => check(() => "a b"));
  await fails("nothing", "StorageError", "there is no token: token is not allowed", () => check(() => ""));
  await fails("silence", "StorageError", "there is no token: no answer within 50 ms", () => check(() => new Promise(() => {}), { timeoutMs: 50 }));
  const bytes = new TextEncoder().encode("t0ken");
  for (const [what, is] of [[undefined, "undefined"], [null, "null"], [bytes, "of type Uint8Array"], [["t"], "of type Array"]]) {
    const says = `token is not allowed: it is ${is}, and not a string`;
    await fails(`the token ${is}`, "StorageError", `there is no token: ${says}`, () => check(async () => what));
    if (what !== undefined) await fails(`the setting ${is}`, "InvalidSettings", says, () => check(what));
  }
  let asked = 0;
  await fails("tokens that are refused", "StorageError", "unauthenticated (401)", () => check(() => `nobodys-${asked++}`));
  expect("once more, and no more", asked, 2);
  return "all of them";
}

/** Only a wake-up lets another lead before that. */
const PATIENT = { ttlMs: 30_000, retryIntervalMs: 30_000 };

/** One resigns, and the other is woken: in how many ms. */
export async function handsOver({ Candidate, HttpStorage }, url, token, key) {
  const candidate = (id) => new Candidate(new HttpStorage(url, { token }), { key, id, ...PATIENT });
  const one = candidate("one");
  const first = await one.elected();
  const two = candidate("two");
  for await (const event of two.events()) if (event.type === "leader-changed" && event.leader) break;
  expect("the leader", two.leader().id, "one");
  const began = performance.now();
  await one.resign();
  const second = await two.elected({ signal: AbortSignal.timeout(15_000) });
  const took = performance.now() - began;
  expect("the terms", [first.term, second.term], [1, 2]);
  const { keys } = await new HttpStorage(url, { token }).list({ prefix: key });
  expect("the list", keys.map(({ key, lease }) => [key, lease.id, lease.ttlMs]), [[key, "two", 30_000]]);
  await Promise.all([one.shutdown(), two.shutdown()]);
  return took;
}

/** Over a service that says nothing: what nobody waits for leaves the way free. */
export async function givesUp({ HttpStorage }) {
  const { fetch } = globalThis;
  const under = [];
  globalThis.fetch = (url, { signal }) =>
    new Promise((_, refused) => {
      under.push(signal);
      signal.addEventListener("abort", () => refused(signal.reason));
    });
  try {
    const storage = new HttpStorage("https://h", { token: "t", wakeups: false });
    const controllers = [1, 2, 3].map(() => new AbortController());
    const asked = controllers.map(async ({ signal }, key) => {
      await new Promise((go) => setTimeout(go, 10 * key));
      return storage.call({ get: { key: String(key) } }, { signal });
    });
    const failed = Promise.allSettled(asked);
    while (under.length < 2) await new Promise((go) => setTimeout(go, 1));
    await new Promise((go) => setTimeout(go, 50));
    expect("the third waits for its turn", under.length, 2);
    controllers[0].abort();
    while (under.length < 3) await new Promise((go) => setTimeout(go, 1));
    for (const controller of controllers) controller.abort();
    expect("each fails", (await failed).map(({ reason }) => reason.name), ["StorageError", "StorageError", "StorageError"]);
    // Nor do the questions of an operator, which hang, stand in a candidate's way.
    under.length = 0;
    const shared = new HttpStorage("https://h", { token: "t", wakeups: false, timeoutMs: 60_000 });
    for (const key of ["a", "b"]) {
      void shared.get(key).catch(() => {});
      await new Promise((go) => setTimeout(go, 10));
    }
    expect("two questions", under.length, 2);
    const renewing = new AbortController();
    const renewal = shared.call({ get: { key: "k" } }, { signal: renewing.signal }).catch(({ name }) => name);
    for (const began = performance.now(); under.length < 3 && performance.now() < began + 5_000; ) await new Promise((go) => setTimeout(go, 5));
    expect("what a candidate asks goes out at once", under.length, 3);
    renewing.abort();
    expect("and is given up", await renewal, "StorageError");
    globalThis.fetch = async () => new Response('{"status": "up"}', { headers: { "content-type": "application/json" } });
    await fails("another service", "StorageError", "that no lease service answers: check the url", () => storage.check());
    await fails("another service", "StorageError", "application/json that no lease service answers", () => storage.get("k"));
    globalThis.fetch = async () => new Response("null");
    await fails("nothing", "StorageError", "that no lease service answers", () => storage.check());
    globalThis.fetch = async () => Response.redirect("https://elsewhere.example.com/leases/v1?token=s3cret");
    await fails("elsewhere", "StorageError", "at https://elsewhere.example.com/leases: if that is right, make it the url (302)", () => storage.check());
  } finally {
    globalThis.fetch = fetch;
  }
  for (const timeoutMs of [0, 1.5, "5000", Infinity]) {
    await fails("a timeout", "InvalidSettings", "`timeoutMs` is ", () => new HttpStorage("https://h", { token: "t", timeoutMs }));
  }
}

/** A socket lasts for as long as it answers, however late timers ring; one that does not answer is given up at the next look. */
export async function keepsItsSocket({ HttpStorage }) {
  const { WebSocket, setTimeout, clearTimeout, performance } = globalThis;
  const sockets = [];
  class Socket extends EventTarget {
    readyState = 0;
    answers = true;
    pings = 0;
    constructor() {
      super();
      sockets.push(this);
    }
    happen(type, more) {
      this.dispatchEvent(Object.assign(new Event(type), more));
    }
    send(data) {
      if (data === "ping") this.pings++;
      const asked = data === "ping" ? undefined : JSON.parse(data);
      const said = asked ? JSON.stringify({ watched: { number: asked.watch.number } }) : "pong";
      if (this.answers) this.happen("message", { data: said });
    }
    close() {
      this.readyState = 3;
    }
  }
  let [now, timer] = [0, undefined];
  globalThis.WebSocket = Socket;
  globalThis.setTimeout = (act, ms) => ((timer = { act, dueMs: now + ms }), 1);
  globalThis.clearTimeout = () => (timer = undefined);
  Object.defineProperty(globalThis, "performance", { value: { now: () => now }, configurable: true, writable: true });
  /** The next timer rings, at the full minute, as in a page that nobody sees. */
  const ring = async () => {
    const { act, dueMs } = timer;
    timer = undefined;
    now = Math.ceil(dueMs / 60_000) * 60_000 + 5;
    act();
    for (let turn = 0; turn < 10; turn++) await undefined;
  };
  const open = () => {
    sockets.at(-1).readyState = 1;
    sockets.at(-1).happen("open");
  };
  try {
    const storage = new HttpStorage("https://h", { token: "t" });
    const end = storage.subscribe("k", () => {});
    for (let turn = 0; turn < 10; turn++) await undefined;
    open();
    for (let minute = 0; minute < 10; minute++) await ring();
    expect("one socket, asked each time", [sockets.length, sockets[0].pings], [1, 10]);
    sockets[0].answers = false;
    await ring();
    expect("it is asked once more", [sockets.length, sockets[0].readyState], [1, 1]);
    await ring();
    expect("it is dead", [sockets.length, sockets[0].readyState], [1, 3]);
    await ring();
    open();
    expect("another one", [sockets.length, sockets[1].readyState], [2, 1]);
    end();
    expect("nobody listens", [sockets[1].readyState, timer], [3, undefined]);
  } finally {
    Object.assign(globalThis, { WebSocket, setTimeout, clearTimeout });
    Object.defineProperty(globalThis, "performance", { value: performance, configurable: true, writable: true });
  }
}
