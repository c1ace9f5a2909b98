// Runs of the simulator. Their rows are described where they are made (`told.rs`).

import init, { play } from "./simulator/lessor.js";

export const PROTOCOLS = ["lessor", "less", "client-go"];

/** Resolves once there is a simulator. */
export const ready = init();

/** The run of each protocol. */
export function runsOf({ seed, candidates, without }) {
  return Object.fromEntries(
    PROTOCOLS.map((protocol) => [protocol, { protocol, ...JSON.parse(play(protocol, seed, candidates, without)) }]),
  );
}

const times = (count) => (count === 1 ? "once" : count === 2 ? "twice" : `${count} times`);
const writes = (count) => `${count} stale write${count === 1 ? "" : "s"}`;

/** What came of a run, in words, and whether that is well. */
export function verdict({ clashes, overlapped, stale, refused }) {
  const words = [];
  if (clashes.length) words.push(`two led ${times(clashes.length)}, for ${seconds(overlapped)}`);
  if (stale) words.push(`${writes(stale)} accepted`);
  if (!clashes.length) words.unshift("never two leaders");
  if (refused) words.push(`${writes(refused)} refused`);
  return { well: !clashes.length && !stale, text: words.join("; ") };
}

export const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
