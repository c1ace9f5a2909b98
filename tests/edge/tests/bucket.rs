//! A bucket of R2 as a storage: the contract over a Worker's binding, processes beside it, and the example of a job of a cron trigger.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures::executor::block_on;
use lessor::storage::{Acquired, Claim, List, Release, Revoke, Session};
use lessor::{Id, Key, Lease, StorageExt};
use lessor_edge_tests::{BUCKET, Bucket, SECRET, Setting, TESTS, Workerd, call, until};
use lessor_objects::ObjectStorage;
use lessor_objects::object_store::aws::AmazonS3Builder;
use lessor_objects::object_store::{ObjectStore, RetryConfig};
use serde_json::Value;

/// The bucket by its S3 interface.
fn store(bucket: &Bucket) -> Arc<dyn ObjectStore> {
    // What TLS would be computed with. (Whoever comes second finds it there.)
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (key, secret) = SECRET;
    let store = AmazonS3Builder::new()
        .with_endpoint(bucket.s3())
        .with_allow_http(true)
        .with_bucket_name("bucket")
        .with_region("auto")
        .with_access_key_id(key)
        .with_secret_access_key(secret)
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
    Arc::new(store.build().expect("settings that fit"))
}

/// Every case of the contract, from a Worker through the binding; and a process reads each of its leases: their objects are called
/// alike, and hold alike.
fn keeps_the_contract(path: &str, folder: &str) {
    let bucket = Bucket::start();
    let workerd = Workerd::start(&Setting { bucket: Some(bucket.port()), ..Setting::of(TESTS) });
    let answer = workerd.call("GET", path, None, None);
    println!("{}", answer.text);
    assert_eq!(answer.status, 200);

    let process = ObjectStorage::builder().prefix(folder).unwrap().build(store(&bucket));
    let (mut seen, mut list) = (0, List::new());
    loop {
        let page = block_on(process.list(list)).unwrap();
        seen += page.entries.len();
        if page.next.is_none() {
            break;
        }
        list = List::new().start(page.next);
    }
    let names = bucket.names();
    assert_eq!(seen, names.len());
    assert!(names.iter().any(|name| name.contains("=/")), "none has a long name");
}

#[test]
fn clones_keep_the_contract() {
    keeps_the_contract("/conformance/bucket", "lessor");
}

#[test]
fn handles_apart_keep_the_contract() {
    keeps_the_contract("/conformance/bucket/apart", "apart/v1");
}

/// Where the report comes from: each request waits for the test's answer.
struct Source {
    port: u16,
    requests: Receiver<TcpStream>,
}

impl Source {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = channel();
        thread::spawn(move || listener.incoming().map_while(Result::ok).try_for_each(|stream| sender.send(stream)));
        Self { port, requests }
    }

    /// The next Worker that asks.
    fn asked(&self) -> TcpStream {
        self.requests.recv_timeout(Duration::from_secs(30)).expect("a Worker asks the source")
    }

    fn assert_not_asked(&self) {
        assert!(self.requests.try_recv().is_err(), "a second Worker works");
    }
}

fn answer(mut stream: TcpStream, text: &str) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).unwrap();
    let length = text.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}").unwrap();
}

/// The example, deployed under this name.
fn worker(bucket: &Bucket, source: &Source, name: &str, ttl: u64) -> Workerd {
    let source = format!("http://127.0.0.1:{}/", source.port);
    let vars = vec![("NAME", name.to_owned()), ("SOURCE", source), ("TTL_SECONDS", ttl.to_string())];
    Workerd::start(&Setting { bucket: Some(bucket.port()), vars, ..Setting::of(BUCKET) })
}

/// Its cron trigger, until its event ends.
fn cron(workerd: &Workerd, hour: u64) -> JoinHandle<()> {
    let url = workerd.url();
    thread::spawn(move || assert_eq!(call(&url, "POST", &format!("/cron/{hour}"), None, Some("")).status, 200))
}

/// The hour and the term of the report.
fn report(workerd: &Workerd) -> (u64, u64) {
    let report: Value = workerd.call("GET", "/", None, None).json();
    (report["scheduled_ms"].as_u64().unwrap(), report["term"].as_u64().unwrap())
}

fn key() -> Key {
    Key::new("report").unwrap()
}

fn lease(storage: &ObjectStorage) -> Lease {
    block_on(storage.get(&key())).unwrap().expect("somebody has led")
}

/// Who it is, and in which term.
fn holder(lease: &Lease) -> (Option<&str>, u64) {
    (lease.id.as_ref().map(Id::as_str), lease.term.get())
}

/// An operator takes the lease from whom it is to belong to.
fn revoke(bucket: &Bucket, from: (&str, u64)) {
    let revoked = block_on(ObjectStorage::new(store(bucket)).revoke(Revoke::new(key()).now(true))).unwrap();
    let (id, term) = from;
    assert_eq!(revoked.as_ref().map(holder), Some((Some(id), term)));
}

/// Looks twice at the lease and finds it held: whoever asks now is not the one that holds it.
fn stands_by(bucket: &Bucket) {
    bucket.asked();
    let polls = |asked: Vec<String>| asked.iter().filter(|asked| *asked == "get lessor/report").count();
    let mut seen = 0;
    until("the other one stands by", || {
        seen += polls(bucket.asked());
        (seen >= 2).then_some(())
    });
}

#[test]
fn one_works_and_the_other_finds_nothing_left() {
    let (bucket, source) = (Bucket::start(), Source::start());
    let (first, standby) = (worker(&bucket, &source, "first", 10), worker(&bucket, &source, "standby", 10));
    assert_eq!(first.call("GET", "/", None, None).status, 404);
    let events = [cron(&first, 1), cron(&standby, 1)];
    let working = source.asked();
    stands_by(&bucket);
    source.assert_not_asked();
    answer(working, "one");
    events.into_iter().for_each(|event| event.join().unwrap());
    source.assert_not_asked();
    assert_eq!(report(&standby), (1, 1));

    // A trigger that comes twice, and the next hour: each event has released the lease before it ended.
    cron(&standby, 1).join().unwrap();
    source.assert_not_asked();
    let event = cron(&standby, 2);
    answer(source.asked(), "two");
    event.join().unwrap();
    assert_eq!(report(&first), (2, 4), "the second and the third term found nothing to do");
}

/// As the example's README says.
#[test]
fn an_event_is_six_requests() {
    let (bucket, source) = (Bucket::start(), Source::start());
    let first = worker(&bucket, &source, "first", 60);
    let event = cron(&first, 1);
    answer(source.asked(), "one");
    event.join().unwrap();
    let claimed = ["get lessor/report", "put lessor/report"];
    let worked = ["get report", "get report", "put report"];
    assert_eq!(bucket.asked(), [&claimed[..], &worked, &["put lessor/report"]].concat());
}

#[test]
fn the_other_takes_over_from_one_that_died() {
    let (bucket, source) = (Bucket::start(), Source::start());
    let (mut first, standby) = (worker(&bucket, &source, "first", 6), worker(&bucket, &source, "standby", 6));
    let died = cron(&first, 1);
    let _never_answered = source.asked();
    let event = cron(&standby, 1);
    stands_by(&bucket);
    source.assert_not_asked();
    first.kill();
    answer(source.asked(), "one");
    event.join().unwrap();
    assert!(died.join().is_err(), "it had an answer");
    assert_eq!(report(&standby), (1, 2));
}

/// An operator has ended its term, which it has not heard of: the report refuses what it writes.
#[test]
fn a_term_that_is_over_is_refused() {
    let (bucket, source) = (Bucket::start(), Source::start());
    let (first, standby) = (worker(&bucket, &source, "first", 60), worker(&bucket, &source, "standby", 60));
    let late = cron(&first, 2);
    let working = source.asked();
    revoke(&bucket, ("first", 1));
    let event = cron(&standby, 1);
    answer(source.asked(), "one");
    event.join().unwrap();
    assert_eq!(report(&standby), (1, 3), "the revoke is a term, too");
    answer(working, "late");
    late.join().unwrap();
    assert_eq!(report(&first), (1, 3));
}

/// What it had sent before its term was over comes after the next one's: the report has another tag by then.
#[test]
fn a_write_that_comes_late_is_refused() {
    let (bucket, source) = (Bucket::start(), Source::start());
    let (first, standby) = (worker(&bucket, &source, "first", 60), worker(&bucket, &source, "standby", 60));
    let event = cron(&first, 1);
    answer(source.asked(), "the same");
    event.join().unwrap();

    bucket.hold("put report");
    let late = cron(&first, 3);
    answer(source.asked(), "the same");
    until("its write is on the way", || bucket.is_late().then_some(()));
    revoke(&bucket, ("first", 2));
    let event = cron(&standby, 2);
    answer(source.asked(), "the same");
    event.join().unwrap();
    assert_eq!(report(&standby), (2, 4));

    bucket.let_go();
    late.join().unwrap();
    assert_eq!(report(&first), (2, 4));
}

/// A process that reaches the bucket by its S3 interface, and a Worker, hold one lease in turn.
#[test]
fn processes_and_workers_elect_one_leader() {
    let (bucket, source) = (Bucket::start(), Source::start());
    let first = worker(&bucket, &source, "first", 5);
    let process = ObjectStorage::new(store(&bucket));
    let (id, session) = (Id::new("process").unwrap(), Session::from_bits(1));
    let claim = Claim::new(key(), id, session, Duration::from_secs(60));
    assert!(matches!(block_on(process.acquire(claim)).unwrap(), Acquired::Granted { .. }));
    let event = cron(&first, 1);
    stands_by(&bucket);
    source.assert_not_asked();
    block_on(process.release(Release::new(key(), session))).unwrap();
    let working = source.asked();
    assert_eq!(holder(&lease(&process)), (Some("first"), 2));
    answer(working, "one");
    event.join().unwrap();
    assert_eq!(holder(&lease(&process)), (None, 2), "it has resigned");
}
