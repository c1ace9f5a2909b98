// Signatures of tokens, and the keys that they are verified with. All else that has to be right about a token is decided in Rust.

import { read } from "./body.js";

/** For how long keys are used before they are asked for anew, meanwhile; and for how long if nobody answers. */
const FRESH_MS = 600_000;
const LASTING_MS = 86_400_000;
/** How often they are asked for at most: for a key that is not among them, which anybody can name, or when nobody answers. */
const PAUSE_MS = 3_000;
/** How long it may take to ask. */
const LIMIT_MS = 5_000;
/** The shortest RSA key, in bits. */
const SHORTEST = 2048;

/** As WebCrypto names what tokens name so, and what kind of key is for it. */
const WAYS = {
  RS256: { kty: "RSA", name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  ES256: { kty: "EC", crv: "P-256", name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  EdDSA: { kty: "OKP", crv: "Ed25519", name: "Ed25519" },
};

const ENCODER = new TextEncoder();

const bytes = (base64url) => Uint8Array.from(atob(base64url.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

/** @param {string} setting the variable `LESSOR_ISSUERS`, in which Rust found nothing wrong */
export const issuers = (setting) => JSON.parse(setting).map((written) => new Issuer(written));

class Issuer {
  #uri;
  #keys;
  /** When the keys came, and when they were asked for last. */
  #cameMs = -Infinity;
  #askedMs = -Infinity;
  #asking;
  /** What WebCrypto made of keys. */
  #made = new WeakMap();

  constructor({ jwks_uri, jwks }) {
    this.#uri = jwks_uri;
    this.#keys = jwks?.keys ?? [];
  }

  /** Nothing if the signature is right; else a status, the type of the problem, and what is wrong. */
  async refuses({ alg, kid }, token, ctx) {
    const way = WAYS[alg];
    const beganMs = Date.now();
    if (this.#uri && beganMs - this.#cameMs > FRESH_MS) this.#ask(ctx);
    let key = await this.#find(way, alg, kid);
    if (!key && this.#uri) {
      this.#ask(ctx);
      // Whoever began to ask may be gone by now, and the answer with it.
      if (this.#asking) await Promise.race([this.#asking, scheduler.wait(LIMIT_MS)]);
      key = await this.#find(way, alg, kid);
      // Nobody knows whether there is such a key: that passes, and a leader asks again.
      if (!key && this.#cameMs < beganMs) return [503, "unverifiable", "the token's key is not among those that were had from its issuer last"];
    }
    if (!key) return [401, "unauthenticated", "the token's key is not known"];
    const end = token.lastIndexOf(".");
    const right = async () => crypto.subtle.verify(way, key, bytes(token.slice(end + 1)), ENCODER.encode(token.slice(0, end)));
    if (await right().catch(() => false)) return undefined;
    return [401, "unauthenticated", "the token's signature is not right"];
  }

  /** The key of this name; without a name the only one of its kind. */
  async #find(way, alg, kid) {
    if (this.#uri && Date.now() - this.#cameMs > LASTING_MS) this.#keys = [];
    const isFor = (key) => key?.kty === way.kty && key.crv === way.crv && (key.alg ?? alg) === alg && (key.use ?? "sig") === "sig";
    const fits = (key) => isFor(key) && (kid === null || key.kid === kid);
    const found = this.#keys.filter(fits);
    const [key] = found;
    if (!key || (kid === null && found.length > 1)) return undefined;
    if (!this.#made.has(key)) this.#made.set(key, await this.#make(way, key));
    return this.#made.get(key);
  }

  async #make(way, { kty, n, e, crv, x, y }) {
    try {
      const key = await crypto.subtle.importKey("jwk", { kty, n, e, crv, x, y }, way, false, ["verify"]);
      if (key.algorithm.modulusLength < SHORTEST) throw new Error(`it has ${key.algorithm.modulusLength} bits, allowed are ${SHORTEST} and more`);
      return key;
    } catch (error) {
      console.error(`LESSOR_ISSUERS: a key for ${way.name} of ${this.#uri ?? "jwks"} cannot be used: ${error.message}`);
    }
  }

  /** Asks for the keys, unless that was done just now. */
  #ask(ctx) {
    const now = Date.now();
    if (now - this.#askedMs < PAUSE_MS) return;
    this.#askedMs = now;
    const over = () => {
      if (this.#asking === asking) this.#asking = undefined;
    };
    const asking = this.#load().then(over);
    this.#asking = asking;
    ctx.waitUntil(asking);
  }

  /** Those that there were stay where it fails. */
  async #load() {
    try {
      const options = { headers: { accept: "application/json" }, redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(LIMIT_MS) };
      const answer = await fetch(this.#uri, options);
      if (answer.status !== 200) throw new Error(`it answers ${answer.status}`);
      const { keys } = JSON.parse((await read(answer)) ?? "{}");
      if (!Array.isArray(keys)) throw new Error("it answers without an array `keys`");
      this.#keys = keys;
      this.#cameMs = Date.now();
    } catch (error) {
      console.error(`LESSOR_ISSUERS: no keys were had from ${this.#uri}: ${error.message}`);
    }
  }
}
