//! What those who watch are told, and how it is found out: from what passes through this server, from the storage's wake-ups, and by looking
//! at intervals.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use lessor::storage::{List, Page};
use lessor::{Key, Lease};
use lessor_service::{Failure, Heard, Looker, Looking, News, Patterns, Reported, STATES, Said, too_many_watched};
use lessor_wire::Problem;
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::clock::now_ms;
use super::hub::{Hub, Number};
use super::known::{Noted, milliseconds};
use super::leases::Leases;

/// How many messages and lists look leases up at a time.
const LOOKUPS: usize = 16;

/// How many changes are told at a time.
const TOLD: usize = 256;

pub(crate) struct Watching {
    pub(crate) leases: Arc<Leases>,
    pub(crate) hub: Arc<Hub>,
    looking: Mutex<Looking>,
    lookups: Semaphore,
    every: Duration,
}

#[derive(Serialize)]
struct State<'a> {
    key: &'a Key,
    lease: Option<Lease>,
}

impl Watching {
    pub(crate) fn new(leases: Arc<Leases>, sockets: usize, every: Duration) -> Self {
        let lookups = Semaphore::new(LOOKUPS);
        Self { leases, hub: Arc::new(Hub::new(sockets)), looking: Mutex::default(), lookups, every }
    }

    /// Counts so many leases that are looked up for this one.
    pub(crate) fn look_up(&self, looker: &Looker, count: usize) -> Result<(), Problem> {
        let looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        looking.look_up(looker, count, now_ms() as f64)
    }

    /// The same, of what has been looked up already.
    fn looked_up(&self, looker: &Looker, count: usize) {
        let looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        looking.looked_up(looker, count, now_ms() as f64);
    }

    /// A page of keys for this one. That it asks is counted before, and how much it was after: whoever has used up what it may has no work done.
    pub(crate) async fn list(&self, list: List, looker: &Looker) -> Result<Page, Problem> {
        self.look_up(looker, 1)?;
        let page = self.leases.list(list).await?;
        self.looked_up(looker, page.entries.len().saturating_sub(1));
        Ok(page)
    }

    /// A message of a socket: what to answer it, the last one being the answer.
    pub(crate) async fn hear(self: &Arc<Self>, number: Number, looker: &Looker, text: &str) -> Vec<String> {
        let heard = {
            let looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
            looking.hear(looker, text, now_ms() as f64)
        };
        match heard {
            Err(failure) => vec![said(&Said::Failed(failure))],
            Ok(Heard::Unwatch(patterns)) => {
                self.hub.unwatch(number, &patterns.keys, &patterns.prefixes);
                vec![said(&Said::Unwatched { number: patterns.number })]
            }
            Ok(Heard::Watch(patterns)) => {
                let of = patterns.number;
                self.watch(number, looker, patterns)
                    .await
                    .unwrap_or_else(|problem| vec![said(&Said::Failed(Failure { problem, number: Some(of) }))])
            }
        }
    }

    async fn watch(
        self: &Arc<Self>,
        number: Number,
        looker: &Looker,
        mut patterns: Patterns,
    ) -> Result<Vec<String>, Problem> {
        let asked = patterns.keys.len() + patterns.prefixes.len();
        if let Some(problem) = too_many_watched(self.hub.count(number), asked) {
            return Err(problem);
        }
        // What was asked for twice is not looked for twice.
        patterns.keys.sort_unstable();
        patterns.keys.dedup();
        patterns.prefixes.sort_unstable();
        patterns.prefixes.dedup();
        let _place = self.lookups.acquire().await;
        self.look_up(looker, patterns.keys.len().min(STATES))?;
        // Watched first: what changes while they are looked up is told.
        let added = self.hub.watch(number, &patterns, |key| self.follow(key));
        let undone = |problem| {
            self.hub.unwatch(number, &added.keys, &added.prefixes);
            problem
        };
        for prefix in &added.unlooked {
            // Nobody is told of what was there before.
            self.look_within(prefix, None, Some(looker)).await.map_err(undone)?;
        }
        let mut keys = patterns.keys.clone();
        for prefix in &patterns.prefixes {
            if keys.len() <= STATES {
                self.look_up(looker, 1).map_err(undone)?;
                let page = self.leases.list(List::new().prefix(prefix).limit(STATES + 1)).await.map_err(undone)?;
                let before = keys.len();
                keys.extend(page.entries.into_iter().map(|entry| entry.key));
                keys.sort_unstable();
                keys.dedup();
                let more = keys.len().saturating_sub(before).min(STATES);
                self.looked_up(looker, more.saturating_sub(1));
            }
        }
        let mut more = keys.len() > STATES;
        keys.truncate(STATES);
        let mut told = Vec::with_capacity(keys.len() + 1);
        for (key, lease) in self.leases.look(keys).await {
            match lease {
                Ok(lease) => told.push(written("state", &State { key: &key, lease })),
                // What could not be asked for is missing.
                Err(_) => more = true,
            }
        }
        told.push(said(&Said::Watched { number: patterns.number, more }));
        Ok(told)
    }

    /// Follows the wake-ups of a key, as long as somebody watches it.
    fn follow(self: &Arc<Self>, key: &Key) -> JoinHandle<()> {
        let (leases, key) = (self.leases.clone(), key.clone());
        // Subscribed at once: what changes from now on wakes it.
        let mut wakeups = leases.storage().subscribe(&key);
        tokio::spawn(async move {
            while wakeups.next().await.is_some() {
                leases.look(vec![key.clone()]).await;
            }
        })
    }

    /// Looks at all keys that begin so. A grant that is not older than `fresh` is news even if the key was not known. Each page counts as one that
    /// this one has looked up, if it is done for one.
    async fn look_within(&self, prefix: &str, fresh: Option<Duration>, looker: Option<&Looker>) -> Result<(), Problem> {
        let mut list = List::new().prefix(prefix).limit(List::MAX_LIMIT);
        looker.map_or(Ok(()), |looker| self.look_up(looker, 1))?;
        loop {
            let page = self.leases.list(list.clone()).await?;
            for entry in page.entries {
                let noted = self.leases.known().seen(&entry.key, Some(&entry.lease), fresh, Instant::now());
                self.leases.tell(noted);
            }
            let Some(next) = page.next else { return Ok(()) };
            list = list.start(Some(next));
            if let Some(looker) = looker {
                self.looked_up(looker, 1);
            }
        }
    }

    /// Looks at intervals, for as long as the server runs.
    pub(crate) async fn look_around(self: Arc<Self>) {
        let mut last = Instant::now();
        loop {
            sleep(self.every).await;
            let began = Instant::now();
            // A grant within the last round, or while that was under way.
            let fresh = began.duration_since(last) + self.every;
            for prefix in self.hub.prefixes() {
                // What cannot be looked at now is looked at next time; the storage's failures are in the log.
                let _ = self.look_within(&prefix, Some(fresh), None).await;
            }
            self.leases.look(self.hub.keys()).await;
            last = began;
        }
    }

    /// Tells of changes, for as long as the server runs.
    pub(crate) async fn tell_all(self: Arc<Self>, mut noted: mpsc::UnboundedReceiver<Noted>) {
        let mut some = Vec::new();
        while noted.recv_many(&mut some, TOLD).await > 0 {
            some.retain(|noted| self.hub.is_watched(&noted.key));
            let mut keys: Vec<_> = some.iter().map(|noted| noted.key.clone()).collect();
            keys.sort_unstable();
            keys.dedup();
            let leases = self.leases.look(keys).await;
            for Noted { key, change, id, term, at } in some.drain(..) {
                let found =
                    leases.binary_search_by(|(known, _)| known.cmp(&key)).ok().and_then(|place| leases.get(place));
                let Some((_, Ok(lease))) = found else {
                    // It is told with the lease as it is, once the storage answers.
                    self.leases.tell_again(Noted { key, change, id, term, at });
                    continue;
                };
                let lease = lease.clone();
                let ago_ms = milliseconds(at.elapsed());
                let news = News { key: key.clone(), change: change.word().to_owned(), id, term, ago_ms, lease };
                self.hub.tell(&key, &text(&Reported::Change(news)));
            }
        }
    }
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn written(name: &str, value: &impl Serialize) -> String {
    format!("{{\"{name}\":{}}}", text(value))
}

fn said(said: &Said) -> String {
    text(said)
}
