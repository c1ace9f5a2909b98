//! The HTTP API: the contract of a storage, who may do what, and what nobody may.

use std::sync::Mutex;
use std::time::Duration;

use lessor::storage::conformance::{self, Harness, Power};
use lessor::{Key, Storage, StorageError, SystemTimer, async_trait};
use lessor_http::{ChangeKind, HttpStorage};
use serde_json::{Value, json};

use crate::{ADMIN, CANDIDATE, Config, NEXT, READER, Server, Start, TEAM, until};

struct Http(Mutex<Box<dyn Server>>);

#[async_trait]
impl Harness for Http {
    type Storage = HttpStorage;
    type Timer = SystemTimer;

    async fn storage(&self) -> Result<HttpStorage, StorageError> {
        // Who may revoke, and list.
        Ok(HttpStorage::new(self.0.lock().unwrap().url(), ADMIN).unwrap())
    }

    /// To where nobody listens.
    async fn unreachable(&self) -> Result<Option<HttpStorage>, StorageError> {
        let nowhere = format!("http://127.0.0.1:{}", lessor_servers::free_port());
        HttpStorage::new(nowhere, ADMIN).map(Some).map_err(StorageError::permanent)
    }

    fn timer(&self) -> SystemTimer {
        SystemTimer::new()
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(1500)
    }

    fn longest_ttl(&self) -> Duration {
        Duration::from_secs(3600)
    }

    /// A request that waits for its turn too long is not sent, and that is an error: all cases at once are more than a busy machine
    /// gets through in time.
    fn concurrency(&self) -> usize {
        32
    }

    async fn restart(&self) -> Result<Power, StorageError> {
        self.0.lock().unwrap().kill_and_restart();
        Ok(Power::Used)
    }
}

/// Every case of the contract, through HTTP, the Worker and its object.
pub fn keeps_the_contract(start: &Start) {
    let harness = Http(Mutex::new(start(&Config::default())));
    let report = smol::block_on(conformance::run(&harness));
    println!("{report}");
    let left_out = ["Harness::break_reply", "Harness::linger", "Harness::lose_data", "Harness::turn_clock_back"];
    assert_eq!(report.needs(), left_out, "it wakes followers");
    report.into_result().unwrap();
}

const CLAIM: &str = "{\"id\": \"a\", \"session\": \"000102030405060708090a0b0c0d0e0f\", \"ttl_ms\": 30000}";

/// Each role on each operation, within and without its keys.
pub fn who_may_do_what(start: &Start) {
    let server = start(&Config::default());
    let operations = [
        ("GET", "", None, 1),
        ("GET", "/history", None, 1),
        ("GET", "/waiting", None, 1),
        ("POST", "/acquire", Some(CLAIM), 2),
        ("POST", "/release", Some("{\"session\": \"000102030405060708090a0b0c0d0e0f\"}"), 2),
        ("POST", "/revoke", Some("{}"), 3),
    ];
    let callers = [(READER, 1, ""), (CANDIDATE, 2, ""), (NEXT, 2, ""), (TEAM, 2, "team-a/"), (ADMIN, 3, "")];
    for (method, operation, body, needs) in operations {
        for key in ["team-a/x", "other"] {
            let path = format!("/v1/keys/{}{operation}", key.replace('/', "%2F"));
            for token in [None, Some("wrong-token-0123456789")] {
                let answer = server.call(method, &path, token, body);
                assert_eq!((answer.status, answer.json()["type"].as_str()), (401, Some("unauthenticated")), "{path}");
                assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            }
            for (token, role, prefix) in callers {
                let allowed = role >= needs && key.starts_with(prefix);
                let answer = server.call(method, &path, Some(token), body);
                assert_eq!(answer.status, if allowed { 200 } else { 403 }, "{token} {path}: {answer:?}");
            }
        }
    }
}

/// What breaks a limit is refused by name, and no answer ever shows a session.
pub fn limits_are_named(start: &Start) {
    let server = start(&Config::default());
    let long = "k".repeat(257);
    let claim = |field: &str, value: &str| {
        let fields = [("id", "\"a\""), ("session", "\"000102030405060708090a0b0c0d0e0f\""), ("ttl_ms", "30000")];
        let others =
            fields.iter().filter(|(name, _)| *name != field).map(|(name, value)| format!("\"{name}\": {value}, "));
        format!("{{{}\"{field}\": {value}}}", others.collect::<String>())
    };
    let cases = [
        (400, "k", claim("id", "\"\""), "id"),
        (400, "k", claim("id", "7"), "string"),
        (400, "k", claim("session", "\"00\""), "session"),
        (400, "k", claim("ttl_ms", "99"), "100 to 3600000"),
        (400, "k", claim("ttl_ms", "3600001"), "100 to 3600000"),
        (400, "k", claim("ttl_ms", "1e309"), "number"),
        (400, "k", claim("ttl_ms", "-1"), "u64"),
        (400, "k", claim("after", "0"), "term is 0"),
        (400, "k", claim("value", &format!("{:?}", "v".repeat(4097))), "value"),
        (400, "k", claim("surprise", "1"), "surprise"),
        (400, "k", "{".into(), "body"),
        (400, "%00", CLAIM.into(), "key"),
        (400, "%ff", CLAIM.into(), "UTF-8"),
        (400, &long, CLAIM.into(), "1 to 256 bytes"),
        (413, "k", format!("\"{}\"", "x".repeat(600_000)), "bytes"),
    ];
    for (status, key, body, says) in cases {
        let answer = server.call("POST", &format!("/v1/keys/{key}/acquire"), Some(CANDIDATE), Some(&body));
        assert_eq!(answer.status, status, "{says}: {answer:?}");
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{says}: {answer:?}");
    }
    assert_eq!(server.call("DELETE", "/v1/keys/k", Some(ADMIN), None).status, 405);
    assert_eq!(server.call("GET", "/v2/keys/k", Some(ADMIN), None).status, 404);
    assert_eq!(server.call("GET", "/v1/keys/k", Some(ADMIN), None).json(), json!({"lease": null}));
}

/// A release reserves the key for whom it names; the history says who released it.
pub fn a_lease_is_handed_over(start: &Start) {
    let server = start(&Config::default());
    let post = |operation: &str, body: &str| {
        server.call("POST", &format!("/v1/keys/k/{operation}"), Some(CANDIDATE), Some(body)).json()
    };
    let session = "\"session\": \"000102030405060708090a0b0c0d0e0f\"";
    let to =
        |id: &str, within: &str| format!("{{{session}, \"successor\": {{\"id\": \"{id}\", \"within_ms\": {within}}}}}");
    let claim = |id: &str| {
        let session = format!("{:032x}", id.len() + 7);
        json!({"id": id, "session": session, "ttl_ms": 60000, "after": 1}).to_string()
    };
    assert_eq!(post("acquire", CLAIM), json!({"granted": {"term": 1, "version": 1}}));
    for (body, says) in [
        (to("b", "3600001"), "within_ms is 3600001, allowed is 0 to 3600000"),
        (to("", "1"), "id"),
        (to("b", "-1"), "successor.within_ms"),
        (to("b", "1").replace("within_ms", "within"), "within"),
    ] {
        let problem = post("release", &body);
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{says}: {problem}");
    }
    assert_eq!(post("release", &to("bee", "60000")), json!({"released": {}}));
    let refused = &post("acquire", &claim("c"))["refused"];
    let left = refused["retry_after_ms"].as_u64();
    assert!(left.is_some_and(|left| left > 50_000 && left <= 60_000), "{refused}");
    assert_eq!((&refused["lease"]["id"], refused["lease"]["time_left_ms"].as_u64()), (&json!(null), left));
    assert_eq!(post("acquire", &claim("bee")), json!({"granted": {"term": 2, "version": 3}}));
    let history = server.call("GET", "/v1/keys/k/history", Some(READER), None).json();
    let history = history["history"].as_array().unwrap();
    let who: Vec<_> = history.iter().map(|entry| (entry["change"].as_str(), entry["id"].clone())).collect();
    let first = serde_json::from_str::<Value>(CLAIM).unwrap()["id"].clone();
    assert_eq!(who, [(Some("granted"), json!("bee")), (Some("released"), first.clone()), (Some("granted"), first)]);

    let storage = HttpStorage::new(server.url(), READER).unwrap();
    smol::block_on(async {
        let history = storage.history(&Key::new("k").unwrap()).await.unwrap();
        let kinds: Vec<_> = history.iter().map(|change| (change.kind, change.id.as_str(), change.term.get())).collect();
        let [granted, released] = [ChangeKind::Granted, ChangeKind::Released];
        assert_eq!(kinds, [(granted, "bee", 2), (released, "a", 1), (granted, "a", 1)]);
        let waiting = storage.waiting(&Key::new("k").unwrap()).await.unwrap();
        assert_eq!(waiting.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["c"]);
        assert_eq!(storage.history(&Key::new("n\u{f6}/?ne").unwrap()).await, Ok(Vec::new()));
    });
}

/// Who was refused waits, until granted or silent for long.
pub fn who_waits_is_known(start: &Start) {
    let server = start(&Config::default());
    let acquire = |key: &str, id: &str, ttl_ms: u64, after: u64| {
        let session = format!("{:032x}", id.len() + 7);
        let claim = json!({"id": id, "session": session, "ttl_ms": ttl_ms, "after": after}).to_string();
        server.call("POST", &format!("/v1/keys/{key}/acquire"), Some(CANDIDATE), Some(&claim)).json()
    };
    let waiting = |key: &str| {
        let told = server.call("GET", &format!("/v1/keys/{key}/waiting"), Some(READER), None).json();
        let waiting = told["waiting"].as_array().unwrap_or_else(|| panic!("{told}"));
        assert!(
            waiting.iter().all(|one| one["ago_ms"].as_u64().is_some() && one.as_object().unwrap().len() == 2),
            "{told}"
        );
        waiting.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(waiting("k"), none);
    let first = server.call("POST", "/v1/keys/k/acquire", Some(CANDIDATE), Some(CLAIM)).json();
    assert_eq!(first["granted"]["term"], 1);
    for id in ["bb", "ccc", "bb"] {
        assert!(acquire("k", id, 60_000, 1)["refused"].is_object());
    }
    assert_eq!((waiting("k"), waiting("other")), (vec!["bb".to_owned(), "ccc".to_owned()], Vec::new()));
    let release = "{\"session\": \"000102030405060708090a0b0c0d0e0f\"}";
    server.call("POST", "/v1/keys/k/release", Some(CANDIDATE), Some(release));
    assert_eq!(acquire("k", "ccc", 60_000, 1)["granted"]["term"], 2);
    assert_eq!(waiting("k"), ["bb"]);
    // As long as somebody who waits may be silent: twice the ttl, or twice what it was told to wait. (Where the second claim comes
    // when the lease is over it is granted: then another key is tried.)
    let mut keys = (1..).map(|number| format!("brief-{number}"));
    let brief = until("a claim comes while a brief lease is held", || {
        let key = keys.next()?;
        assert_eq!(acquire(&key, "bb", 500, 1)["granted"]["term"], 2);
        acquire(&key, "ccc", 500, 2)["refused"].is_object().then_some(key)
    });
    until("nobody waits for long", || waiting(&brief).is_empty().then_some(()));
}

/// An admin takes a lease away: its term is over, nobody is granted the next one before its holder has stopped by itself, unless that is
/// asked for; and what was done is written down.
pub fn a_lease_is_revoked(start: &Start) {
    let server = start(&Config::default());
    let post = |operation: &str, body: &str| {
        server.call("POST", &format!("/v1/keys/k/{operation}"), Some(ADMIN), Some(body)).json()
    };
    assert_eq!(post("revoke", "{}"), json!({"revoked": {"term": null, "lease": null}}));
    assert_eq!(post("acquire", CLAIM), json!({"granted": {"term": 1, "version": 1}}));
    let renewal = CLAIM.replace('}', ", \"term\": 1}");
    assert_eq!(post("renew", &renewal), json!({"extended": {"version": 2}}));
    assert_eq!(post("renew", CLAIM)["type"], "invalid", "without a term");
    assert_eq!(post("renew", &renewal.replace('}', ", \"surprise\": 1}"))["type"], "invalid");
    assert_eq!(post("revoke", "{\"term\": 2}"), json!({"revoked": {"term": null, "lease": null}}), "another term");
    assert_eq!(post("revoke", "{\"term\": 0}")["type"], "invalid");
    assert_eq!(post("revoke", "{\"trem\": 1}")["type"], "invalid");
    let revoked = post("revoke", "{\"term\": 1}")["revoked"].clone();
    assert_eq!(
        (&revoked["term"], &revoked["lease"]["term"], &revoked["lease"]["id"]),
        (&json!(2), &json!(1), &json!("a"))
    );
    assert_eq!(post("renew", &renewal)["lost"]["lease"]["term"], 2);
    assert_eq!(post("acquire", CLAIM)["refused"]["lease"]["term"], 2);
    let next = CLAIM.replace("000102", "990102").replace('}', ", \"after\": 2}");
    let refused = &post("acquire", &next)["refused"];
    let left = |value: &Value| value.as_u64().unwrap();
    assert!(left(&refused["retry_after_ms"]) > 10_000, "{refused}");
    assert_eq!((&refused["lease"]["id"], &refused["lease"]["term"]), (&Value::Null, &json!(2)));
    assert_eq!(post("revoke", "{}"), json!({"revoked": {"term": null, "lease": null}}), "it is");
    assert_eq!(post("forget", "{}")["type"], "conflict");
    let nobodys = next.replace("990102030405060708090a0b0c0d0e0f", &"0".repeat(32));
    assert_eq!(post("acquire", &nobodys)["type"], "invalid");
    for (place, session) in ["80000000000000000000000000000000", "00000000000000000000000000000001"].iter().enumerate()
    {
        let body = CLAIM.replace("000102030405060708090a0b0c0d0e0f", session);
        let answer = server.call("POST", &format!("/v1/keys/other-{place}/acquire"), Some(ADMIN), Some(&body)).json();
        assert_eq!(answer["granted"]["term"], 1, "{session}: {answer}");
    }
    let revoked = post("revoke", "{\"now\": true}")["revoked"].clone();
    assert_eq!((&revoked["term"], &revoked["lease"]["id"]), (&json!(3), &Value::Null));
    assert_eq!(post("acquire", &next.replace("\"after\": 2", "\"after\": 3"))["granted"]["term"], 4);
    let history = server.call("GET", "/v1/keys/k/history", Some(READER), None);
    let changes: Vec<_> = history.json()["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["change"].clone(), entry["term"].clone()))
        .collect();
    assert_eq!(
        format!("{changes:?}"),
        "[(String(\"granted\"), Number(4)), (String(\"revoked\"), Number(3)), (String(\"revoked\"), Number(2)), \
         (String(\"granted\"), Number(1))]"
    );
    assert!(!history.text.contains("000102"), "a session was shown");
}

/// Requests of all kinds at once: each answer, and each refusal, in its place.
pub fn a_batch_of_all_kinds(start: &Start) {
    let server = start(&Config::default());
    let batch = |token: &str, requests: Value| {
        let answers = server.call("POST", "/v1/batch", Some(token), Some(&requests.to_string())).json();
        answers.as_array().unwrap().clone()
    };
    let acquire = |key: &str| json!({"acquire": {"key": key, "claim": serde_json::from_str::<Value>(CLAIM).unwrap()}});
    let revoke = json!({"revoke": {"key": "team-a/y"}});
    let list = |limit: u32| json!({"list": {"prefix": "team-a/", "limit": limit}});

    let get = json!({"get": {"key": "team-a/x"}});
    let answers =
        batch(TEAM, json!([acquire("team-a/x"), acquire("other"), get, revoke, list(5), acquire("team-a/y")]));
    let failed: Vec<_> = answers.iter().map(|answer| answer["failed"]["status"].as_u64()).collect();
    assert_eq!(failed, [None, Some(403), Some(400), Some(403), None, None], "{answers:?}");
    let granted = json!({"term": 1, "version": 1});
    assert_eq!((&answers[0]["granted"], &answers[5]["granted"]), (&granted, &granted));

    let answers = batch(ADMIN, json!([revoke, list(5), acquire("other"), list(995), list(1)]));
    assert_eq!((&answers[0]["revoked"]["term"], &answers[0]["revoked"]["lease"]["id"]), (&json!(2), &json!("a")));
    assert_eq!(answers[2]["granted"]["term"], 1);
    for listed in [&answers[1]["listed"], &answers[3]["listed"]] {
        let keys: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|entry| &entry["key"]).collect();
        assert_eq!(keys, ["team-a/x", "team-a/y"], "{listed}");
        assert_eq!(listed["next"], Value::Null);
    }
    assert_eq!(answers[4]["failed"]["type"], "too-large");

    // What cannot be read is nobody else's trouble.
    let bad =
        [json!({"get": {"key": ""}}), json!({"acquire": {"key": "k"}}), json!({"fetch": {}}), json!(7), Value::Null];
    for (number, bad) in bad.into_iter().enumerate() {
        let answers =
            batch(ADMIN, json!([acquire(&format!("first-{number}")), bad, acquire(&format!("last-{number}"))]));
        let kinds: Vec<_> = answers.iter().map(|answer| answer["failed"]["type"].as_str()).collect();
        assert_eq!(kinds, [None, Some("invalid"), None], "{answers:?}");
    }
}

/// The process is killed in the middle: records and terms are as they were.
pub fn survives_kill(start: &Start) {
    let mut server = start(&Config::default());
    let acquire = |server: &dyn Server, session: &str, after: u64| {
        let claim = format!("{{\"id\": \"a\", \"session\": \"{session:0>32}\", \"ttl_ms\": 3000, \"after\": {after}}}");
        server.call("POST", "/v1/keys/k/acquire", Some(CANDIDATE), Some(&claim)).json()
    };
    let first = "{\"id\": \"a\", \"session\": \"00000000000000000000000000000001\", \"ttl_ms\": 60000}";
    assert_eq!(server.call("POST", "/v1/keys/k/acquire", Some(CANDIDATE), Some(first)).json()["granted"]["term"], 1);
    server.kill_and_restart();
    assert_eq!(acquire(&server, "2", 1)["refused"]["lease"]["term"], 1);
    let release = "{\"session\": \"00000000000000000000000000000001\"}";
    assert_eq!(server.call("POST", "/v1/keys/k/release", Some(CANDIDATE), Some(release)).status, 200);
    server.kill_and_restart();
    assert_eq!(acquire(&server, "2", 1)["granted"]["term"], 2);
}

/// A program that wants to fail at its start learns what is wrong.
pub fn check_says_what_is_wrong(start: &Start) {
    let server = start(&Config::default());
    let check = |token: &str| smol::block_on(HttpStorage::new(server.url(), token).unwrap().check());
    assert_eq!(check(CANDIDATE), Ok(()));
    assert!(check(READER).unwrap_err().to_string().contains("candidate"));
    assert!(check("wrong-token-0123456789").unwrap_err().to_string().contains("unauthenticated"));
}
