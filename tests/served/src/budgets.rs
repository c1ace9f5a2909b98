//! What a token may use, so that nobody who has one can take the service from the others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{ADMIN, Answer, CANDIDATE, Config, HARDLY_NOTICED, READER, Server, Socket, Start, median, pause, timed};

/// A token with limits.
const SMALL: &str = "small-token-for-tests-0123456789";

fn limited(role: &str, limits: &str) -> Config {
    let mut setting = Config::default();
    let small = format!(r#"{{"token": "{SMALL}", "role": "{role}", "name": "small", "limits": {limits}}}"#);
    setting.tokens = setting.tokens.map(|tokens| format!("{}, {small}]", tokens.trim_end_matches(']')));
    setting
}

fn post(server: &dyn Server, token: &str, path: &str, body: &Value) -> Answer {
    server.call("POST", path, Some(token), Some(&body.to_string()))
}

fn claim(after: Option<u64>, ttl_ms: u64) -> Value {
    json!({ "id": "a", "session": format!("{:032x}", 7), "ttl_ms": ttl_ms, "after": after })
}

/// Claims a key.
pub fn acquire(server: &dyn Server, token: &str, key: &str) -> Answer {
    post(server, token, &format!("/v1/keys/{key}/acquire"), &claim(None, 60_000))
}

fn is_refused(answer: &Answer, limit: &str) {
    let problem = answer.json();
    assert_eq!((answer.status, &problem["type"]), (429, &json!("too-many")), "{answer:?}");
    assert!(problem["detail"].as_str().unwrap().contains(limit), "{answer:?}");
}

/// Requests.
pub fn requests(start: &Start) {
    let server = start(&limited("read", r#"{"requests": 5}"#));
    let get = || server.call("GET", "/v1/keys/k", Some(SMALL), None);
    assert_eq!(get().status, 200);
    let three = json!([{"get": {"key": "a"}}, {"get": {"key": "b"}}, {"get": {"key": "c"}}]);
    assert_eq!(post(&server, SMALL, "/v1/batch", &three).status, 200);
    assert_eq!(get().status, 200);
    let refused = get();
    is_refused(&refused, "requests are used up: 5 a minute");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "one comes back in 12 s: {refused:?}");
    assert_eq!(server.call("GET", "/v1/keys/k", Some(READER), None).status, 200, "others have their own");
}

/// Sockets.
pub fn sockets(start: &Start) {
    let server = start(&limited("read", r#"{"sockets": 2}"#));
    let bearer = format!("Bearer {SMALL}");
    let open = || Socket::try_open(&server, "authorization", &bearer);
    let (first, _second) = (open().unwrap(), open().unwrap());
    assert_eq!(open().err(), Some(429));
    drop(Socket::of(&server, READER));
    drop(first);
    crate::until("there is room again", || open().ok());
}

/// Messages.
pub fn messages(start: &Start) {
    let server = start(&limited("read", r#"{"messages": 3}"#));
    let mut sockets = [Socket::of(&server, SMALL), Socket::of(&server, SMALL)];
    let watch = r#"{"watch": {"number": 7, "keys": ["k"]}}"#;
    for socket in [0, 1, 0] {
        assert_eq!(sockets[socket].ask(watch).last().unwrap()["watched"]["number"], 7);
    }
    let failed = sockets[1].ask(watch).pop().unwrap()["failed"].clone();
    assert_eq!((&failed["type"], &failed["status"]), (&json!("too-many"), &json!(429)), "{failed}");
    assert!(failed["retry_after_ms"].as_u64().is_some_and(|wait| wait <= 20_000), "{failed}");
    assert_eq!(Socket::of(&server, READER).ask(watch).last().unwrap()["watched"]["number"], 7);
}

/// Of what is refused nothing is done, and the message is named.
pub fn lookups(start: &Start) {
    let server = start(&limited("read", r#"{"lookups": 5}"#));
    for number in 0..4 {
        assert_eq!(acquire(&server, CANDIDATE, &format!("k{number}")).status, 200);
    }
    let mut socket = Socket::of(&server, SMALL);
    assert_eq!(socket.ask(r#"{"watch": {"number": 1, "prefixes": ["k"]}}"#).len(), 5);
    let failed = socket.ask(r#"{"watch": {"number": 2, "keys": ["k0", "new"]}}"#).pop().unwrap()["failed"].clone();
    assert_eq!((&failed["status"], &failed["number"]), (&json!(429), &json!(2)), "{failed}");
    is_refused(&server.call("GET", "/v1/keys", Some(SMALL), None), "lookups are used up: 5 a minute");
    let list = json!([{"list": {}}]);
    let answer = post(&server, SMALL, "/v1/batch", &list).json();
    assert_eq!(answer[0]["failed"]["status"], 429, "{answer}");
    assert_eq!(post(&server, READER, "/v1/batch", &list).json()[0]["listed"]["keys"].as_array().unwrap().len(), 4);
}

/// A key that is forgotten makes room, and keeps its term.
pub fn keys(start: &Start) {
    let server = start(&limited("candidate", r#"{"keys": 2}"#));
    for key in ["a", "b", "a"] {
        assert_eq!(acquire(&server, SMALL, key).status, 200, "{key}");
    }
    is_refused(&acquire(&server, SMALL, "c"), "2 keys");
    let batch = json!([{"acquire": {"key": "a", "claim": claim(None, 60_000)}}, {"acquire": {"key": "d", "claim": claim(None, 60_000)}}]);
    let answers = post(&server, SMALL, "/v1/batch", &batch).json();
    assert!(answers[0]["granted"].is_object() && answers[1]["failed"]["status"] == 429, "{answers}");
    assert_eq!(server.call("GET", "/v1/keys/c", Some(SMALL), None).json()["lease"], Value::Null, "nothing was written");
    assert_eq!(acquire(&server, CANDIDATE, "c").status, 200, "others have their own");

    let forget = |token| post(&server, token, "/v1/keys/a/forget", &json!({}));
    assert_eq!(forget(SMALL).status, 403);
    let held = forget(ADMIN);
    assert_eq!((held.status, &held.json()["type"]), (409, &json!("conflict")), "{held:?}");
    let listed = || server.call("GET", "/v1/keys", Some(ADMIN), None).json()["keys"].clone();
    let names =
        |listed: &Value| listed.as_array().unwrap().iter().map(|entry| entry["key"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&listed()), ["a", "b", "c"], "it was not forgotten");
    is_refused(&acquire(&server, SMALL, "d"), "2 keys");
    let release = json!({ "session": format!("{:032x}", 7) });
    assert_eq!(post(&server, SMALL, "/v1/keys/a/release", &release).status, 200);
    let before = server.call("GET", "/v1/keys/a", Some(ADMIN), None).json()["lease"]["term"].as_u64().unwrap();
    for _ in 0..2 {
        assert_eq!(forget(ADMIN).json(), json!({ "forgotten": {} }));
    }
    assert_eq!(names(&listed()), ["b", "c"]);
    assert_eq!(server.call("GET", "/v1/keys/a/history", Some(ADMIN), None).json()["history"], json!([]));
    assert_eq!(acquire(&server, SMALL, "d").status, 200, "there is room");
    let again = |token| post(&server, token, "/v1/keys/a/acquire", &claim(Some(before), 60_000));
    is_refused(&again(SMALL), "2 keys");
    let later = again(CANDIDATE).json();
    assert!(later["granted"]["term"].as_u64().unwrap() > before, "{later}");
    assert_eq!(names(&listed()), ["a", "b", "c", "d"]);
}

/// Terms that are skipped are used up: a token cannot use up all of them.
pub fn terms(start: &Start) {
    let server = start(&limited("candidate", "{}"));
    let acquire = |after| post(&server, SMALL, "/v1/keys/k/acquire", &claim(Some(after), 60_000));
    for far in [9_007_199_254_740_989, 1_000_001] {
        let answer = acquire(far);
        assert_eq!((answer.status, &answer.json()["type"]), (400, &json!("invalid")), "{answer:?}");
    }
    assert_eq!(acquire(1_000_000).json()["granted"]["term"], 1_000_001);
    assert_eq!(acquire(2_000_002).status, 400);
}

/// A reader with many sockets has all leases looked up, again and again. Whoever leads does not notice.
pub fn who_only_looks_takes_no_lease(start: &Start) {
    let server = start(&Config::default());
    for batch in 0..4 {
        let requests: Vec<_> = (0..125)
            .map(|number| json!({"acquire": {"key": format!("k{batch}/{number}"), "claim": claim(None, 3_600_000)}}))
            .collect();
        assert_eq!(post(&server, CANDIDATE, "/v1/batch", &requests.into()).status, 200);
    }
    let lead = |after: u64, ttl_ms| {
        post(&server, CANDIDATE, "/v1/keys/led/acquire", &claim((after > 0).then_some(after), ttl_ms))
    };
    let term = lead(0, 10_000).json()["granted"]["term"].as_u64().unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let mut socket = Socket::of(&server, READER);
                    for _ in 0..40 {
                        socket.say(r#"{"watch":{"number":1,"prefixes":[""]}}"#);
                    }
                    // Until it is sent away, or has its answers.
                    let mut answers = 0;
                    while answers < 40 && !over.load(Ordering::SeqCst) {
                        match socket.try_hear() {
                            Ok(heard) => answers += usize::from(heard.get("state").is_none()),
                            Err(code) => {
                                assert_eq!(code, 1008, "too many messages at once");
                                break;
                            }
                        }
                    }
                }
            });
        }
        let renew = json!({ "id": "a", "session": format!("{:032x}", 7), "ttl_ms": 10_000, "term": term });
        let mut renewals = Vec::new();
        for _ in 0..15 {
            pause(Duration::from_millis(500));
            let (answer, took) = timed(|| post(&server, CANDIDATE, "/v1/keys/led/renew", &renew));
            renewals.push(took);
            if answer.status != 200 || answer.json()["extended"].is_null() {
                over.store(true, Ordering::SeqCst);
                panic!("the term {term} is lost: {answer:?}");
            }
        }
        over.store(true, Ordering::SeqCst);
        let took = median(renewals);
        assert!(took < HARDLY_NOTICED, "a renewal takes {took:?}");
    });
}
