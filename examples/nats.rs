//! Two or more processes that elect a leader in NATS, and write only what the newest term may.
//!
//! `NATS_URL=localhost cargo run --features nats --example nats`
//!
//! Run it in two terminals and end the one that leads with Ctrl-C: the other leads at once. The server needs JetStream:
//! `nats-server --jetstream`.

use std::env;
use std::error::Error;
use std::time::Duration;

use lessor::{Builder, Leadership, Storage, Term};
use lessor_nats::NatsStorage;
use lessor_nats::async_nats::jetstream::context::PublishErrorKind;
use lessor_nats::async_nats::jetstream::kv::Config;
use lessor_nats::async_nats::jetstream::message::StreamMessage;
use lessor_nats::async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use lessor_nats::async_nats::jetstream::{self, Context};
use lessor_nats::async_nats::{self, HeaderMap};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let servers =
        env::var("NATS_URL").map_err(|_| "set NATS_URL: localhost, or nats://host1:4222,nats://host2:4222")?;
    let servers: Vec<&str> = servers.split(',').collect();
    let storage = NatsStorage::new(servers.clone())?;
    storage.migrate().await?;
    storage.check().await?;
    let context = jetstream::new(async_nats::connect(servers).await?);
    context.create_key_value(Config { bucket: "example".into(), ..Config::default() }).await?;
    let bucket = context.get_stream("KV_example").await?;

    let (candidate, driver) = Builder::new("example").build(storage)?;
    let driver = tokio::spawn(driver.run_until(told_to_end()));
    println!("follows until it leads");
    let lead = candidate.lead(async |leadership| {
        println!("leads in term {}", leadership.term());
        // Hands over if the work fails; another one may succeed.
        work(&context, &bucket, &leadership).await.inspect_err(|error| println!("the work failed: {error}")).into()
    });
    lead.await?;
    println!("does not lead any more");
    driver.await?;
    Ok(())
}

/// Goes on until its term ends, or the bucket says that it has.
async fn work(context: &Context, bucket: &Stream, leadership: &Leadership) -> Result<(), async_nats::Error> {
    for number in 1.. {
        let (report, term) = (format!("report {number}"), leadership.term());
        if !write(context, bucket, "$KV.example.report", &report, term).await? {
            return Err(format!("somebody else leads: a later term than {term} has written").into());
        }
        println!("wrote {report} in term {term}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Each message says in which term it was written, and takes the place of the very one that was looked at. Answers whether it was
/// written.
async fn write(
    context: &Context,
    bucket: &Stream,
    subject: &str,
    value: &str,
    term: Term,
) -> Result<bool, async_nats::Error> {
    loop {
        // Of the leader of the stream, which has all that was written.
        let last = match bucket.get_last_raw_message_by_subject(subject).await {
            Ok(message) => Some(message),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => None,
            Err(error) => return Err(error.into()),
        };
        let written = |last: &StreamMessage| last.headers.get("Lessor-Term")?.as_str().parse::<u64>().ok();
        if last.as_ref().and_then(written).is_some_and(|newest| newest > term.get()) {
            return Ok(false);
        }
        let mut headers = HeaderMap::new();
        headers.insert("Lessor-Term", term.to_string());
        // 0: if there is none.
        let sequence = last.map_or(0, |last| last.sequence);
        headers.insert("Nats-Expected-Last-Subject-Sequence", sequence.to_string());
        let sent = context.publish_with_headers(subject.to_owned(), headers, value.to_owned().into()).await?;
        match sent.await {
            Ok(_) => return Ok(true),
            // Somebody was faster: look again.
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What asks it to end: Ctrl-C, and SIGTERM where there is one.
async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
