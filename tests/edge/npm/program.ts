// What somebody writes in TypeScript: it has to compile, strictly, by the package's types.

import { BrowserStorage, Candidate, Election, HttpStorage, MemoryStorage, Storage, judge, listed } from "lessor";
import type { CustomStorage, Event, InvalidSettings, Lease, Leadership, Reply, Request, Settings, Status, StorageError, Stopped, Then } from "lessor";

const settings: Settings = { key: "k", ttlMs: 15_000, slots: 2 };
const storages: (Storage | CustomStorage)[] = [
  new HttpStorage(new URL("https://leases.example.com"), { token: "t", timeoutMs: 1000, wakeups: false }),
  new HttpStorage("https://leases.example.com", { token: async () => "t" }),
  new HttpStorage("https://leases.example.com", { token: () => "t" }),
  new MemoryStorage(),
  new BrowserStorage(),
];

class Mine implements CustomStorage {
  #records = new Map<string, Uint8Array>();

  call(request: Request) {
    if ("list" in request) return listed(this.#records, request, Date.now());
    const { key } = Object.values(request)[0] as { key: string };
    const { reply, write, wakes } = judge(this.#records.get(key), request, Date.now());
    if (write) this.#records.set(key, write);
    if (wakes) console.log("wake", key);
    return reply;
  }
}

/** Counts what another storage is asked. */
class Counted extends Storage {
  asked = 0;
  readonly #of: Storage;
  override readonly tellsAll: boolean;

  constructor(of: Storage) {
    super();
    this.#of = of;
    this.tellsAll = of.tellsAll === true;
  }

  override call(request: Request, options?: { signal?: AbortSignal }): Promise<Reply> {
    this.asked++;
    return this.#of.call(request, options);
  }

  override subscribe(key: string, wake: () => void): () => void {
    return this.#of.subscribe?.(key, wake) ?? (() => {});
  }
}

export async function main(signal: AbortSignal): Promise<void> {
  await using candidate = new Candidate(storages[0] ?? Storage.of(new Mine()), settings);
  const work = async ({ term, slot, signal }: Leadership): Promise<Then> => {
    await fetch("https://example.com", { headers: { "fencing-term": String(term + (slot ?? 0)) }, signal });
    return { againMs: 5 };
  };
  try {
    await candidate.lead(work, { signal });
    await candidate.lead(() => {});
    await candidate.lead(() => "resign");
    // @ts-expect-error what comes then is none of these
    await candidate.lead(() => "go on");
  } catch (error) {
    const known = error as InvalidSettings | StorageError | Stopped;
    if (known.name === "StorageError") console.log(known.transient);
  }
  for await (const event of candidate.events() as AsyncIterable<Event>) {
    if (event.type === "lost") console.log(event.term, event.reason);
  }
  const counted = new Counted(new BrowserStorage());
  await new Candidate(counted, "k").elected({ signal });
  console.log(counted.asked, (await counted.get("k"))?.term);
  const status: Status = candidate.status();
  const lease: Lease | undefined = candidate.leader();
  console.log(status.role, lease?.timeLeftMs);
  // @ts-expect-error it has no such setting
  new Candidate(storages[0], { key: "k", ttl: 3 });

  const election = new Election({ key: "k", id: "a" }, performance.now());
  const output = election.poll(performance.now());
  if (output.type === "request") election.handle(performance.now(), { type: "failed", number: output.number, message: "no" });
}
