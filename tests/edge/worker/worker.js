// The service with faults planted by key, and the candidates of tests.

import * as rust from "./build/index.js";
import { guarded, objects } from "../../../wasm/js/objects.js";
import { service } from "../../../wasm/js/service.js";
import { planted } from "./planted.js";

const classes = objects({ ...rust, Leases: planted(rust) });

// How often the objects were made.
const starts = { LeaseObject: 0, WatchObject: 0 };

export class LeaseObject extends classes.LeaseObject {
  constructor(ctx, env) {
    super(ctx, env);
    starts.LeaseObject++;
  }
}

export class WatchObject extends classes.WatchObject {
  constructor(ctx, env) {
    super(ctx, env);
    starts.WatchObject++;
  }
}

export const Candidate = guarded(rust.Candidate);
export const Many = guarded(rust.Many);

const leases = service(rust, "");
const rusts = rust.default;

// As the platform does when an object has too much to do.
const overloaded = () => Promise.reject(Object.assign(new Error("Durable Object is overloaded."), { overloaded: true }));

// As a Worker with another layout does.
const elsewhere = async (env) => {
  const [answer] = await env.LEASES.getByName("shard/4/1").run("ask", '[{"get":{"key":"k"}}]');
  return new Response(answer);
};

export default {
  fetch(request, env, ctx) {
    const path = new URL(request.url).pathname;
    if (path === "/v1-starts") return Response.json(starts);
    if (path === "/v1-elsewhere") return elsewhere(env);
    if (!path.startsWith("/v1")) return new rusts(ctx, env).fetch(request);
    const getByName = (name) => (name === "key/fault/overload" ? { run: overloaded } : env.LEASES.getByName(name));
    return leases.fetch(request, { ...env, LEASES: { getByName } }, ctx);
  },
};
