//! A bucket of R2 as wrangler has it on one's own machine, in a process of its own: several Workers share it.

use std::fmt;

use serde_json::Value;

use crate::{Workerd, call};

/// As wrangler's own package has them.
const MINIFLARE: &str = "wasm/node_modules/miniflare/dist/src/workers";

/// What S3 clients sign with.
pub const SECRET: (&str, &str) = ("access-key-for-tests", "secret-key-for-tests-0123456789");

/// The bucket: Workers reach it by its binding, processes by its S3 interface.
pub struct Bucket(Workerd);

impl Bucket {
    /// An empty one.
    pub fn start() -> Self {
        let (entry, object) = ("shared/object-entry.worker.js", "r2/bucket.worker.js");
        let (shared, zod, s3) = ("shared/index.worker.js", "shared/zod.worker.js", "r2/s3/index.worker.js");
        let miniflares = [entry, object, shared, zod, s3].map(|name| format!("{MINIFLARE}/{name}"));
        let gate = "tests/edge/bucket/gate.js";
        let embed = |name: &str| format!("esModule = embed \"{MINIFLARE}/{name}\"");
        let (key, secret) = SECRET;
        let credentials = format!("{{\"bucket\": {{\"accessKeyId\": \"{key}\", \"secretAccessKey\": \"{secret}\"}}}}");
        // The bindings are those that miniflare's Workers ask for.
        let config = format!(
            "using Workerd = import \"/workerd/workerd.capnp\";
const config :Workerd.Config = (
  services = [
    (name = \"gate\", worker = (
      modules = [(name = \"gate.js\", esModule = embed \"{gate}\")],
      compatibilityDate = \"2026-11-01\",
      bindings = [
        (name = \"R2\", service = \"entry\"),
        (name = \"BUCKET\", r2Bucket = \"entry\"),
        (name = \"S3\", service = \"s3\"),
      ],
    )),
    (name = \"s3\", worker = (
      modules = [(name = \"s3.js\", {s3})],
      compatibilityDate = \"2026-01-01\",
      compatibilityFlags = [\"nodejs_compat\"],
      bindings = [
        (name = \"MINIFLARE_R2_S3_BUCKET_bucket\", r2Bucket = \"entry\"),
        (name = \"MINIFLARE_R2_S3_CREDENTIALS\", json = {credentials}),
      ],
    )),
    (name = \"entry\", worker = (
      modules = [(name = \"entry.js\", {entry})],
      compatibilityDate = \"2023-07-24\",
      bindings = [
        (name = \"MINIFLARE_NAMESPACE\", text = \"bucket\"),
        (name = \"MINIFLARE_OBJECT\", durableObjectNamespace = (className = \"R2BucketObject\", serviceName = \"object\")),
      ],
    )),
    (name = \"object\", worker = (
      modules = [(name = \"object.js\", {object})],
      compatibilityDate = \"2023-07-24\",
      compatibilityFlags = [\"nodejs_compat\", \"experimental\"],
      durableObjectNamespaces = [(className = \"R2BucketObject\", uniqueKey = \"r2\", enableSql = true)],
      durableObjectStorage = (localDisk = \"state\"),
      bindings = [(name = \"MINIFLARE_BLOBS\", service = \"state\")],
    )),
    (name = \"state\", disk = (path = \"state\", writable = true)),
  ],
  sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"gate\")],
  extensions = [(modules = [
    (name = \"miniflare:shared\", {shared}),
    (name = \"miniflare:zod\", {zod}),
  ])],
);
",
            s3 = embed(s3),
            entry = embed(entry),
            object = embed(object),
            shared = embed(shared),
            zod = embed(zod),
            credentials = Value::from(credentials),
        );
        let files = miniflares.iter().map(String::as_str).chain([gate]);
        Self(Workerd::run(files, &config, &[]))
    }

    /// Where it is, for a [`Setting`](crate::Setting).
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Where its S3 interface is.
    pub fn s3(&self) -> String {
        self.0.url() + "/cdn-cgi/local/r2/s3"
    }

    /// What Workers have asked of it since this was called last: `get NAME`, `put NAME`, ..
    pub fn asked(&self) -> Vec<String> {
        self.texts("/asked")
    }

    /// What all its objects are called.
    pub fn names(&self) -> Vec<String> {
        self.texts("/names")
    }

    /// The next that is asked like this is late: it comes with [`let_go`](Self::let_go).
    pub fn hold(&self, operation: &str) {
        self.tell(&format!("/hold?{}", operation.replace(' ', "%20")));
    }

    /// Whether one is late.
    pub fn is_late(&self) -> bool {
        self.tell("/late") != 0
    }

    /// What is late comes now.
    pub fn let_go(&self) {
        self.tell("/let-go");
    }

    fn texts(&self, path: &str) -> Vec<String> {
        let told = self.tell(path);
        told.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    }

    fn tell(&self, path: &str) -> Value {
        call(&self.0.url(), "POST", path, None, Some("")).json()
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.0).finish()
    }
}
