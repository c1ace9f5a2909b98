//! A thousand sockets at once: those that follow hear of each change once, and those that say what they like take nothing from a leader.

use std::thread;
use std::time::Duration;

use lessor::{Builder, SystemTimer, Timer};
use lessor_edge_tests::{CANDIDATE, Setting, Socket, Workerd};
use lessor_http::HttpStorage;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

const SOCKETS: usize = 1_000;

/// The token of the crowd.
const CROWD: &str = "crowd-token-for-tests-0123456789";

/// A service that knows the crowd, with these limits; and room for so many files, here and there.
fn service(limits: &Value) -> Workerd {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let mut setting = Setting::default();
    let crowd = json!({"token": CROWD, "role": "read", "name": "crowd", "limits": limits}).to_string();
    setting.tokens = setting.tokens.map(|tokens| tokens.replacen('[', &format!("[{crowd}, "), 1));
    Workerd::start(&setting)
}

fn since(began: lessor::Instant) -> f64 {
    SystemTimer::new().now().saturating_duration_since(began).as_secs_f64() * 1000.0
}

/// Watchers that each say this, and are answered with so many states, hear of ten grants.
fn hear_of_grants(watch: &Value, states: usize) {
    let workerd = service(&json!({"lookups": 10_000_000, "sockets": SOCKETS}));
    let watch = json!({"watch": watch}).to_string();
    let mut sockets: Vec<_> = (0..SOCKETS).map(|_| Socket::of(&workerd, CROWD)).collect();
    for socket in &mut sockets {
        assert_eq!(socket.ask(&watch).len(), states + 1);
    }
    // One more is not served; nor does it end another.
    assert_eq!(Socket::try_open(&workerd, "authorization", &format!("Bearer {CROWD}")).err(), Some(429));

    let rounds = 10;
    let (mut times, before) = (Vec::new(), workerd.cpu());
    for round in 0..rounds {
        let key = format!("crowd%2F{round}");
        let claim = json!({"id": "a", "session": format!("{:032x}", round + 1), "ttl_ms": 30_000}).to_string();
        let began = SystemTimer::new().now();
        let granted = workerd.call("POST", &format!("/v1/keys/{key}/acquire"), Some(CANDIDATE), Some(&claim));
        assert_eq!(granted.status, 200, "{granted:?}");
        for socket in &mut sockets {
            let heard = socket.hear();
            assert_eq!(
                (&heard["change"]["change"], &heard["change"]["term"]),
                (&json!("granted"), &json!(1)),
                "{heard}"
            );
        }
        times.push(since(began));
    }
    times.sort_by(f64::total_cmp);
    let cpu = (workerd.cpu() - before).as_secs_f64() * 1000.0 / f64::from(rounds);
    println!(
        "{SOCKETS} watchers have heard of a grant after {:.0} ms (median), which took {cpu:.0} ms of CPU",
        times[times.len() / 2]
    );
}

#[test]
fn a_thousand_watchers() {
    let keys: Vec<_> = (0..10).map(|key| format!("crowd/{key}")).collect();
    hear_of_grants(&json!({"number": 1, "keys": keys}), keys.len());
}

/// Half a million of what is watched: a change costs what those cost who hear of it, and not what others watch.
#[test]
fn a_thousand_watchers_of_five_hundred() {
    let mut prefixes: Vec<_> = (0..499).map(|number| format!("other/{number}/")).collect();
    prefixes.push("crowd/".into());
    hear_of_grants(&json!({"number": 1, "prefixes": prefixes}), 0);
}

#[test]
fn a_thousand_hostile_sockets() {
    // As many as a token may have, and no more than the usual of everything else.
    let workerd = service(&json!({}));
    let (candidate, driver) = Builder::new("victim")
        .ttl(Duration::from_secs(10))
        .build(HttpStorage::new(workerd.url(), CANDIDATE).unwrap())
        .unwrap();
    let driver = thread::spawn(|| smol::block_on(driver.run()));
    let term = smol::block_on(candidate.elected()).unwrap().term();

    let mut sockets: Vec<_> = (0..SOCKETS).map(|_| Socket::of(&workerd, CROWD)).collect();
    let keys: Vec<_> = (0..1_000).map(|key| format!("hostile/{key}")).collect();
    let all = json!({"watch": {"number": 1, "keys": keys, "prefixes": ["", "v", "victim"]}}).to_string();
    let hostile = [
        all.as_str(),
        "{\"watch\": {\"number\": 1, \"keys\": [\"victim\"]}}",
        "{\"unwatch\": {\"number\": -1, \"keys\": [\"\"], \"prefixes\": null}}",
        "{\"watch\": {\"number\": 1e309}}",
        "{\"__proto__\": {\"role\": \"admin\"}}",
        "[[[[[[[[",
        "",
        "ping",
    ];
    for round in 0..40 {
        for (number, socket) in sockets.iter_mut().enumerate() {
            match (round + number) % 10 {
                8 => socket.try_say_bytes(vec![0xff; 64 * 1024]),
                9 => socket.try_say(&"x".repeat(64 * 1024)),
                at => socket.try_say(hostile[at]),
            }
        }
        let status = workerd.call("GET", "/v1/keys/victim", Some(CANDIDATE), None).status;
        assert_eq!(status, 200, "whoever asks beside them is answered");
        assert_eq!(candidate.leadership().map(|leadership| leadership.term()), Some(term), "the leader keeps its term");
    }
    for socket in &mut sockets {
        // What it was told; at the end nothing, or a good-bye.
        socket.be_patient(Duration::from_millis(20));
        while let Ok(said) = socket.try_hear() {
            let status = said["failed"]["status"].as_u64().unwrap_or_default();
            assert!(status < 500, "{said}");
        }
    }
    println!("the service took {} ms of CPU for {SOCKETS} hostile sockets", workerd.cpu().as_millis());
    drop(sockets);
    assert_eq!(candidate.leadership().map(|leadership| leadership.term()), Some(term), "the leader keeps its term");
    smol::block_on(candidate.shutdown()).unwrap();
    driver.join().unwrap();
}
