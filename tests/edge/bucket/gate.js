// Stands before R2 as wrangler has it: tells what was asked of it, and makes late what a test wants to come late.

const asked = [];
// The next operation like this is late: `put report`, say.
let next = null;
let late = 0;
let free = true;

// What a Worker asks comes in a header; with a write, in front of what is written.
const read = async (request) => {
  const said = request.headers.get("cf-r2-request");
  if (said) return [JSON.parse(said), request];
  const body = await request.arrayBuffer();
  const size = Number(request.headers.get("cf-r2-metadata-size"));
  return [JSON.parse(new TextDecoder().decode(body.slice(0, size))), new Request(request, { body })];
};

const names = async (bucket) => {
  const all = [];
  let page;
  do {
    page = await bucket.list({ cursor: page?.cursor });
    all.push(...page.objects.map(({ key }) => key));
  } while (page.truncated);
  return all;
};

export default {
  async fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    const tests = {
      "/asked": () => asked.splice(0),
      "/names": () => names(env.BUCKET),
      "/hold": () => void ((next = decodeURIComponent(search.slice(1))), (free = false)),
      "/late": () => late,
      "/let-go": () => void (free = true),
    };
    if (tests[pathname]) return Response.json((await tests[pathname]()) ?? null);
    if (pathname.startsWith("/cdn-cgi/")) return env.S3.fetch(request);
    const [{ method, object, prefix }, forward] = await read(request);
    const operation = [method, object ?? prefix].join(" ");
    asked.push(operation);
    if (operation === next) {
      next = null;
      late++;
      while (!free) await scheduler.wait(5);
      late--;
    }
    return env.R2.fetch(forward);
  },
};
