// A database that is being opened, or is open.

export class Opening {
  /** The database, when it is open. */
  database;
  /** Called when it cannot be used any more, or nobody knows whether it ever will be: then another one is opened. */
  onend = () => {};
  constructor(name, store) {
    this.database = this.#open(name, store);
    this.database.catch(() => {});
  }

  #open(name, store) {
    return new Promise((done, refused) => {
      const opening = indexedDB.open(name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(store);
      opening.onerror = () => refused(opening.error);
      opening.onsuccess = () => {
        const database = opening.result;
        database.onclose = () => this.onend();
        // Another tab deletes it, or has a newer version: whoever asks next opens it again.
        database.onversionchange = () => {
          database.close();
          this.onend();
        };
        done(database);
      };
    });
  }

  /** The database, unless the signal is aborted before it is there: browsers are known that never answer, and would once they are asked again. */
  async within(signal) {
    if (!signal) return this.database;
    let aborted;
    const given = new Promise((_, refused) => {
      aborted = () => refused(signal.reason);
      if (signal.aborted) aborted();
      signal.addEventListener("abort", aborted, { once: true });
    });
    try {
      return await Promise.race([this.database, given]);
    } catch (error) {
      if (signal.aborted) this.close();
      throw error;
    } finally {
      signal.removeEventListener("abort", aborted);
    }
  }

  /** Closes it, also if it comes later. What is under way is finished, and so is what others ask who have waited for it. */
  close() {
    this.onend();
    this.database.then(
      (database) => setTimeout(() => database.close()),
      () => {},
    );
  }
}
