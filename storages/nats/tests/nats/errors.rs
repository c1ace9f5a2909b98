//! What an error says.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageExt, Value};
use lessor_nats::async_nats::ConnectOptions;
use lessor_nats::{AdapterError, NatsStorage};
use lessor_servers::nats::{Cluster, Server};
use smol::block_on;

use crate::{claim, claims, granted, in_tokio, key, requests, server, soon, storage, stranger, told};

/// Nobody listens there: it may come, and is named until then.
#[test]
fn no_server() {
    let port = lessor_servers::free_port();
    let error =
        block_on(NatsStorage::new([format!("nats://app:s3cret@127.0.0.1:{port}")]).unwrap().check()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    let text = error.to_string();
    assert!(text.contains(&format!("no connection to nats://127.0.0.1:{port}: Connection refused")), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

/// A name that nobody knows.
#[test]
fn no_name() {
    let error = block_on(NatsStorage::new(["nowhere.invalid"]).unwrap().check()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(error.to_string().contains("no connection to nats://nowhere.invalid:4222"), "{error}");
}

/// Another program listens there, which speaks first, or not.
#[test]
fn another_server() {
    for answer in ["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "SSH-2.0-OpenSSH_9.9\r\n", ""] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.write_all(answer.as_bytes());
                let _ = stream.read(&mut [0; 4096]);
            }
        });
        let error = block_on(NatsStorage::new([address.clone()]).unwrap().check()).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&address) && said.contains("no connection to"), "{said}");
        assert!(said.contains("NATS server"), "{said}");
    }
}

/// A password that is wrong, or missing.
#[test]
fn a_user_that_is_not_let_in() {
    let server = Server::with("jetstream: enabled\nauthorization { user: app, password: s3cret }");
    let port = server.port();
    for wrong in [format!("nats://app:wr0ng@127.0.0.1:{port}"), server.address(), format!("t0ken@127.0.0.1:{port}")] {
        let error = block_on(NatsStorage::new([wrong]).unwrap().check()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        let said = error.to_string();
        assert!(matches!(told(&error), AdapterError::NoConnection { .. }), "{said}");
        assert!(said.contains("authorization violation: correct the user and the password"), "{said}");
        assert!(!said.contains("wr0ng") && !said.contains("t0ken"), "{said}");
    }
    let options = ConnectOptions::with_user_and_password("app".into(), "s3cret".into());
    let in_options = NatsStorage::builder().options(options).build([server.address()]).unwrap();
    let in_address = NatsStorage::new([format!("nats://app:s3cre%74@127.0.0.1:{port}")]).unwrap();
    for storage in [in_options, in_address] {
        block_on(storage.migrate()).unwrap();
        block_on(storage.check()).unwrap();
    }
}

#[test]
fn a_token() {
    let server = Server::with("jetstream: enabled\nauthorization { token: t0ken }");
    let storage = NatsStorage::new([format!("nats://t0ken@127.0.0.1:{}", server.port())]).unwrap();
    block_on(storage.migrate()).unwrap();
}

/// A server without JetStream, an account without it, and a server without a bucket.
#[test]
fn what_is_not_set_up() {
    let off = "JetStream does not answer (503): if it goes on like that, enable JetStream";
    let for_account = "enable JetStream: in the server's configuration (jetstream), and for the account";
    let accounts = "jetstream: enabled\naccounts { A: { users: [{ user: a, password: b }] } }\nno_auth_user: a";
    let missing = "the server has no such bucket (stream not found): call migrate() once to create it";
    let cases = [("", off), (accounts, for_account), ("jetstream: enabled", missing)];
    for (settings, message) in cases {
        let server = Server::with(settings);
        let storage = storage(&server);
        let key = key("k");
        block_on(async {
            let read = storage.get(&key).await.unwrap_err();
            let write = storage.acquire(claim("k", 1)).await.unwrap_err();
            let checked = storage.check().await.unwrap_err();
            let listed = storage.list(lessor::storage::List::new()).await.unwrap_err();
            for error in [read, write, checked, listed] {
                let said = error.to_string();
                assert!(
                    said.contains(message) || settings.contains("accounts") && said.contains(off),
                    "{settings}: {said}"
                );
            }
        });
    }
}

/// A write that nobody takes says why.
#[test]
fn a_bucket_that_vanishes() {
    let server = server();
    in_tokio(async {
        let storage = storage(&server);
        let claimed = claim("k", 1);
        let term = granted(storage.acquire(claimed.clone()).await);
        stranger(&server).await.delete_key_value("lessor").await.unwrap();
        let error = storage.renew(crate::renewal(&claimed, term)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(error.to_string().contains("the server has no such bucket"), "{error}");
    });
}

/// What another program wrote is an error of its key alone, also in a batch, and stays as it is.
#[test]
fn a_row_of_another_program() {
    let server = server();
    in_tokio(async {
        let storage = storage(&server);
        let bucket = stranger(&server).await.get_key_value("lessor").await.unwrap();
        bucket.put("1", "no record".into()).await.unwrap();
        let error = storage.get(&key("1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(error.to_string().contains("what NATS has for the key \"1\""), "{error}");
        let answers = storage.call_all(requests(claims(3, 1))).await;
        assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(bucket.get("1").await.unwrap().unwrap(), "no record");
    });
}

/// A server that takes short messages only, and a bucket that is full.
#[test]
fn what_is_too_large() {
    let server = Server::with("jetstream: enabled\nmax_payload: 1000");
    in_tokio(async {
        let storage = storage(&server);
        storage.migrate().await.unwrap();
        let value = Value::new("v".repeat(4096)).unwrap();
        let error = storage.acquire(claim("k", 1).value(Some(value))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(error.to_string().contains("raise max_payload"), "{error}");
        let _ = granted(storage.acquire(claim("k", 1)).await);

        let context = stranger(&server).await;
        let mut config = context.get_stream("KV_lessor").await.unwrap().cached_info().config.clone();
        config.max_bytes = 500;
        context.update_stream(config).await.unwrap();
        storage.check().await.unwrap();
        let error = storage.acquire(claim("other", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(error.to_string().contains("raise the limits of the bucket's stream"), "{error}");
    });
}

/// A cluster without a majority takes nothing: it is asked again.
#[test]
fn no_leader() {
    let cluster = Cluster::start();
    let storage = NatsStorage::builder().replicas(3).unwrap().build(cluster.addresses()).unwrap();
    block_on(async {
        storage.migrate().await.unwrap();
        storage.check().await.unwrap();
        cluster.members()[0].stop();
        cluster.members()[1].stop();
        // Until it notices it is silent.
        for _ in 0..10 {
            let asked = futures::future::select(
                Box::pin(storage.acquire(claim("k", 1))),
                smol::Timer::after(std::time::Duration::from_secs(2)),
            );
            match asked.await {
                futures::future::Either::Left((answer, _)) => {
                    let error = answer.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
                }
                futures::future::Either::Right(_) => {}
            }
        }
        cluster.crash();
        for _ in 0..10 {
            if let Some(Ok(())) = soon(storage.check()).await {
                return;
            }
        }
        panic!("it does not work again");
    });
}
