// Leases in a browser's own database: for the tabs and workers of one origin, without a server.

import { failed } from "./errors.js";
import { judge, listed } from "./judge.js";
import { Storage, Subscribers } from "./storage.js";

const STORE = "leases";

/** What a request to the database says. */
const asked = (request) =>
  new Promise((done, refused) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => refused(request.error);
  });

/** A transaction that writes has the store for itself, in all tabs: that is the lock. */
export class BrowserStorage extends Storage {
  #name;
  #channel;
  #opening;
  #subscribers = new Subscribers();

  constructor(name = "leases") {
    super();
    this.#name = `lessor ${name}`;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.addEventListener("message", ({ data }) => this.#subscribers.wake(data));
  }

  async check() {
    try {
      await this.#open();
    } catch (error) {
      throw failed(error);
    }
  }

  subscribe(key, wake) {
    return this.#subscribers.subscribe(key, wake);
  }

  async call(request) {
    const [[operation, { key }]] = Object.entries(request);
    const database = await this.#open();
    const looks = operation === "get" || operation === "list";
    // What is lost with the power is lost for all tabs alike.
    const transaction = database.transaction(STORE, looks ? "readonly" : "readwrite", { durability: "relaxed" });
    const over = new Promise((done, refused) => {
      transaction.oncomplete = () => done();
      transaction.onabort = () => refused(transaction.error ?? new Error("the transaction was aborted"));
    });
    // Whoever looks hears of it by its own request.
    over.catch(() => {});
    const store = transaction.objectStore(STORE);
    if (operation === "list") {
      const [keys, records] = await Promise.all([asked(store.getAllKeys()), asked(store.getAll())]);
      return listed(keys.map((name, place) => [name, records[place]]), request, Date.now());
    }
    const record = await asked(store.get(key));
    // Now that nobody else can write. A browser may forget what it has stored, so terms go by its clock.
    const { reply, write, wakes } = judge(record, request, Date.now(), { mayLose: true });
    if (write) store.put(write, key);
    await over;
    if (wakes) {
      this.#subscribers.wake(key);
      this.#channel.postMessage(key);
    }
    return reply;
  }

  #open() {
    this.#opening ??= (async () => {
      const opening = indexedDB.open(this.#name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
      const database = await asked(opening);
      const forget = () => (this.#opening = undefined);
      database.onclose = forget;
      // Another tab deletes it, or has a newer version: whoever asks next opens it again.
      database.onversionchange = () => {
        database.close();
        forget();
      };
      return database;
    })();
    this.#opening.catch(() => (this.#opening = undefined));
    return this.#opening;
  }
}
