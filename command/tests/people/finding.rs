//! `list`, `status`, `check`.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use lessor::storage::{Claim, Session};
use lessor::{Id, Key, StorageExt, Value};
use lessor_servers::asking::{claim, granted, key, release, requests, soon};
use lessor_servers::elections::{now, sleep_until};
use serde_json::json;

use crate::{Place, lessor, told};

#[test]
fn what_there_is_is_shown() {
    for place in Place::all() {
        let storage = place.storage();
        assert_eq!(place.json(&["list"]), json!({"keys": []}), "{}", place.url);
        let term = smol::block_on(async {
            let led =
                Claim::new(key("jobs/led"), Id::new("node-1").unwrap(), Session::from_bits(1), Duration::from_secs(60));
            let term = granted(storage.acquire(led.value(Some(Value::new("http://10.0.0.1\u{202e}").unwrap()))).await);
            let free = claim("jobs/free", 2);
            let _ = granted(storage.acquire(free.clone()).await);
            storage.release(release(&free)).await.unwrap();
            let _ = granted(storage.acquire(claim("other", 3)).await);
            let mut brief = claim("jobs/expired", 4);
            brief.ttl = Duration::from_millis(100);
            let _ = granted(storage.acquire(brief).await);
            let _ = granted(storage.acquire(claim("jobs/held", 5)).await);
            storage.revoke(&key("jobs/held")).await.unwrap();
            sleep_until(now().saturating_add(Duration::from_millis(200)));
            term
        });
        let listed = place.json(&["list", "jobs/"]);
        let keys: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|one| (&one["key"], &one["state"])).collect();
        let expected = [("expired", "expired"), ("free", "free"), ("held", "held_back"), ("led", "led")];
        let expected = expected.map(|(name, state)| (json!(format!("jobs/{name}")), json!(state)));
        assert_eq!(keys, expected.each_ref().map(|(key, state)| (key, state)), "{}", place.url);
        let (text, code) = place.ask(&["list"]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines.len(), code), (6, 0), "{text}");
        assert!(lines[0].starts_with("KEY           STATE      LEADER"), "{text}");
        assert!(lines[4].starts_with("jobs/led      led        node-1"), "{text}");
        // Nothing that a terminal would obey.
        assert!(lines[4].ends_with("http://10.0.0.1\\u{202e}"), "{text}");

        let seen = place.json(&["status", "jobs/led"]);
        assert_eq!(
            (&seen["state"], &seen["lease"]["id"], &seen["lease"]["term"]),
            (&json!("led"), &json!("node-1"), &json!(term))
        );
        assert!(seen["lease"]["time_left_ms"].as_u64().unwrap() > 50_000 && seen["since"].is_string(), "{seen}");
        assert!(!seen.to_string().contains("session"), "{seen}");
        for (arguments, expected) in [
            (vec!["status", "jobs/led"], 0),
            (vec!["status", "jobs/led", "--of", "node-1"], 0),
            (vec!["status", "jobs/led", "--of", "node-2", "--quiet"], 1),
            (vec!["status", "jobs/free"], 1),
            (vec!["status", "jobs/expired"], 1),
            (vec!["status", "jobs/held"], 1),
            (vec!["status", "never"], 1),
        ] {
            let (text, code) = place.ask(&arguments);
            assert_eq!(code, expected, "{arguments:?}: {text}");
            assert_eq!(text.is_empty(), arguments.contains(&"--quiet"), "{text}");
        }
        let checked = place.json(&["check"]);
        assert_eq!((&checked["fits"], &checked["ttl_ms"]), (&json!(true), &json!(10_000)), "{checked}");
        assert_eq!(place.ask(&["check", "--ttl", "1ms"]).1, 1);
    }
}

/// More than a page has.
#[test]
fn ten_thousand_keys_are_listed() {
    let place = Place::postgres();
    let storage = place.storage();
    smol::block_on(async {
        for part in 0..100 {
            let claims = (0..100).map(|number| claim(&format!("{:05}", part * 100 + number), 1));
            let claims = requests(claims.map(|claim| claim.patience(Duration::from_secs(60))));
            assert!(storage.call_all(claims).await.iter().all(Result::is_ok));
        }
    });
    let listed = place.json(&["list"]);
    let keys: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, (0..10_000).map(|number| format!("{number:05}")).collect::<Vec<_>>());
    // Who has seen enough ends it without a word.
    let mut child = place.command(&["list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(told(&child.wait_with_output().unwrap()), (String::new(), 141));
}

/// What cannot be: said at once, in words, and without the secret.
#[test]
fn what_is_wrong_is_said() {
    let place = Place::sqlite();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("postgres://user:s3cret@{}/database", silent.local_addr().unwrap());
    for (arguments, expected, says) in [
        (vec!["list", "--storage", "postgres://user:s3cret@127.0.0.1:1/database"], 123, "refused"),
        (vec!["list", "--storage", &silent, "--timeout", "1s"], 123, "it did not answer within 1"),
        (vec!["list", "--storage", "oracle://user:s3cret@host"], 120, "no storage has URLs that begin with oracle://"),
        (vec!["list", "--storage", &place.url], 123, "No such file"),
        (vec!["list"], 120, "--storage <URL>"),
        (vec!["status", "--storage", &place.url, ""], 120, "key"),
        (vec!["status", "--storage", &place.url, "k", "--timeout", "soon"], 120, "500ms, 2s"),
        (vec!["watch", "--storage", &place.url, "--interval", "1ms"], 120, "50ms and more"),
        (vec!["watch", "--storage", "postgres://user:s3cret@127.0.0.1:1/database"], 123, "refused"),
        (vec!["history", "--storage", &place.url, "k"], 120, "keeps no history"),
        (vec!["no-such-command"], 120, "unrecognized subcommand"),
        (vec![], 120, "Usage"),
    ] {
        let (text, code) = told(&lessor(&arguments).output().unwrap());
        assert_eq!(code, expected, "{arguments:?}: {text}");
        assert!(text.contains(says) && !text.contains("s3cret"), "{arguments:?}: {text}");
    }
    assert!(!std::path::Path::new(&place.url).exists(), "who looks creates nothing");
}

/// Nobody has to know the storage to look at the key of another.
#[test]
fn odd_keys_are_keys() {
    let place = Place::sqlite();
    let storage = place.storage();
    for name in ["-x", "--help", "日本 語", "."] {
        let _ = smol::block_on(async { soon(storage.acquire(claim(name, 1))).await }).unwrap();
        assert_eq!(place.ask(&["status", "--quiet", "--", name]).1, 0, "{name}");
        let key = Key::new(name).unwrap();
        assert!(smol::block_on(storage.get(&key)).unwrap().is_some());
    }
}
