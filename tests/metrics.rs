//! What is measured, over virtual time.

mod faulty;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use faulty::{Fault, Faulty, candidate, entropy, fixture, ms, secs, spawned};
use futures::FutureExt;
use lessor::{Builder, Instant, Leadership, ManualTimer, Timer};
use metrics::{Key, Level, Metadata, Recorder, SharedString, Unit};
use metrics_util::CompositeKey;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

/// Runs a test with a recorder of its own.
fn recorded(test: impl FnOnce(&Figures)) {
    let figures = Figures(DebuggingRecorder::new());
    metrics::with_local_recorder(&figures.0, || test(&figures));
}

struct Figures(DebuggingRecorder);

struct Figure {
    /// `name{label=value,..}`, with the labels in the order in which they were given.
    series: String,
    key: Key,
    unit: Option<Unit>,
    description: Option<SharedString>,
    value: DebugValue,
}

impl Figures {
    /// All of them. Histograms begin anew thereafter.
    fn all(&self) -> Vec<Figure> {
        let metadata = Metadata::new("tests", Level::INFO, None);
        let figure = |(key, unit, description, value): (CompositeKey, _, _, _)| {
            let key = key.key().clone();
            // A snapshot takes the figures away: they are put back.
            match &value {
                DebugValue::Counter(count) => self.0.register_counter(&key, &metadata).increment(*count),
                DebugValue::Gauge(value) => self.0.register_gauge(&key, &metadata).set(value.into_inner()),
                DebugValue::Histogram(_) => {}
            }
            let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            Figure { series: format!("{}{{{}}}", key.name(), labels.join(",")), key, unit, description, value }
        };
        self.0.snapshotter().snapshot().into_vec().into_iter().map(figure).collect()
    }

    fn gauge(&self, name: &str) -> Option<f64> {
        self.all().into_iter().find_map(|Figure { series, value, .. }| match value {
            DebugValue::Gauge(value) if series == name => Some(value.into_inner()),
            _ => None,
        })
    }

    /// All counters that are not zero.
    fn counters(&self) -> Vec<(String, u64)> {
        let mut counters: Vec<_> = self
            .all()
            .into_iter()
            .filter_map(|Figure { series, value, .. }| match value {
                DebugValue::Counter(value) if value > 0 => Some((series, value)),
                _ => None,
            })
            .collect();
        counters.sort();
        counters
    }

    /// What was recorded since the last look, in seconds, of all series whose name begins so.
    fn histograms(&self, prefix: &str) -> Vec<(String, Vec<f64>)> {
        let mut histograms: Vec<_> = self
            .all()
            .into_iter()
            .filter_map(|Figure { series, value, .. }| match value {
                DebugValue::Histogram(values) if series.starts_with(prefix) && !values.is_empty() => {
                    Some((series, values.into_iter().map(f64::from).collect()))
                }
                _ => None,
            })
            .collect();
        histograms.sort_by(|one, other| one.0.cmp(&other.0));
        histograms
    }
}

fn wait(timer: &ManualTimer, duration: Duration) {
    timer.block_on(timer.sleep(duration)).unwrap();
}

const LEADING: &str = "lessor_leading{key=k}";
const TERM: &str = "lessor_term{key=k}";

fn counted(counters: &[(&str, u64)]) -> Vec<(String, u64)> {
    counters.iter().map(|(series, count)| ((*series).to_owned(), *count)).collect()
}

/// From the start to the end: the gauges follow, each term is counted with its end.
#[test]
fn terms_are_counted() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        let (a, driver) = candidate("a", &storage, &timer);
        timer.spawn(driver.run());
        assert!(figures.all().is_empty(), "nothing before it runs");
        storage.set(Fault::Refuse);
        wait(&timer, ms(1));
        assert_eq!((figures.gauge(LEADING), figures.gauge(TERM)), (Some(0.0), None));
        storage.set(Fault::None);
        timer.block_on(a.elected()).unwrap().unwrap();
        assert_eq!((figures.gauge(LEADING), figures.gauge(TERM)), (Some(1.0), Some(1.0)));
        wait(&timer, secs(60));
        assert_eq!((figures.gauge(LEADING), figures.gauge(TERM)), (Some(1.0), Some(1.0)));

        // Lost by time, and won again.
        storage.set(Fault::Hang);
        wait(&timer, secs(30));
        assert_eq!((figures.gauge(LEADING), figures.gauge(TERM)), (Some(0.0), Some(1.0)));
        storage.set(Fault::None);
        timer.block_on(a.elected()).unwrap().unwrap();
        assert_eq!((figures.gauge(LEADING), figures.gauge(TERM)), (Some(1.0), Some(2.0)));

        timer.block_on(a.resign()).unwrap().unwrap();
        timer.block_on(a.elected()).unwrap().unwrap();
        timer.block_on(a.shutdown()).unwrap().unwrap();
        assert_eq!((figures.gauge(LEADING), figures.gauge(TERM)), (Some(0.0), Some(3.0)));
        let failures = figures.counters().iter().find(|(series, _)| series.starts_with("lessor_failures")).unwrap().1;
        assert_eq!(
            figures.counters(),
            counted(&[
                ("lessor_failures_total{key=k,kind=transient}", failures),
                ("lessor_leader_changes_total{key=k}", 2),
                ("lessor_terms_ended_total{key=k,reason=expired}", 1),
                ("lessor_terms_ended_total{key=k,reason=resigned}", 1),
                ("lessor_terms_ended_total{key=k,reason=stopped}", 1),
                ("lessor_terms_started_total{key=k}", 3),
            ])
        );
    });
}

/// A counter is there from the beginning: else its first step is none to see.
#[test]
fn counters_begin_at_zero() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        storage.set(Fault::Hang);
        wait(&timer, ms(1));
        let zeros = figures.all().into_iter().filter(|figure| figure.value == DebugValue::Counter(0));
        let mut counters: Vec<_> = zeros.map(|figure| figure.series).collect();
        counters.sort();
        assert_eq!(
            counters,
            [
                "lessor_failures_total{key=k,kind=not_sent}",
                "lessor_failures_total{key=k,kind=permanent}",
                "lessor_failures_total{key=k,kind=transient}",
                "lessor_leader_changes_total{key=k}",
                "lessor_terms_ended_total{key=k,reason=clock_went_back}",
                "lessor_terms_ended_total{key=k,reason=driver_dropped}",
                "lessor_terms_ended_total{key=k,reason=expired}",
                "lessor_terms_ended_total{key=k,reason=failures}",
                "lessor_terms_ended_total{key=k,reason=resigned}",
                "lessor_terms_ended_total{key=k,reason=stopped}",
                "lessor_terms_ended_total{key=k,reason=superseded}",
                "lessor_terms_started_total{key=k}",
            ]
        );
        drop(a);
    });
}

/// The gauge falls when the hand-over begins, as `is_leader` does, not when the work of the term has ended.
#[test]
fn a_hand_over_leads_no_more() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        let leadership = timer.block_on(a.elected()).unwrap().unwrap();
        let guard = leadership.guard().unwrap();
        assert!(timer.block_on(async { a.resign().now_or_never() }).unwrap().is_none());
        wait(&timer, secs(6));
        assert!(leadership.is_valid() && !a.is_leader());
        assert_eq!(figures.gauge(LEADING), Some(0.0), "renewed meanwhile");
        drop(guard);
        wait(&timer, ms(1));
        assert_eq!(figures.gauge(LEADING), Some(0.0));
    });
}

/// A driver that is dropped takes the gauge back.
#[test]
fn a_dropped_driver_leads_no_more() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        let (a, mut driver) = candidate("a", &storage, &timer);
        timer.block_on(driver.step()).unwrap();
        assert_eq!(figures.gauge(LEADING), Some(1.0));
        drop(driver);
        assert_eq!(figures.gauge(LEADING), Some(0.0));
        assert_eq!(
            figures.counters(),
            counted(&[
                ("lessor_terms_ended_total{key=k,reason=driver_dropped}", 1),
                ("lessor_terms_started_total{key=k}", 1),
            ])
        );
        drop(a);
    });
}

/// A driver that stands still pushes nothing: what it last pushed stays, as documented, and the handles know better.
#[test]
fn a_starved_driver_pushes_nothing() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        timer.advance(secs(60));
        assert_eq!((figures.gauge(LEADING), a.is_leader()), (Some(1.0), false));
        assert!(!a.status().is_live(secs(10)));
        storage.set(Fault::Hang);
        wait(&timer, ms(1));
        assert_eq!(figures.gauge(LEADING), Some(0.0));
    });
}

/// Two candidates of one process share a gauge: who does not lead leaves it alone.
#[test]
fn a_follower_does_not_take_the_gauge_back() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        let b = spawned("b", &storage, &timer);
        wait(&timer, secs(1));
        assert_eq!(figures.gauge(LEADING), Some(1.0));
        timer.block_on(a.resign()).unwrap().unwrap();
        timer.block_on(b.elected()).unwrap().unwrap();
        wait(&timer, secs(60));
        assert!(b.is_leader() && !a.is_leader());
        assert_eq!(figures.gauge(LEADING), Some(1.0));
    });
}

/// Each request is measured once, with what came of it.
#[test]
fn requests_are_measured() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        storage.set(Fault::Slow);
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        let (observer, driver) = Builder::new("k").observe_with(storage.clone(), timer.clone(), || 7).unwrap();
        timer.spawn(driver.run());
        let b = spawned("b", &storage, &timer);
        wait(&timer, secs(61));
        let requests = figures.histograms("lessor_request_seconds");
        let names: Vec<_> = requests.iter().map(|(series, _)| series.as_str()).collect();
        assert_eq!(
            names,
            [
                "lessor_request_seconds{key=k,operation=acquire,outcome=granted}",
                "lessor_request_seconds{key=k,operation=acquire,outcome=refused}",
                "lessor_request_seconds{key=k,operation=get,outcome=got}",
                "lessor_request_seconds{key=k,operation=renew,outcome=extended}",
            ]
        );
        assert!(requests.iter().flat_map(|(_, values)| values).all(|value| *value == 0.02), "{requests:?}");
        let mut measured = requests.iter().map(|(_, values)| values.len());
        assert_eq!(measured.next(), Some(1));
        let under_way = [storage.acquires() - 1, storage.gets(), storage.renewals()]
            .into_iter()
            .zip(measured)
            .map(|(asked, measured)| asked - measured);
        assert!(under_way.clone().all(|requests| requests <= 1), "{:?}", under_way.collect::<Vec<_>>());
        drop((b, observer));

        for (fault, outcome, seconds) in [
            (Fault::Refuse, "transient", 0.0),
            (Fault::Deny, "permanent", 0.0),
            (Fault::Crowd, "not_sent", 0.0),
            (Fault::Hang, "unanswered", 2.0),
        ] {
            storage.set(Fault::None);
            wait(&timer, secs(30));
            timer.block_on(a.elected()).unwrap().unwrap();
            figures.all();
            storage.set(fault);
            wait(&timer, ms(4400));
            let requests = figures.histograms("lessor_request_seconds");
            let name = format!("lessor_request_seconds{{key=k,operation=renew,outcome={outcome}}}");
            let values = &requests.iter().find(|(series, _)| *series == name).unwrap().1;
            assert!(values.iter().all(|value| *value == seconds), "{requests:?}");
        }
        storage.set(Fault::None);
        wait(&timer, secs(30));
        timer.block_on(a.shutdown()).unwrap().unwrap();
        let requests = figures.histograms("lessor_request_seconds{key=k,operation=release");
        assert_eq!(requests, [("lessor_request_seconds{key=k,operation=release,outcome=released}".into(), vec![0.0])]);
    });
}

/// How many failed, and how.
#[test]
fn failures_are_counted_by_kind() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        let before = storage.renewals() + storage.acquires();
        storage.set(Fault::Refuse);
        wait(&timer, secs(60));
        let between = storage.renewals() + storage.acquires();
        storage.set(Fault::Deny);
        wait(&timer, secs(60));
        let after = storage.renewals() + storage.acquires();
        storage.set(Fault::Crowd);
        wait(&timer, secs(60));
        let crowded = storage.renewals() + storage.acquires();
        let failures: Vec<_> =
            figures.counters().into_iter().filter(|(series, _)| series.starts_with("lessor_failures")).collect();
        assert!(between > before + 20 && after > between + 20 && crowded > after + 20);
        assert_eq!(
            failures,
            counted(&[
                ("lessor_failures_total{key=k,kind=not_sent}", (crowded - after) as u64),
                ("lessor_failures_total{key=k,kind=permanent}", (after - between) as u64),
                ("lessor_failures_total{key=k,kind=transient}", (between - before) as u64),
            ])
        );
        drop(a);
    });
}

/// The room that a renewal left: the time from its answer to the deadline that it moved.
#[test]
fn the_room_of_a_renewal_is_measured() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        let a = spawned("a", &storage, &timer);
        timer.block_on(a.elected()).unwrap().unwrap();
        wait(&timer, secs(100));
        let [(series, steady)] = figures.histograms("lessor_renewal_time_left").try_into().unwrap();
        assert_eq!((series.as_str(), steady.len()), ("lessor_renewal_time_left_seconds{key=k}", storage.renewals()));
        // Of 9 seconds a renew interval is gone, a tenth more or less.
        assert!(steady.iter().all(|left| (6.8..=7.2).contains(left)), "{steady:?}");
        assert!(steady.iter().any(|left| *left != steady[0]));

        storage.set(Fault::Refuse);
        wait(&timer, secs(6));
        storage.set(Fault::None);
        wait(&timer, ms(600));
        let [(_, narrow)] = figures.histograms("lessor_renewal_time_left").try_into().unwrap();
        assert!(a.is_leader() && narrow[0] < 3.1 && narrow[0] > 0.2, "{narrow:?}");
    });
}

/// A clock whose reader is paused once, when it reads the time for the reply to its first renewal: before it goes on
/// with that reading somebody sees the term end.
#[derive(Clone)]
struct Pausing {
    timer: ManualTimer,
    storage: Faulty,
    looks: Arc<Mutex<Option<Leadership>>>,
}

impl Timer for Pausing {
    type Sleep = <ManualTimer as Timer>::Sleep;

    fn now(&self) -> Instant {
        let now = self.timer.now();
        let leadership = if self.storage.renewals() > 0 { self.looks.lock().unwrap().take() } else { None };
        if let Some(leadership) = leadership {
            self.timer.advance(secs(8));
            assert!(!leadership.is_valid());
        }
        now
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.timer.sleep(duration)
    }
}

/// A renewal that is not let through, since somebody has seen the end before it, is none.
#[test]
fn a_renewal_that_is_not_let_through_is_none() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        let clock = Pausing { timer: timer.clone(), storage: storage.clone(), looks: Arc::default() };
        let (a, driver) = Builder::new("k").id("a").build_with(storage, clock.clone(), entropy(1)).unwrap();
        timer.spawn(driver.run());
        *clock.looks.lock().unwrap() = timer.block_on(a.elected()).unwrap().ok();
        while clock.looks.lock().unwrap().is_some() {
            wait(&timer, ms(100));
        }
        assert_eq!(figures.histograms("lessor_renewal_time_left"), []);
        assert_eq!(timer.block_on(a.elected()).unwrap().unwrap().term().get(), 2);
    });
}

/// A grant or a renewal whose answer comes after what it gave has ended: who counts from the answer would lead on.
#[test]
fn late_answers_are_measured() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        let (a, driver) = candidate("a", &storage, &timer);
        timer.spawn(driver.run());
        storage.set(Fault::Late);
        wait(&timer, ms(1));
        assert_eq!(storage.acquires(), 1);
        timer.advance(secs(20));
        assert_eq!(figures.histograms("lessor_late_reply"), []);
        // The answer is there when the driver goes on, 20.001 s after it asked; 9 s of it count.
        wait(&timer, ms(1));
        assert_eq!(
            figures.histograms("lessor_late_reply"),
            [("lessor_late_reply_seconds{key=k}".into(), vec![11.001])]
        );
        assert!(!a.is_leader());

        let leadership = timer.block_on(a.elected()).unwrap().unwrap();
        let renewals = storage.renewals();
        timer
            .block_on(async {
                while storage.renewals() == renewals {
                    timer.sleep(ms(1)).await;
                }
            })
            .unwrap();
        let asked = a.status().due.saturating_sub(secs(2));
        timer.advance(secs(9).saturating_sub(timer.now().saturating_duration_since(asked)));
        wait(&timer, ms(1));
        let late = figures.histograms("lessor_late_reply");
        assert_eq!(late, [("lessor_late_reply_seconds{key=k}".into(), vec![0.0])], "to the moment");
        assert!(!leadership.is_valid(), "the term had ended before");

        // What comes in time is no entry.
        wait(&timer, secs(100));
        assert_eq!(figures.histograms("lessor_late_reply"), []);
    });
}

/// Observers measure what they see, and lead nothing.
#[test]
fn an_observer_has_no_gauge_of_leading() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        let (a, mut driver) = candidate("a", &storage, &timer);
        let elsewhere = DebuggingRecorder::new();
        metrics::with_local_recorder(&elsewhere, || timer.block_on(driver.step())).unwrap();
        let (observer, driver) = Builder::new("k").observe_with(storage, timer.clone(), entropy(3)).unwrap();
        timer.spawn(driver.run());
        wait(&timer, secs(5));
        assert!(a.is_leader());
        assert!(!figures.histograms("lessor_request_seconds{key=k,operation=get").is_empty());
        assert_eq!((figures.gauge(TERM), figures.gauge(LEADING)), (Some(1.0), None));
        assert!(figures.all().iter().all(|figure| !figure.series.starts_with("lessor_terms")));
        drop(observer);
    });
}

/// Names, kinds and labels are those of the table in the documentation; each is described, and durations are in seconds.
#[test]
fn the_documentation_lists_what_there_is() {
    recorded(|figures| {
        let (timer, storage) = fixture();
        let (a, driver) = candidate("a", &storage, &timer);
        timer.spawn(driver.run());
        storage.set(Fault::Late);
        wait(&timer, ms(1));
        timer.advance(secs(20));
        timer.block_on(a.elected()).unwrap().unwrap();
        wait(&timer, secs(10));
        let mut measured = BTreeSet::new();
        for Figure { series, key, unit, description, value } in figures.all() {
            let name = key.name();
            assert!(description.is_some_and(|text| text.len() > 10), "{series}");
            let kind = match value {
                DebugValue::Counter(_) => "counter",
                DebugValue::Gauge(_) => "gauge",
                DebugValue::Histogram(_) => "histogram",
            };
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            assert_eq!(
                (name.ends_with("_seconds"), unit == Some(Unit::Seconds)),
                (kind == "histogram", kind == "histogram")
            );
            let labels: Vec<_> = key.labels().map(|label| format!("`{}`", label.key())).collect();
            measured.insert(format!("| `{name}` | {kind} | {} |", labels.join(", ")));
        }
        let row = |line: &str| line.split(" | ").take(3).collect::<Vec<_>>().join(" | ") + " |";
        let documented: BTreeSet<_> = include_str!("../src/guide/telemetry.md")
            .lines()
            .filter(|line| line.starts_with("| `lessor_"))
            .map(row)
            .collect();
        assert_eq!(measured, documented);
    });
}
