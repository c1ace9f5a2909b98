//! What a token may use, so that nobody who has one can take the service from the others; and where keys are kept.

use lessor_edge_tests::{ADMIN, CANDIDATE, READER, Setting, TESTS, Workerd};
use lessor_served::budgets::acquire;
use serde_json::json;

lessor_served::budgets!(lessor_edge_tests::start);

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
