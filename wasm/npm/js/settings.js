// What a candidate is made with: names and types are made sure of here, what fits together in Rust.

import { invalid } from "./errors.js";
import { flag, text, whole } from "./wire.js";

/** In the order in which Rust reads them. */
const DURATIONS = [
  "ttlMs",
  "renewIntervalMs",
  "retryIntervalMs",
  "requestTimeoutMs",
  "marginMs",
  "drainTimeoutMs",
  "coolOffMs",
  "minHoldMs",
  "takeoverDelayMs",
  "claimDelayMs",
];
const NAMES = ["key", "id", "value", "slots", "rank", "takeoverGuard", "fallBackAfter", ...DURATIONS];

function duration(settings, name) {
  const value = settings[name] ?? undefined;
  if (value === undefined || (typeof value === "number" && value >= 0 && value < Infinity)) return value;
  throw invalid(`\`${name}\` is ${typeof value === "number" ? value : JSON.stringify(value)}, allowed is a number of ms that is not negative`);
}

/** Of Rust's. */
const DEFAULT_TTL_MS = 10_000;

/** A UUID of version 4. (`crypto.randomUUID` is not there on pages without TLS.) */
function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The settings, complete but for what has a default in Rust; and how long to wait after a hand-over, beyond the cool-off. */
export function read(given) {
  const settings = typeof given === "string" ? { key: given } : given;
  if (typeof settings !== "object" || settings === null) throw invalid("settings are needed: a key at least");
  const unknown = Object.keys(settings).find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw invalid(`unknown field \`${unknown}\`, expected one of \`${NAMES.join("`, `")}\``);
  const key = text(settings, "key", true);
  const id = text(settings, "id") ?? random();
  const slots = whole(settings, "slots", false, 1, 1000);
  const [rank, failures] = [whole(settings, "rank", false, 0, 255), whole(settings, "fallBackAfter", false, 1)];
  const durations = DURATIONS.map((name) => duration(settings, name));
  const row = [key, id, text(settings, "value"), slots, rank, flag(settings, "takeoverGuard"), failures, ...durations];
  // As the library names the keys of slots.
  const keys = slots ? Array.from({ length: slots }, (_, slot) => `${key}/slot/${slot}`) : [key];
  const ttlMs = settings.ttlMs ?? DEFAULT_TTL_MS;
  const coolOffMs = settings.coolOffMs ?? 2 * (settings.retryIntervalMs ?? ttlMs / 5);
  return { key, id, keys, resignedMs: ttlMs / 20 - coolOffMs, row };
}
