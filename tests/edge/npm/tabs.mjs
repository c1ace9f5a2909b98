// What is tested of the npm package in browsers.

import { expect } from "./expect.mjs";

/** For another tab or worker: leads, and tells in which term. It goes on. */
export async function leadsOn({ BrowserStorage, Candidate }, name, id) {
  const candidate = new Candidate(new BrowserStorage(name), { key: "tab", id, ttlMs: 4_000, retryIntervalMs: 60_000, requestTimeoutMs: 1_000 });
  globalThis.candidates ??= [];
  globalThis.candidates.push(candidate);
  return (await candidate.elected()).term;
}

/** Ends those of `leadsOn`. */
export async function resigns() {
  await Promise.all(globalThis.candidates.map((candidate) => candidate.shutdown()));
}

/** For a page that is to be closed: leads, for longer than anybody waits, and hands over as the page goes, as the README has it. */
export async function leadsWhileOpen({ BrowserStorage, Candidate, HttpStorage }, kind, key, url, token) {
  const storage = kind === "http" ? new HttpStorage(url, { token }) : new BrowserStorage("closing");
  const candidate = new Candidate(storage, { key, ttlMs: 60_000, retryIntervalMs: 60_000 });
  addEventListener("pagehide", () => void candidate.shutdown());
  return (await candidate.elected()).term;
}

const soon = async (what, is) => {
  for (const began = performance.now(); !is(); ) {
    if (performance.now() > began + 10_000) throw new Error(`not within 10 s: ${what}`);
    await new Promise((go) => setTimeout(go, 5));
  }
};

/** A database that never answers is asked for again; if it comes after all, it is closed. */
export async function opensAgain({ BrowserStorage, Candidate }) {
  const { open } = IDBFactory.prototype;
  const hung = [];
  IDBFactory.prototype.open = function (...args) {
    if (hung.length === 2) return open.apply(this, args);
    hung.push({});
    return hung.at(-1);
  };
  try {
    const storage = new BrowserStorage(`test ${Math.random()}`);
    const candidate = new Candidate(storage, { key: "k", ttlMs: 4_000, requestTimeoutMs: 200, retryIntervalMs: 200 });
    const { term } = await candidate.elected({ signal: AbortSignal.timeout(15_000) });
    expect("what has hung", [hung.length, term > 0], [2, true]);
    let closed = 0;
    for (const late of hung) {
      late.result = { close: () => closed++ };
      late.onsuccess();
    }
    await soon("both are closed", () => closed === 2);
    expect("it goes on", (await storage.get("k")).term, term);
    await candidate.shutdown();
  } finally {
    IDBFactory.prototype.open = open;
  }
}

/** A storage that nobody uses has nothing open; one that nobody listens to wakes the others all the same. */
export async function leavesNothingOpen({ BrowserStorage, Candidate }) {
  const { BroadcastChannel } = globalThis;
  const { open } = IDBFactory.prototype;
  const { close } = IDBDatabase.prototype;
  let [channels, databases] = [0, 0];
  globalThis.BroadcastChannel = class extends BroadcastChannel {
    constructor(name) {
      super(name);
      channels++;
    }
    close() {
      channels--;
      super.close();
    }
  };
  IDBFactory.prototype.open = function (...args) {
    const opening = open.apply(this, args);
    opening.addEventListener("success", () => databases++);
    return opening;
  };
  IDBDatabase.prototype.close = function () {
    databases--;
    close.apply(this);
  };
  try {
    const name = `test ${Math.random()}`;
    const storage = new BrowserStorage(name);
    expect("nothing yet", [channels, databases], [0, 0]);
    const candidates = ["one", "two"].map((id) => new Candidate(storage, { key: "k", id, ttlMs: 60_000, retryIntervalMs: 60_000 }));
    const { term } = await Promise.race(candidates.map((candidate) => candidate.elected()));
    expect("one for both", [channels, databases], [1, 1]);
    let woken = 0;
    const end = new BrowserStorage(name).subscribe("k", () => woken++);
    expect("what was revoked", (await new BrowserStorage(name).revoke("k", { term, now: true })).lease.term, term);
    await soon("it is woken", () => woken > 0);
    end();
    end();
    await Promise.all(candidates.map((candidate) => candidate.shutdown()));
    await storage.get("k");
    await soon("nothing is open", () => channels === 0 && databases === 0);
  } finally {
    globalThis.BroadcastChannel = BroadcastChannel;
    IDBFactory.prototype.open = open;
    IDBDatabase.prototype.close = close;
  }
}
