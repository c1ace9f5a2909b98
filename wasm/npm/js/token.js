// The token: one that stays as it is, or one that a function gives.

import { failed, invalid } from "./errors.js";

/** What it is, and not what is in it. */
const kind = (token) => (token === undefined || token === null ? String(token) : `of type ${token.constructor?.name ?? typeof token}`);

function checked(token) {
  if (typeof token !== "string") throw invalid(`token is not allowed: it is ${kind(token)}, and not a string`);
  if (/^[!-~]+$/.test(token)) return token;
  throw invalid("token is not allowed: one or more visible ASCII characters without spaces");
}

export class Token {
  #source;
  #timeoutMs;
  /** The one that was had last, and the asking that is under way. */
  #last;
  #asking;

  constructor(token, timeoutMs) {
    if (token === undefined) throw invalid("token is missing");
    if (typeof token === "function") this.#source = token;
    else this.#last = checked(token);
    this.#timeoutMs = timeoutMs;
  }

  /** The one that was had last, unless it is this one, which was refused; then another, if there is one. */
  get(refused) {
    if (!this.#source || (this.#last && this.#last !== refused)) return this.#last;
    return this.newest();
  }

  /** One that is asked for now. Many who want one ask once. */
  newest() {
    if (!this.#source) return this.#last;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask() {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${this.#timeoutMs} ms`)), this.#timeoutMs);
    });
    try {
      return (this.#last = checked(await Promise.race([this.#source(), late])));
    } catch (error) {
      throw failed({ message: `there is no token: ${error?.message ?? error}`, transient: error?.name !== "InvalidSettings" });
    } finally {
      clearTimeout(timer);
    }
  }
}
