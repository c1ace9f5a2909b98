//! Buckets that are created, and those that are not fit.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use futures::future::join_all;
use lessor::storage::ErrorKind;
use lessor::{Storage, StorageExt};
use lessor_nats::async_nats::jetstream::kv::Config;
use lessor_nats::async_nats::jetstream::stream::{self, DiscardPolicy, StorageType};
use lessor_nats::{AdapterError, NatsStorage};
use lessor_servers::nats::{Cluster, Server};
use smol::block_on;

use crate::{claim, granted, in_tokio, storage, stranger, told};

/// Many processes at once, and again.
#[test]
fn it_is_created_once() {
    let server = Server::start();
    in_tokio(async {
        let storages: Vec<_> = (0..10).map(|_| storage(&server)).collect();
        for _ in 0..2 {
            let migrated = join_all(storages.iter().map(NatsStorage::migrate)).await;
            assert!(migrated.iter().all(Result::is_ok), "{migrated:?}");
        }
        let _ = granted(storages[0].acquire(claim("k", 1)).await);
        storages[1].migrate().await.unwrap();
        assert!(storages[1].get(&crate::key("k")).await.unwrap().is_some(), "it is still there");
        let bucket = stranger(&server).await.get_key_value("lessor").await.unwrap();
        let status = bucket.status().await.unwrap();
        assert_eq!((status.history(), status.max_age()), (1, Duration::ZERO));
        let config = &bucket.stream.cached_info().config;
        assert_eq!((config.storage, config.discard), (StorageType::File, DiscardPolicy::New));
    });
}

/// More copies than there are servers.
#[test]
fn replicas() {
    let alone = Server::start();
    let build = |addresses: Vec<String>| NatsStorage::builder().replicas(3).unwrap().build(addresses).unwrap();
    let error = block_on(build(vec![alone.address()]).migrate()).unwrap_err();
    assert!(error.to_string().contains("replicas > 1 not supported in non-clustered mode"), "{error}");
    let cluster = Cluster::start();
    block_on(build(cluster.addresses()).migrate()).unwrap();
    in_tokio(async {
        let bucket = stranger(&cluster.members()[1]).await.get_key_value("lessor").await.unwrap();
        assert_eq!(bucket.stream.cached_info().config.num_replicas, 3);
    });
}

/// As people make one with NATS's own programs.
#[test]
fn one_of_somebody_else() {
    let server = Server::start();
    in_tokio(async {
        let context = stranger(&server).await;
        let config = Config { bucket: "lessor".into(), history: 5, max_bytes: 1_000_000, ..Config::default() };
        context.create_key_value(config).await.unwrap();
        let storage = storage(&server);
        storage.migrate().await.unwrap();
        storage.check().await.unwrap();
        let _ = granted(storage.acquire(claim("k", 1)).await);
    });
}

/// The way to a server which says there that it is of another version.
fn said_to_be(version: &'static str, server: &Server) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (here, there) = (listener.local_addr().unwrap().port(), server.port());
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", there)).unwrap();
            let (mut reads, mut writes) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut reads, &mut writes));
            thread::spawn(move || tell_as(version, server, client));
        }
    });
    here
}

/// Passes on what a server says, line by line.
fn tell_as(version: &str, server: TcpStream, mut client: TcpStream) -> io::Result<()> {
    const SAYS: &str = "\"version\":\"";
    let mut lines = BufReader::new(server);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        if let Some(start) = line.find(SAYS).map(|start| start + SAYS.len()) {
            let end = start + line[start..].find('"').unwrap();
            // As long as it was: the server has said how long all of it is.
            line.replace_range(start..end, &format!("{version:-<width$}", width = end - start));
        }
        client.write_all(line.as_bytes())?;
        line.clear();
    }
    Ok(())
}

/// It would lose what it acknowledged.
#[test]
fn an_old_server_is_refused() {
    let server = crate::server();
    let of = |version| NatsStorage::new([format!("nats://127.0.0.1:{}", said_to_be(version, &server))]).unwrap();
    let error = block_on(of("2.10.9").check()).unwrap_err();
    assert!(matches!(told(&error), AdapterError::WrongSetup { setting: "version", .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("(version 2.10.9") && said.ends_with("update all servers to 2.10.23 or later"), "{said}");
    block_on(of("2.11.0").check()).unwrap();
}

/// Each that would forget rows, or let them be forgotten, by the server's own account of its settings.
#[test]
fn what_forgets_is_refused() {
    let server = Server::start();
    let subjects = || vec!["$KV.lessor.>".to_owned()];
    let fit = || stream::Config {
        name: "KV_lessor".into(),
        subjects: subjects(),
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        ..stream::Config::default()
    };
    let old = DiscardPolicy::Old;
    let unfit = [
        ("max_age", stream::Config { max_age: Duration::from_secs(3600), ..fit() }),
        ("storage", stream::Config { storage: StorageType::Memory, ..fit() }),
        ("max_bytes", stream::Config { max_bytes: 1_000_000, discard: old, ..fit() }),
        ("max_msgs", stream::Config { max_messages: 1_000, discard: old, ..fit() }),
        ("retention", stream::Config { retention: stream::RetentionPolicy::Interest, ..fit() }),
        ("no_ack", stream::Config { no_ack: true, ..fit() }),
        ("discard_new_per_subject", stream::Config { discard_new_per_subject: true, ..fit() }),
        ("max_msg_size", stream::Config { max_message_size: 1_000, ..fit() }),
        ("subjects", stream::Config { subjects: vec!["other".into()], ..fit() }),
        (
            "mirror",
            stream::Config {
                subjects: Vec::new(),
                mirror: Some(stream::Source { name: "origin".into(), ..Default::default() }),
                ..fit()
            },
        ),
        (
            "sources",
            stream::Config {
                sources: Some(vec![stream::Source { name: "origin".into(), ..Default::default() }]),
                ..fit()
            },
        ),
        (
            "subject_transform",
            stream::Config {
                subject_transform: Some(stream::SubjectTransform {
                    source: "$KV.lessor.>".into(),
                    destination: "$KV.lessor.x.>".into(),
                }),
                ..fit()
            },
        ),
    ];
    in_tokio(async {
        let context = stranger(&server).await;
        let origin = stream::Config { name: "origin".into(), subjects: vec!["origin".into()], ..Default::default() };
        context.create_stream(origin).await.unwrap();
        let storage = storage(&server);
        context.create_stream(fit()).await.unwrap();
        storage.check().await.unwrap();
        context.delete_stream("KV_lessor").await.unwrap();
        for (setting, config) in unfit {
            context.create_stream(config).await.unwrap();
            for error in [storage.check().await.unwrap_err(), storage.migrate().await.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
                let AdapterError::WrongSetup { setting: said, .. } = told(&error) else { panic!("{error}") };
                assert_eq!(*said, setting, "{error}");
            }
            context.delete_stream("KV_lessor").await.unwrap();
        }
        // What the client that these tests use does not know of.
        for (setting, value) in [("persist_mode", "\"async\""), ("allow_msg_counter", "true")] {
            let config = format!(
                r#"{{"name":"KV_lessor","subjects":["$KV.lessor.>"],"retention":"limits","storage":"file","discard":"old",
                    "num_replicas":1,"max_age":0,"max_msgs":-1,"max_bytes":-1,"max_consumers":-1,"{setting}":{value}}}"#
            );
            let client = async_nats::connect(server.address()).await.unwrap();
            let made = client.request("$JS.API.STREAM.CREATE.KV_lessor", config.into()).await.unwrap();
            assert!(!made.payload.windows(7).any(|part| part == b"\"error\""), "{made:?}");
            let error = storage.check().await.unwrap_err();
            assert!(error.to_string().contains(setting), "{error}");
            context.delete_stream("KV_lessor").await.unwrap();
        }
    });
}

/// What is acknowledged is on the disk: as it is documented.
#[test]
fn a_server_that_flushes() {
    let server = Server::with("jetstream { sync_interval: always }");
    let storage = storage(&server);
    block_on(async {
        storage.migrate().await.unwrap();
        let _ = granted(storage.acquire(claim("k", 1)).await);
        server.crash();
        assert!(storage.get(&crate::key("k")).await.unwrap().unwrap().is_live());
    });
}
