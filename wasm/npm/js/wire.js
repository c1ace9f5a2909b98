// Requests and replies: as the lease service's API has them in a batch, and as rows, which is what Rust reads and writes (`src/wire.rs`).

import { failed, invalid } from "./errors.js";

const LARGEST = Number.MAX_SAFE_INTEGER;

const shown = (value) => (typeof value === "number" ? String(value) : JSON.stringify(value));

function field(object, name, type, needed, fits = () => true, allowed = `a ${type}`) {
  const value = object?.[name] ?? undefined;
  if (value === undefined && !needed) return undefined;
  if (value === undefined) throw invalid(`missing field \`${name}\``);
  if (typeof value === type && fits(value)) return value;
  throw invalid(`\`${name}\` is ${shown(value)}, allowed is ${allowed}`);
}

export const text = (object, name, needed) => field(object, name, "string", needed);

export const flag = (object, name) => field(object, name, "boolean", false);

export const whole = (object, name, needed, least = 0, most = LARGEST) =>
  field(object, name, "number", needed, (value) => Number.isInteger(value) && least <= value && value <= most, `a whole number from ${least} to ${most}`);

const session = (object) => field(object, "session", "string", true, (value) => /^(?!0{32})[0-9a-f]{32}$/.test(value), "32 hexadecimal digits, not all of them 0");

const key = (object) => text(object, "key", true);

/** A request as a row. */
export function rowOf(request) {
  const [[operation, told] = []] = Object.entries(request ?? {});
  const { claim } = told ?? {};
  const takeover = claim?.takeover === "expired" ? undefined : claim?.takeover;
  switch (operation) {
    case "acquire":
    case "renew": {
      const known = operation === "renew" ? whole(told, "term", true, 1) : whole(claim, "after", false, 1);
      const spared = typeof takeover === "string" ? takeover : takeover && whole(takeover, "unchanged", true);
      return [operation, key(told), text(claim, "id", true), session(claim), whole(claim, "ttl_ms", true), text(claim, "value"), known, spared];
    }
    case "release": {
      const { successor } = told;
      const [id, within] = successor ? [text(successor, "id", true), whole(successor, "within_ms", true)] : [];
      return [operation, key(told), id, session(told), , , , , within];
    }
    case "get":
      return [operation, key(told)];
    case "revoke":
      return [operation, key(told), , , , , whole(told, "term", false, 1), , , flag(told, "now")];
    default:
      throw invalid(`a request has one field: acquire, renew, release, get, revoke or list, and not ${shown(operation)}`);
  }
}

/** Nothing that is not there. */
const only = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null && value !== undefined));

/** The request that a row is. */
export function requestOf([operation, key, id, session, ttl_ms, value, term, takeover, within_ms, now]) {
  switch (operation) {
    case "acquire": {
      const spared = typeof takeover === "number" ? { unchanged: takeover } : takeover;
      return { acquire: { key, claim: only({ id, session, ttl_ms, value, after: term, takeover: spared }) } };
    }
    case "renew":
      return { renew: { key, claim: only({ id, session, ttl_ms, value }), term } };
    case "release":
      return { release: only({ key, session, successor: id === null ? null : { id, within_ms } }) };
    case "revoke":
      return { revoke: only({ key, term, now: now || null }) };
    default:
      return { [operation]: { key } };
  }
}

export const leaseRow = (lease) =>
  lease
    ? [
        text(lease, "id"),
        whole(lease, "term", true, 1),
        whole(lease, "version", true),
        whole(lease, "ttl_ms", true),
        whole(lease, "time_left_ms", true),
        whole(lease, "age_ms"),
        text(lease, "value"),
      ]
    : undefined;

/** A reply as a row; or a storage's error is thrown. */
export function repliedRow(reply) {
  if (reply?.failed) throw problem(reply.failed);
  try {
    const [[kind, told] = []] = Object.entries(reply ?? {});
    switch (kind) {
      case "granted":
        return [kind, whole(told, "term", true, 1), whole(told, "version", true)];
      case "refused":
        return [kind, , , whole(told, "retry_after_ms", true), leaseRow(told.lease)];
      case "extended":
        return [kind, , whole(told, "version", true)];
      case "released":
        return [kind];
      case "lost":
      case "revoked":
        return [kind, , , , leaseRow(told.lease)];
      case "lease":
        return [kind, , , , leaseRow(told)];
    }
  } catch (error) {
    throw failed({ message: `the storage has answered ${shown(reply)}, which is no reply: ${error.message}`, transient: false });
  }
  throw failed({ message: `the storage has answered ${shown(reply)}, which is no reply`, transient: false });
}

/** A lease as the service writes it: a lease of no whole ms has something left until it is over. */
export const leaseOf = (row) => {
  if (!row) return null;
  const [id, term, version, ttl_ms, time_left_ms, age_ms, value] = row;
  return { id, term, version, ttl_ms, time_left_ms: Math.ceil(time_left_ms), age_ms: age_ms === null ? null : Math.floor(age_ms), value };
};

/** The reply that a row is. */
export function replyOf([kind, term = null, version, retry_after_ms, row]) {
  const lease = leaseOf(row);
  switch (kind) {
    case "granted":
      return { granted: { term, version } };
    case "refused":
      return { refused: { lease, retry_after_ms } };
    case "extended":
      return { extended: { version } };
    case "released":
      return { released: {} };
    case "lost":
      return { lost: { lease } };
    case "revoked":
      return { revoked: { term, lease } };
    default:
      return { lease };
  }
}

/** A problem as the service writes it. */
export function problem({ type, status, detail }) {
  const lasting = [400, 401, 403, 404, 405, 413, 415].includes(status);
  const right = status === 401 || status === 403;
  const message = right ? `the user lacks a right: ${type} (${status}): ${detail}` : `the lease service says: ${detail} (${type})`;
  return failed({ message, transient: !lasting });
}

/** A lease as it is shown to people. */
export const shownLease = (row) => {
  if (!row) return null;
  const [id, term, version, ttlMs, timeLeftMs, ageMs, value] = row;
  return { id: id ?? null, term, version, ttlMs, timeLeftMs, ageMs: ageMs ?? null, value: value ?? null };
};
