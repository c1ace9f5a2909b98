//! The storage: the shipped `Record::judge` on rows in memory, one clock, and everything that befalls a server.

mod arriving;
mod notes;

use std::collections::BTreeMap;
use std::time::Duration;

use lessor::storage::{Acquired, List, Page, Record, Renewed, Reply, Request};
use lessor::{StorageError, Term, Value};

use crate::clock::{Clock, Nanos, SECOND};
use crate::invariant::Step;
use crate::message::{Ask, Told};
use crate::plan::{Misuse, Plan};
use crate::random::Random;
use crate::reached::Situation;
use crate::reference::{Reference, client_go, less};
use crate::sim::World;
use crate::trace::What;

/// What is kept for the keys.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    lessor: Vec<Option<Record>>,
    less: Vec<Option<<less::Less as Reference>::Row>>,
    client_go: Vec<Option<<client_go::ClientGo as Reference>::Row>>,
}

/// How a storage fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// Nobody answers.
    Dead,
    /// Every request is refused.
    Refuses,
    /// Requests wait, and are worked off afterwards.
    Stalls,
}

pub(crate) struct Store {
    pub(crate) clock: Clock,
    pub(crate) rows: Rows,
    /// An older state, to fall back to.
    pub(crate) backup: Rows,
    pub(crate) down: Option<(Down, Nanos)>,
    /// A storage that may lose data begins its terms at its clock.
    forgets: bool,
    /// Until when, by its clock, it grants nothing.
    frozen_until_ms: u64,
    /// How often it lost data.
    pub(crate) losses: u32,
    /// Of each key, until when the newest lease lasts for its holder, in true time.
    promised: Vec<Nanos>,
    random: Random,
}

/// A grant that a request brought about.
pub(crate) struct Granted {
    pub(crate) seat: usize,
    pub(crate) key: usize,
    pub(crate) term: Term,
}

impl Store {
    pub(crate) fn new(plan: &Plan) -> Self {
        let rows =
            Rows { lessor: vec![None; plan.all_rows()], less: vec![None; plan.keys], client_go: vec![None; plan.keys] };
        Self {
            clock: Clock::new(1_700_000_000 * SECOND, plan.storage_rate),
            backup: rows.clone(),
            rows,
            down: None,
            forgets: plan.faults.storage_forgets > 0.0,
            frozen_until_ms: 0,
            losses: 0,
            promised: vec![0; plan.all_rows()],
            random: Random::stream(plan.seed, "store", 0),
        }
    }

    pub(crate) fn now_ms(&self, now: Nanos) -> u64 {
        self.clock.at(now) / 1_000_000
    }

    /// What is published with a key.
    pub(crate) fn value(&self, key: usize) -> Option<&Value> {
        self.rows.lessor[key].as_ref()?.value.as_ref()
    }

    pub(crate) fn has_record(&self, key: usize) -> bool {
        self.rows.lessor[key].is_some()
    }

    /// What a register holds now.
    pub(crate) fn set_record(&mut self, key: usize, record: Record) {
        self.rows.lessor[key] = Some(record);
    }

    /// Until when the newest lease of a key lasts for its holder: whatever the storage's clock did meanwhile.
    pub(crate) fn promised(&self, key: usize) -> Nanos {
        self.promised[key]
    }

    fn promise(&mut self, key: usize, now: Nanos, before: Option<&Record>, after: &Record) {
        let lasts = u128::from(after.ttl_ms) * 1_000_000 * 1_000_000_000 / (1_000_000_000 + self.clock.rate()) as u128;
        let until = now + lasts as Nanos;
        let same = before.is_some_and(|before| before.session == after.session);
        self.promised[key] = if same { until.max(self.promised[key]) } else { until };
    }

    fn list(&self, plan: &Plan, list: &List, now_ms: u64) -> Page {
        let rows = self.rows.lessor.iter().enumerate();
        let leases = rows.filter_map(|(key, row)| Some((plan.name_of(key), row.as_ref()?.lease(now_ms))));
        // In the order of their bytes: place 10 comes before place 2.
        list.page(leases.collect::<BTreeMap<_, _>>())
    }

    /// It goes back to an older state, or to none; then it grants nothing until no lease of before can be left.
    pub(crate) fn forget(&mut self, plan: &Plan, now: Nanos) {
        self.losses += 1;
        if self.random.chance(0.5) {
            self.rows = self.backup.clone();
        } else {
            self.rows = Self::new(plan).rows;
        }
        if plan.misuse == Some(Misuse::StorageForgetsWithoutFreeze) {
            return;
        }
        self.frozen_until_ms = self.now_ms(now) + plan.freeze().as_millis() as u64;
        for record in self.rows.lessor.iter_mut().flatten() {
            // What is of before the loss counts as released, and reserves nothing.
            (record.session, record.expires_ms) = (None, 0);
        }
    }

    pub(crate) fn seed(&self, now_ms: u64) -> Term {
        if self.forgets { Term::new(now_ms).unwrap_or(Term::LAST) } else { Term::FIRST }
    }

    /// Whether data was lost a while ago, and nothing is granted yet.
    pub(crate) fn is_frozen(&self, now_ms: u64) -> bool {
        now_ms < self.frozen_until_ms
    }

    fn judge(&mut self, key: usize, request: &Request, now_ms: u64) -> Reply {
        let frozen = self.is_frozen(now_ms);
        let retry_after = Duration::from_millis(self.frozen_until_ms.saturating_sub(now_ms));
        let seed = self.seed(now_ms);
        let row = &mut self.rows.lessor[key];
        match request {
            Request::Acquire(_) if frozen => Acquired::refused(None, retry_after).into(),
            Request::Renew(_) if frozen => Renewed::lost(None).into(),
            _ => {
                let verdict = Record::judge(row.as_ref(), request, now_ms, seed);
                if let Some(record) = verdict.write {
                    *row = Some(record);
                }
                verdict.reply
            }
        }
    }
}

impl World {
    /// Carries out a request. Answers the reply, and the new reigns that it began.
    fn carry_out(&mut self, call: usize, ask: &Ask) -> (Told, Vec<Granted>) {
        let now_ms = self.store.now_ms(self.now);
        let mut granted = Vec::new();
        let key = self.calls[call].seats.first().map_or(0, |seat| self.seats[*seat].key);
        let told = match ask {
            Ask::Less(request) => {
                let before = self.store.rows.less[key];
                let answer = less::Less::apply(&mut self.store.rows.less[key], request, now_ms);
                self.note_applied::<less::Less>(call, &answer, before, self.store.rows.less[key]);
                Told::Less(answer)
            }
            Ask::ClientGo(request) => {
                let before = self.store.rows.client_go[key];
                let answer = client_go::ClientGo::apply(&mut self.store.rows.client_go[key], request, now_ms);
                self.note_applied::<client_go::ClientGo>(call, &answer, before, self.store.rows.client_go[key]);
                Told::ClientGo(answer)
            }
            Ask::Lessor(requests) => {
                let part = self.plan.faults.batches_in_part;
                let batch = requests.len() > 1 && !self.healed;
                let mut replies = Vec::with_capacity(requests.len());
                for (place, request) in requests.iter().enumerate() {
                    // An error in one says nothing of another, and not whether that one was applied.
                    let fails = batch && self.store.random.chance(part);
                    if fails {
                        self.reach(Situation::BatchInPart);
                    }
                    if fails && self.store.random.chance(0.5) {
                        replies.push(Err(failed_in_part()));
                        continue;
                    }
                    if let Some(way) = self.trouble(self.calls[call].process, request) {
                        replies.push(Err(way.error()));
                        continue;
                    }
                    let seat = self.calls[call].seats.get(place).copied();
                    let reply = self.carry_out_one(call, seat, request, now_ms, &mut granted);
                    replies.push(if fails { Err(failed_in_part()) } else { Ok(reply) });
                }
                Told::Lessor(replies)
            }
            Ask::Cells(asks) => self.carry_out_cells(call, asks, &mut granted),
        };
        (told, granted)
    }

    fn carry_out_one(
        &mut self,
        call: usize,
        seat: Option<usize>,
        request: &Request,
        now_ms: u64,
        granted: &mut Vec<Granted>,
    ) -> Reply {
        if let Request::List(list) = request {
            self.note(|| What::Applied { call: call as u64, answer: "listed" }, [5, call as u64, 0]);
            return Reply::Listed(self.store.list(&self.plan, list, now_ms));
        }
        let key = request.key().map_or(0, |key| self.plan.row_of(key));
        if !self.check_place_is_near(key) {
            return Acquired::refused(None, Duration::ZERO).into();
        }
        let before = self.store.rows.lessor[key].clone();
        let reply = self.store.judge(key, request, now_ms);
        let after = self.store.rows.lessor[key].clone();
        let word = match &reply {
            Reply::Acquired(Acquired::Granted { .. }) => "granted",
            Reply::Acquired(Acquired::Refused { .. }) => "held",
            Reply::Renewed(Renewed::Extended { .. }) => "extended",
            Reply::Renewed(Renewed::Lost { .. }) => "lost",
            Reply::Released => "released",
            Reply::Got(_) => "got",
            Reply::Revoked(Some(_)) => "revoked",
            Reply::Revoked(None) => "not held",
            _ => "unknown",
        };
        let version = after.as_ref().map_or(0, |record| record.version.get());
        let step = Step { before: before.as_ref(), request, reply: &reply, after: after.as_ref(), now_ms };
        self.note(|| What::Applied { call: call as u64, answer: word }, [5, call as u64, version]);
        self.judged(seat, key, &step, granted);
        self.check_by_model(seat, key, &step);
        if before != after {
            if let Some(after) = &after {
                self.wrote(key, seat, before.as_ref(), after, now_ms, false);
            }
            if self.store.random.chance(0.05) {
                self.store.backup = self.store.rows.clone();
            }
        }
        reply
    }

    /// A request was judged: by the storage, or by the handle whose swap has got through.
    pub(crate) fn judged(&mut self, seat: Option<usize>, key: usize, step: &Step<'_>, granted: &mut Vec<Granted>) {
        let Step { before, request, reply, after, now_ms } = *step;
        match (request, reply, seat) {
            (Request::Acquire(claim), Reply::Acquired(Acquired::Granted { .. }), Some(seat)) => {
                self.count_stored(seat, claim.value.as_ref());
            }
            (Request::Renew(renewal), Reply::Renewed(Renewed::Extended { .. }), Some(seat)) => {
                self.count_stored(seat, renewal.value.as_ref());
            }
            _ => {}
        }
        self.check_step(seat, step);
        self.log_judged(seat, key, step);
        self.reach_by(before, request, reply, now_ms);
        if let Reply::Acquired(Acquired::Granted { term, .. }) = reply {
            let session = match request {
                Request::Acquire(claim) => Some(claim.session),
                _ => None,
            };
            let again = before.is_some_and(|record| (record.session, record.term) == (session, *term));
            self.check_grant(seat, key, *term, again);
            if let Some(seat) = seat.filter(|_| !again) {
                granted.push(Granted { seat, key, term: *term });
            }
        }
        match (request, before, after) {
            (Request::Revoke(_), Some(before), Some(after)) if before != after => {
                self.check_revoke(key, before, after);
                let (of, fingerprint) = (self.plan.key_of(key), [12, key as u64, before.term.get()]);
                match of {
                    Some(key) => self.note(|| What::Revoked { key }, fingerprint),
                    None => self.note_place(key, Some(after), fingerprint),
                }
            }
            (Request::Acquire(_) | Request::Renew(_), before, Some(after)) if before != Some(after) => {
                self.store.promise(key, self.now, before, after);
            }
            _ => {}
        }
    }

    /// A record was written. `is_end`: all that it says is that the lease has ended.
    pub(crate) fn wrote(
        &mut self,
        key: usize,
        seat: Option<usize>,
        before: Option<&Record>,
        after: &Record,
        now_ms: u64,
        is_end: bool,
    ) {
        let until = if after.session.is_some() { after.expires_ms.saturating_sub(now_ms) } else { 0 };
        let until = Duration::from_nanos(self.now) + Duration::from_millis(until);
        let candidate = after.session.and(seat).filter(|_| !is_end);
        let term = after.term.get();
        let fingerprint = [6, key as u64, term];
        if let Some(of) = self.plan.key_of(key) {
            self.note(|| What::Holds { key: of, candidate, term, until }, fingerprint);
            let term_of = |record: &Record| (record.session, record.term);
            let news = is_end || before.map(term_of) != Some(term_of(after));
            self.allow_all(of, if news { 3 } else { 1 });
            if news && self.plan.registers.is_none() {
                self.wake(of);
            }
        } else {
            self.note_place(key, Some(after), fingerprint);
        }
    }
}

pub(crate) fn failed_in_part() -> StorageError {
    StorageError::transient("the batch was applied in part")
}
