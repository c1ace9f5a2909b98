//! A write to the same NATS that only the newest leader can do, as it is documented.

use lessor::{Builder, Term};
use lessor_nats::async_nats::jetstream::kv::{Config, Store, UpdateErrorKind};
use lessor_nats::async_nats::{self, HeaderMap, jetstream};

use crate::{in_tokio, server, storage, stranger};

/// Writes, unless a later term has written: each message says in which term it was written, and takes the place of the one that was
/// looked at, or of none. Answers whether it was written.
async fn fenced_put(
    context: &jetstream::Context,
    stream: &jetstream::stream::Stream,
    subject: &str,
    value: &str,
    term: Term,
) -> Result<bool, async_nats::Error> {
    loop {
        let last = match stream.get_last_raw_message_by_subject(subject).await {
            Ok(message) => Some(message),
            Err(error) if error.kind() == jetstream::stream::LastRawMessageErrorKind::NoMessageFound => None,
            Err(error) => return Err(error.into()),
        };
        let newest = last.as_ref().and_then(|last| last.headers.get("Lessor-Term")?.as_str().parse().ok()).unwrap_or(0);
        if newest > term.get() {
            return Ok(false);
        }
        let mut headers = HeaderMap::new();
        headers.insert("Lessor-Term", term.to_string());
        let sequence = last.map_or(0, |last| last.sequence);
        headers.insert("Nats-Expected-Last-Subject-Sequence", sequence.to_string());
        let sent = context.publish_with_headers(subject.to_owned(), headers, value.to_owned().into()).await?;
        match sent.await {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == jetstream::context::PublishErrorKind::WrongLastSequence => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[test]
fn an_old_leader_writes_nothing() {
    let server = server();
    in_tokio(async {
        let context = stranger(&server).await;
        context.create_key_value(Config { bucket: "reports".into(), ..Config::default() }).await.unwrap();
        let stream = context.get_stream("KV_reports").await.unwrap();
        let reign = async || {
            let (candidate, driver) = Builder::new("k").build(storage(&server)).unwrap();
            let driver = tokio::spawn(driver.run());
            let term = candidate.elected().await.unwrap().term();
            candidate.shutdown().await.unwrap();
            driver.await.unwrap();
            term
        };
        let (old, new) = (reign().await, reign().await);
        assert!(new > old);
        let put = async |value: &str, term| fenced_put(&context, &stream, "$KV.reports.a", value, term).await.unwrap();
        assert!(put("first", old).await);
        assert!(put("again", old).await);
        assert!(put("second", new).await);
        assert!(!put("late", old).await);
        assert!(put("third", new).await);
        let ten = Term::new(10).unwrap();
        assert!(put("tenth", ten).await, "10 comes after 2");
        assert!(!put("late", new).await);
        let bucket = context.get_key_value("reports").await.unwrap();
        assert_eq!(bucket.get("a").await.unwrap().unwrap(), "tenth");
        overtaken(&bucket).await;
    });
}

/// What comes between the look and the write is noticed: that is what the condition is for.
async fn overtaken(bucket: &Store) {
    let looked = bucket.put("b", "first".into()).await.unwrap();
    bucket.put("b", "second".into()).await.unwrap();
    let error = bucket.update("b", "late".into(), looked).await.unwrap_err();
    assert_eq!(error.kind(), UpdateErrorKind::WrongLastRevision);
}
