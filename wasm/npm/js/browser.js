// Leases in a browser's own database: for the tabs and workers of one origin, without a server.

import { failed } from "./errors.js";
import { judge, listed } from "./judge.js";
import { Opening } from "./opening.js";
import { Parting } from "./parting.js";
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
  #opening;
  /** Hears the other tabs, while somebody subscribes. */
  #channel;
  #parting;
  #subscribers = new Subscribers();
  /** How many subscribe, and how many calls are under way: the database is open as long as there are any. */
  #users = 0;

  constructor(name = "leases") {
    super();
    this.#name = `lessor ${name}`;
    this.#parting = new Parting(name);
  }

  async check() {
    try {
      await this.#using(undefined, async () => {});
    } catch (error) {
      throw failed(error);
    }
  }

  subscribe(key, wake) {
    if (!this.#channel) {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = ({ data }) => this.#subscribers.wake(data);
      this.#parting.listen((request) => this.#using(undefined, (database) => this.#ask(database, request)));
    }
    const end = this.#subscribers.subscribe(key, wake);
    this.#users++;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      end();
      // A program may come to its end, and a database be deleted.
      if (this.#subscribers.keys().next().done) {
        this.#channel.close();
        this.#channel = undefined;
        this.#parting.ignore();
      }
      this.#left();
    };
  }

  async call(request, { signal } = {}) {
    // At once: the page may be gone before anything answers.
    const arrived = request.release && this.#parting.note(request);
    const reply = await this.#using(signal, (database) => this.#ask(database, request));
    arrived?.();
    return reply;
  }

  async #ask(database, request) {
    const [[operation, { key }]] = Object.entries(request);
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
    if (wakes) this.#wake(key);
    return reply;
  }

  #wake(key) {
    this.#subscribers.wake(key);
    // Whoever releases last of all may have nobody to listen any more.
    const channel = this.#channel ?? new BroadcastChannel(this.#name);
    channel.postMessage(key);
    if (channel !== this.#channel) channel.close();
  }

  /** What is done with the database, which stays open meanwhile. */
  async #using(signal, act) {
    this.#users++;
    try {
      return await act(await this.#open(signal));
    } finally {
      this.#left();
    }
  }

  #left() {
    this.#users--;
    if (this.#users > 0) return;
    this.#opening?.close();
    this.#opening = undefined;
  }

  async #open(signal) {
    if (this.#opening === undefined) {
      const opening = new Opening(this.#name, STORE);
      const forget = () => {
        if (this.#opening === opening) this.#opening = undefined;
      };
      opening.onend = forget;
      this.#opening = opening;
      // Before whatever is asked first: transactions take their turns.
      opening.database.then((database) => this.#parting.carryOut((request) => this.#ask(database, request)), forget);
    }
    return this.#opening.within(signal);
  }
}
