// The state machine alone, for who drives it.

import { ElectionCore } from "./core/lessor.js";
import { checked, invalid } from "./errors.js";
import { read } from "./settings.js";
import { shownEvent, shownStatus } from "./shown.js";
import { repliedRow, requestOf, whole } from "./wire.js";

export class Election {
  #core;

  constructor(settings, nowMs) {
    if (settings?.id === undefined) throw invalid("missing field `id`");
    const { row } = read(settings);
    this.#core = checked(() => new ElectionCore(row, nowMs, false, false));
  }

  handle(nowMs, input) {
    checked(() => {
      switch (input?.type) {
        case "reply":
          try {
            this.#core.replied(nowMs, input.number, repliedRow(input.reply));
          } catch (error) {
            if (error.name !== "StorageError") throw error;
            this.#core.failed(nowMs, input.number, error.message, error.transient);
          }
          return;
        case "failed":
          return this.#core.failed(nowMs, input.number, String(input.message), true);
        case "set-value":
          return this.#core.set_value(nowMs, input.value ?? undefined, whole(input, "serial", true));
        case "drained":
          return this.#core.handle(nowMs, "drained", whole(input, "term", true, 1));
        case "resign":
          return this.#core.handle(nowMs, "resign", input.to);
        case "timeout":
        case "wakeup":
        case "stop":
          return this.#core.handle(nowMs, input.type);
        default:
          throw invalid(`the type of an input is timeout, wakeup, stop, reply, failed, set-value, drained or resign, and not ${input?.type}`);
      }
    });
  }

  poll(nowMs) {
    const output = checked(() => this.#core.poll(nowMs));
    switch (output[0]) {
      case "request":
        return { type: "request", number: output[1], request: requestOf(output[2]) };
      case "event":
        return { type: "event", event: shownEvent(output) };
      case "timeout":
        return { type: "timeout", atMs: output[1] };
      default:
        return { type: "done" };
    }
  }

  waitsFor(number) {
    return this.#core.waits_for(number);
  }

  isLeader(nowMs) {
    return this.#core.is_leader(nowMs);
  }

  status(nowMs) {
    return shownStatus(this.#core.status(nowMs), true);
  }
}
