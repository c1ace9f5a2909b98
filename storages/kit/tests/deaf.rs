//! What the log says of a listener that hears nothing: this process has one subscriber for all threads.

use std::fmt::{self, Write as _};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use futures::StreamExt;
use futures::executor::block_on;
use lessor::Key;
use lessor::storage::Subscribers;
use lessor_kit::listener::{Channel, Listener};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Hands on each line.
struct Log(Sender<String>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "lessor"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        let _ = self.0.send(line.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

/// Refused, each time.
struct Refused;

impl Channel for Refused {
    type Error = &'static str;
    const THREAD: &'static str = "refused";

    async fn listen(&self, subscribers: &Subscribers) -> Result<(), &'static str> {
        subscribers.wake_all();
        Err("not here")
    }
}

fn line(log: &Receiver<String>) -> Option<String> {
    log.try_recv().ok()
}

#[test]
fn one_warning() {
    let (sender, log) = mpsc::channel();
    tracing::subscriber::set_global_default(Log(sender)).unwrap();
    let listener = Listener::new(Refused);
    let mut wakeups = listener.subscribe(&Key::new("k").unwrap());
    // It is refused again and again, with pauses.
    for _ in 0..3 {
        assert_eq!(block_on(wakeups.next()), Some(()));
    }
    let warning = log.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(
        warning.starts_with("WARN") && warning.contains("not here") && warning.contains("no wake-ups"),
        "{warning}"
    );
    assert_eq!(line(&log), None, "once");
}
