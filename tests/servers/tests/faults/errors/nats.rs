use std::sync::Arc;

use futures::executor::block_on;
use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_nats::{AdapterError, NatsStorage};
use lessor_servers::nats::Server;

use super::{PASSWORD, Trouble, heals};

/// What the user may do, and whether its account has JetStream.
fn settings(password: &str, publish: &str, jetstream: &str) -> String {
    format!(
        "jetstream: enabled\naccounts {{ A: {{ jetstream: {jetstream}, users: [{{ user: app, password: \"{password}\", \
         permissions: {{ publish: \"{publish}\", subscribe: \">\" }} }}] }} }}"
    )
}

pub(crate) fn heal() {
    let fit = settings(PASSWORD, ">", "enabled");
    let server = Server::with(&fit);
    let storage = || NatsStorage::new([format!("nats://app:{PASSWORD}@127.0.0.1:{}", server.port())]).unwrap();
    block_on(storage().migrate()).unwrap();
    let set = |wrong: String| {
        let (server, fit) = (&server, &fit);
        Box::new(move |is_wrong: bool| server.reload(if is_wrong { &wrong } else { fit }))
    };
    let troubles = [
        Trouble {
            name: "wrong password",
            kind: ErrorKind::Permanent,
            is: Box::new(
                |error: &StorageError| matches!(AdapterError::of(error), Some(AdapterError::NoConnection { cause, .. }) if cause == "authorization violation"),
            ),
            set: set(settings("wr0ng", ">", "enabled")),
            end_sessions: &|| {},
        },
        Trouble {
            name: "missing right",
            kind: ErrorKind::Permanent,
            is: Box::new(|error| matches!(AdapterError::of(error), Some(AdapterError::NoRight { .. }))),
            set: set(settings(PASSWORD, "other", "enabled")),
            end_sessions: &|| {},
        },
        Trouble {
            name: "no JetStream",
            kind: ErrorKind::Permanent,
            is: Box::new(|error| error.to_string().contains("enable JetStream")),
            set: set(settings(PASSWORD, ">", "disabled")),
            end_sessions: &|| {},
        },
    ];
    for trouble in &troubles {
        heals(trouble, Arc::new(storage()));
    }
}
