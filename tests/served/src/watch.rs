//! The watch as it is spoken: states, changes, who may see what.

use serde_json::{Value, json};

use crate::{ADMIN, CANDIDATE, Config, NEXT, READER, Server, Socket, Start, TEAM};

/// Claims a key.
pub fn acquire(server: &dyn Server, key: &str, id: &str, session: u32, after: u64, ttl_ms: u64) -> Value {
    let body = format!(
        "{{\"id\": \"{id}\", \"session\": \"5e55{session:028x}\", \"ttl_ms\": {ttl_ms}, \"after\": {}}}",
        if after == 0 { json!(null) } else { json!(after) }
    );
    let path = format!("/v1/keys/{}/acquire", key.replace('/', "%2F"));
    server.call("POST", &path, Some(CANDIDATE), Some(&body)).json()
}

/// Gives it back.
pub fn release(server: &dyn Server, key: &str, session: u32) {
    let body = format!("{{\"session\": \"5e55{session:028x}\"}}");
    let path = format!("/v1/keys/{}/release", key.replace('/', "%2F"));
    assert_eq!(server.call("POST", &path, Some(CANDIDATE), Some(&body)).status, 200);
}

/// The full state at first, and at each change; a renewal is none.
pub fn states_and_changes(start: &Start) {
    let server = start(&Config::default());
    acquire(&server, "held", "a", 1, 0, 60_000);
    let mut socket = Socket::of(&server, READER);
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
    assert!(server.call("POST", "/v1/keys/held/renew", Some(CANDIDATE), Some(renewal)).json()["extended"].is_object());
    release(&server, "held", 1);
    let change = &socket.hear()["change"];
    assert_eq!(
        (&change["change"], &change["id"], &change["term"], &change["lease"]["id"]),
        (&json!("released"), &json!("a"), &json!(1), &Value::Null)
    );
    acquire(&server, "held", "b", 2, 1, 60_000);
    let change = &socket.hear()["change"];
    assert_eq!(
        (&change["change"], &change["id"], &change["lease"]["term"]),
        (&json!("granted"), &json!("b"), &json!(2))
    );
    server.call("POST", "/v1/keys/held/revoke", Some(ADMIN), Some("{}"));
    assert_eq!(socket.hear()["change"]["change"], "revoked");
    // By the alarm, when nobody asks; and by its prefix.
    acquire(&server, "team-x", "c", 3, 0, 300);
    assert_eq!(socket.hear()["change"]["change"], "granted");
    let change = &socket.hear()["change"];
    assert_eq!(
        (&change["key"], &change["change"], &change["lease"]["time_left_ms"]),
        (&json!("team-x"), &json!("expired"), &json!(0))
    );

    socket.ask(r#"{"unwatch": {"number": 8, "keys": ["held"]}}"#);
    acquire(&server, "held", "d", 4, 3, 60_000);
    acquire(&server, "team-y", "d", 4, 0, 60_000);
    assert_eq!(socket.hear()["change"]["key"], "team-y", "held is not told of any more");
    socket.say("ping");
    assert_eq!(socket.hear(), "pong");
}

/// Who may see what, and what cannot be understood: nothing of it is done.
pub fn limits_of_a_watch(start: &Start) {
    let server = start(&Config::default());
    for (token, status) in [(None, 401), (Some("wrong-token-0123456789"), 401), (Some(READER), 426), (Some(TEAM), 426)]
    {
        assert_eq!(server.call("GET", "/v1/watch", token, None).status, status, "{token:?}");
    }
    let many = |count: usize| {
        let keys: Vec<_> = (0..count).map(|number| format!("\"team-a/{number}\"")).collect();
        format!("{{\"watch\": {{\"number\": 1, \"keys\": [{}]}}}}", keys.join(","))
    };
    let mut socket = Socket::of(&server, TEAM);
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
    acquire(&server, "other", "a", 1, 0, 60_000);
    acquire(&server, "team-a/7", "a", 1, 0, 60_000);
    assert_eq!(socket.hear()["change"]["key"], "team-a/7");

    // As a browser opens it.
    let protocols = format!("lessor.v1, lessor.bearer.{NEXT}");
    let mut socket = Socket::open(&server, "sec-websocket-protocol", &protocols);
    assert!(socket.ask(r#"{"watch": {"number": 1, "keys": ["other"]}}"#)[0]["state"]["lease"]["id"] == "a");
}

/// Admins page through all keys that there are.
pub fn keys_are_listed(start: &Start) {
    let server = start(&Config::default());
    for number in 0..25 {
        acquire(&server, &format!("team-{}/{number:02}", number % 2), "a", number, 0, 60_000);
    }
    let list = |query: &str| server.call("GET", &format!("/v1/keys{query}"), Some(ADMIN), None);
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
    assert_eq!(server.call("GET", "/v1/keys", Some(TEAM), None).status, 403);
    assert_eq!(server.call("GET", "/v1/keys?prefix=team-a%2F", Some(TEAM), None).status, 200);
    assert_eq!(server.call("GET", "/v1/keys", Some(CANDIDATE), None).status, 200);
}
