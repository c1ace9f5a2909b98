// The same service for one operation, a renewal, as one would write it in JavaScript: the same checks, the same SQL.
// What the Worker is compared with, and nothing else.

import { DurableObject } from "cloudflare:workers";

const TABLES = `
CREATE TABLE IF NOT EXISTS lessor_records (
    key TEXT PRIMARY KEY, session TEXT, id TEXT NOT NULL, term INTEGER NOT NULL, version INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL, value TEXT
) WITHOUT ROWID`;

const READ = "SELECT session, id, term, version, ttl_ms, expires_ms, since_ms, value FROM lessor_records WHERE key = ?";

const WRITE = `INSERT INTO lessor_records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (key) DO UPDATE SET
    session = ?2, id = ?3, term = ?4, version = ?5, ttl_ms = ?6, expires_ms = ?7, since_ms = ?8, value = ?9`;

export class LeaseObject extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(TABLES);
    ctx.blockConcurrencyWhile(async () => {
      this.alarm = await ctx.storage.getAlarm();
    });
  }

  run(asks) {
    const now = Date.now();
    return JSON.parse(asks).map((ask) => JSON.stringify(ask.acquire ? this.acquire(ask.acquire, now) : this.renew(ask.renew, now)));
  }

  record(key) {
    const [row] = this.sql.exec(READ, key).raw();
    if (!row) return undefined;
    const [session, id, term, version, ttl_ms, expires_ms, since_ms, value] = row;
    return { session, id, term, version, ttl_ms, expires_ms, since_ms, value };
  }

  write(key, { session, id, term, version, ttl_ms, expires_ms, since_ms, value }) {
    this.sql.exec(WRITE, key, session, id, term, version, ttl_ms, expires_ms, since_ms, value);
    if (this.alarm === null || expires_ms < this.alarm) {
      this.alarm = expires_ms;
      this.ctx.storage.setAlarm(expires_ms);
    }
  }

  acquire({ key, claim }, now) {
    const term = (this.record(key)?.term ?? 0) + 1;
    const { id, session, ttl_ms, value = null } = claim;
    this.write(key, { session, id, term, version: 1, ttl_ms, expires_ms: now + ttl_ms, since_ms: now, value });
    return { granted: { term, version: 1 } };
  }

  renew({ key, claim, term }, now) {
    const record = this.record(key);
    const left = Math.min((record?.expires_ms ?? 0) - now, record?.ttl_ms ?? 0);
    if (!record || left <= 0 || record.session !== claim.session || record.term !== term) return { lost: { lease: null } };
    const { id, session, value = null } = claim;
    const ttl_ms = Math.max(claim.ttl_ms, left);
    const version = record.version + 1;
    const { since_ms } = record;
    this.write(key, { session, id, term, version, ttl_ms, expires_ms: now + ttl_ms, since_ms, value });
    return { extended: { version } };
  }
}

const digest = (text) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));

let tokens;

export default {
  async fetch(request, env) {
    tokens ??= await Promise.all(
      JSON.parse(env.LESSOR_TOKENS).map(async (token) => ({ ...token, digest: await digest(token.token) })),
    );
    const given = await digest(/^bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "");
    let caller;
    for (const token of tokens) if (crypto.subtle.timingSafeEqual(token.digest, given)) caller = token;
    if (!caller) return refused(401);
    const [, version, keys, part, operation] = new URL(request.url).pathname.split("/");
    const key = decodeURIComponent(part ?? "");
    if (version !== "v1" || keys !== "keys" || !["acquire", "renew"].includes(operation)) return refused(404);
    if (request.method !== "POST") return refused(405);
    if (caller.role === "read" || !(caller.prefixes ?? [""]).some((prefix) => key.startsWith(prefix))) return refused(403);
    if (!request.headers.get("content-type")?.startsWith("application/json")) return refused(415);
    if (!(request.headers.get("content-length") <= 512 * 1024)) return refused(413);
    const { term, ...claim } = JSON.parse(await request.text());
    const whole = (number, least) => Number.isSafeInteger(number) && number >= least;
    const text = (value, most) => typeof value === "string" && value.length > 0 && value.length <= most;
    if (!text(key, 256) || !text(claim.id, 128) || !/^[0-9a-f]{32}$/i.test(claim.session)) return refused(400);
    if (!whole(claim.ttl_ms, 100) || claim.ttl_ms > 3_600_000 || (operation === "renew" && !whole(term, 1))) return refused(400);
    const ask = operation === "renew" ? { renew: { key, claim, term } } : { acquire: { key, claim } };
    const [told] = await env.LEASES.getByName(`key/${key}`).run(JSON.stringify([ask]));
    return new Response(told, { headers: { "content-type": "application/json", "cache-control": "no-store" } });
  },
};

const refused = (status) => new Response(JSON.stringify({ status }), { status });
