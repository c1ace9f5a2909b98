//! Eight processes share 5,000 keys; one is killed, and another one comes.
//!
//! Each is a process of its own, which tells when a reign of its begins and ends, by the clock of the machine. Who is
//! killed tells nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lessor::{Builder, Group, Instant, Leadership, Spread, SystemTimer, Timer as _};
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::postgres::PgConnectOptions;
use smol::Timer;

use crate::server::Measured;
use crate::table::figure;

const KEYS: usize = 5_000;
const PROCESSES: usize = 8;
const TTL: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

/// The one that is killed.
const VICTIM: usize = 3;

/// How a process is asked for, and where it finds the server.
pub(crate) const PROCESS: &str = "sharing";
const SERVER: &str = "LESSOR_BENCH_SERVER";

/// One of the processes, until it is killed.
pub(crate) async fn process(number: usize) {
    let server = env::var(SERVER).expect("where the server is");
    let storage = PostgresStorage::builder().build(server.parse::<PgConnectOptions>().expect("an address"));
    let group = Group::builder().id(format!("process {number}")).spread(Spread::new("shared").ttl(TTL));
    let (group, driver) = group.build(storage).expect("a group");
    smol::spawn(async move { driver.run().await }).detach();
    for key in 0..KEYS {
        group.add(Builder::new(format!("{key}")).ttl(TTL)).expect("a candidate");
    }
    let mut reigns = group.reigns();
    while let Some(leadership) = reigns.next().await {
        // Its work: the key is not handed over before it has told that it does no more.
        let Ok(work) = leadership.guard() else { continue };
        tell('+', &leadership);
        smol::spawn(async move {
            leadership.ending().await;
            tell('-', &leadership);
            drop(work);
        })
        .detach();
    }
}

/// In one write, as others tell something too.
fn tell(what: char, leadership: &Leadership) {
    let at = SystemTimer::new().now().since_origin().as_micros();
    let line = format!("{what} {} {at}\n", leadership.key());
    std::io::stdout().lock().write_all(line.as_bytes()).expect("somebody listens");
}

/// What the processes told, in the order in which it was heard.
#[derive(Default)]
struct Told {
    /// Of each key, who leads it.
    leaders: BTreeMap<usize, BTreeSet<usize>>,
    /// When a process gained a key, or lost it.
    changes: Vec<(Duration, usize, usize, bool)>,
    /// Those that were counted before.
    counted: usize,
}

/// What happened to the keys.
#[derive(Default)]
struct Counted {
    /// How often each key was gained.
    gained: BTreeMap<usize, u32>,
    longest_gap: Duration,
    /// How often a process gained a key that another still led.
    overlaps: u32,
}

impl Told {
    fn hear(&mut self, process: usize, line: &str) {
        let mut words = line.split(' ');
        let (Some(what), Some(key), Some(at)) = (words.next(), words.next(), words.next()) else { return };
        let (Ok(key), Ok(at)) = (key.parse(), at.parse().map(Duration::from_micros)) else { return };
        self.change(at, process, key, what == "+");
    }

    fn change(&mut self, at: Duration, process: usize, key: usize, gained: bool) {
        let leaders = self.leaders.entry(key).or_default();
        if gained {
            leaders.insert(process)
        } else {
            leaders.remove(&process)
        };
        self.changes.push((at, process, key, gained));
    }

    /// Its process was killed: it leads nothing from then on.
    fn dies(&mut self, process: usize, at: Duration) {
        let led = self.leaders.iter().filter(|(_, leaders)| leaders.contains(&process));
        for key in led.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.change(at, process, key, false);
        }
    }

    fn led_by(&self, process: usize) -> usize {
        self.leaders.values().filter(|leaders| leaders.contains(&process)).count()
    }

    /// What has happened since this was asked last. Each process tells the time of it: some are heard later than others.
    fn count(&mut self) -> Counted {
        let new = self.counted..self.changes.len();
        self.counted = new.end;
        let (mut counted, mut leading) = (Counted::default(), BTreeMap::<usize, BTreeSet<usize>>::new());
        let mut vacant = BTreeMap::new();
        let mut changes: Vec<_> = self.changes.iter().enumerate().collect();
        changes.sort_by_key(|(_, (at, ..))| *at);
        for (place, (at, process, key, gained)) in changes {
            let (is_new, leaders) = (new.contains(&place), leading.entry(*key).or_default());
            if *gained {
                let gap = vacant.remove(key).map(|since| at.saturating_sub(since)).unwrap_or_default();
                if is_new {
                    counted.overlaps += u32::from(!leaders.is_empty());
                    counted.longest_gap = counted.longest_gap.max(gap);
                    *counted.gained.entry(*key).or_default() += 1;
                }
                leaders.insert(*process);
            } else {
                leaders.remove(process);
                if leaders.is_empty() {
                    vacant.insert(*key, *at);
                }
            }
        }
        counted
    }
}

struct Town {
    /// With who listens to it.
    processes: BTreeMap<usize, (Child, JoinHandle<()>)>,
    told: Arc<Mutex<Told>>,
}

impl Town {
    fn told<R>(&self, look: impl FnOnce(&mut Told) -> R) -> R {
        look(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&mut self, number: usize, mut program: Command, server: &str) {
        let child = program.args([PROCESS, &number.to_string()]).env(SERVER, server).stdout(Stdio::piped());
        let mut child = child.spawn().expect("a process");
        let (said, told) = (child.stdout.take().expect("what it says"), self.told.clone());
        let listens = thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                told.lock().unwrap_or_else(PoisonError::into_inner).hear(number, &line);
            }
        });
        self.processes.insert(number, (child, listens));
    }

    fn kill(&mut self, number: usize) {
        let Some((mut child, listens)) = self.processes.remove(&number) else { return };
        child.kill().expect("it runs");
        let at = SystemTimer::new().now().since_origin();
        child.wait().expect("it has ended");
        listens.join().expect("it has heard all");
        self.told(|told| told.dies(number, at));
    }

    fn loads(&self) -> Vec<usize> {
        self.told(|told| self.processes.keys().map(|number| told.led_by(*number)).collect())
    }

    /// All keys are led, and by each process its share, a tenth more or less.
    fn is_even(&self) -> bool {
        let loads = self.loads();
        let share = KEYS as f64 / loads.len() as f64;
        let even = loads.iter().all(|load| (0.9 * share..=1.1 * share + 1.0).contains(&(*load as f64)));
        even && loads.iter().sum::<usize>() == KEYS
    }

    async fn even_since(&self, since: Instant, patience: Duration) -> String {
        let timer = SystemTimer::new();
        while !self.is_even() {
            if timer.now().saturating_duration_since(since) > patience {
                return format!("not after {patience:?}: {:?}", self.loads());
            }
            Timer::after(Duration::from_millis(20)).await;
        }
        format!("{:.1?}", timer.now().saturating_duration_since(since))
    }

    fn figures(&self, what: &str, moved: usize) {
        let Counted { gained, longest_gap, overlaps } = self.told(Told::count);
        figure(&format!("{what}: keys that went to another; due"), format!("{}; {moved}", gained.len()));
        figure(&format!("{what}: keys that moved twice"), gained.values().filter(|times| **times > 1).count());
        figure(&format!("{what}: longest without a leader"), format!("{longest_gap:.1?}"));
        figure(&format!("{what}: keys that two led"), overlaps);
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        for (child, _) in self.processes.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) async fn measure(program: impl Fn() -> Command) {
    let (server, now) = (Measured::start().await, || SystemTimer::new().now());
    let url = server.server.url();
    let mut town = Town { processes: BTreeMap::new(), told: Arc::default() };
    let began = now();
    for number in 0..PROCESSES {
        town.begin(number, program(), &url);
    }
    let even = town.even_since(began, 5 * MINUTE).await;
    figure(&format!("{PROCESSES} processes begin at once: even after"), even);
    // They came one after the other: what is still asked for comes.
    Timer::after(2 * TTL).await;
    let _ = town.told(Told::count);

    Timer::after(MINUTE / 2).await;
    town.figures("nothing happens for 30 s", 0);

    let its = town.told(|told| told.led_by(VICTIM));
    town.kill(VICTIM);
    let even = town.even_since(now(), 3 * MINUTE).await;
    figure("one is killed: even after; 2 ttls are 20 s", even);
    Timer::after(2 * TTL).await;
    town.figures("one is killed", its);

    town.begin(PROCESSES, program(), &url);
    let even = town.even_since(now(), 3 * MINUTE).await;
    figure("one comes: even after", even);
    Timer::after(MINUTE / 2).await;
    town.figures("one comes", town.told(|told| told.led_by(PROCESSES)));
}
