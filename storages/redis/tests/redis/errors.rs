//! What an error says.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use lessor::storage::{ErrorKind, Reply, Request};
use lessor::{Storage, StorageError, StorageExt, Term};
use lessor_redis::redis::Client;
use lessor_redis::{AdapterError, RedisStorage};
use lessor_servers::asking::at_once;
use lessor_servers::redis::{Keeps, PASSWORD, Server};
use smol::block_on;

use crate::{MINUTE, claim, extended, granted, key, lasting, release, renewal, storage, woken};

/// It says what is wrong, and no secret.
#[track_caller]
fn permanent(error: StorageError) -> AdapterError {
    let shown = format!("{error} {error:?} {:?}", error.get_ref());
    assert_eq!(error.kind(), ErrorKind::Permanent, "{shown}");
    assert!(!shown.contains(PASSWORD) && !shown.contains("wr0ng"), "{shown}");
    AdapterError::of(&error).unwrap_or_else(|| panic!("{shown}")).clone()
}

fn code(error: &AdapterError) -> &str {
    match error {
        AdapterError::Refused { code, .. } => code,
        other => panic!("{other}"),
    }
}

fn as_user(server: &Server, user: &str, password: &str) -> RedisStorage {
    let url = format!("redis://{user}:{password}@127.0.0.1:{}/", server.port());
    RedisStorage::new(Client::open(url).unwrap())
}

async fn acquire_all(
    storage: &RedisStorage,
    claims: impl IntoIterator<Item = lessor::storage::Claim>,
) -> Vec<Result<Reply, StorageError>> {
    storage.call_all(claims.into_iter().map(Request::from).collect()).await
}

#[test]
fn passwords() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let error = permanent(as_user(&server, "", "wr0ng").check().await.unwrap_err());
        assert_eq!(code(&error), "WRONGPASS");
        assert!(error.to_string().contains("correct the user and the password"), "{error}");
        let url = format!("redis://127.0.0.1:{}/", server.port());
        let error = permanent(RedisStorage::new(Client::open(url).unwrap()).check().await.unwrap_err());
        assert_eq!(code(&error), "NOAUTH", "{error}");
        assert!(error.to_string().contains("redis://:password@host"), "{error}");
    });
}

/// As documented: what is left out is missed.
#[test]
fn rights() {
    let server = Server::start(Keeps::Nothing);
    let rights = "~lessor:* &lessor +evalsha +eval +info +time +mget +set +publish +subscribe +ping";
    assert!(include_str!("../../src/lib.rs").contains(&format!("ACL SETUSER app on >password {rights}\n")));
    assert!(include_str!("../../README.md").contains(&format!("ACL SETUSER app on >password {rights}\n")));
    let grant = |rights: &str| {
        let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", ">pw"];
        command.extend(rights.split(' '));
        server.tell(&command);
    };
    let app = || as_user(&server, "app", "pw");
    block_on(async {
        storage(&server).await;
        grant(rights);
        let storage = app();
        storage.check().await.unwrap();
        let mut wakeups = storage.subscribe(&key("allowed"));
        woken(&mut wakeups).await;
        let allowed = claim("allowed", 1);
        let term = granted(storage.acquire(allowed.clone()).await);
        woken(&mut wakeups).await;
        extended(storage.renew(renewal(&allowed, term)).await);
        assert!(storage.revoke(at_once(&allowed.key)).await.unwrap().is_some());
        for lacks in ["+evalsha ", "+eval ", "+info ", "+time ", "+mget ", "+publish ", "+subscribe ", "&lessor "] {
            server.tell(&["SCRIPT", "FLUSH"]);
            grant(&rights.replace(lacks, ""));
            let Err(error) = app().check().await else { panic!("{lacks} is not missed") };
            let error = permanent(error);
            assert!(matches!(error, AdapterError::NoRight { .. }), "{lacks}: {error}");
        }
        grant(&rights.replace("+set ", ""));
        let error = permanent(app().acquire(claim("k", 1)).await.unwrap_err());
        assert!(matches!(error, AdapterError::NoRight { .. }), "{error}");
    });
}

/// A node that has some of the keys would lead these, and the others never.
#[test]
fn a_node_of_a_cluster() {
    let nodes = Server::cluster_of_two(Keeps::Nothing);
    block_on(async {
        let mut led = 0;
        for node in &nodes {
            let storage = RedisStorage::new(node.client());
            let error = permanent(storage.check().await.unwrap_err());
            assert!(matches!(&error, AdapterError::WrongSetup { setting: "cluster-enabled", .. }), "{error}");
            let said = error.to_string();
            let other = nodes.iter().find(|other| other.port() != node.port()).unwrap();
            assert!(said.contains("one node of a Redis Cluster") && said.contains(&other.port().to_string()), "{said}");
            for number in 0..16 {
                match storage.get(&key(&number.to_string())).await {
                    Ok(_) => led += 1,
                    Err(error) => assert!(matches!(permanent(error), AdapterError::WrongSetup { .. })),
                }
            }
        }
        assert_eq!(led, 16, "each key is with one of them");
    });
}

/// What another program wrote is an error of its key alone, also in a batch, and stays as it is.
#[test]
fn odd_records() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let claims = [claim("k", 1), claim("odd", 1)];
        assert!(acquire_all(&storage, claims.clone()).await.iter().all(Result::is_ok));
        server.tell(&["SET", "lessor:{10}:k", "no record"]);
        let [odd, _] = &claims;
        for error in [
            storage.acquire(odd.clone()).await.unwrap_err(),
            storage.get(&odd.key).await.unwrap_err(),
            storage.revoke(at_once(&odd.key)).await.unwrap_err(),
        ] {
            let error = permanent(error);
            assert!(matches!(&error, AdapterError::Unreadable { key, field: "term", .. } if key == "k"), "{error}");
        }
        let replies = acquire_all(&storage, claims.clone()).await;
        assert!(replies[0].is_err() && replies[1].is_ok(), "{replies:?}");
        storage.release(release(odd)).await.unwrap();
        assert_eq!(server.ask::<String>(&["GET", "lessor:{10}:k"]), "no record");
    });
}

/// A longer lease than the freeze, alone or beside others.
#[test]
fn long_ttls() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let long = lasting(MINUTE + Duration::from_millis(1), claim("long", 1));
        for error in [
            storage.acquire(long.clone()).await.unwrap_err(),
            storage.renew(renewal(&long, Term::FIRST)).await.unwrap_err(),
            acquire_all(&storage, [claim("odd", 1), long.clone()]).await.pop().unwrap().unwrap_err(),
        ] {
            let error = permanent(error);
            assert_eq!(error, AdapterError::ttl_too_long(long.ttl, MINUTE));
            assert!(error.to_string().contains("ttl 60.001s is longer than the max_ttl 60s"), "{error}");
        }
        assert_eq!(storage.get(&long.key).await.unwrap(), None);
        let error = RedisStorage::builder().max_ttl(Duration::ZERO).unwrap_err();
        assert!(matches!(error, AdapterError::InvalidSetting { field: "max_ttl", .. }), "{error}");
    });
}

/// Another program listens there: somebody has to correct the address.
#[test]
fn another_server() {
    for answer in ["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "SSH-2.0-OpenSSH_9.9\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://127.0.0.1:{}/", listener.local_addr().unwrap().port());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let error = permanent(block_on(RedisStorage::new(Client::open(url).unwrap()).check()).unwrap_err());
        assert!(error.to_string().contains("check the address and the port"), "{error}");
        assert!(error.to_string().contains("(address 127.0.0.1:"), "{error}");
        server.join().unwrap();
    }
}

/// Nobody listens there: it may come, and is named until then.
#[test]
fn no_server() {
    let port = lessor_servers::free_port();
    let client = Client::open(format!("redis://:s3cret@127.0.0.1:{port}/")).unwrap();
    let error = block_on(RedisStorage::new(client).check()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    let text = error.to_string();
    assert!(text.contains(&format!("no connection to Redis at 127.0.0.1:{port}: Connection refused")), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

/// Whether a full server may be written to changes with time. What it drops when it is full does not.
#[test]
fn full_servers() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
        let error = storage.acquire(claim("new", 1)).await.unwrap_err();
        assert_eq!((error.kind(), code(AdapterError::of(&error).unwrap())), (ErrorKind::Transient, "OOM"));
        storage.check().await.unwrap();
        server.tell(&["CONFIG", "SET", "maxmemory", "1gb"]);
        for (policy, evicts) in [("allkeys-lru", true), ("allkeys-random", true), ("volatile-lru", false)] {
            server.tell(&["CONFIG", "SET", "maxmemory-policy", policy]);
            let seen = storage.check().await.err().map(permanent);
            assert_eq!(seen.is_some(), evicts, "{policy}");
            if let Some(error) = seen {
                assert!(matches!(&error, AdapterError::WrongSetup { found, .. } if found == policy), "{error}");
            }
        }

        server.stop();
        assert_eq!(storage.check().await.unwrap_err().kind(), ErrorKind::Transient);
    });
}
