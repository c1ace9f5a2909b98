// What is shown of candidates and events, of the rows that Rust writes (`src/election.rs`).

import { shownLease } from "./wire.js";

export function shownStatus(row, running) {
  const [role, term, slot, timeLeftMs, jeopardy, leader, sinceSuccessMs, failures, lastError, overdueMs] = row;
  return { role, term, slot, timeLeftMs, jeopardy, leader: shownLease(leader), sinceSuccessMs, failures, lastError, running, overdueMs };
}

export function shownEvent([, type, ...told]) {
  switch (type) {
    case "leader-changed":
      return { type, leader: shownLease(told[0]) };
    case "elected":
      return { type, term: told[0], slot: told[2], timeLeftMs: told[1] };
    case "renewed":
    case "jeopardy":
      return { type, term: told[0], timeLeftMs: told[1] };
    case "ending":
    case "lost":
      return { type, term: told[0], reason: told[1] };
    case "storage-failed":
      return { type, operation: told[0], message: told[1], transient: told[2] };
    default:
      return { type };
  }
}
