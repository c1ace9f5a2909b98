//! Clients whose tokens last for a moment.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lessor::storage::ErrorKind;
use lessor::{Builder, Candidate, Key, Storage, StorageError};
use lessor_http::{AdapterError, HttpStorage};
use serde_json::json;
use smol::block_on;

use crate::issuer::{Pair, now_s};
use crate::tokens::{claims, issuers, setting};
use crate::{Server, Start, until};

fn service(start: &Start, pair: &Pair) -> Box<dyn Server> {
    start(&setting(&issuers(json!({"jwks": {"keys": [pair.public("k")]}}))))
}

/// A token that lasts so long, each another one.
fn token(pair: &Pair, left_s: f64) -> String {
    pair.sign("k", &claims(json!({"exp": now_s() + left_s, "jti": now_s()})))
}

/// A storage whose tokens last so long, and how many it has asked for.
fn storage(server: &dyn Server, pair: &Arc<Pair>, left_s: f64) -> (HttpStorage, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (pair, count) = (pair.clone(), asked.clone());
    let source = move || {
        count.fetch_add(1, Ordering::SeqCst);
        let token = token(&pair, left_s);
        async { Ok::<_, StorageError>(token) }
    };
    (HttpStorage::builder(server.url()).token_from(source).build().unwrap(), asked)
}

const TTL: Duration = Duration::from_secs(6);

/// One that asks often for how long its lease lasts.
fn candidate(storage: HttpStorage, id: &str) -> Candidate {
    let often = Duration::from_millis(400);
    let builder = Builder::new("app/led").id(id).ttl(TTL).renew_interval(often).retry_interval(often);
    let (candidate, driver) = builder.build(storage).unwrap();
    smol::spawn(driver.run()).detach();
    candidate
}

/// A leader keeps its term while its tokens come and go, and a follower goes on following.
pub fn a_term_outlives_many_tokens(start: &Start) {
    let pair = Arc::new(Pair::ec());
    let server = service(start, &pair);
    let ((leads, asked), (follows, asked_too)) = (storage(&server, &pair, 2.0), storage(&server, &pair, 2.0));
    let leader = candidate(leads, "one");
    let leadership = block_on(leader.elected()).unwrap();
    let follower = candidate(follows, "two");
    until("many tokens have ended, and the term would have, too", || {
        assert!(leadership.is_valid() && leader.is_leader(), "the term is lost");
        let many = asked.load(Ordering::SeqCst) > 5 && asked_too.load(Ordering::SeqCst) > 3;
        (many && leadership.age() > TTL + Duration::from_secs(1)).then_some(())
    });
    block_on(leader.shutdown()).unwrap();
    let next = block_on(follower.elected()).unwrap();
    assert_eq!(next.term().get(), leadership.term().get() + 1);
    block_on(follower.shutdown()).unwrap();
}

/// Each socket has a token of its own, also where nothing else is asked.
pub fn sockets_come_again(start: &Start) {
    let pair = Arc::new(Pair::ec());
    let server = service(start, &pair);
    let (storage, asked) = storage(&server, &pair, 1.0);
    let _wakeups = storage.subscribe(&Key::new("app/led").unwrap());
    until("it is connected again and again", || (asked.load(Ordering::SeqCst) > 3).then_some(()));
}

fn has_expired(error: &StorageError) {
    assert!(matches!(AdapterError::of(error), Some(AdapterError::NoRight { .. })), "{error}");
    assert!(error.to_string().contains("the token has expired"), "{error}");
}

/// As Kubernetes has it: a file that somebody else writes anew.
pub fn a_token_in_a_file(start: &Start) {
    let pair = Pair::ec();
    let server = service(start, &pair);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let storage = HttpStorage::builder(server.url()).token_file(&file).wakeups(false).build().unwrap();
    let error = block_on(storage.check()).unwrap_err().to_string();
    assert!(error.contains("there is no token: ") && error.contains(file.to_str().unwrap()), "{error}");
    // Somebody is about to write it.
    fs::write(&file, "\n").unwrap();
    let error = block_on(storage.check()).unwrap_err();
    let said = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Transient, "{said}");
    assert!(said.contains(&format!("{}: it is empty", file.display())), "{said}");
    for _ in 0..3 {
        // On a slow machine a token may be over before it is looked at.
        until("a token is good while it lasts", || {
            fs::write(&file, format!("  {}\n", token(&pair, 1.0))).unwrap();
            block_on(storage.check()).inspect_err(has_expired).ok()
        });
        // It is asked for anew, and there is no other.
        has_expired(&until("it has ended", || block_on(storage.check()).err()));
    }
}
