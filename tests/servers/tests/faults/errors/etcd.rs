use std::sync::Arc;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_etcd::etcd_client::{AlarmAction, AlarmType, Client, ConnectOptions};
use lessor_etcd::{AdapterError, EtcdStorage};
use lessor_servers::etcd::{ROOT, Release, Server};

use super::{PASSWORD, Trouble, heals};

pub(crate) fn heal() {
    let server = Server::with(Release::V3_5, &["--bcrypt-cost=4"]);
    server.enable_auth();
    let add_user = |password: &str| {
        server.ctl(&["user", "add", &format!("app:{password}")]);
        server.ctl(&["user", "grant-role", "app", "app"]);
    };
    let grant = || server.ctl(&["role", "grant-permission", "app", "readwrite", "lessor/", "--prefix=true"]);
    server.ctl(&["role", "add", "app"]);
    grant();
    add_user(PASSWORD);
    let refused = |error: &StorageError, said: &str| matches!(AdapterError::of(error), Some(AdapterError::Refused { message, .. }) if message.contains(said));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let troubles = [
        Trouble {
            name: "wrong password",
            kind: ErrorKind::Permanent,
            is: Box::new(|error| refused(error, "authentication failed")),
            set: Box::new(|wrong| {
                server.ctl(&["user", "delete", "app"]);
                add_user(if wrong { "wr0ng" } else { PASSWORD });
            }),
            end_sessions: &|| {},
        },
        Trouble {
            name: "missing right",
            kind: ErrorKind::Permanent,
            is: Box::new(|error| matches!(AdapterError::of(error), Some(AdapterError::NoRight { .. }))),
            set: Box::new(|missing| {
                if missing {
                    server.ctl(&["role", "revoke-permission", "app", "lessor/", "--prefix=true"]);
                } else {
                    grant();
                }
            }),
            end_sessions: &|| {},
        },
        Trouble {
            name: "full disk",
            kind: ErrorKind::Permanent,
            is: Box::new(|error| refused(error, "database space exceeded")),
            set: Box::new(|full| {
                let action = if full { AlarmAction::Activate } else { AlarmAction::Deactivate };
                runtime.block_on(async {
                    let options = ConnectOptions::new().with_user("root", ROOT);
                    let mut client = Client::connect([server.endpoint()], Some(options)).await.unwrap();
                    client.alarm(action, AlarmType::Nospace, None).await.unwrap();
                });
            }),
            end_sessions: &|| {},
        },
    ];
    for trouble in &troubles {
        let storage = EtcdStorage::builder().user("app", PASSWORD).build([server.endpoint()]).unwrap();
        heals(trouble, Arc::new(storage));
    }
}
