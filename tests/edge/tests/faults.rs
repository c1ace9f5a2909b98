//! A fault in one object, and too much to do: who asked hears at once, and nobody else notices.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use lessor_edge_tests::{ADMIN, CANDIDATE, FAULTY, Setting, TESTS, Worker, Workerd, median, timed};

fn claim(key: &str, session: u32) -> (String, String) {
    let body = format!("{{\"id\": \"a\", \"session\": \"{session:032x}\", \"ttl_ms\": 60000}}");
    (format!("/v1/keys/{}/acquire", key.replace('/', "%2F")), body)
}

/// A panic, one that leaves a mess behind, memory that runs out: 500 at once. All others are served meanwhile.
fn harms_nobody_else(worker: Worker) {
    let workerd = Workerd::start(&Setting::of(worker));
    let acquire = |key: &str, session: u32| {
        let (path, body) = claim(key, session);
        workerd.call("POST", &path, Some(CANDIDATE), Some(&body))
    };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let others: Vec<_> = (1..=4)
            .map(|number| {
                let (acquire, over) = (&acquire, &over);
                scope.spawn(move || {
                    let (key, mut served) = (format!("other-{number}"), 0);
                    while !over.load(Ordering::Relaxed) {
                        let answer = acquire(&key, number);
                        assert_eq!(answer.status, 200, "{answer:?}");
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        let faults = ["panic", "mess", "exhaust"];
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..10 {
            for (fault, times) in faults.iter().zip(&mut times) {
                let (answer, took) = timed(|| acquire(&format!("fault/{fault}"), 9));
                assert_eq!((answer.status, answer.json()["type"].as_str()), (500, Some("failed")), "{answer:?}");
                assert!(took < Duration::from_secs(15), "{fault} took {took:?}");
                times.push(took);
            }
        }
        for (fault, times) in faults.iter().zip(times) {
            let took = median(times);
            assert!(took < Duration::from_millis(1500), "{fault} took {took:?}");
        }
        over.store(true, Ordering::Relaxed);
        for other in others {
            assert!(other.join().unwrap() > 10, "the others were served meanwhile");
        }
    });
    // What was written before the fault is undone: else nobody would be told of it. And the object serves on.
    for key in ["fault%2Fpanic", "fault%2Fmess", "fault%2Fexhaust"] {
        let read = workerd.call("GET", &format!("/v1/keys/{key}"), Some(ADMIN), None).json();
        assert_eq!(read, serde_json::json!({"lease": null}), "{key}");
    }
    assert_eq!(workerd.call("GET", "/v1/keys/other-1", Some(ADMIN), None).json()["lease"]["term"], 1);
}

#[test]
fn a_fault_harms_nobody_else() {
    harms_nobody_else(FAULTY);
}

/// In a Worker of one's own, which worker-build has built.
#[test]
fn a_fault_harms_nobody_else_in_a_worker_of_ones_own() {
    harms_nobody_else(TESTS);
}

/// In a batch a fault is the answer of its own key only.
#[test]
fn a_fault_in_a_batch() {
    let workerd = Workerd::start(&Setting::of(FAULTY));
    let ask = |key: &str| format!("{{\"get\": {{\"key\": \"{key}\"}}}}");
    let fault = format!("{{\"acquire\": {{\"key\": \"fault/panic\", \"claim\": {}}}}}", claim("", 1).1);
    let batch = format!("[{}, {fault}, {}]", ask("one"), ask("two"));
    let answer = workerd.call("POST", "/v1/batch", Some(CANDIDATE), Some(&batch)).json();
    assert_eq!((&answer[0]["lease"], &answer[2]["lease"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!(answer[1]["failed"]["status"], 500);
}

/// An object with too much to do: 503, and when to come back.
#[test]
fn overload_says_when_to_come_back() {
    let workerd = Workerd::start(&Setting::of(TESTS));
    let (path, body) = claim("fault/overload", 1);
    let answer = workerd.call("POST", &path, Some(CANDIDATE), Some(&body));
    assert_eq!((answer.status, answer.json()["type"].as_str()), (503, Some("overloaded")));
    assert_eq!(answer.header("retry-after"), Some("1"));
}
