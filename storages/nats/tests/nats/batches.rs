//! Many keys at once.

use lessor::storage::{Acquired, Renewed, Reply};
use lessor::{Storage, StorageExt, Term, Value};
use lessor_nats::NatsStorage;
use lessor_servers::asking::at_once;
use lessor_servers::proxy::Proxy;
use smol::block_on;

use crate::{claim, claims, granted, renewal, requests, server, storage};

/// One request for each, and all of them under way together: as many round trips as there are times 128.
#[test]
fn a_batch_is_few_round_trips() {
    let server = server();
    let proxy = Proxy::to(server.port());
    let storage = NatsStorage::new([format!("127.0.0.1:{}", proxy.port())]).unwrap();
    block_on(async {
        storage.check().await.unwrap();
        let (rounds, mut messages) = (proxy.rounds(), server.messages());
        let answers = storage.call_all(requests(claims(300, 1))).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Reply::Acquired(Acquired::Granted { .. })))));
        messages.are(300 + 300, "a look and a grant for each");
        assert!(proxy.rounds() - rounds < 300, "{}", proxy.rounds() - rounds);
        let renewals = claims(300, 1).into_iter().map(|claim| renewal(&claim, Term::FIRST));
        let answers = storage.call_all(requests(renewals)).await;
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Reply::Renewed(Renewed::Extended { .. })))));
        messages.are(300, "a renewal for each");
    });
}

/// Those that others have written meanwhile do not keep the rest from being written.
#[test]
fn each_by_itself() {
    let server = server();
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

/// As long as all may be: names that are escaped to three times their length, and the longest values.
#[test]
fn long_texts() {
    let server = server();
    let storage = storage(&server);
    block_on(async {
        let value = Value::new("v".repeat(4096)).unwrap();
        let long = (0..127).map(|number| claim(&format!("{number:256}"), 1).value(Some(value.clone())));
        let answers = storage.call_all(requests(long)).await;
        let wrong = answers.iter().find(|answer| !matches!(answer, Ok(Reply::Acquired(Acquired::Granted { .. }))));
        assert!(wrong.is_none(), "{wrong:?}");
        let page = storage.list(lessor::storage::List::new().limit(200)).await.unwrap();
        assert_eq!(page.entries.len(), 127);
    });
}
