// Leases in a lease service.

import { failed, invalid } from "./errors.js";
import { Storage } from "./storage.js";
import { Token } from "./token.js";
import { Watch } from "./watch.js";
import { problem, whole } from "./wire.js";

/** What the service takes of a batch: requests, bytes, keys of its lists together. */
const MOST = 256;
const LONGEST = 512 * 1024;
const LISTED = 1000;
/** How many batches are under way at a time, of those whose requests have a signal and of the others: what waits meanwhile travels together. */
const FLIGHTS = 2;
/** The most bytes of what goes on when its page is closed: browsers allow 64 KiB, together. */
const KEPT_ALIVE = 32 * 1024;
/** The longest answer that is read, in bytes: a page of 1,000 keys that are all as long as can be. */
const LONGEST_ANSWER = 16 * 1024 * 1024;

const ENCODER = new TextEncoder();

function place(given) {
  // What stands before an @ is a secret, misplaced, and what a parameter holds may be one.
  const shown = String(given).replace(/^.*@/, "..@").replace(/=.*$/, "");
  const refused = (allowed) => invalid(`url "${shown}" is not allowed: ${allowed}`);
  if (!URL.canParse(given)) throw refused("https://HOST");
  const url = new URL(given);
  if (url.username || url.password) throw refused("https://HOST without an @: the secret is the token");
  if (url.search || url.hash) throw refused("https://HOST/PATH without a query");
  const local = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === "http:" && !local) throw refused("https://; plain http, which shows the token to everybody, is for this machine only");
  if (url.protocol !== "https:" && url.protocol !== "http:") throw refused("https://HOST, or on this machine http://HOST");
  return url.origin + url.pathname.replace(/\/+$/, "");
}

export class HttpStorage extends Storage {
  #url;
  #token;
  #timeoutMs;
  /** Candidates give up what takes too long. An operator's question has no signal: it must not have renewals wait for as long as it hangs. */
  #given = { waiting: [], flights: 0 };
  #open = { waiting: [], flights: 0 };

  constructor(url, { token, timeoutMs = 30_000, wakeups = true, ...unknown } = {}) {
    super();
    const [name] = Object.keys(unknown);
    if (name !== undefined) throw invalid(`unknown field \`${name}\`, expected one of \`token\`, \`timeoutMs\`, \`wakeups\``);
    this.#url = place(url);
    whole({ timeoutMs }, "timeoutMs", true, 1, 2 ** 31 - 1);
    this.#token = new Token(token, timeoutMs);
    this.#timeoutMs = timeoutMs;
    if (wakeups && globalThis.WebSocket) {
      const watch = new Watch(`${this.#url.replace(/^http/, "ws")}/v1/watch`, this.#token, timeoutMs);
      this.subscribe = (key, wake) => watch.subscribe(key, wake);
      this.tellsAll = true;
    }
  }

  async check() {
    const { role } = await this.#ask("/v1", undefined, ({ role }) => typeof role === "string");
    if (role !== "candidate" && role !== "admin") {
      const needed = `the token's role is ${JSON.stringify(role)}, needed is "candidate" or "admin"`;
      throw failed({ message: `the user lacks a right: ${needed}`, transient: false });
    }
  }

  call(request, { signal } = {}) {
    const [{ key, term, limit }] = Object.values(request);
    const text = JSON.stringify(request);
    // Asked a second time, it might take the next one's lease.
    const once = request.revoke !== undefined && term === undefined;
    const pages = request.list ? Math.min(Math.max(limit ?? 100, 1), LISTED) : 0;
    const last = request.release !== undefined;
    const line = signal ? this.#given : this.#open;
    return new Promise((done, refused) => {
      line.waiting.push({ key, text, bytes: ENCODER.encode(text).length + 1, pages, once, last, signal, done, refused });
      // With whatever else is asked now.
      queueMicrotask(() => this.#depart(line));
    });
  }

  #depart(line) {
    while (line.flights < FLIGHTS && line.waiting.length > 0) {
      const [flight, left, keys] = [[], [], new Set()];
      let [bytes, pages] = [2, 0];
      for (const asked of line.waiting) {
        if (asked.signal?.aborted) {
          asked.refused(failed(asked.signal.reason));
          continue;
        }
        const fits = bytes + asked.bytes <= LONGEST && pages + asked.pages <= LISTED && flight.length < MOST && !keys.has(asked.key);
        if (flight.length > 0 && !fits) {
          left.push(asked);
          continue;
        }
        bytes += asked.bytes;
        pages += asked.pages;
        if (asked.key !== undefined) keys.add(asked.key);
        flight.push(asked);
      }
      line.waiting = left;
      if (flight.length > 0) void this.#fly(flight, line);
    }
  }

  async #fly(flight, line) {
    line.flights++;
    // Once nobody waits for any of it, the way is free for others.
    const given = new AbortController();
    let waiting = flight.length;
    const gone = () => --waiting === 0 && given.abort();
    for (const { signal } of flight) signal?.addEventListener("abort", gone, { once: true });
    try {
      const body = `[${flight.map(({ text }) => text)}]`;
      const once = flight.some(({ once }) => once);
      // A page that is closed is not waited for, and its release is to arrive.
      const keepalive = flight.some(({ last }) => last) && globalThis.document !== undefined && ENCODER.encode(body).length <= KEPT_ALIVE;
      const replies = await this.#ask("/v1/batch", body, Array.isArray, { signal: given.signal, once, keepalive });
      if (replies.length !== flight.length) throw failed({ message: "the service's answer does not fit what it was asked" });
      flight.forEach(({ done, refused }, place) => {
        const reply = replies[place];
        if (reply.failed) refused(problem(reply.failed));
        else done(reply);
      });
    } catch (error) {
      for (const { refused } of flight) refused(error);
    } finally {
      for (const { signal } of flight) signal?.removeEventListener("abort", gone);
      line.flights--;
      this.#depart(line);
    }
  }

  /** Sends a body there, or asks for what is there: what is answered, if that fits. Once more with another token, if there is one. */
  async #ask(path, body, fits, how) {
    const token = await this.#token.get();
    const answer = await this.#send(token, path, body, how);
    const other = answer[0].status === 401 ? await this.#token.get(token) : token;
    return told(other === token ? answer : await this.#send(other, path, body, how), fits);
  }

  async #send(token, path, body, { signal, once, keepalive } = {}) {
    const headers = { authorization: `Bearer ${token}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    const controller = new AbortController();
    const end = () => controller.abort();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      end();
    }, this.#timeoutMs);
    signal?.addEventListener("abort", end, { once: true });
    // While the token was waited for.
    if (signal?.aborted) end();
    // Nothing else: Workers refuse options that they do not know.
    const options = { method: body === undefined ? "GET" : "POST", headers, body, redirect: "manual", signal: controller.signal };
    if (keepalive) options.keepalive = true;
    const send = async () => {
      const response = await fetch(this.#url + path, options);
      return [response, await read(response)];
    };
    try {
      // The connection was closed while it was idle, perhaps.
      const again = (error) => (once || controller.signal.aborted ? Promise.reject(error) : send());
      return await send().catch(again);
    } catch (error) {
      if (late) throw failed({ message: `no answer within ${this.#timeoutMs} ms` });
      throw unsent(error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  }
}

/** The answer; or what the service says when it refuses, or who else has answered. */
function told([response, text], fits) {
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // Whoever has said that is no lease service.
  }
  if (answer !== null && response.status === 200 && fits(answer)) return answer;
  if (answer !== null && response.status !== 200 && typeof answer.type === "string") throw problem(answer);
  throw strange(response);
}

/** The body, which is not endless. */
async function read(response) {
  const decoder = new TextDecoder();
  let [text, length] = ["", 0];
  for (const reader = response.body?.getReader(); reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    if (length > LONGEST_ANSWER) {
      await reader.cancel();
      return "";
    }
    text += decoder.decode(value, { stream: true });
  }
  return text + decoder.decode();
}

function unsent(error) {
  if (error.name === "StorageError") return error;
  const cause = error.cause?.message ? `: ${error.cause.message}` : "";
  // Only pages have to be allowed.
  const origin = globalThis.origin?.startsWith("http") ? ` (the service's LESSOR_ORIGINS has to name ${globalThis.origin})` : "";
  return failed({ message: `the service was not reached: ${error.message}${cause}${origin}` });
}

/** Something in between has answered, or there is no lease service at this URL. */
function strange({ status, headers }) {
  const said = (message, transient) => failed({ message: `the server at the url says: ${message} (${status})`, transient });
  if (status === 0 || (status >= 300 && status < 400)) {
    // A page hears no more of it.
    const location = headers.get("location")?.replace(/[?#].*$/, "").replace(/\/v1(\/batch)?$/, "");
    const elsewhere = location && !location.includes("@") ? `, at ${location.slice(0, 200)}` : "";
    return said(`the service is elsewhere${elsewhere}: if that is right, make it the url`, false);
  }
  const kind = headers.get("content-type")?.split(";")[0] || "nothing";
  const lasting = status < 300 || [400, 401, 403, 404, 405, 413, 415].includes(status);
  return said(`${kind} that no lease service answers: check the url, and what is between here and there`, !lasting);
}
