//! Users, passwords, tokens and rights.

use std::time::Duration;

use futures::future::join_all;
use lessor::storage::ErrorKind;
use lessor::{Storage, StorageExt};
use lessor_etcd::{AdapterError, EtcdStorage};
use lessor_servers::etcd::{Release, Server};
use lessor_servers::proxy::Proxy;
use smol::block_on;

use crate::{claim, extended, granted, key, release, renewal, soon, told, woken};

const PASSWORD: &str = "app-s3cret";

fn as_app(server: &Server, password: &str) -> EtcdStorage {
    EtcdStorage::builder().user("app", password).build([server.endpoint()]).unwrap()
}

/// With the rights that are documented.
fn server(release: Release, more: &[&str]) -> Server {
    let rights = "etcdctl role grant-permission lessor readwrite lessor/ --prefix=true";
    assert!(include_str!("../../README.md").contains(rights));
    let arguments: Vec<_> = ["--bcrypt-cost=4"].into_iter().chain(more.iter().copied()).collect();
    let server = Server::with(release, &arguments);
    server.ctl(&["role", "add", "lessor"]);
    server.ctl(&rights.split(' ').skip(1).collect::<Vec<_>>());
    server.ctl(&["user", "add", &format!("app:{PASSWORD}")]);
    server.ctl(&["user", "grant-role", "app", "lessor"]);
    server
}

/// They suffice, for wake-ups and lists too; and are needed.
#[test]
fn rights() {
    for release in [Release::V3_4, Release::V3_5] {
        let server = server(release, &[]);
        server.enable_auth();
        block_on(async {
            let storage = as_app(&server, PASSWORD);
            storage.check().await.unwrap();
            let mut wakeups = storage.subscribe(&key("k"));
            woken(&mut wakeups).await;
            let claimed = claim("k", 1);
            let term = granted(storage.acquire(claimed.clone()).await);
            woken(&mut wakeups).await;
            extended(storage.renew(renewal(&claimed, term)).await);
            assert_eq!(storage.list(lessor::storage::List::new()).await.unwrap().entries.len(), 1);
            let both = crate::requests([claim("a", 1), claim("b", 1)]);
            assert!(storage.call_all(both).await.iter().all(Result::is_ok));
            storage.release(release_of(&claimed)).await.unwrap();

            let elsewhere = EtcdStorage::builder().user("app", PASSWORD).prefix("other/").unwrap();
            let elsewhere = elsewhere.build([server.endpoint()]).unwrap();
            server.ctl(&["role", "add", "looks"]);
            server.ctl(&["role", "grant-permission", "looks", "read", "other/", "--prefix=true"]);
            for lacks in ["all", "write"] {
                let error = elsewhere.check().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Permanent);
                assert!(matches!(told(&error), AdapterError::NoRight { .. }), "{lacks}: {error}");
                server.ctl(&["user", "grant-role", "app", "looks"]);
            }
            let error = elsewhere.acquire(claim("k", 1)).await.unwrap_err();
            assert!(matches!(told(&error), AdapterError::NoRight { .. }), "{error}");
        });
    }
}

fn release_of(claim: &lessor::storage::Claim) -> lessor::storage::Release {
    release(claim)
}

#[test]
fn passwords() {
    let server = server(Release::V3_4, &[]);
    server.enable_auth();
    block_on(async {
        let error = as_app(&server, "wr0ng").check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("correct the user and the password") && !shown.contains("wr0ng"), "{shown}");
        let error = EtcdStorage::new([server.endpoint()]).unwrap().check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(error.to_string().contains("asks for a user and a password"), "{error}");
    });
}

/// A token that is not used for long is forgotten by the server: a renewal gets a new one, and so does what wakes followers.
#[test]
fn a_token_runs_out() {
    for release in [Release::V3_4, Release::V3_5] {
        let server = server(release, &["--auth-token-ttl=1", "--log-level=info"]);
        server.enable_auth();
        block_on(async {
            let storage = as_app(&server, PASSWORD);
            let claimed = claim("k", 1);
            let term = granted(storage.acquire(claimed.clone()).await);
            let mut wakeups = storage.subscribe(&key("k"));
            woken(&mut wakeups).await;
            let tokens = || server.requests("Auth/Authenticate");
            let is_forgotten = async || {
                let before = server.logged("deleted a simple token");
                let later = async {
                    while server.logged("deleted a simple token") == before {
                        smol::Timer::after(Duration::from_millis(20)).await;
                    }
                };
                soon(later).await.expect("a token runs out");
            };
            let before = tokens();
            is_forgotten().await;
            extended(storage.renew(renewal(&claimed, term)).await);
            assert_eq!(tokens() - before, 1);
            is_forgotten().await;
            let mut others = storage.subscribe(&key("others"));
            woken(&mut others).await;
            let _ = granted(storage.acquire(claim("others", 1)).await);
            woken(&mut others).await;
        });
    }
}

/// Authentication goes off and on, and rights change: what a storage knows of itself is old each time.
#[test]
fn authentication_comes_and_goes() {
    for release in [Release::V3_4, Release::V3_5] {
        let server = server(release, &[]);
        block_on(async {
            let storage = as_app(&server, PASSWORD);
            // A password is no reason not to work where none is asked for.
            storage.check().await.unwrap();
            let mut wakeups = storage.subscribe(&key("k"));
            woken(&mut wakeups).await;
            let claimed = claim("k", 1);
            let term = granted(storage.acquire(claimed.clone()).await);
            server.enable_auth();
            for _ in 0..3 {
                extended(storage.renew(renewal(&claimed, term)).await);
                server.ctl(&["auth", "disable"]);
                extended(storage.renew(renewal(&claimed, term)).await);
                server.ctl(&["auth", "enable"]);
                extended(storage.renew(renewal(&claimed, term)).await);
                server.ctl(&["role", "add", "another"]);
                server.ctl(&["role", "delete", "another"]);
                extended(storage.renew(renewal(&claimed, term)).await);
                server.crash();
                storage.check().await.unwrap();
                extended(storage.renew(renewal(&claimed, term)).await);
            }
            storage.release(release_of(&claimed)).await.unwrap();
            woken(&mut wakeups).await;
        });
    }
}

/// A wrong password is tried once for all who wait, and not again for all who come next.
#[test]
fn a_wrong_password_is_not_tried_by_everybody() {
    let server = server(Release::V3_4, &[]);
    server.enable_auth();
    let storage = as_app(&server, "wr0ng");
    block_on(async {
        let before = server.requests("Auth/Authenticate");
        let k = key("k");
        for _ in 0..2 {
            for answer in join_all((0..100).map(|_| storage.get(&k))).await {
                let error = answer.unwrap_err();
                assert!(error.to_string().contains("correct the user and the password"), "{error}");
            }
        }
        let tried = server.requests("Auth/Authenticate") - before;
        assert!((1..=2).contains(&tried), "{tried}");
    });
}

/// A token that has run out costs a login, for all who need one: the connection stays, and what followers hear goes on.
#[test]
fn a_new_token_on_the_same_connection() {
    for release in [Release::V3_4, Release::V3_5] {
        let server = server(release, &["--auth-token-ttl=1", "--log-level=info"]);
        server.enable_auth();
        let proxy = Proxy::to(server.port());
        let storage = EtcdStorage::builder().user("app", PASSWORD);
        let storage = storage.build([format!("127.0.0.1:{}", proxy.port())]).unwrap();
        block_on(async {
            let claimed = claim("k", 1);
            let term = granted(storage.acquire(claimed.clone()).await);
            let mut wakeups = storage.subscribe(&key("k"));
            woken(&mut wakeups).await;
            let counted = || (server.requests("Auth/Authenticate"), server.requests("Watch/Watch"));
            let (logins, streams) = counted();
            let before = server.logged("deleted a simple token");
            let forgotten = async {
                while server.logged("deleted a simple token") == before {
                    smol::Timer::after(Duration::from_millis(20)).await;
                }
            };
            soon(forgotten).await.expect("a token runs out");
            let keys: Vec<_> = (0..50).map(|number| key(&number.to_string())).collect();
            let answers = join_all(keys.iter().map(|key| storage.get(key))).await;
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
            extended(storage.renew(renewal(&claimed, term)).await);
            assert_eq!(counted(), (logins + 1, streams));
            // Another process tells those who follow since before.
            let other = as_app(&server, PASSWORD);
            other.revoke(lessor_servers::asking::at_once(&claimed.key)).await.unwrap();
            woken(&mut wakeups).await;
            assert_eq!((counted(), proxy.opened()), ((logins + 2, streams), 1));
        });
    }
}
