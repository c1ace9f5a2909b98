// Edge functions of Next.js and Vercel: as Workers of Cloudflare, and what is to be a module they are told by its name.

import "./start/edge.js";

export * from "./api.js";
