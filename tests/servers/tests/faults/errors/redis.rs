use std::cell::RefCell;
use std::sync::Arc;

use futures::executor::block_on;
use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_redis::redis::{Client, Value, cmd};
use lessor_redis::{AdapterError, RedisStorage};
use lessor_servers::redis::{Keeps, Server};

use super::{PASSWORD, Trouble, heals};

pub(crate) fn heal() {
    let server = Server::start(Keeps::Nothing);
    // One that stays: there are troubles in which there is no other to be had.
    let admin = RefCell::new(server.client().get_connection().unwrap());
    let run = |line: &str| {
        let mut words = line.split(' ');
        let mut command = cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        let _: Value = command.query(&mut *admin.borrow_mut()).unwrap();
    };
    run(&format!("ACL SETUSER app on >{PASSWORD} ~* &* +@all"));
    let client = Client::open(format!("redis://app:{PASSWORD}@127.0.0.1:{}/", server.port())).unwrap();
    block_on(RedisStorage::new(client.clone()).initialise()).unwrap();
    let storage = || Arc::new(RedisStorage::new(client.clone()));
    let refused = |error: &StorageError, code: &str| matches!(AdapterError::of(error), Some(AdapterError::Refused { code: said, .. }) if said == code);
    let end_sessions = || run("CLIENT KILL USER app");
    let troubles = [
        Trouble {
            name: "wrong password",
            kind: ErrorKind::Permanent,
            is: Box::new(|error| refused(error, "WRONGPASS")),
            set: Box::new(|wrong| {
                run(&format!("ACL SETUSER app resetpass >{}", if wrong { "wr0ng" } else { PASSWORD }));
            }),
            end_sessions: &end_sessions,
        },
        Trouble {
            name: "missing right",
            kind: ErrorKind::Permanent,
            is: Box::new(|error| matches!(AdapterError::of(error), Some(AdapterError::NoRight { .. }))),
            set: Box::new(|missing| run(&format!("ACL SETUSER app {}@scripting", if missing { "-" } else { "+" }))),
            end_sessions: &|| {},
        },
        Trouble {
            name: "replica",
            kind: ErrorKind::Permanent,
            is: Box::new(|error| matches!(AdapterError::of(error), Some(AdapterError::ReadOnly { .. }))),
            set: Box::new(|on| run(if on { "REPLICAOF 127.0.0.1 1" } else { "REPLICAOF NO ONE" })),
            end_sessions: &|| {},
        },
        Trouble {
            name: "missing replicas",
            kind: ErrorKind::Transient,
            is: Box::new(|error| refused(error, "NOREPLICAS")),
            set: Box::new(|on| run(&format!("CONFIG SET min-replicas-to-write {}", u8::from(on)))),
            end_sessions: &|| {},
        },
        Trouble {
            name: "full memory",
            kind: ErrorKind::Transient,
            is: Box::new(|error| refused(error, "OOM")),
            set: Box::new(|full| run(&format!("CONFIG SET maxmemory {}", u8::from(full)))),
            end_sessions: &|| {},
        },
        Trouble {
            name: "too many clients",
            kind: ErrorKind::Transient,
            // The server may have hung up before its words are read.
            is: Box::new(|error| {
                refused(error, "ERR") || matches!(AdapterError::of(error), Some(AdapterError::NoConnection { .. }))
            }),
            set: Box::new(|exhausted| {
                run(&format!("CONFIG SET maxclients {}", if exhausted { 1 } else { 1000 }));
            }),
            end_sessions: &end_sessions,
        },
    ];
    for trouble in &troubles {
        heals(trouble, storage());
    }
}
