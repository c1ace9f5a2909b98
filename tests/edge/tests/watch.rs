//! The watch as it is spoken: states, changes, who may see what, and what outlives eviction and restart.

use lessor_edge_tests::{
    ADMIN, CANDIDATE, NEXT, READER, Setting, Socket, TEAM, TESTS, UNWATCHED, Workerd, pause, until,
};
use serde_json::{Value, json};
use std::time::Duration;

/// How long the platform keeps an object in memory that only has sockets that may sleep, and a little more.
const EVICTED_AFTER: Duration = Duration::from_secs(11);

fn acquire(workerd: &Workerd, key: &str, id: &str, session: u32, after: u64, ttl_ms: u64) -> Value {
    let body = format!(
        "{{\"id\": \"{id}\", \"session\": \"5e55{session:028x}\", \"ttl_ms\": {ttl_ms}, \"after\": {}}}",
        if after == 0 { json!(null) } else { json!(after) }
    );
    let path = format!("/v1/keys/{}/acquire", key.replace('/', "%2F"));
    workerd.call("POST", &path, Some(CANDIDATE), Some(&body)).json()
}

fn release(workerd: &Workerd, key: &str, session: u32) {
    let body = format!("{{\"session\": \"5e55{session:028x}\"}}");
    let path = format!("/v1/keys/{}/release", key.replace('/', "%2F"));
    assert_eq!(workerd.call("POST", &path, Some(CANDIDATE), Some(&body)).status, 200);
}

/// The full state at first, and at each change; a renewal is none.
#[test]
fn states_and_changes() {
    let workerd = Workerd::start(&Setting::default());
    acquire(&workerd, "held", "a", 1, 0, 60_000);
    let mut socket = Socket::of(&workerd, READER);
    let heard = socket.ask(r#"{"watch": {"number": 7, "keys": ["held", "unknown"], "prefixes": ["team-"]}}"#);
    let mut states: Vec<_> = heard.iter().filter_map(|said| said.get("state")).collect();
    states.sort_by_key(|state| state["key"].to_string());
    assert_eq!(states.len(), 2, "{heard:?}");
    assert_eq!(
        (&states[0]["key"], &states[0]["lease"]["id"], &states[0]["lease"]["term"]),
        (&json!("held"), &json!("a"), &json!(1))
    );
    assert!(states[0]["lease"]["time_left_ms"].as_u64().is_some_and(|left| (50_000..=60_000).contains(&left)));
    assert_eq!((&states[1]["key"], &states[1]["lease"]), (&json!("unknown"), &Value::Null));
    assert_eq!(heard.last().unwrap()["watched"], json!({"number": 7, "more": false}));

    let renewal = r#"{"id": "a", "session": "5e550000000000000000000000000001", "ttl_ms": 60000, "term": 1}"#;
    assert!(workerd.call("POST", "/v1/keys/held/renew", Some(CANDIDATE), Some(renewal)).json()["extended"].is_object());
    release(&workerd, "held", 1);
    let change = &socket.hear()["change"];
    assert_eq!(
        (&change["change"], &change["id"], &change["term"], &change["lease"]["id"]),
        (&json!("released"), &json!("a"), &json!(1), &Value::Null)
    );
    acquire(&workerd, "held", "b", 2, 1, 60_000);
    let change = &socket.hear()["change"];
    assert_eq!(
        (&change["change"], &change["id"], &change["lease"]["term"]),
        (&json!("granted"), &json!("b"), &json!(2))
    );
    workerd.call("POST", "/v1/keys/held/revoke", Some(ADMIN), Some("{}"));
    assert_eq!(socket.hear()["change"]["change"], "revoked");
    // By the alarm, when nobody asks; and by its prefix.
    acquire(&workerd, "team-x", "c", 3, 0, 300);
    assert_eq!(socket.hear()["change"]["change"], "granted");
    let change = &socket.hear()["change"];
    assert_eq!(
        (&change["key"], &change["change"], &change["lease"]["time_left_ms"]),
        (&json!("team-x"), &json!("expired"), &json!(0))
    );

    socket.ask(r#"{"unwatch": {"number": 8, "keys": ["held"]}}"#);
    acquire(&workerd, "held", "d", 4, 3, 60_000);
    acquire(&workerd, "team-y", "d", 4, 0, 60_000);
    assert_eq!(socket.hear()["change"]["key"], "team-y", "held is not told of any more");
    socket.say("ping");
    assert_eq!(socket.hear(), "pong");
}

/// Who may see what, and what cannot be understood: nothing of it is done.
#[test]
fn limits_of_a_watch() {
    let workerd = Workerd::start(&Setting::default());
    for (token, status) in [(None, 401), (Some("wrong-token-0123456789"), 401), (Some(READER), 426), (Some(TEAM), 426)]
    {
        assert_eq!(workerd.call("GET", "/v1/watch", token, None).status, status, "{token:?}");
    }
    let many = |count: usize| {
        let keys: Vec<_> = (0..count).map(|number| format!("\"team-a/{number}\"")).collect();
        format!("{{\"watch\": {{\"number\": 1, \"keys\": [{}]}}}}", keys.join(","))
    };
    let mut socket = Socket::of(&workerd, TEAM);
    for (said, kind) in [
        (r#"{"watch": {"number": 1, "keys": ["team-a/x", "other"]}}"#.to_owned(), "forbidden"),
        (r#"{"watch": {"number": 1, "prefixes": [""]}}"#.to_owned(), "forbidden"),
        (r#"{"watch": {"number": 1, "prefixes": ["team-"]}}"#.to_owned(), "forbidden"),
        (r#"{"watch": {"number": 1, "keys": [""]}}"#.to_owned(), "invalid"),
        (r#"{"watch": {"keys": []}}"#.to_owned(), "invalid"),
        (r#"{"watch": {"number": 1, "surprise": 1}}"#.to_owned(), "invalid"),
        ("{".to_owned(), "invalid"),
        (many(1001), "too-large"),
    ] {
        assert_eq!(socket.ask(&said)[0]["failed"]["type"], kind, "{said:.100}");
    }
    socket.say_bytes(vec![0xff, 0xfe]);
    assert_eq!(socket.hear()["failed"]["type"], "invalid");
    assert!(socket.ask(&many(1000)).last().unwrap().get("watched").is_some());
    assert_eq!(
        socket.ask(r#"{"watch": {"number": 1, "keys": ["team-a/one-more"]}}"#)[0]["failed"]["type"],
        "too-large"
    );
    acquire(&workerd, "other", "a", 1, 0, 60_000);
    acquire(&workerd, "team-a/7", "a", 1, 0, 60_000);
    assert_eq!(socket.hear()["change"]["key"], "team-a/7");

    // As a browser opens it.
    let protocols = format!("lessor.v1, lessor.bearer.{NEXT}");
    let mut socket = Socket::open(&workerd, "sec-websocket-protocol", &protocols);
    assert!(socket.ask(r#"{"watch": {"number": 1, "keys": ["other"]}}"#)[0]["state"]["lease"]["id"] == "a");
}

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

/// Admins page through all keys that there are.
#[test]
fn keys_are_listed() {
    let workerd = Workerd::start(&Setting::default());
    for number in 0..25 {
        acquire(&workerd, &format!("team-{}/{number:02}", number % 2), "a", number, 0, 60_000);
    }
    let list = |query: &str| workerd.call("GET", &format!("/v1/keys{query}"), Some(ADMIN), None);
    let keys = |page: &Value| -> Vec<String> {
        page["keys"].as_array().unwrap().iter().map(|listed| listed["key"].as_str().unwrap().to_owned()).collect()
    };
    // Who has heard of a grant finds the key at once.
    let all = list("").json();
    assert_eq!(keys(&all).len(), 25);
    assert_eq!(
        (&all["next"], &all["after"], &all["keys"][0]["lease"]["id"]),
        (&Value::Null, &Value::Null, &json!("a"))
    );
    let odd: Vec<_> = (0..25).filter(|number| number % 2 == 1).map(|number| format!("team-1/{number:02}")).collect();
    for (goes_on, with) in [("next", "start"), ("after", "after")] {
        let mut paged = Vec::new();
        let mut begin = String::new();
        loop {
            let page = list(&format!("?prefix=team-1%2F&limit=5&{with}={begin}")).json();
            paged.extend(keys(&page));
            match page[goes_on].as_str() {
                Some(key) => begin = key.replace('/', "%2F"),
                None => break,
            }
        }
        assert_eq!(paged, odd, "{with}");
    }
    for bad in ["?limit=0", "?limit=1001", "?limit=x", "?order=desc", "?prefix=%ff", "?after=x%0A9999"] {
        assert_eq!(list(bad).status, 400, "{bad}");
    }
    // As those who watch, whoever may look at all of these keys may list them.
    assert_eq!(workerd.call("GET", "/v1/keys", Some(TEAM), None).status, 403);
    assert_eq!(workerd.call("GET", "/v1/keys?prefix=team-a%2F", Some(TEAM), None).status, 200);
    assert_eq!(workerd.call("GET", "/v1/keys", Some(CANDIDATE), None).status, 200);
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
