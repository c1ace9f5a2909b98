//! Many keys in one request.

use lessor::storage::{Acquired, Renewed, Reply};
use lessor::{Storage, StorageExt, Term};
use lessor_servers::asking::at_once;
use lessor_servers::etcd::{Release, Server};
use smol::block_on;

use crate::{claim, claims, granted, renewal, requests, storage};

/// 300 keys: three reads of up to 128, and three writes of up to 127.
#[test]
fn a_batch_is_a_few_transactions() {
    let server = Server::start();
    let storage = storage(&server);
    block_on(async {
        let asked = || (server.requests("KV/Range"), server.requests("KV/Txn"));
        let before = asked();
        let answers = storage.call_all(requests(claims(300, 1))).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Reply::Acquired(Acquired::Granted { .. })))));
        let granted = asked();
        assert_eq!((granted.0 - before.0, granted.1 - before.1), (0, 3 + 3));
        let renewals = claims(300, 1).into_iter().map(|claim| renewal(&claim, Term::FIRST));
        let answers = storage.call_all(requests(renewals)).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Reply::Renewed(Renewed::Extended { .. })))));
        assert_eq!(asked().1 - granted.1, 3);
    });
}

/// Each has a condition of its own: those that others have written meanwhile do not keep the rest from being written.
#[test]
fn each_by_itself() {
    let server = Server::start();
    let (one, other) = (storage(&server), storage(&server));
    block_on(async {
        assert!(one.call_all(requests(claims(100, 1))).await.iter().all(Result::is_ok));
        // Every third is another's by now, and this handle does not know.
        for number in (0..100).step_by(3) {
            let key = lessor::Key::new(number.to_string()).unwrap();
            other.revoke(at_once(&key)).await.unwrap();
            let after = other.get(&key).await.unwrap().map(|lease| lease.term);
            let _ = granted(other.acquire(claim(key.as_str(), 2).after(after)).await);
        }
        let renewals = claims(100, 1).into_iter().map(|claim| renewal(&claim, Term::FIRST));
        for (number, answer) in one.call_all(requests(renewals)).await.into_iter().enumerate() {
            match answer.unwrap() {
                Reply::Renewed(Renewed::Extended { .. }) => assert_ne!(number % 3, 0, "{number}"),
                Reply::Renewed(Renewed::Lost { .. }) => assert_eq!(number % 3, 0, "{number}"),
                odd => panic!("{number}: {odd:?}"),
            }
        }
    });
}

/// A server that takes fewer operations in a transaction is asked in smaller parts.
#[test]
fn a_server_of_small_transactions() {
    for most in ["--max-txn-ops=10", "--max-txn-ops=1"] {
        for release in [Release::V3_4, Release::V3_5] {
            let server = Server::with(release, &[most]);
            let storage = storage(&server);
            block_on(async {
                for _ in 0..2 {
                    let answers = storage.call_all(requests(claims(100, 1))).await;
                    let wrong =
                        answers.iter().find(|answer| !matches!(answer, Ok(Reply::Acquired(Acquired::Granted { .. }))));
                    assert!(wrong.is_none(), "{most}: {wrong:?}");
                }
            });
        }
    }
}

/// As long as all may be.
#[test]
fn long_texts() {
    let server = Server::start();
    let storage = storage(&server);
    block_on(async {
        let value = lessor::Value::new("v".repeat(4096)).unwrap();
        let long = (0..127).map(|number| claim(&format!("{number:256}"), 1).value(Some(value.clone())));
        let answers = storage.call_all(requests(long)).await;
        assert!(
            answers.iter().all(|answer| matches!(answer, Ok(Reply::Acquired(Acquired::Granted { .. })))),
            "{answers:?}"
        );
    });
}
