//! Many at once: one wins.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use lessor::Builder;
use lessor_edge_tests::{ADMIN, CANDIDATE, Setting, TESTS, Workerd, until};
use lessor_http::HttpStorage;

/// So many claims at the very same time, each with a session of its own: one is granted, the others are told who won.
fn one_of(claims: usize) {
    let workerd = Workerd::start(&Setting::default());
    let start = Barrier::new(claims);
    let answers: Vec<_> = thread::scope(|scope| {
        let claimants: Vec<_> = (0..claims)
            .map(|number| {
                let (workerd, start) = (&workerd, &start);
                scope.spawn(move || {
                    let session = 1 + number;
                    let claim =
                        format!("{{\"id\": \"c{number}\", \"session\": \"{session:032x}\", \"ttl_ms\": 60000}}");
                    start.wait();
                    workerd.call("POST", "/v1/keys/prize/acquire", Some(CANDIDATE), Some(&claim)).json()
                })
            })
            .collect();
        claimants.into_iter().map(|claimant| claimant.join().unwrap()).collect()
    });
    let granted: Vec<_> = answers.iter().filter(|answer| answer["granted"]["term"] == 1).collect();
    assert_eq!(granted.len(), 1, "{granted:?}");
    let held: BTreeSet<_> = answers.iter().filter_map(|answer| answer["refused"]["lease"]["id"].as_str()).collect();
    assert_eq!(held.len(), 1, "all others are told of one and the same winner: {held:?}");
    assert_eq!(answers.iter().filter(|answer| answer["refused"]["lease"]["term"] == 1).count(), claims - 1);
}

#[test]
fn one_of_50() {
    one_of(50);
}

#[test]
fn one_of_500() {
    one_of(500);
}

/// Native processes and Workers compete for one key: each in its turn, each in a term of its own.
#[test]
fn native_and_edge_compete() {
    let workerd = Workerd::start(&Setting::of(TESTS));
    let get = |path: &str| workerd.call("GET", path, None, None).json();
    let mut terms = Vec::new();
    for _ in 0..3 {
        // The edge leads; a native candidate follows, and leads when the edge's place is gone.
        get("/edge/start");
        terms.push(until("the edge leads", || get("/edge/lead")["term"].as_u64()));
        let storage = HttpStorage::new(workerd.url(), CANDIDATE).unwrap();
        let builder = Builder::new("campaign").id("native").ttl(Duration::from_secs(10));
        let builder = builder.renew_interval(Duration::from_millis(500)).retry_interval(Duration::from_millis(500));
        let (candidate, driver) = builder.build(storage).unwrap();
        let running = thread::spawn(|| smol::block_on(driver.run()));
        until("it knows of the edge", || {
            candidate.leader().filter(|lease| lease.id.as_ref().is_some_and(|id| id.as_str() == "edge"))
        });
        assert!(!candidate.is_leader());
        get("/edge/die");
        let leadership = smol::block_on(candidate.elected()).unwrap();
        terms.push(leadership.term().get());
        get("/edge/revive");
        assert!(get("/edge/lead").is_null(), "the native one leads");
        smol::block_on(candidate.shutdown()).unwrap();
        running.join().unwrap();
    }
    assert_eq!(terms, [1, 2, 3, 4, 5, 6]);
    let history = workerd.call("GET", "/v1/keys/campaign/history", Some(ADMIN), None).json();
    let ids = history["history"].as_array().unwrap().iter().filter(|entry| entry["change"] == "granted");
    let ids: Vec<_> = ids.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, ["native", "edge", "native", "edge", "native", "edge"]);
}
