//! What is said and what is heard, as tables.

use super::*;

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn keys(range: core::ops::Range<usize>) -> BTreeSet<Key> {
    range.map(|number| key(&format!("{number:04}"))).collect()
}

/// The verb, the number and the keys of the next message.
fn said(follow: &mut Follow) -> Option<(String, u64, Vec<String>)> {
    let said: serde_json::Value = serde_json::from_str(&follow.say()?).unwrap();
    let (verb, said) = said.as_object().unwrap().iter().next().unwrap();
    let keys = said["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_string()).collect();
    Some((verb.clone(), said["number"].as_u64().unwrap(), keys))
}

fn confirm(follow: &mut Follow, (verb, number, _): &(String, u64, Vec<String>)) {
    assert_eq!(follow.hear(&format!("{{\"{verb}ed\": {{\"number\": {number}, \"more\": false}}}}")), None);
}

/// Says and has confirmed what there is to say: the verbs, and how many keys.
fn settle(follow: &mut Follow) -> Vec<(String, usize)> {
    let mut all = Vec::new();
    while let Some(said) = said(follow) {
        assert_eq!(follow.say(), None, "one at a time");
        confirm(follow, &said);
        all.push((said.0, said.2.len()));
    }
    all
}

fn state(kind: &str, key: &str, lease: &str) -> String {
    format!("{{\"{kind}\": {{\"key\": \"{key}\", \"lease\": {lease}}}}}")
}

fn lease(term: u64, id: &str, version: u64) -> String {
    format!(
        "{{\"id\": {id}, \"term\": {term}, \"version\": {version}, \"ttl_ms\": 1, \"time_left_ms\": 1, \"value\": null}}"
    )
}

/// As `wasm/API.md` shows it.
#[test]
fn as_documented() {
    let mut follow = Follow::default();
    follow.follow(&key("a\"b"));
    assert_eq!(follow.say().unwrap(), r#"{"watch":{"number":1,"keys":["a\"b"]}}"#);
    assert_eq!(follow.hear(r#"{"watched": {"number": 1, "more": false}}"#), None);
    follow.keep(&BTreeSet::new());
    assert_eq!(follow.say().unwrap(), r#"{"unwatch":{"number":2,"keys":["a\"b"]}}"#);
    assert_eq!(follow.hear(r#"{"unwatched": {"number": 2}}"#), None);
    assert_eq!(follow.say(), None);
}

/// Other hands wake, renewals do not; what is not known yet is news.
#[test]
fn who_is_woken() {
    let mut follow = Follow::default();
    follow.follow(&key("k"));
    let change = r#"{"change": {"key": "k", "change": "released", "id": "a", "term": 1, "ago_ms": 5, "lease": "#;
    for (text, woken) in [
        (state("state", "k", "null"), true),
        (state("state", "k", "null"), false),
        (state("change", "k", &lease(1, "\"a\"", 1)), true),
        (state("state", "k", &lease(1, "\"a\"", 2)), false),
        (format!("{change}{}}}}}", lease(1, "null", 3)), true),
        (format!("{change}{}}}}}", lease(1, "null", 3)), false),
        (state("change", "k", &lease(2, "\"a\"", 4)), true),
        (state("change", "k", &lease(2, "\"b\"", 4)), true),
        (state("change", "other", &lease(1, "\"a\"", 1)), false),
        (state("change", "k", "7"), false),
        (state("surprise", "k", "null"), false),
        ("pong".into(), false),
        (String::new(), false),
    ] {
        assert_eq!(follow.hear(&text), woken.then(|| key("k")), "{text}");
    }
}

/// After a lost connection all is asked for again, and what stayed as it was wakes nobody.
#[test]
fn a_new_connection() {
    let mut follow = Follow::default();
    follow.keep(&keys(0..2));
    assert_eq!(settle(&mut follow), [("watch".into(), 2)]);
    for name in ["0000", "0001"] {
        assert!(follow.hear(&state("state", name, &lease(1, "\"a\"", 1))).is_some());
    }
    follow.follow(&key("new"));
    said(&mut follow).unwrap();
    follow.connected();
    assert_eq!(settle(&mut follow), [("watch".into(), 3)]);
    assert_eq!(follow.hear(&state("state", "0000", &lease(1, "\"a\"", 9))), None);
    assert_eq!(follow.hear(&state("state", "0001", &lease(1, "null", 9))), Some(key("0001")));
}

/// In parts, and no more than the service watches; who leaves makes room.
#[test]
fn limits() {
    let mut follow = Follow::default();
    follow.keep(&keys(0..1_150));
    assert_eq!(settle(&mut follow), vec![("watch".into(), 100); 10]);
    follow.keep(&keys(120..1_150));
    let (unwatch, watch) = ("unwatch".to_string(), "watch".to_string());
    assert_eq!(settle(&mut follow), [(unwatch.clone(), 100), (unwatch, 20), (watch.clone(), 100), (watch, 20)]);
    assert_eq!(follow.watched, 1_000);
    follow.connected();
    assert_eq!(settle(&mut follow).len(), 10);
}

/// One key that is not allowed costs the others nothing, and is not asked for again.
#[test]
fn a_key_that_is_refused() {
    let mut follow = Follow::default();
    follow.keep(&keys(0..100));
    let mut messages = 0;
    while let Some(said) = said(&mut follow) {
        messages += 1;
        if said.2.contains(&"0042".into()) {
            follow.hear(r#"{"failed": {"type": "forbidden", "status": 403, "detail": "no"}}"#);
        } else {
            confirm(&mut follow, &said);
        }
    }
    assert!(messages < 16, "{messages}");
    assert_eq!(follow.watched, 99);
    follow.keep(&keys(0..100));
    assert_eq!(follow.say(), None);
    follow.connected();
    assert_eq!(said(&mut follow).unwrap().2.len(), 100);
    assert!(!follow.overdue());
}

/// A key that nobody follows any more when the service confirms it, or that is followed again.
#[test]
fn comings_and_goings() {
    let mut follow = Follow::default();
    follow.keep(&keys(0..2));
    let asked = said(&mut follow).unwrap();
    follow.keep(&keys(0..0));
    follow.keep(&keys(0..1));
    confirm(&mut follow, &asked);
    assert_eq!(said(&mut follow).unwrap().2, ["0001"], "is unwatched");
    follow.follow(&key("0001"));
    assert_eq!(follow.say(), None);
    follow.hear(r#"{"unwatched": {"number": 2}}"#);
    assert_eq!(settle(&mut follow), [("watch".into(), 1)]);
    assert_eq!(follow.watched, 2);
    // Gone and back before anything was said.
    follow.keep(&keys(1..2));
    follow.keep(&keys(0..2));
    assert_eq!(settle(&mut follow), [("unwatch".into(), 1), ("watch".into(), 1)]);
    assert_eq!(follow.watched, 2);
}

/// An answer that does not come, and one that nobody waits for.
#[test]
fn answers_that_do_not_fit() {
    let mut follow = Follow::default();
    follow.follow(&key("k"));
    follow.hear(r#"{"failed": {}}"#);
    said(&mut follow).unwrap();
    follow.hear(r#"{"watched": {"number": 7, "more": false}}"#);
    assert_eq!([follow.overdue(), follow.overdue(), follow.overdue()], [false, false, true]);
    follow.hear(r#"{"watched": {"number": 1, "more": false}}"#);
    assert!(!follow.overdue());
}

/// A service that has heard too much lately hears the same again, later, and not in more messages.
#[test]
fn too_many_messages() {
    let mut follow = Follow::default();
    follow.keep(&keys(0..3));
    let refuse = |follow: &mut Follow| follow.hear(r#"{"failed": {"type": "too-many", "status": 429, "detail": ""}}"#);
    let watched = [("watch".to_owned(), 3)];
    for _ in 0..2 {
        assert_eq!(said(&mut follow).unwrap().2.len(), 3);
        assert_eq!(refuse(&mut follow), None);
        assert_eq!(follow.say(), None, "until the next heartbeat");
        assert!(!follow.overdue());
    }
    assert_eq!(settle(&mut follow), watched);
    follow.keep(&BTreeSet::new());
    assert_eq!(said(&mut follow).unwrap().0, "unwatch");
    refuse(&mut follow);
    follow.overdue();
    assert_eq!(settle(&mut follow), [("unwatch".to_owned(), 3)]);
    // What was put off is nothing to the next connection, which begins anew.
    follow.keep(&keys(0..3));
    said(&mut follow);
    refuse(&mut follow);
    follow.connected();
    assert_eq!(settle(&mut follow), watched);
}
