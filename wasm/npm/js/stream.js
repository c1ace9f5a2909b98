// What happens to a candidate, one after the other, for who listens.

/** More than this are not kept for who does not take them. */
const KEPT = 1024;

const DONE = { done: true, value: undefined };

export class Stream {
  #events = [];
  #takers = [];
  #isOver = false;
  #end;

  /** `end` is called when nobody listens any more. */
  constructor(end) {
    this.#end = end;
  }

  /** Of renewals that follow each other only the newest is kept; of more than fits the oldest are counted. */
  push(event) {
    const events = this.#events;
    const last = events.at(-1);
    if (event.type === "renewed" && last?.type === "renewed" && last.term === event.term) events.pop();
    events.push(event);
    if (events.length > KEPT) {
      const [oldest, next] = events.splice(0, 2);
      const missed = ({ type, count }) => (type === "missed" ? count : 1);
      events.unshift({ type: "missed", count: missed(oldest) + missed(next) });
    }
    if (this.#takers.length > 0) this.#takers.shift()(this.#take());
  }

  #take() {
    const value = this.#events.shift();
    if (value.type === "stopped") this.#close();
    return { done: false, value };
  }

  #close() {
    this.#isOver = true;
    this.#end();
    for (const taker of this.#takers.splice(0)) taker(DONE);
  }

  next() {
    if (this.#events.length > 0 && !this.#isOver) return Promise.resolve(this.#take());
    if (this.#isOver) return Promise.resolve(DONE);
    return new Promise((taker) => this.#takers.push(taker));
  }

  return() {
    this.#close();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}
