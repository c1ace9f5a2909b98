//! An operator looks at many leases.

use lessor::storage::{List, Page, Request};
use lessor::{Storage, StorageExt};
use lessor_redis::redis::Client;
use lessor_redis::{AdapterError, RedisStorage};
use lessor_servers::redis::{Keeps, PASSWORD, Server};
use smol::block_on;

use crate::{claim, granted, key, release, storage};

fn keys(page: &Page) -> Vec<&str> {
    page.entries.iter().map(|entry| entry.key.as_str()).collect()
}

/// Grants each of them.
async fn grant(storage: &RedisStorage, keys: impl IntoIterator<Item = String>) {
    let claims: Vec<Request> = keys.into_iter().map(|key| claim(&key, 1).into()).collect();
    assert!(storage.call_all(claims).await.iter().all(Result::is_ok));
}

/// In the order of their bytes, whatever the shards, a page at a time, each key once.
#[test]
fn pages() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        assert_eq!(storage.list(List::new()).await.unwrap(), Page::default());
        let mut expected: Vec<_> = (0..2500).map(|number| format!("job {number}")).collect();
        grant(&storage, expected.clone()).await;
        // What is not of this storage, and what only looks like it.
        grant(&RedisStorage::builder().prefix("lessor2").unwrap().build(server.client()), ["job other".into()]).await;
        for other in ["lessor:{3}:", "lessor:{99}:job x", "lessor:job x", "xlessor:{3}:job x"] {
            server.tell(&["SET", other, "1\n1\n1\n1\n1\n1\n\nid"]);
        }
        expected.sort_unstable();

        let mut list = List::new().prefix("job ").limit(700);
        let mut seen: Vec<String> = Vec::new();
        let mut sizes = Vec::new();
        loop {
            let page = storage.list(list.clone()).await.unwrap();
            sizes.push(page.entries.len());
            seen.extend(page.entries.iter().map(|entry| entry.key.to_string()));
            assert!(page.entries.iter().all(|entry| entry.lease.is_live() && entry.lease.age.is_some()));
            match page.next {
                Some(next) => list = list.start(Some(next)),
                None => break,
            }
        }
        assert_eq!(seen, expected);
        assert_eq!(sizes.iter().rev().skip(1).copied().collect::<Vec<_>>(), [700; 3]);

        // A page that is just full is the last one; the first key need not be there.
        let page = storage.list(List::new().prefix("job 99").limit(11)).await.unwrap();
        assert_eq!((keys(&page).len(), page.next), (11, None));
        let page = storage.list(List::new().start(Some(key("job 998x"))).limit(1)).await.unwrap();
        assert_eq!(keys(&page), ["job 999"]);
        assert_eq!(storage.list(List::new().start(Some(key("k")))).await.unwrap(), Page::default());
        assert_eq!(storage.list(List::new().limit(usize::MAX)).await.unwrap().entries.len(), List::MAX_LIMIT);
        assert_eq!(storage.list(List::new().limit(0)).await.unwrap().entries.len(), 1);
    });
}

/// A prefix is a text, whatever it means in a pattern.
#[test]
fn patterns_are_texts() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        for prefix in ["lessor", "a*b?[c]^\\"] {
            let storage = RedisStorage::builder().prefix(prefix).unwrap().build(server.client());
            storage.initialise().await.unwrap();
            let odd = ["*", "?x", "[a]", "[^a]", "a", "\\", "\\*x", "x*y", "xzy", "{1}:x", "}:{2}:x", "é☃", "éa"];
            grant(&storage, odd.map(String::from)).await;
            for beginning in odd.iter().chain(&["", "[", "x", "é", "}", "nothing", "a\n", "xzyy"]) {
                let mut expected: Vec<_> = odd.into_iter().filter(|key| key.starts_with(beginning)).collect();
                expected.sort_unstable();
                let page = storage.list(List::new().prefix(*beginning)).await.unwrap();
                assert_eq!(keys(&page), expected, "{prefix} {beginning:?}");
            }
        }
    });
}

/// It shows what a look shows: released keys too, nobody as holder after a loss, and no record that nobody can read.
#[test]
fn leases_are_as_looked_at() {
    let server = Server::start(Keeps::Everything);
    block_on(async {
        let storage = storage(&server).await;
        granted(storage.acquire(claim("a", 1)).await);
        granted(storage.acquire(claim("b", 1)).await);
        storage.release(release(&claim("b", 1))).await.unwrap();
        let page = storage.list(List::new()).await.unwrap();
        let holders: Vec<_> = page.entries.iter().map(|entry| entry.lease.id.as_ref().map(|id| id.as_str())).collect();
        assert_eq!((keys(&page), holders), (vec!["a", "b"], vec![Some("candidate 1"), None]));
        // No string is no record.
        server.tell(&["HSET", "lessor:{2}:c", "term", "1"]);
        assert_eq!(keys(&storage.list(List::new()).await.unwrap()), ["a", "b"]);

        // Also over a restart between two calls.
        server.crash();
        let page = storage.list(List::new()).await.unwrap();
        assert!(page.entries.len() == 2 && page.entries.iter().all(|entry| entry.lease.id.is_none()));

        server.tell(&["SET", "lessor:{12}:a", "no record"]);
        let error = storage.list(List::new()).await.unwrap_err();
        assert!(
            matches!(AdapterError::of(&error), Some(AdapterError::Unreadable { key, .. }) if key == "a"),
            "{error}"
        );
        assert_eq!(keys(&storage.list(List::new().prefix("b")).await.unwrap()), ["b"]);
    });
}

/// The right that only lists need.
#[test]
fn a_right_of_its_own() {
    let server = Server::start(Keeps::Nothing);
    let rights = "+evalsha +eval +info +time +mget +set +publish +subscribe";
    for (more, may) in [("+scan", true), ("+ping", false)] {
        let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pw", "~lessor:*", "&lessor", more];
        command.extend(rights.split(' '));
        server.tell(&command);
        let url = format!("redis://app:pw@127.0.0.1:{}/", server.port());
        let storage = RedisStorage::new(Client::open(url).unwrap());
        block_on(async {
            storage.check().await.unwrap();
            let listed = storage.list(List::new()).await;
            let lacks = listed.as_ref().is_err_and(|error| {
                assert!(!error.to_string().contains(PASSWORD));
                matches!(AdapterError::of(error), Some(AdapterError::NoRight { .. }))
            });
            assert_eq!((listed.is_ok(), lacks), (may, !may), "{listed:?}");
        });
    }
}
