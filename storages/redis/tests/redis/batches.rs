//! Many requests at once.

use lessor::storage::{Acquired, DuplicateKey, Get, List, Renewed, Reply, Request, Revoke};
use lessor::{Lease, Storage, StorageError, Term};
use lessor_kit::encoding::fingerprint;
use lessor_servers::redis::{Keeps, Server};
use smol::block_on;

use crate::{calls, claim, key, release, renewal, storage};

#[track_caller]
fn granted(reply: Result<Reply, StorageError>) -> Term {
    match reply.unwrap() {
        Reply::Acquired(Acquired::Granted { term, .. }) => term,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn got(reply: Result<Reply, StorageError>) -> Lease {
    match reply.unwrap() {
        Reply::Got(Some(lease)) => lease,
        other => panic!("{other:?}"),
    }
}

/// As many calls as there are shards, or as 256 keys need; answers in order; a key once.
#[test]
fn one_operation() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let _ = storage.call_all(vec![claim("warm", 1).into()]).await;
        for (keys, expected) in [(1, 1), (1000, 16), (5000, 32)] {
            let claims: Vec<_> = (0..keys).map(|number| claim(&format!("{keys}/{number}"), 1 + number)).collect();
            let before = calls(&server);
            let replies = storage.call_all(claims.iter().cloned().map(Request::from).collect()).await;
            let terms: Vec<_> = replies.into_iter().map(granted).collect();
            assert_eq!(calls(&server) - before, expected, "{keys} keys");
            let renewals = claims.iter().zip(&terms).map(|(claim, term)| renewal(claim, *term).into());
            let renewed = storage.call_all(renewals.collect()).await;
            assert!(renewed.iter().all(|reply| matches!(reply, Ok(Reply::Renewed(Renewed::Extended { .. })))));
            let gets: Vec<Request> = claims.iter().map(|claim| Get::new(claim.key.clone()).into()).collect();
            for (place, reply) in storage.call_all(gets.clone()).await.into_iter().enumerate() {
                let lease = got(reply);
                assert_eq!((lease.id.as_ref(), lease.term), (Some(&claims[place].id), terms[place]));
            }
            let released = storage.call_all(claims.iter().map(|claim| release(claim).into()).collect()).await;
            assert!(released.iter().all(|reply| matches!(reply, Ok(Reply::Released))));
            assert!(storage.call_all(gets).await.into_iter().all(|reply| got(reply).id.is_none()));
        }
        let replies = storage.call_all(["a", "b", "a"].map(|key| claim(key, 1).into()).into()).await;
        assert!(replies[0].is_ok() && replies[1].is_ok());
        assert!(replies[2].as_ref().unwrap_err().get_ref().is::<DuplicateKey>());
    });
}

/// Each operation has its own answer in its place, and costs a call a shard.
#[test]
fn all_operations() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        // Of one shard.
        let shard = |name: &str| -> String {
            let number = (0..).find(|number| fingerprint(format!("{name}{number}").as_bytes()) % 16 == 3);
            format!("{name}{}", number.unwrap())
        };
        let [renewed, released, revoked, seen, new] = ["renewed", "released", "revoked", "seen", "new"].map(shard);
        let held = [&renewed, &released, &revoked, &seen].map(|key| claim(key, 1));
        let terms: Vec<_> = storage
            .call_all(held.iter().cloned().map(Request::from).collect())
            .await
            .into_iter()
            .map(granted)
            .collect();
        let mixed = || -> Vec<Request> {
            vec![
                List::new().prefix("se").into(),
                Revoke::new(key(&revoked)).now(true).into(),
                claim(&new, 2).into(),
                Get::new(key(&seen)).into(),
                release(&held[1]).into(),
                renewal(&held[0], terms[0]).into(),
                Get::new(key(&seen)).into(),
                List::new().into(),
            ]
        };
        // Each script is sent once.
        let _ = storage.call_all(mixed()).await;
        let before = calls(&server);
        let replies = storage.call_all(mixed()).await;
        // Five operations of the batch, and a look for each of the two lists.
        assert_eq!(calls(&server) - before, 7);
        let listed = |reply: &Result<Reply, StorageError>| match reply {
            Ok(Reply::Listed(page)) => page.entries.iter().map(|entry| entry.key.to_string()).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(listed(&replies[0]), [seen.as_str()]);
        assert!(matches!(replies[1], Ok(Reply::Revoked(None))), "it was revoked before: {:?}", replies[1]);
        assert!(matches!(replies[2], Ok(Reply::Acquired(Acquired::Granted { .. }))), "{:?}", replies[2]);
        assert!(matches!(&replies[3], Ok(Reply::Got(Some(lease))) if lease.term == terms[3]), "{:?}", replies[3]);
        assert!(matches!(replies[4], Ok(Reply::Released)), "{:?}", replies[4]);
        assert!(matches!(replies[5], Ok(Reply::Renewed(Renewed::Extended { .. }))), "{:?}", replies[5]);
        assert!(replies[6].as_ref().unwrap_err().get_ref().is::<DuplicateKey>());
        let mut all = [&renewed, &released, &revoked, &seen, &new].map(String::as_str);
        all.sort_unstable();
        assert_eq!(listed(&replies[7]), all);
    });
}
