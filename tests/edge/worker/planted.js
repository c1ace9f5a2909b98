// Leases with faults, planted by key.

/** @param {object} rust the module, which has faults, too */
export function planted(rust) {
  return class Leases {
    #leases;
    #fault = new rust.Fault();

    constructor(...of) {
      this.#leases = new rust.Leases(...of);
    }

    run(now, errand, payload, owner, admission) {
      const answer = this.#leases.run(now, errand, payload, owner, admission);
      // After something was written: before it is admitted nothing is.
      const fault = admission !== undefined && /"acquire":{"key":"fault\/(\w+)/.exec(payload)?.[1];
      if (fault === "panic") this.#fault.panic();
      if (fault === "mess") this.#fault.mess(50);
      if (fault === "exhaust") this.#fault.exhaust();
      return answer;
    }

    tidy = (now) => this.#leases.tidy(now);
    news = (now) => this.#leases.news(now);
    told = (last) => this.#leases.told(last);
  };
}
