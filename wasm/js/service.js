// The handler of requests to the service: reads them, asks the objects, answers. What it may do it is told by Rust.

import { read } from "./body.js";
import { WATCH, isProblem } from "./objects.js";
import { issuers } from "./tokens.js";

/** The longest body that is read before it is known who asks. */
const SHORT = 16 * 1024;

const ALWAYS = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
/** Made once, too. */
const ANSWER = new Headers({ ...ALWAYS, "content-type": "application/json" });
const PROBLEM = { ...ALWAYS, "content-type": "application/problem+json" };

/** What a page may do; browsers ask again after as long as they like, two hours at most. */
const PREFLIGHT = {
  "access-control-allow-methods": "GET, POST",
  "access-control-allow-headers": "authorization, content-type",
  "access-control-max-age": "7200",
};

/**
 * @param {object} rust the module that worker-build made of a crate that has lessor-worker in it, or what `restarting` makes of one
 * @param {string} page the status page; `NONCE` stands for what its script and its style have to carry
 */
export function service(rust, page) {
  let front;
  let signers = [];
  let shared;

  const open = (env) => {
    front = new rust.Front(
      env.LESSOR_TOKENS,
      env.LESSOR_TOKENS_NEXT,
      env.LESSOR_ISSUERS,
      env.LESSOR_MIN_TTL_MS,
      env.LESSOR_MAX_TTL_MS,
      env.LESSOR_SHARDS,
    );
    const complaint = front.complaint();
    if (complaint) console.error(`the service serves nothing: ${complaint}`);
    else if (env.LESSOR_ISSUERS) signers = issuers(env.LESSOR_ISSUERS);
  };

  return {
    async fetch(request, env, ctx) {
      const served = async () => {
        try {
          if (!front) open(env);
          return await serve(front, signers, request, env, ctx, page);
        } catch (error) {
          console.error(error);
          return answer(["answer", ...problemOf(error)]);
        }
      };
      shared ??= sharing(env.LESSOR_ORIGINS);
      return shared(request, served);
    },
  };
}

/**
 * Lets pages of these origins read the answers (the CORS protocol of the fetch standard): `*` is all of them. No page is let in by that: each
 * request carries its token.
 */
function sharing(setting = "") {
  const names = setting.split(",").map((name) => name.trim());
  const isOrigin = (name) => name === "*" || (URL.canParse(name) && new URL(name).origin === name);
  const wrong = names.filter((name) => name && !isOrigin(name));
  if (wrong.length > 0) console.error(`LESSOR_ORIGINS: no origin, and not let in: ${wrong} (one is like https://app.example.com, without a path)`);
  const origins = new Set(names.filter(isOrigin));
  if (origins.size === 0) return (_, served) => served();
  return async (request, served) => {
    const origin = request.headers.get("origin");
    if (origin === null || !(origins.has(origin) || origins.has("*"))) return served();
    const asks = request.method === "OPTIONS" && request.headers.has("access-control-request-method");
    const told = asks ? new Response(null, { status: 204, headers: { ...ALWAYS, ...PREFLIGHT } }) : await served();
    // A socket is not read by these rules.
    if (told.webSocket) return told;
    const answer = new Response(told.body, told);
    answer.headers.set("access-control-allow-origin", origin);
    answer.headers.set("access-control-expose-headers", "retry-after");
    answer.headers.append("vary", "origin");
    return answer;
  };
}

async function serve(front, signers, request, env, ctx, page) {
  const { method, headers } = request;
  const url = request.url.slice(request.url.indexOf("/", 8));
  const header = (name) => headers.get(name) ?? "";
  // Only where they matter: each look costs.
  const [protocols, upgrade] = method === "GET" ? [header("sec-websocket-protocol"), header("upgrade")] : ["", ""];
  const type = method === "POST" ? header("content-type") : "";
  const auth = header("authorization") || asserted(request, protocols);
  // What is long, or may be, is not read for everybody.
  const length = headers.get("content-length");
  let unread = method === "POST";
  let [body, tooLong] = ["", ""];
  let plan;
  for (let round = 0; plan === undefined; round++) {
    if (unread && ((length !== null && length <= SHORT) || front.knows(Date.now(), auth))) {
      unread = false;
      try {
        body = await read(request);
        if (body === undefined) tooLong = "too long";
      } catch {
        // No text; and no JSON.
        body = "\ufffd";
      }
    }
    plan = front.admit(Date.now(), `${method}\n${url}\n${auth}\n${protocols}\n${upgrade}\n${type}\n${tooLong}\n${body}`).split("\n");
    if (plan[0] !== "verify") break;
    // A token that was verified is known for as long as there is room.
    if (round > 0) throw new Error("overloaded: too many tokens");
    const refusal = await refused(front, signers, JSON.parse(plan[1]), plan[2], ctx);
    if (refusal) return answer(refusal);
    plan = undefined;
  }
  switch (plan[0]) {
    case "answer":
      return answer(plan);
    case "about": {
      const layout = env.WATCH ? await env.WATCH.getByName(WATCH).layout() : undefined;
      return new Response(JSON.stringify({ ...JSON.parse(plan[1]), layout }), { headers: ANSWER });
    }
    case "one": {
      const [told, problem] = await ask(env, plan[1], plan[2], plan[4], plan[3]);
      if (!told) return answer(["answer", ...problem]);
      return isProblem(told[0]) ? refuse(JSON.parse(told[0]).failed) : new Response(told[0], { headers: ANSWER });
    }
    case "ask": {
      // For each place: a refusal, what to list, or nothing where an object answers.
      const [owner, looker] = [plan[1], plan[2]];
      const answers = JSON.parse(plan[3]);
      const asked = answers.map(async ({ list: what, failed }, place) => {
        if (failed) answers[place] = JSON.stringify({ failed });
        if (what) answers[place] = await list(env, looker, JSON.stringify(what)).then(listed, failure);
      });
      for (let at = 4; at < plan.length; at += 3) {
        const [name, places, requests] = plan.slice(at, at + 3);
        // An object that fails is no verdict on the others.
        const answer = ([told, problem]) =>
          JSON.parse(places).forEach((place, number) => {
            answers[place] = told ? told[number] : `{"failed":${problem[1]}}`;
          });
        asked.push(ask(env, name, "ask", requests, owner).then(answer));
      }
      await Promise.all(asked);
      return new Response(`[${answers}]`, { headers: ANSWER });
    }
    case "watch": {
      const caller = new Request(request);
      caller.headers.set("lessor-looker", plan[1]);
      return env.WATCH.getByName(WATCH).fetch(caller);
    }
    case "list": {
      const page = await list(env, plan[1], plan[3], plan[2]);
      return typeof page === "string" ? new Response(page, { headers: ANSWER }) : refuse(JSON.parse(page[0]));
    }
    case "page":
      return show(page);
  }
}

/**
 * The token that Cloudflare Access adds to what it lets through. A browser sends along by itself what Access knows it by, whichever page has it do so:
 * pages of others are let in by a token of their own only.
 */
function asserted({ headers, url }, protocols) {
  if (protocols.includes("lessor.bearer.")) return "";
  const token = headers.get("cf-access-jwt-assertion");
  const origin = token && headers.get("origin");
  return token && (origin === null || origin === new URL(url).origin) ? `Bearer ${token}` : "";
}

/** Has the signature of a token verified, and tells Rust that it was; or the answer. */
async function refused(front, signers, how, token, ctx) {
  const problem = await signers[how.issuer].refuses(how, token, ctx);
  if (!problem) return front.verified(Date.now(), token)?.split("\n");
  const [status, type, detail] = problem;
  return ["answer", String(status), JSON.stringify({ type, status, detail })];
}

/** The answers of an object; or nothing, and what went wrong. */
async function ask(env, name, errand, payload, owner) {
  try {
    return [await env.LEASES.getByName(name).run(errand, payload, owner)];
  } catch (error) {
    console.error(name, error);
    return [undefined, problemOf(error)];
  }
}

/** A page of keys: what to list is a text of JSON, and so is the page. Or a problem, in a list of one. */
const list = (env, looker, what, before) => env.WATCH.getByName(WATCH).list(looker, what, before);

/** In a batch. */
const listed = (page) => (typeof page === "string" ? `{"listed":${page}}` : `{"failed":${page[0]}}`);

/** A problem that an object has with what it was asked. */
const refuse = (problem) => {
  const wait = problem.retry_after_ms && String(Math.ceil(problem.retry_after_ms / 1000));
  return answer(["answer", String(problem.status), JSON.stringify(problem), wait]);
};

const failure = (error) => {
  console.error("list", error);
  return `{"failed":${problemOf(error)[1]}}`;
};

/** A status, and the problem: whether an object that does not answer did what it was asked is open. */
function problemOf(error) {
  const overloaded = error?.overloaded || /overloaded|too many/i.test(error?.message);
  return overloaded
    ? ["503", '{"type":"overloaded","status":503,"detail":"the object is overloaded"}']
    : ["500", '{"type":"failed","status":500,"detail":"the object failed"}'];
}

/** A problem; and in how many seconds to ask again, if that is known. */
function answer([, status, body, wait]) {
  const headers = { ...PROBLEM };
  if (status === "401") headers["www-authenticate"] = "Bearer";
  if (wait) headers["retry-after"] = wait;
  else if (status === "503") headers["retry-after"] = "1";
  return new Response(body, { status: Number(status), headers });
}

function show(page) {
  const nonce = crypto.randomUUID();
  const csp = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  const type = { "content-type": "text/html; charset=utf-8" };
  const headers = { ...ALWAYS, ...type, "referrer-policy": "no-referrer", "content-security-policy": csp };
  return new Response(page.replaceAll("NONCE", nonce), { headers });
}
