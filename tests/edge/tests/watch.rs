//! The watch as it is spoken: states, changes, who may see what, and what outlives eviction and restart.

use lessor_edge_tests::{ADMIN, READER, Setting, Socket, TESTS, UNWATCHED, Workerd, pause, until};
use lessor_served::watch::{acquire, release};
use serde_json::{Value, json};
use std::time::Duration;

lessor_served::watch!(lessor_edge_tests::start);

/// How long the platform keeps an object in memory that only has sockets that may sleep, and a little more.
const EVICTED_AFTER: Duration = Duration::from_secs(11);

/// Objects that are idle are taken from memory. Whoever watches stays connected, and hears of what happens then.
#[test]
fn a_watch_outlives_eviction() {
    let workerd = Workerd::start(&Setting::of(TESTS));
    let starts = || workerd.call("GET", "/v1-starts", None, None).json();
    let mut socket = Socket::of(&workerd, READER);
    socket.ask(r#"{"watch": {"number": 1, "keys": ["k"]}}"#);
    let mut term = 0;
    until("the objects are evicted, and made anew", || {
        pause(EVICTED_AFTER);
        let before = starts();
        acquire(&workerd, "k", "a", 1, term, 60_000);
        assert_eq!(socket.hear()["change"]["change"], "granted");
        release(&workerd, "k", 1);
        assert_eq!(socket.hear()["change"]["change"], "released");
        term += 1;
        let after = starts();
        println!("{before} {after}");
        let again = |class: &str| after[class].as_u64() > before[class].as_u64() && before[class].as_u64() > Some(0);
        (again("WatchObject") && (term == 1 || again("LeaseObject"))).then_some(()).filter(|()| term > 1)
    });
}

/// After a restart a client connects anew and takes the state. What could not be told before is told by the alarm.
#[test]
fn a_watch_after_a_restart() {
    let mut workerd = Workerd::start(&Setting::default());
    acquire(&workerd, "k", "a", 1, 0, 60_000);
    acquire(&workerd, "brief", "a", 1, 0, 1_000);
    workerd.kill();
    pause(Duration::from_millis(1_100));
    workerd.kill_and_restart();
    let mut socket = Socket::of(&workerd, READER);
    let heard = socket.ask(r#"{"watch": {"number": 1, "keys": ["k", "brief"]}}"#);
    let lease = |key: &str| heard.iter().find(|said| said["state"]["key"] == key).unwrap()["state"]["lease"].clone();
    assert_eq!((&lease("k")["id"], &lease("brief")["time_left_ms"]), (&json!("a"), &json!(0)));
    // The overdue alarm of an object that nobody asked: it is written down without one.
    until("the expiry is written down", || {
        let history = workerd.call("GET", "/v1/keys/brief/history", Some(READER), None).json();
        (history["history"][0]["change"] == "expired").then_some(())
    });
    release(&workerd, "k", 1);
    let released = |said: &Value| said["change"]["key"] == "k" && said["change"]["change"] == "released";
    while !released(&socket.hear()) {}
}

/// An object that hangs holds nobody: what it was told it is told again.
#[test]
fn a_telling_that_hangs() {
    let hangs = "async tell(news) { if (!globalThis.hung) await scheduler.wait((globalThis.hung = 600_000));";
    let setting = Setting { changed: vec![("tell(news) {", hangs)], ..Setting::default() };
    let workerd = Workerd::start(&setting);
    let mut socket = Socket::of(&workerd, READER);
    socket.ask(r#"{"watch": {"number": 1, "keys": ["k"]}}"#);
    acquire(&workerd, "k", "a", 1, 0, 60_000);
    assert_eq!(socket.hear()["change"]["change"], "granted");
}

/// In order, whatever objects they are in; and what a watch asks for twice is told once.
#[test]
fn keys_in_shards() {
    let mut setting = Setting::default();
    setting.vars.push(("LESSOR_SHARDS", "4".into()));
    let workerd = Workerd::start(&setting);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for (number, key) in (0..).zip(names) {
        acquire(&workerd, key, "a", number, 0, 60_000);
    }
    let page = workerd.call("GET", "/v1/keys", Some(ADMIN), None).json();
    let keys: Vec<_> = page["keys"].as_array().unwrap().iter().map(|listed| &listed["key"]).collect();
    assert_eq!(keys, names, "in order");
    let mut socket = Socket::of(&workerd, READER);
    let heard = socket.ask(r#"{"watch": {"number": 1, "keys": ["a", "a"], "prefixes": ["", "", "a"]}}"#);
    assert_eq!(heard.len(), names.len() + 1, "{heard:?}");
    socket.say(&format!("\"{}\"", "x".repeat(600_000)));
    assert_eq!(socket.hear()["failed"]["type"], "invalid");
}

/// To look at a key that nobody ever used writes nothing.
#[test]
fn unknown_keys_cost_no_write() {
    let workerd = Workerd::start(&Setting::default());
    let written = || {
        let mut folders = vec![workerd.state()];
        let mut found = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    let bytes = std::fs::read(entry.path()).unwrap();
                    found += usize::from(bytes.windows(14).any(|bytes| bytes == b"lessor_records"));
                }
            }
        }
        found
    };
    for number in 0..5 {
        let key = format!("/v1/keys/unknown-{number}");
        assert_eq!(workerd.call("GET", &key, Some(ADMIN), None).json(), json!({"lease": null}));
        assert_eq!(workerd.call("GET", &format!("{key}/history"), Some(ADMIN), None).json(), json!({"history": []}));
        assert_eq!(workerd.call("POST", &format!("{key}/revoke"), Some(ADMIN), Some("{}")).status, 200);
    }
    assert_eq!(written(), 0);
    acquire(&workerd, "known", "a", 1, 0, 60_000);
    assert!(written() > 0, "this would find it");
}

/// Where a list was not kept from the beginning, a key is listed from its next change on.
#[test]
fn a_list_that_begins_later() {
    let mut workerd = Workerd::start(&Setting::of(UNWATCHED));
    acquire(&workerd, "old", "a", 1, 0, 60_000);
    workerd.restart_with(&Setting::default());
    let listed = |workerd: &Workerd| workerd.call("GET", "/v1/keys", Some(ADMIN), None).json()["keys"].clone();
    assert_eq!(listed(&workerd), json!([]));
    release(&workerd, "old", 1);
    until("it is listed", || (listed(&workerd)[0]["key"] == "old").then_some(()));
}
