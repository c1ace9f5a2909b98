// The service with faults planted by key, and the candidates of tests.

import * as rust from "./build/index.js";
import { guarded, objects } from "../../../wasm/js/objects.js";
import { service } from "../../../wasm/js/service.js";

class Leases {
  #leases;
  #fault = new rust.Fault();

  constructor(...of) {
    this.#leases = new rust.Leases(...of);
  }

  run(now, errand, payload, ...more) {
    const fault = /"acquire":{"key":"fault\/(\w+)/.exec(payload)?.[1];
    // After something was written.
    const answer = this.#leases.run(now, errand, payload, ...more);
    if (fault === "panic") this.#fault.panic();
    if (fault === "mess") this.#fault.mess(50);
    if (fault === "exhaust") this.#fault.exhaust();
    return answer;
  }

  tidy = (now) => this.#leases.tidy(now);
  news = (now) => this.#leases.news(now);
  told = (last) => this.#leases.told(last);
}

const classes = objects({ ...rust, Leases });

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
    return leases.fetch(request, { ...env, LEASES: { getByName } });
  },
};
