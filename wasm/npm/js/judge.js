// What a storage in JavaScript decides by.

import { judge as judged, lease_of } from "./core/lessor.js";
import { checked } from "./errors.js";
import { leaseOf, replyOf, rowOf, text, whole } from "./wire.js";

export function judge(record, request, nowMs, { mayLose = false } = {}) {
  const row = rowOf(request);
  const [reply, write, wakes] = checked(() => judged(record, row, nowMs, mayLose));
  return { reply: replyOf(reply), write: write ?? undefined, wakes };
}

/** The most keys of a page. */
const MOST = 1000;

/** In the order of their bytes, which is that of their characters, and not that of JavaScript where those have two parts. */
function inOrder([one], [other]) {
  const [left, right] = [[...one], [...other]];
  const at = left.findIndex((letter, place) => letter !== right[place]);
  if (at < 0) return left.length - right.length;
  return right[at] === undefined ? 1 : left[at].codePointAt(0) - right[at].codePointAt(0);
}

export function listed(records, { list }, nowMs) {
  const prefix = text(list, "prefix") ?? "";
  const start = text(list, "start");
  const limit = Math.min(Math.max(whole(list, "limit") ?? 100, 1), MOST);
  const wanted = [...records].filter(([key]) => key.startsWith(prefix) && (start === undefined || inOrder([key], [start]) >= 0)).sort(inOrder);
  const keys = wanted.slice(0, limit).map(([key, record]) => ({ key, lease: leaseOf(checked(() => lease_of(record, nowMs))) }));
  const next = wanted[limit]?.[0] ?? null;
  return { listed: { keys, after: next === null ? null : keys.at(-1).key, next } };
}
