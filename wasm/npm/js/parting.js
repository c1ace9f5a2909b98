// Releases of pages that are closed: a database answers too late for them. They are noted where a page can write at once, and whoever is there next carries
// them out. That one comes twice does no harm: it gives up what its session holds, and a session is never used again once it was released.

/** Where a page can write at once. Workers have none, and where it is denied its lease has to run out. */
function notes() {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}

/** What may fail, as where there is no room: then it goes on without. */
function attempt(act) {
  try {
    return act();
  } catch {
    return undefined;
  }
}

export class Parting {
  #prefix;
  #listener;

  constructor(name) {
    this.#prefix = `lessor release ${JSON.stringify(name)} `;
  }

  /** A release is about to be sent: what is called when it has arrived. */
  note(request) {
    const { key, session } = request.release;
    const name = `${this.#prefix}${session} ${key}`;
    attempt(() => notes()?.setItem(name, JSON.stringify(request)));
    return () => attempt(() => notes()?.removeItem(name));
  }

  /** Carries out what other pages leave from now on. (This one's own notes are not told to it.) */
  listen(act) {
    if (!notes()) return;
    this.#listener = ({ key, newValue }) => {
      if (newValue !== null) this.#carryOut(key, act);
    };
    globalThis.addEventListener("storage", this.#listener);
  }

  ignore() {
    if (this.#listener) globalThis.removeEventListener("storage", this.#listener);
    this.#listener = undefined;
  }

  /** Carries out what pages have left. */
  carryOut(act) {
    for (const name of attempt(() => Object.keys(notes() ?? {})) ?? []) this.#carryOut(name, act);
  }

  #carryOut(name, act) {
    if (!name?.startsWith(this.#prefix)) return;
    const note = attempt(() => notes().getItem(name));
    const request = note && attempt(() => JSON.parse(note));
    // Anybody of this origin may write there: once is enough.
    const over = () => attempt(() => notes().removeItem(name));
    if (request?.release) act(request).then(over, over);
    else over();
  }
}
