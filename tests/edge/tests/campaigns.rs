//! Candidates that are Durable Objects.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lessor_edge_tests::{ADMIN, CANDIDATE, FAULTY, Setting, TESTS, Worker, Workerd, pause, timed, until};
use serde_json::{Value, json};

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
fn candidates_hand_over_by_their_alarms(worker: Worker) {
    let workerd = Workerd::start(&Setting::of(worker));
    let names = ["long-a", "long-b", "long-c"];
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
fn candidates_outlive_the_process(worker: Worker) {
    let mut workerd = Workerd::start(&Setting::of(worker));
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
fn asking_does_not_postpone_the_alarm(worker: Worker) {
    let workerd = Workerd::start(&Setting::of(worker));
    get(&workerd, "/a/start");
    let jobs = || get(&workerd, "/a/jobs").as_u64().unwrap();
    until("three jobs", || {
        (0..5).for_each(|_| drop(get(&workerd, "/a/lead")));
        (jobs() >= 3).then_some(())
    });
}

/// To ask a leader that sleeps is to look: nothing is written for it.
fn asking_a_leader_writes_nothing(worker: Worker) {
    let workerd = Workerd::start(&Setting::of(worker));
    // For a minute, in which nothing is renewed.
    get(&workerd, "/patient/start");
    let term = || get(&workerd, "/patient/lead")["term"].as_u64();
    until("it leads", term);
    get(&workerd, "/patient/die");
    until("its alarm is over", || get(&workerd, "/patient/alarm").is_null().then_some(()));
    let before = get(&workerd, "/patient/changes");
    assert!(before.as_f64().unwrap() > 0.0, "it has written: {before}");
    let left = || get(&workerd, "/patient/lead")["time_left_ms"].as_f64().unwrap();
    let first = left();
    assert_eq!((0..5).map(|_| term()).collect::<Vec<_>>(), [Some(1); 5]);
    assert!(left() <= first, "nor is it made longer");
    assert_eq!(get(&workerd, "/patient/changes"), before);
    // It goes on where it was.
    get(&workerd, "/patient/revive");
    get(&workerd, "/patient/start");
    until("it is renewed", || (left() > first).then_some(()));
    assert_eq!(term(), Some(1));
}

/// A time of a schedule is led for once, however often it comes.
fn a_schedule_is_led_for_once(worker: Worker) {
    let workerd = Workerd::start(&Setting::of(worker));
    let lead = |scheduled: u64| get(&workerd, &format!("/a/lead/{scheduled}"))["term"].as_u64();
    assert_eq!(until("it leads", || lead(1000).map(Some)), Some(1));
    assert_eq!((lead(1000), lead(999)), (None, None), "again, and too late");
    assert_eq!((lead(2000), lead(2000)), (Some(1), None));
    // Nor by whoever leads next.
    assert_eq!(get(&workerd, "/a/resign"), json!(true));
    let next = |scheduled: u64| get(&workerd, &format!("/b/lead/{scheduled}"))["term"].as_u64();
    until("another leads", || leader(&workerd, &["b"]));
    assert_eq!((next(2000), next(3000), next(3000)), (None, Some(2), None));
}

/// The leaders' alarms know the schedule: each time is done once, whoever leads, also those at which nobody did.
fn each_time_is_done_once(worker: Worker) {
    let workerd = Workerd::start(&Setting::of(worker));
    let names = ["scheduled-a", "scheduled-b"];
    let began_ms = now_ms();
    names.iter().for_each(|name| drop(get(&workerd, &format!("/{name}/start"))));
    let runs =
        |name: &str| -> Vec<(u64, u64)> { serde_json::from_value(get(&workerd, &format!("/{name}/runs"))).unwrap() };
    let first = until("three times", || names.into_iter().find(|name| runs(name).len() >= 3));
    let second = names.into_iter().find(|name| *name != first).unwrap();
    assert!(runs(second).is_empty());
    get(&workerd, &format!("/{first}/die"));
    let gone = runs(first).len();
    until("another does it", || (runs(second).len() >= gone + 3).then_some(()));
    get(&workerd, &format!("/{first}/revive"));
    get(&workerd, &format!("/{first}/start"));
    until("it is told to go", || (get(&workerd, &format!("/{second}/resign")) == json!(true)).then_some(()));
    until("the first does it again", || (runs(first).len() >= gone + 3).then_some(()));

    let mut done = [runs(first), runs(second)].concat();
    done.sort_unstable();
    let times: Vec<_> = done.iter().map(|(at_ms, _)| *at_ms).collect();
    let expected = times[0]..=times[times.len() - 1];
    assert!(times[0] >= began_ms, "nothing of before");
    assert_eq!(times, expected.step_by(1000).collect::<Vec<_>>(), "none twice, none missing");
    assert!(done.is_sorted_by_key(|(_, term)| *term) && done.last().unwrap().1 == 3, "{done:?}");
}

/// What fails is tried again, and all that was due meanwhile is done then.
fn a_job_that_fails_is_tried_again(worker: Worker) {
    let workerd = Workerd::start(&Setting::of(worker));
    let runs = || -> Vec<(u64, u64)> { serde_json::from_value(get(&workerd, "/scheduled/runs")).unwrap() };
    get(&workerd, "/scheduled/fail");
    get(&workerd, "/scheduled/start");
    // When: by the object's own clock, however late they are asked for.
    let failures = || -> Vec<u64> { serde_json::from_value(get(&workerd, "/scheduled/failures")).unwrap() };
    let failed = until("two failures", || Some(failures()).filter(|failed| failed.len() >= 2));
    let (began_ms, waited_ms) = (failed[0], failed[1] - failed[0]);
    assert!(waited_ms > 4_500, "it waits before it tries again: {waited_ms} ms");
    assert!(runs().is_empty());
    get(&workerd, "/scheduled/heal");
    let done = until("all is done", || Some(runs()).filter(|runs| runs.len() as u64 * 1000 > waited_ms));
    let times: Vec<_> = done.iter().map(|(at_ms, _)| *at_ms).collect();
    assert!(times[0] <= began_ms && times.windows(2).all(|pair| pair[1] == pair[0] + 1000), "{times:?}");
}

#[allow(clippy::disallowed_methods, reason = "a schedule goes by the calendar")]
fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Who resigns lets another lead, and comes back as a follower; who stops is not there any more.
fn candidates_give_up(worker: Worker) {
    let workerd = Workerd::start(&Setting::of(worker));
    let names = ["a-busy", "b-busy"];
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

/// A job that is under way when the module goes down fails at once, and its alarm comes again.
fn a_campaign_outlives_a_fault(worker: Worker) {
    let workerd = Workerd::start(&Setting::of(worker));
    let get = |path: &str| workerd.call("GET", path, None, None);
    get("/busy/start");
    // It leads, and its job has no end.
    let lead = || get("/busy/lead").json()["term"].as_u64();
    assert_eq!(until("it leads", lead), 1);
    let panic = || {
        let claim = "{\"id\": \"a\", \"session\": \"00000000000000000000000000000009\", \"ttl_ms\": 60000}";
        workerd.call("POST", "/v1/keys/fault%2Fpanic/acquire", Some(CANDIDATE), Some(claim)).status
    };
    assert_eq!(panic(), 500);
    // The old session is gone with the module: the lease of it runs out, then the same candidate leads anew, by its alarm.
    let holder = || {
        let lease = workerd.call("GET", "/v1/keys/campaign", Some(ADMIN), None).json()["lease"].clone();
        (lease["term"].as_u64(), lease["time_left_ms"].as_u64())
    };
    until("a term of its own", || Some(holder()).filter(|(term, left)| *term == Some(2) && *left > Some(0)));
    // And a candidate's own panic is heard at once.
    let is_heard_at_once = || {
        let (answer, took) = timed(|| get("/busy/panic"));
        assert_eq!(answer.status, 500);
        assert!(took < Duration::from_secs(15), "{took:?}");
        took < Duration::from_millis(1500)
    };
    assert!((0..3).any(|_| is_heard_at_once()), "three times it was late");
}

/// Who resigns while its job is under way leaves the key to others for the cool-off, whoever asks and wakes it meanwhile.
fn who_resigned_rests(worker: Worker) {
    let workerd = Workerd::start(&Setting::of(worker));
    get(&workerd, "/patient-busy/start");
    until("it leads", || get(&workerd, "/patient-busy/lead")["term"].as_u64());
    assert_eq!(get(&workerd, "/patient-busy/resign"), json!(true));
    assert_eq!(get(&workerd, "/patient-busy/lead"), Value::Null, "nor does a question");
    // While the event with the job comes to its end, too.
    for _ in 0..20 {
        let due_ms = get(&workerd, "/patient-busy/alarm").as_u64();
        assert!(due_ms > Some(now_ms() + 10_000), "{due_ms:?}: it resigned for 24 s");
        pause(Duration::from_millis(20));
    }
}

/// As classes in Rust.
mod in_rust {
    use lessor_edge_tests::TESTS;

    #[test]
    fn candidates_hand_over_by_their_alarms() {
        super::candidates_hand_over_by_their_alarms(TESTS);
    }

    #[test]
    fn candidates_outlive_the_process() {
        super::candidates_outlive_the_process(TESTS);
    }

    #[test]
    fn asking_does_not_postpone_the_alarm() {
        super::asking_does_not_postpone_the_alarm(TESTS);
    }

    #[test]
    fn asking_a_leader_writes_nothing() {
        super::asking_a_leader_writes_nothing(TESTS);
    }

    #[test]
    fn a_schedule_is_led_for_once() {
        super::a_schedule_is_led_for_once(TESTS);
    }

    #[test]
    fn each_time_is_done_once() {
        super::each_time_is_done_once(TESTS);
    }

    #[test]
    fn a_job_that_fails_is_tried_again() {
        super::a_job_that_fails_is_tried_again(TESTS);
    }

    #[test]
    fn candidates_give_up() {
        super::candidates_give_up(TESTS);
    }

    #[test]
    fn a_campaign_outlives_a_fault() {
        super::a_campaign_outlives_a_fault(TESTS);
    }

    #[test]
    fn who_resigned_rests() {
        super::who_resigned_rests(TESTS);
    }
}

/// As classes in JavaScript.
mod in_javascript {
    use lessor_edge_tests::FAULTY;

    #[test]
    fn candidates_hand_over_by_their_alarms() {
        super::candidates_hand_over_by_their_alarms(FAULTY);
    }

    #[test]
    fn candidates_outlive_the_process() {
        super::candidates_outlive_the_process(FAULTY);
    }

    #[test]
    fn asking_does_not_postpone_the_alarm() {
        super::asking_does_not_postpone_the_alarm(FAULTY);
    }

    #[test]
    fn asking_a_leader_writes_nothing() {
        super::asking_a_leader_writes_nothing(FAULTY);
    }

    #[test]
    fn a_schedule_is_led_for_once() {
        super::a_schedule_is_led_for_once(FAULTY);
    }

    #[test]
    fn each_time_is_done_once() {
        super::each_time_is_done_once(FAULTY);
    }

    #[test]
    fn a_job_that_fails_is_tried_again() {
        super::a_job_that_fails_is_tried_again(FAULTY);
    }

    #[test]
    fn candidates_give_up() {
        super::candidates_give_up(FAULTY);
    }

    #[test]
    fn a_campaign_outlives_a_fault() {
        super::a_campaign_outlives_a_fault(FAULTY);
    }

    #[test]
    fn who_resigned_rests() {
        super::who_resigned_rests(FAULTY);
    }
}

/// Work hears that its term ends before anybody else leads, and why.
#[test]
fn work_is_told_to_end() {
    let workerd = Workerd::start(&Setting::of(FAULTY));
    get(&workerd, "/patient-busy/start");
    until("it leads", || get(&workerd, "/patient-busy/lead")["term"].as_u64());
    assert_eq!(get(&workerd, "/patient-busy/ends"), json!([]));
    assert_eq!(get(&workerd, "/patient-busy/resign"), json!(true));
    assert_eq!(get(&workerd, "/patient-busy/ends"), json!([["LeadershipLost", false]]));
}

/// Work that goes on after its term is not begun again beside itself: in the next term it waits for its own end.
#[test]
fn work_that_does_not_hear() {
    let workerd = Workerd::start(&Setting::of(FAULTY));
    let work = || get(&workerd, "/deaf/deaf");
    get(&workerd, "/deaf/start");
    until("it works", || (work() == json!({"begun": 1, "now": 1, "most": 1})).then_some(()));
    assert_eq!(get(&workerd, "/deaf/resign"), json!(true));
    let version = || {
        let lease = workerd.call("GET", "/v1/keys/campaign", Some(ADMIN), None).json()["lease"].clone();
        lease["version"].as_u64().filter(|_| lease["term"] == 2)
    };
    let elected = until("it leads again", version);
    until("its alarm renews what it has", || version().filter(|version| *version >= elected + 2));
    assert_eq!(work(), json!({"begun": 1, "now": 1, "most": 1}));
    get(&workerd, "/deaf/hear");
    until("it works again", || (work() == json!({"begun": 2, "now": 1, "most": 1})).then_some(()));
}

/// One alarm for sixteen keys, and their tickets as one row: what an object writes for itself hardly shows in a renewal.
#[test]
fn many_keys_in_one_object() {
    let mut workerd = Workerd::start(&Setting::of(TESTS));
    get(&workerd, "/many/start");
    let jobs = |workerd: &Workerd, times: usize| -> Option<Vec<Vec<u64>>> {
        let jobs: BTreeMap<String, Vec<u64>> = serde_json::from_value(get(workerd, "/many/jobs")).unwrap();
        let is_done = jobs.len() == 16 && jobs.values().all(|terms| terms.len() >= times);
        is_done.then(|| jobs.into_values().collect())
    };
    let in_term_one = |jobs: Vec<Vec<u64>>| jobs.into_iter().flatten().all(|term| term == 1);
    assert!(in_term_one(until("each has worked ten times", || jobs(&workerd, 10))));
    let [alarms, rows] = ["alarms", "changes"].map(|what| get(&workerd, &format!("/many/{what}")).as_f64().unwrap());
    // Two for the tickets, which are taken and left, and one for the next alarm (and the table, to begin with).
    assert!(rows <= 3.0 * alarms + 4.0, "{rows} rows for {alarms} alarms, each with sixteen renewals");
    let renewed = workerd.call("GET", "/v1/keys/many%2F0", Some(ADMIN), None).json()["lease"]["version"].as_f64();
    assert!(renewed.unwrap() >= alarms - 2.0, "each alarm renews: {renewed:?} of {alarms}");

    // All of them go on in their terms when the process is another one.
    workerd.kill_and_restart();
    assert!(in_term_one(until("each works", || jobs(&workerd, 1))));
    // And one is handed over by itself.
    assert_eq!(get(&workerd, "/many/resign/many/7"), json!(true));
    assert_eq!(get(&workerd, "/many/resign/many/70"), json!(false), "it is none of these");
    get(&workerd, "/many-others/start");
    let lead = |of: &str, key: u32| get(&workerd, &format!("/{of}/lead/many/{key}"))["term"].as_u64();
    until("another leads it", || lead("many-others", 7));
    assert_eq!([lead("many", 7), lead("many", 8), lead("many-others", 8)], [None, Some(1), None]);
    get(&workerd, "/many/stop");
    until("all are free", || lead("many-others", 8));
}

/// A ticket of a key that is no longer campaigned for is nobody's.
#[test]
fn a_key_that_is_renamed() {
    let mut setting = Setting::of(FAULTY);
    let mut workerd = Workerd::start(&setting);
    get(&workerd, "/patient/start");
    until("it leads", || get(&workerd, "/patient/lead")["term"].as_u64());
    setting.vars.push(("TEST_KEY", "renamed".into()));
    workerd.restart_with(&setting);
    until("it leads what is new", || get(&workerd, "/patient/lead")["term"].as_u64());
    let lease = workerd.call("GET", "/v1/keys/renamed", Some(ADMIN), None).json()["lease"].clone();
    assert_eq!((&lease["id"], &lease["term"]), (&json!("patient"), &json!(1)));
}

/// An alarm that is set is a row written: one a step, and not one before the job and another one after it.
#[test]
fn an_alarm_is_set_once() {
    let workerd = Workerd::start(&Setting::of(FAULTY));
    get(&workerd, "/long/start");
    // One to begin with, and one more after the first job, which is a long one: meanwhile there were steps. (Looked at between two alarms.)
    until("ten alarms, each set once", || {
        let alarms = get(&workerd, "/long/alarms");
        let [came, set] = ["came", "set"].map(|name| alarms[name].as_u64().unwrap());
        assert!(set <= came + 2, "{alarms}");
        (came >= 10 && set == came + 2).then_some(())
    });
}

/// What does not fit is said by whatever is asked for.
#[test]
fn settings_that_do_not_fit() {
    let workerd = Workerd::start(&Setting::of(FAULTY));
    let answer = workerd.call("GET", "/nobody/lead", None, None);
    assert!(answer.text.starts_with("InvalidSettings: key \"\" (0 bytes) is not allowed"), "{answer:?}");
    // What JSON has no word for is no default.
    for (name, says) in
        [("endless", "`ttlMs` is Infinity"), ("unnumbered", "`makeUpMs` is NaN"), ("lazy", "`ttlMs` is ")]
    {
        let answer = workerd.call("GET", &format!("/{name}/lead"), None, None);
        assert!(answer.text.starts_with(&format!("InvalidSettings: {says}")), "{answer:?}");
    }
}
