//! What a token may use, so that nobody who has one can take the service from the others; and where keys are kept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use lessor_edge_tests::{ADMIN, Answer, CANDIDATE, READER, Setting, Socket, TESTS, Workerd, pause};
use serde_json::{Value, json};

/// A token with limits.
const SMALL: &str = "small-token-for-tests-0123456789";

fn limited(role: &str, limits: &str) -> Setting {
    let mut setting = Setting::default();
    let small = format!(r#"{{"token": "{SMALL}", "role": "{role}", "name": "small", "limits": {limits}}}"#);
    setting.tokens = setting.tokens.map(|tokens| format!("{}, {small}]", tokens.trim_end_matches(']')));
    setting
}

fn post(workerd: &Workerd, token: &str, path: &str, body: &Value) -> Answer {
    workerd.call("POST", path, Some(token), Some(&body.to_string()))
}

fn claim(after: Option<u64>, ttl_ms: u64) -> Value {
    json!({ "id": "a", "session": format!("{:032x}", 7), "ttl_ms": ttl_ms, "after": after })
}

fn acquire(workerd: &Workerd, token: &str, key: &str) -> Answer {
    post(workerd, token, &format!("/v1/keys/{key}/acquire"), &claim(None, 60_000))
}

fn is_refused(answer: &Answer, limit: &str) {
    let problem = answer.json();
    assert_eq!((answer.status, &problem["type"]), (429, &json!("too-many")), "{answer:?}");
    assert!(problem["detail"].as_str().unwrap().contains(limit), "{answer:?}");
}

#[test]
fn requests() {
    let workerd = Workerd::start(&limited("read", r#"{"requests": 5}"#));
    let get = || workerd.call("GET", "/v1/keys/k", Some(SMALL), None);
    assert_eq!(get().status, 200);
    let three = json!([{"get": {"key": "a"}}, {"get": {"key": "b"}}, {"get": {"key": "c"}}]);
    assert_eq!(post(&workerd, SMALL, "/v1/batch", &three).status, 200);
    assert_eq!(get().status, 200);
    let refused = get();
    is_refused(&refused, "requests are used up: 5 a minute");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "one comes back in 12 s: {refused:?}");
    assert_eq!(workerd.call("GET", "/v1/keys/k", Some(READER), None).status, 200, "others have their own");
}

#[test]
fn sockets() {
    let workerd = Workerd::start(&limited("read", r#"{"sockets": 2}"#));
    let bearer = format!("Bearer {SMALL}");
    let open = || Socket::try_open(&workerd, "authorization", &bearer);
    let (first, _second) = (open().unwrap(), open().unwrap());
    assert_eq!(open().err(), Some(429));
    drop(Socket::of(&workerd, READER));
    drop(first);
    lessor_edge_tests::until("there is room again", || open().ok());
}

#[test]
fn messages() {
    let workerd = Workerd::start(&limited("read", r#"{"messages": 3}"#));
    let mut sockets = [Socket::of(&workerd, SMALL), Socket::of(&workerd, SMALL)];
    let watch = r#"{"watch": {"number": 7, "keys": ["k"]}}"#;
    for socket in [0, 1, 0] {
        assert_eq!(sockets[socket].ask(watch).last().unwrap()["watched"]["number"], 7);
    }
    let failed = sockets[1].ask(watch).pop().unwrap()["failed"].clone();
    assert_eq!((&failed["type"], &failed["status"]), (&json!("too-many"), &json!(429)), "{failed}");
    assert!(failed["retry_after_ms"].as_u64().is_some_and(|wait| wait <= 20_000), "{failed}");
    assert_eq!(Socket::of(&workerd, READER).ask(watch).last().unwrap()["watched"]["number"], 7);
}

/// Of what is refused nothing is done, and the message is named.
#[test]
fn lookups() {
    let workerd = Workerd::start(&limited("read", r#"{"lookups": 5}"#));
    for number in 0..4 {
        assert_eq!(acquire(&workerd, CANDIDATE, &format!("k{number}")).status, 200);
    }
    let mut socket = Socket::of(&workerd, SMALL);
    assert_eq!(socket.ask(r#"{"watch": {"number": 1, "prefixes": ["k"]}}"#).len(), 5);
    let failed = socket.ask(r#"{"watch": {"number": 2, "keys": ["k0", "new"]}}"#).pop().unwrap()["failed"].clone();
    assert_eq!((&failed["status"], &failed["number"]), (&json!(429), &json!(2)), "{failed}");
    is_refused(&workerd.call("GET", "/v1/keys", Some(SMALL), None), "lookups are used up: 5 a minute");
    let list = json!([{"list": {}}]);
    let answer = post(&workerd, SMALL, "/v1/batch", &list).json();
    assert_eq!(answer[0]["failed"]["status"], 429, "{answer}");
    assert_eq!(post(&workerd, READER, "/v1/batch", &list).json()[0]["listed"]["keys"].as_array().unwrap().len(), 4);
}

/// A key that is forgotten makes room, and keeps its term.
#[test]
fn keys() {
    let workerd = Workerd::start(&limited("candidate", r#"{"keys": 2}"#));
    for key in ["a", "b", "a"] {
        assert_eq!(acquire(&workerd, SMALL, key).status, 200, "{key}");
    }
    is_refused(&acquire(&workerd, SMALL, "c"), "2 keys");
    let batch = json!([{"acquire": {"key": "a", "claim": claim(None, 60_000)}}, {"acquire": {"key": "d", "claim": claim(None, 60_000)}}]);
    let answers = post(&workerd, SMALL, "/v1/batch", &batch).json();
    assert!(answers[0]["granted"].is_object() && answers[1]["failed"]["status"] == 429, "{answers}");
    assert_eq!(
        workerd.call("GET", "/v1/keys/c", Some(SMALL), None).json()["lease"],
        Value::Null,
        "nothing was written"
    );
    assert_eq!(acquire(&workerd, CANDIDATE, "c").status, 200, "others have their own");

    let forget = |token| post(&workerd, token, "/v1/keys/a/forget", &json!({}));
    assert_eq!(forget(SMALL).status, 403);
    let held = forget(ADMIN);
    assert_eq!((held.status, &held.json()["type"]), (409, &json!("conflict")), "{held:?}");
    let release = json!({ "session": format!("{:032x}", 7) });
    assert_eq!(post(&workerd, SMALL, "/v1/keys/a/release", &release).status, 200);
    let before = workerd.call("GET", "/v1/keys/a", Some(ADMIN), None).json()["lease"]["term"].as_u64().unwrap();
    for _ in 0..2 {
        assert_eq!(forget(ADMIN).json(), json!({ "forgotten": {} }));
    }
    let listed = || workerd.call("GET", "/v1/keys", Some(ADMIN), None).json()["keys"].clone();
    let names =
        |listed: &Value| listed.as_array().unwrap().iter().map(|entry| entry["key"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&listed()), ["b", "c"]);
    assert_eq!(workerd.call("GET", "/v1/keys/a/history", Some(ADMIN), None).json()["history"], json!([]));
    assert_eq!(acquire(&workerd, SMALL, "d").status, 200, "there is room");
    let again = |token| post(&workerd, token, "/v1/keys/a/acquire", &claim(Some(before), 60_000));
    is_refused(&again(SMALL), "2 keys");
    let later = again(CANDIDATE).json();
    assert!(later["granted"]["term"].as_u64().unwrap() > before, "{later}");
    assert_eq!(names(&listed()), ["a", "b", "c", "d"]);
}

/// Terms that are skipped are used up: a token cannot use up all of them.
#[test]
fn terms() {
    let workerd = Workerd::start(&limited("candidate", "{}"));
    let acquire = |after| post(&workerd, SMALL, "/v1/keys/k/acquire", &claim(Some(after), 60_000));
    for far in [9_007_199_254_740_989, 1_000_001] {
        let answer = acquire(far);
        assert_eq!((answer.status, &answer.json()["type"]), (400, &json!("invalid")), "{answer:?}");
    }
    assert_eq!(acquire(1_000_000).json()["granted"]["term"], 1_000_001);
    assert_eq!(acquire(2_000_002).status, 400);
}

/// A reader with many sockets has all leases looked up, again and again. Whoever leads does not notice.
#[test]
fn who_only_looks_takes_no_lease() {
    let workerd = Workerd::start(&Setting::default());
    for batch in 0..4 {
        let requests: Vec<_> = (0..125)
            .map(|number| json!({"acquire": {"key": format!("k{batch}/{number}"), "claim": claim(None, 3_600_000)}}))
            .collect();
        assert_eq!(post(&workerd, CANDIDATE, "/v1/batch", &requests.into()).status, 200);
    }
    let lead = |after: u64, ttl_ms| {
        post(&workerd, CANDIDATE, "/v1/keys/led/acquire", &claim((after > 0).then_some(after), ttl_ms))
    };
    let term = lead(0, 3_000).json()["granted"]["term"].as_u64().unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let mut socket = Socket::of(&workerd, READER);
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
        let renew = json!({ "id": "a", "session": format!("{:032x}", 7), "ttl_ms": 3_000, "term": term });
        for _ in 0..15 {
            pause(Duration::from_millis(500));
            let answer = post(&workerd, CANDIDATE, "/v1/keys/led/renew", &renew);
            if answer.status != 200 || answer.json()["extended"].is_null() {
                over.store(true, Ordering::SeqCst);
                panic!("the term {term} is lost: {answer:?}");
            }
        }
        over.store(true, Ordering::SeqCst);
    });
}

/// What is kept in objects of its own is not looked for in shards, where it would be free.
#[test]
fn the_layout_is_recorded() {
    let mut workerd = Workerd::start(&Setting::default());
    let about = |workerd: &Workerd| workerd.call("GET", "/v1", Some(READER), None).json()["layout"].clone();
    assert_eq!(acquire(&workerd, CANDIDATE, "k").json()["granted"]["term"], 1);
    assert_eq!(about(&workerd), "an object for each key");
    let mut other = Setting::default();
    other.vars.push(("LESSOR_SHARDS", "4".into()));
    workerd.restart_with(&other);
    for key in ["k", "new"] {
        let refused = acquire(&workerd, CANDIDATE, key);
        assert_eq!((refused.status, &refused.json()["type"]), (503, &json!("unconfigured")), "{refused:?}");
        assert!(refused.text.contains("an object for each key, and LESSOR_SHARDS says 4 shards"), "{refused:?}");
    }
    workerd.restart_with(&Setting::default());
    assert_eq!(acquire(&workerd, CANDIDATE, "k").json()["granted"]["term"], 1, "it is still held");
}

/// Another Worker, which spreads keys in another way, asks the wrong object.
#[test]
fn an_object_knows_its_keys() {
    let workerd = Workerd::start(&Setting::of(TESTS));
    let answer = workerd.call("GET", "/v1-elsewhere", Some(ADMIN), None).json();
    assert_eq!(answer["failed"]["type"], "misdirected", "{answer}");
    assert!(answer["failed"]["detail"].as_str().unwrap().contains("key/k"), "{answer}");
}
