//! A program checks its storage at its start, and has to come to an end with it.

use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::ErrorKind;
use lessor_servers::elections::now;
use lessor_servers::proxy::{Mode, Proxy};

use crate::faulty::Faulty;

/// A server takes the connection, and says nothing; or says nothing more.
pub(crate) fn silent<S: Faulty>() {
    let server = S::start();
    for was_there in [false, true] {
        let proxy = Proxy::to(server.port());
        let storage = server.storage_at(proxy.port());
        if was_there {
            block_on(storage.check()).unwrap();
        }
        proxy.set(Mode::DropReplies);
        let began = now();
        let error = block_on(storage.check()).unwrap_err();
        let took = now().saturating_duration_since(began);
        assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
        // What is measured is that it ends: minutes are what drivers wait by themselves.
        assert!(took < Duration::from_secs(30), "{took:?}: {error}");
    }
}
