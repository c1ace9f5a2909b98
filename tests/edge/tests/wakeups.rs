//! Wake-ups over HTTP: one connection for all keys, made anew when it is lost, and gone when nobody needs it.

use std::fmt::Write;
use std::future::Future;
use std::sync::{Mutex, Once};
use std::time::Duration;

use futures::StreamExt;
use lessor::{Builder, Key, Storage, StorageExt, Wakeups};
use lessor_edge_tests::{CANDIDATE, Event, Setting, TEAM, Workerd};
use lessor_http::HttpStorage;
use log::{Log, Metadata, Record};
use smol::future::or;
use smol::{Timer, block_on};

/// What has to happen happens within this time.
const PATIENCE: Duration = Duration::from_secs(20);

const HOUR: Duration = Duration::from_secs(3600);

fn storage(url: &str, token: &str) -> HttpStorage {
    HttpStorage::new(url, token).unwrap()
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    or(async { Some(future.await) }, async {
        Timer::after(limit).await;
        None
    })
    .await
}

fn woken(wakeups: &mut Wakeups) {
    assert_eq!(block_on(within(PATIENCE, wakeups.next())), Some(Some(())), "a wake-up");
}

fn quiet(wakeups: &mut Wakeups, limit: Duration) {
    assert_eq!(block_on(within(limit, wakeups.next())), None, "no wake-up");
}

/// Subscribes, and takes the wake-up that says that the service watches.
fn subscribed(storage: &HttpStorage, name: &str) -> Wakeups {
    let mut wakeups = storage.subscribe(&key(name));
    woken(&mut wakeups);
    wakeups
}

/// For the session of this number, in the term of this number.
fn acquire(workerd: &Workerd, key: &str, session: u64) {
    let after = session.checked_sub(1).filter(|after| *after > 0);
    let after = after.map(|after| format!(", \"after\": {after}")).unwrap_or_default();
    let claim = format!("{{\"id\": \"{session}\", \"session\": \"{session:032x}\", \"ttl_ms\": 600000{after}}}");
    let answer = workerd.call("POST", &format!("/v1/keys/{key}/acquire"), Some(CANDIDATE), Some(&claim));
    assert!(answer.text.contains("granted"), "{answer:?}");
}

fn release(workerd: &Workerd, key: &str, session: u64) {
    let body = format!("{{\"session\": \"{session:032x}\"}}");
    let answer = workerd.call("POST", &format!("/v1/keys/{key}/release"), Some(CANDIDATE), Some(&body));
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Clones and keys share one connection, which ends with the storage, whoever still waits.
#[test]
fn one_connection() {
    let workerd = Workerd::start(&Setting::default());
    let proxy = workerd.proxy();
    let storage = storage(&proxy.url(), CANDIDATE);
    let clone = storage.clone();
    let names: Vec<_> = (0..250).map(|number| format!("key-{number}")).collect();
    let subscribe = |name: &String| if name.ends_with('7') { &storage } else { &clone }.subscribe(&key(name));
    let mut wakeups: Vec<_> = names.iter().map(subscribe).collect();
    wakeups.iter_mut().for_each(woken);
    for number in [0, 7, 249] {
        acquire(&workerd, &names[number], 1);
        woken(&mut wakeups[number]);
        release(&workerd, &names[number], 1);
        woken(&mut wakeups[number]);
    }
    quiet(&mut wakeups[1], Duration::from_millis(100));
    assert_eq!(proxy.event(PATIENCE), Some(Event::Opened));
    drop(storage);
    assert_eq!(proxy.event(Duration::from_millis(300)), None);
    drop(clone);
    assert_eq!(proxy.event(PATIENCE), Some(Event::Closed));
    assert_eq!(proxy.event(Duration::from_millis(500)), None);
}

/// What happened while there was no connection wakes once when there is one again; what did not happen, never.
#[test]
fn a_lost_connection() {
    let workerd = Workerd::start(&Setting::default());
    let proxy = workerd.proxy();
    let storage = storage(&proxy.url(), CANDIDATE);
    acquire(&workerd, "changed", 1);
    acquire(&workerd, "same", 1);
    let (mut changed, mut same) = (subscribed(&storage, "changed"), subscribed(&storage, "same"));
    proxy.cut(true);
    release(&workerd, "changed", 1);
    acquire(&workerd, "changed", 2);
    quiet(&mut changed, Duration::from_millis(600));
    proxy.cut(false);
    woken(&mut changed);
    quiet(&mut changed, Duration::from_secs(1));
    quiet(&mut same, Duration::ZERO);
    release(&workerd, "same", 1);
    woken(&mut same);
}

/// The service is killed and started again.
#[test]
fn a_restart() {
    let mut workerd = Workerd::start(&Setting::default());
    let storage = storage(&workerd.url(), CANDIDATE);
    acquire(&workerd, "k", 1);
    let mut wakeups = subscribed(&storage, "k");
    for session in 1..4 {
        workerd.kill_and_restart();
        release(&workerd, "k", session);
        woken(&mut wakeups);
        quiet(&mut wakeups, Duration::from_secs(1));
        acquire(&workerd, "k", session + 1);
        woken(&mut wakeups);
    }
}

/// The next one leads because it was woken: by itself it would ask in ten minutes.
#[test]
fn a_hand_over() {
    let workerd = Workerd::start(&Setting::default());
    let candidate = |id: &str| {
        let storage = storage(&workerd.url(), CANDIDATE);
        let ttl = Duration::from_secs(600);
        let (candidate, driver) = Builder::new("k").id(id).ttl(ttl).retry_interval(HOUR).build(storage).unwrap();
        smol::spawn(driver.run()).detach();
        candidate
    };
    block_on(async {
        let a = candidate("a");
        within(PATIENCE, a.elected()).await.unwrap().unwrap();
        let mut b = candidate("b");
        let seen = within(PATIENCE, b.leader_changed()).await.unwrap().unwrap();
        assert_eq!(seen.unwrap().id.unwrap().as_str(), "a");
        a.shutdown().await.unwrap();
        let leadership = within(PATIENCE, b.elected()).await.expect("it is woken").unwrap();
        assert_eq!(leadership.term().get(), 2);
    });
}

/// A token that is refused is no reason to ask all the time, and operations say themselves what is wrong.
#[test]
fn a_wrong_token() {
    let workerd = Workerd::start(&Setting::default());
    let proxy = workerd.proxy();
    let storage = storage(&proxy.url(), "wrong-token-0123456789");
    let mut wakeups = storage.subscribe(&key("k"));
    assert_eq!(proxy.event(PATIENCE), Some(Event::Opened));
    assert_eq!(proxy.event(PATIENCE), Some(Event::Closed));
    for _ in 0..3 {
        let error = block_on(storage.get(&key("k"))).unwrap_err();
        assert!(error.to_string().contains("unauthenticated"), "{error}");
    }
    assert_eq!(proxy.event(Duration::from_secs(3)), None);
    quiet(&mut wakeups, Duration::ZERO);
}

/// A key that the token is not for costs the other keys nothing.
#[test]
fn a_key_that_is_refused() {
    let workerd = Workerd::start(&Setting::default());
    let proxy = workerd.proxy();
    let storage = storage(&proxy.url(), TEAM);
    let mut refused = storage.subscribe(&key("other"));
    let mut wakeups: Vec<_> = (0..50).map(|number| storage.subscribe(&key(&format!("team-a/{number}")))).collect();
    wakeups.iter_mut().for_each(woken);
    acquire(&workerd, "team-a%2F9", 1);
    woken(&mut wakeups[9]);
    quiet(&mut refused, Duration::from_millis(100));
    assert_eq!(proxy.event(PATIENCE), Some(Event::Opened));
    assert_eq!(proxy.event(Duration::ZERO), None);
}

/// Without wake-ups there is no connection.
#[test]
fn without() {
    let storage = HttpStorage::builder("http://127.0.0.1:1").token(CANDIDATE).wakeups(false).build().unwrap();
    assert!(storage.subscribe(&key("k")).is_never());
}

/// All that was logged.
struct Logged(Mutex<String>);

static LOGGED: Logged = Logged(Mutex::new(String::new()));

impl Log for Logged {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        writeln!(self.0.lock().unwrap(), "{} {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

/// The token is a secret: none of the libraries below writes it into the program's log.
#[test]
fn a_token_is_not_logged() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LOGGED).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
    let workerd = Workerd::start(&Setting::default());
    let storage = storage(&workerd.url(), CANDIDATE);
    let mut wakeups = subscribed(&storage, "logged");
    acquire(&workerd, "logged", 1);
    woken(&mut wakeups);
    block_on(storage.get(&key("logged"))).unwrap();
    let logged = LOGGED.0.lock().unwrap();
    assert!(logged.contains("tungstenite") && logged.contains("ureq"), "they do write");
    assert!(!logged.contains(CANDIDATE), "the token was logged");
}
