//! Within Workers: the contract of a storage over the binding, and candidates that are Durable Objects.

use lessor_edge_tests::{ADMIN, Setting, TESTS, Workerd, until};
use serde_json::{Value, json};

/// Every case of the contract, from a Worker through the binding.
#[test]
fn keeps_the_contract() {
    let workerd = Workerd::start(&Setting::of(TESTS));
    let answer = workerd.call("GET", "/conformance", None, None);
    println!("{}", answer.text);
    assert_eq!(answer.status, 200);
}

fn get(workerd: &Workerd, path: &str) -> Value {
    let answer = workerd.call("GET", path, None, None);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

fn leader(workerd: &Workerd, candidates: &[&str]) -> Option<(String, u64)> {
    let leads = candidates.iter().filter_map(|name| {
        let lead = get(workerd, &format!("/{name}/lead"));
        Some(((*name).to_owned(), lead["term"].as_u64()?))
    });
    let leads: Vec<_> = leads.collect();
    assert!(leads.len() < 2, "{leads:?}");
    leads.into_iter().next()
}

/// Alarm by alarm one of three leads, in one term however long; when it is gone, another does, in a newer one.
#[test]
fn candidates_hand_over_by_their_alarms() {
    let workerd = Workerd::start(&Setting::of(TESTS));
    let names = ["a", "b", "c"];
    names.iter().for_each(|name| drop(get(&workerd, &format!("/{name}/start"))));
    let (first, term) = until("a leader", || leader(&workerd, &names));
    assert_eq!(term, 1);
    let jobs = |name: &str| get(&workerd, &format!("/{name}/jobs")).as_u64().unwrap();
    until("five jobs, the first longer than the ttl", || (jobs(&first) >= 5).then_some(()));
    assert_eq!(leader(&workerd, &[&first]), Some((first.clone(), 1)), "the term goes on");

    get(&workerd, &format!("/{first}/die"));
    let others: Vec<_> = names.into_iter().filter(|name| *name != first).collect();
    let (second, term) = until("another leader", || leader(&workerd, &others));
    assert_eq!(term, 2, "{second}");
    until("its job", || (jobs(&second) >= 1).then_some(()));
    let history = workerd.call("GET", "/v1/keys/campaign/history", Some(ADMIN), None).json();
    let entries = history["history"].as_array().unwrap();
    let grants = entries.iter().filter(|entry| entry["change"] == "granted");
    assert_eq!(grants.map(|entry| entry["term"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 1]);
}

/// The process is killed, and another one goes on: alarms that are overdue come, and the ticket is the leader's.
#[test]
fn candidates_outlive_the_process() {
    let mut workerd = Workerd::start(&Setting::of(TESTS));
    get(&workerd, "/patient/start");
    assert_eq!(until("a leader", || leader(&workerd, &["patient"])), ("patient".into(), 1));
    let jobs = |workerd: &Workerd| get(workerd, "/patient/jobs").as_u64().unwrap();
    until("asleep between two alarms", || (jobs(&workerd) >= 1).then_some(()));
    workerd.kill_and_restart();
    // Nobody asks: its own alarm does it. The lease of a minute is live: only the ticket leads at once, in the same term.
    until("a job after the restart", || (jobs(&workerd) >= 1).then_some(()));
    let lease = workerd.call("GET", "/v1/keys/campaign", Some(ADMIN), None).json()["lease"].clone();
    assert_eq!((&lease["id"], &lease["term"]), (&json!("patient"), &json!(1)));
}

/// However often it is asked whether it leads, its alarm comes when it was to come.
#[test]
fn asking_does_not_postpone_the_alarm() {
    let workerd = Workerd::start(&Setting::of(TESTS));
    get(&workerd, "/a/start");
    let jobs = || get(&workerd, "/a/jobs").as_u64().unwrap();
    until("three jobs", || {
        (0..5).for_each(|_| drop(get(&workerd, "/a/lead")));
        (jobs() >= 3).then_some(())
    });
}

/// A time of a schedule is led for once, however often it comes.
#[test]
fn a_schedule_is_led_for_once() {
    let workerd = Workerd::start(&Setting::of(TESTS));
    let lead = |scheduled: u64| get(&workerd, &format!("/a/lead/{scheduled}"))["term"].as_u64();
    assert_eq!(until("it leads", || lead(1000).map(Some)), Some(1));
    assert_eq!((lead(1000), lead(999)), (None, None), "again, and too late");
    assert_eq!((lead(2000), lead(2000)), (Some(1), None));
}

/// Who resigns lets another lead, and comes back as a follower; who stops is not there any more.
#[test]
fn candidates_give_up() {
    let workerd = Workerd::start(&Setting::of(TESTS));
    let names = ["a", "b"];
    names.iter().for_each(|name| drop(get(&workerd, &format!("/{name}/start"))));
    let (first, term) = until("a leader", || leader(&workerd, &names));
    let second = names.into_iter().find(|name| *name != first).unwrap();
    assert_eq!(get(&workerd, &format!("/{second}/resign")), json!(false), "it does not lead");
    assert_eq!(get(&workerd, &format!("/{first}/resign")), json!(true));
    assert_eq!(until("another leader", || leader(&workerd, &[second])), (second.to_owned(), term + 1));
    until("it follows", || get(&workerd, &format!("/{first}/alarm")).as_u64());

    get(&workerd, &format!("/{second}/stop"));
    assert_eq!(get(&workerd, &format!("/{second}/alarm")), Value::Null);
    assert_eq!(until("the first leads again", || leader(&workerd, &[&first])), (first.clone(), term + 2));
    assert_eq!(get(&workerd, &format!("/{second}/alarm")), Value::Null, "it has gone");
    get(&workerd, &format!("/{second}/start"));
    until("it is back", || get(&workerd, &format!("/{second}/alarm")).as_u64());
}
