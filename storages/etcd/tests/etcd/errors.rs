//! What an error says.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageExt};
use lessor_etcd::{AdapterError, EtcdStorage};
use lessor_servers::etcd::{Cluster, Release, Server};
use smol::block_on;

use crate::{claim, claims, granted, key, requests, storage, told};

/// Nobody listens there: it may come, and is named until then.
#[test]
fn no_server() {
    let port = lessor_servers::free_port();
    let builder = EtcdStorage::builder().user("app", "s3cret");
    for storage in [builder.build([format!("127.0.0.1:{port}")]), EtcdStorage::new([format!("127.0.0.1:{port}")])] {
        let error = block_on(storage.unwrap().check()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient);
        let text = error.to_string();
        assert!(
            text.contains(&format!("no connection to etcd at http://127.0.0.1:{port}: Connection refused")),
            "{text}"
        );
        assert!(!text.contains("s3cret"), "{text}");
    }
}

/// A name that nobody knows.
#[test]
fn no_name() {
    let error = block_on(EtcdStorage::new(["nowhere.invalid:2379"]).unwrap().check()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert!(error.to_string().contains("no connection to etcd at http://nowhere.invalid:2379"), "{error}");
}

/// Another program listens there.
#[test]
fn another_server() {
    for answer in ["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "SSH-2.0-OpenSSH_9.9\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let error = block_on(EtcdStorage::new([endpoint.clone()]).unwrap().check()).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&endpoint), "{said}");
        assert!(said.contains("another program may listen there"), "{said}");
    }
}

/// What another program wrote is an error of its key alone, also in a batch, and stays as it is.
#[test]
fn odd_records() {
    let server = Server::start();
    let storage = storage(&server);
    block_on(async {
        server.ctl(&["put", "lessor/1", "no record"]);
        let error = storage.acquire(claim("1", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(error.to_string().contains("what etcd has for the key \"1\""), "{error}");
        let answers = storage.call_all(requests(claims(3, 1))).await;
        assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert!(server.ctl(&["get", "lessor/1"]).contains("no record"));
    });
}

/// A server that takes small requests only.
#[test]
fn requests_that_are_too_large() {
    let server = Server::with(Release::V3_4, &["--max-request-bytes=1000"]);
    let storage = storage(&server);
    block_on(async {
        let value = lessor::Value::new("v".repeat(4096)).unwrap();
        let error = storage.acquire(claim("k", 1).value(Some(value))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(error.to_string().contains("raise --max-request-bytes"), "{error}");
        let _ = granted(storage.acquire(claim("k", 1)).await);
    });
}

/// A cluster without a majority has no leader: it says so at once, and is asked again.
#[test]
fn no_leader() {
    let cluster = Cluster::start(Release::V3_5);
    let storage = EtcdStorage::new(cluster.endpoints()).unwrap();
    block_on(async {
        storage.check().await.unwrap();
        cluster.members()[0].stop();
        cluster.members()[1].stop();
        let error = loop {
            let error = crate::soon(storage.get(&key("k"))).await.expect("an answer").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
            if error.to_string().contains("no leader") {
                break error;
            }
        };
        assert!(matches!(told(&error), AdapterError::Refused { .. }), "{error}");
        cluster.crash();
        storage.check().await.unwrap();
    });
}
