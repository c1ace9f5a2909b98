// A Worker that leads over the lease service, with the npm package.

import { Candidate, HttpStorage } from "lessor";

export default {
  async fetch(request) {
    const { searchParams } = new URL(request.url);
    const storage = new HttpStorage(searchParams.get("url"), { token: searchParams.get("token"), wakeups: false });
    const candidate = new Candidate(storage, "worker");
    const { term } = await candidate.elected();
    await candidate.shutdown();
    return Response.json({ term, released: (await storage.get("worker")).id });
  },
};
