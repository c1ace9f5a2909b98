use std::sync::Arc;

use lessor::storage::ErrorKind;
use lessor_objects::AdapterError;
use lessor_servers::seaweed::Server;

use super::{PASSWORD, Trouble, heals};
use crate::faulty::bucket;

/// The user `app`: its password, and what else than reading it may do.
fn user(password: &str, actions: &str) -> String {
    let credentials = format!(r#"[{{ "accessKey": "app", "secretKey": "{password}" }}]"#);
    format!(r#"{{ "name": "app", "credentials": {credentials}, "actions": ["Read:leases"{actions}] }}"#)
}

const MAY_WRITE: &str = r#", "Write:leases", "List:leases""#;

pub(crate) fn heal() {
    let fit = user(PASSWORD, MAY_WRITE);
    let server = Server::with_users(&fit);
    let set = |wrong: String| {
        let (server, fit) = (&server, &fit);
        Box::new(move |is_wrong: bool| server.reload(if is_wrong { &wrong } else { fit }))
    };
    let troubles = [
        Trouble {
            name: "wrong password",
            kind: ErrorKind::Permanent,
            is: Box::new(|error| error.to_string().contains("(SignatureDoesNotMatch): correct the credentials")),
            set: set(user("wr0ng", MAY_WRITE)),
            end_sessions: &|| {},
        },
        Trouble {
            name: "missing right",
            kind: ErrorKind::Permanent,
            is: Box::new(|error| matches!(AdapterError::of(error), Some(AdapterError::NoRight { .. }))),
            set: set(user(PASSWORD, "")),
            end_sessions: &|| {},
        },
    ];
    for trouble in &troubles {
        heals(trouble, Arc::new(bucket(server.port(), Some(("app", PASSWORD)))));
    }
}
