//! What keeps a candidate from the storage is told, tried again for ever, and healed by itself when its cause goes.

pub(crate) mod etcd;
pub(crate) mod mysql;
pub(crate) mod nats;
pub(crate) mod objects;
pub(crate) mod postgres;
pub(crate) mod redis;

use std::sync::Arc;
use std::time::Duration;

use lessor::storage::ErrorKind;
use lessor::{Builder, Event, LostReason, Storage, StorageError};
use lessor_servers::elections::{Elections, now};

/// The password of the user `app`.
const PASSWORD: &str = "app-s3cret";

/// What may be wrong, from `set(true)` to `set(false)`.
struct Trouble<'a> {
    name: &'static str,
    kind: ErrorKind,
    /// Whether the error says so, by its type.
    is: Box<dyn Fn(&StorageError) -> bool + 'a>,
    set: Box<dyn Fn(bool) + 'a>,
    /// Ends the sessions that go on as they were let in. It is done for as long as an operation succeeds: a session that
    /// is being let in at the moment of `set` is in no list of the server yet.
    end_sessions: &'a dyn Fn(),
}

/// It is there when a candidate starts; it comes while it leads.
fn heals(trouble: &Trouble<'_>, storage: Arc<dyn Storage>) {
    let name = trouble.name;
    let fits = |error: &StorageError| error.kind() == trouble.kind && (trouble.is)(error);
    (trouble.set)(true);
    let elections =
        Elections::start(&[name], vec![storage], |builder: Builder| builder.ttl(Duration::from_millis(1500)));
    let candidate = elections.candidate(0);
    let end_sessions = || {
        if candidate.status().failures == 0 {
            (trouble.end_sessions)();
        }
    };
    let is_shown = |mark| {
        elections.wait(name, || {
            end_sessions();
            let shown = |event: &Event| matches!(event, Event::StorageFailed { error, .. } if fits(error));
            elections.log().since(mark).iter().any(|entry| shown(&entry.event)).then_some(())
        });
        // It is tried again and again, and says the same.
        elections.wait(name, || {
            end_sessions();
            let status = candidate.status();
            (status.failures >= 4 && status.last_error.as_ref().is_some_and(fits) && status.driver_alive).then_some(())
        });
        for entry in elections.log().since(mark) {
            let shown = format!("{:?}", entry.event);
            assert!(!shown.contains(PASSWORD) && !shown.contains("wr0ng"), "{shown}");
        }
    };
    is_shown(0);
    assert!(!candidate.is_leader() && candidate.status().last_success.is_none(), "{name}");
    (trouble.set)(false);
    elections.all_led_after(now(), Duration::ZERO);

    let (_, term) = elections.leader();
    let mark = elections.log().mark();
    (trouble.set)(true);
    is_shown(mark);
    let lost = |event: &Event| match event {
        Event::Lost { reason, .. } => Some(*reason),
        _ => None,
    };
    assert_eq!(elections.wait_for(0, mark, "the term is lost", lost), LostReason::Expired, "{name}");
    (trouble.set)(false);
    elections.all_led_after(now(), Duration::ZERO);
    assert!(elections.leader().1 > term && candidate.status().failures == 0, "{name}");
    elections.finish();
}
