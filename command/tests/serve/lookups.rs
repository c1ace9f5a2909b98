//! Whoever has used up what a token may look up has no work done.

use lessor_served::{CANDIDATE, Config, Server as _, Socket};
use serde_json::json;

use crate::running::{Running, Setting, with};

const SMALL: &str = "small-token-for-tests-0123456789";

fn lookups(count: u32) -> Setting {
    let arguments = ["--metrics-listen", "127.0.0.1:0", "--look-every-ms", "3600000"];
    let tokens = json!([
        {"token": SMALL, "role": "read", "limits": {"lookups": count}}, {"token": CANDIDATE, "role": "candidate"},
    ]);
    Setting { config: Config { tokens: Some(tokens.to_string()), vars: Vec::new() }, ..with(&arguments) }
}

#[test]
fn what_is_refused_costs_the_storage_nothing() {
    let running = Running::start(lookups(5));
    let metrics = running.metrics();
    for number in 0..8 {
        let claim = json!({"id": "a", "session": format!("{:032x}", number + 1), "ttl_ms": 60_000}).to_string();
        assert_eq!(
            running.call("POST", &format!("/v1/keys/k{number}/acquire"), Some(CANDIDATE), Some(&claim)).status,
            200
        );
    }
    let list = || running.call("GET", "/v1/keys", Some(SMALL), None).status;
    assert_eq!([list(), list()], [200, 429], "more than a minute's worth is had once");
    let asked = || {
        let counts =
            ["list", "batch", "get"].map(|name| format!("lessor_storage_seconds_count{{operation=\"{name}\"}}"));
        counts.map(|line| metrics.value(&line))
    };
    let before = asked();
    let mut socket = Socket::of(&running, SMALL);
    for number in 0..10 {
        assert_eq!(list(), 429);
        let lists = json!([{"list": {}}, {"list": {"prefix": "k"}}]).to_string();
        let answers = running.call("POST", "/v1/batch", Some(SMALL), Some(&lists)).json();
        assert_eq!([&answers[0]["failed"]["status"], &answers[1]["failed"]["status"]], [429, 429], "{answers}");
        for what in [json!({"prefixes": ["k", "new"]}), json!({"keys": ["k1"]}), json!({"prefixes": [""]})] {
            let mut watch = json!({"number": number});
            watch.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
            let told = socket.ask(&json!({"watch": watch}).to_string());
            assert_eq!((told.len(), &told[0]["failed"]["status"]), (1, &json!(429)), "{told:?}");
        }
    }
    assert_eq!(asked(), before);
}
