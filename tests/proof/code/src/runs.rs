//! A run: elections of the shipped code, one record, and everything that may happen between them. Each line is what happened, and what a
//! candidate answered after it.

use std::error::Error;
use std::fmt::Arguments;
use std::io::Write;

use core::num::NonZeroU32;
use core::time::Duration;

use lessor::election::{Election, Input, Output};
use lessor::storage::{Acquired, Record, Renewed, Reply, Request, Revoke, Session, StorageError};
use lessor::{Config, Instant, Lease, Term, Ticket};

use crate::network::{Answered, Sent, UnderWay};
use crate::random::Random;
use crate::words;

const CANDIDATES: usize = 3;
const SLOTS: u16 = 2;
/// How far a clock's rate may be off, in millionths: a tenth of the ttl as margin covers it.
const RATE: u64 = 45_000;

struct Candidate {
    election: Election,
    instance: u32,
    /// Its clock at first, and how much it goes on in a true millionth of a second, in ps.
    offset: u64,
    rate: u64,
    /// Its ttl and margin are longer by so much, in ms: the next instance may have others than the last one.
    longer_ms: (u64, u64),
}

/// How a run is: the same for all of its candidates.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) steps: u64,
    /// With the take-over guard, and a storage's clock that jumps.
    pub(crate) guard: bool,
    /// One candidate has a take-over delay.
    pub(crate) delay: bool,
    /// The key has slots, and what is written down is what happens to this one of them.
    pub(crate) slot: Option<u16>,
}

struct Run<'a, W> {
    out: &'a mut W,
    random: Random,
    plan: Plan,
    /// True time, in us.
    now: u64,
    storage_ms: i64,
    storage_rate: u64,
    /// By slot; of a key without slots the first.
    records: [Option<Record>; SLOTS as usize],
    candidates: Vec<Candidate>,
    requests: UnderWay<Sent>,
    replies: UnderWay<Answered>,
    messages: usize,
    sessions: i64,
}

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

pub(crate) fn write(out: &mut impl Write, plan: Plan) -> Outcome {
    let mut random = Random::new(plan.seed);
    let mut rate = || 1_000_000 - RATE + random.below(2 * RATE);
    let storage_rate = rate();
    let rates: Vec<u64> = (0..CANDIDATES).map(|_| rate()).collect();
    let mut run = Run {
        out,
        random,
        plan,
        now: 0,
        storage_ms: 100_000,
        storage_rate,
        records: [None, None],
        candidates: Vec::new(),
        requests: UnderWay::new(),
        replies: UnderWay::new(),
        messages: 0,
        sessions: 0,
    };
    for (number, rate) in rates.into_iter().enumerate() {
        let offset = run.random.below(1_000_000_000);
        let session = run.draw();
        let election = run.begin(number, session, clock(offset, rate, 0))?;
        run.candidates.push(Candidate { election, instance: 0, offset, rate, longer_ms: (0, 0) });
        run.tell_new(number, session)?;
    }
    run.tell_time()?;
    for _ in 0..plan.steps {
        run.step()?;
    }
    Ok(())
}

impl<W: Write> Run<'_, W> {
    fn draw(&mut self) -> i64 {
        self.sessions += 1;
        self.sessions
    }

    fn config(&self, number: usize) -> Config {
        // No two alike.
        let (longer_ttl, longer_margin) = self.candidates.get(number).map_or((0, 0), |candidate| candidate.longer_ms);
        let ttl = Duration::from_millis(1_000 + 200 * number as u64 + longer_ttl) + Duration::from_micros(700);
        let mut config = Config::with_ttl(ttl);
        config.margin += Duration::from_millis(longer_margin);
        (config.takeover_guard, config.cool_off, config.drain_timeout) = (self.plan.guard, ttl / 4, ttl / 10);
        match number {
            0 => config.fall_back_after = NonZeroU32::new(2),
            1 if self.plan.delay => config.takeover_delay = ttl / 3,
            1 => config.min_hold = ttl / 5,
            _ => config.claim_delay = ttl / 6,
        }
        config
    }

    fn begin(&self, number: usize, session: i64, now: Instant) -> Outcome<Election> {
        let session = Session::from_bits(session as u128);
        let id = words::id(number as u64);
        let election = Election::new(words::key(), id, self.config(number), session, self.now + number as u64, now)?;
        Ok(if self.plan.slot.is_some() { election.with_slots(SLOTS)? } else { election })
    }

    fn leader_or(&self, other: usize) -> usize {
        let leads = |number: &usize| self.candidates[*number].election.is_leader(self.clock(*number));
        (0..CANDIDATES).find(leads).unwrap_or(other)
    }

    fn clock(&self, number: usize) -> Instant {
        let Candidate { offset, rate, .. } = &self.candidates[number];
        clock(*offset, *rate, self.now)
    }

    // === what is written down

    /// `of`: to which slot it happens. `None`: to all.
    fn tell(&mut self, of: Option<u16>, line: Arguments<'_>) -> Outcome {
        if of.is_none() || self.plan.slot.is_none_or(|slot| Some(slot) == of) {
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    fn tell_new(&mut self, number: usize, session: i64) -> Outcome {
        let own = self.clock(number).since_origin().as_nanos();
        let (ttl, span) = self.ttl_and_span(number);
        self.tell(None, format_args!("new {number} {session} {ttl} {span} {own}"))
    }

    /// In ms and ns.
    fn ttl_and_span(&self, number: usize) -> (u128, u128) {
        let Config { ttl, margin, .. } = self.config(number);
        (ttl.as_nanos().div_ceil(1_000_000), (ttl - margin).as_nanos())
    }

    fn tell_time(&mut self) -> Outcome {
        let clocks = (0..CANDIDATES).map(|number| self.clock(number).since_origin().as_nanos().to_string());
        let clocks: Vec<_> = clocks.collect();
        let storage_ms = self.storage_ms;
        self.tell(None, format_args!("time {storage_ms} {}", clocks.join(" ")))
    }

    fn tell_state(&mut self, number: usize) -> Outcome {
        let election = &self.candidates[number].election;
        if self.plan.slot.is_some() && self.plan.slot != election.slot() {
            // It is at another, and has no reign here.
            return self.tell(None, format_args!("state {number} 0 0 0 0"));
        }
        let status = election.status();
        let term = status.term.map_or(0, Term::get);
        let deadline = status.deadline.map_or(0, |at| at.since_origin().as_nanos());
        let leads = u8::from(election.is_leader(self.clock(number)));
        let waits = u8::from(election.in_flight().is_some());
        self.tell(None, format_args!("state {number} {term} {deadline} {leads} {waits}"))
    }

    // === what happens

    fn step(&mut self) -> Outcome {
        let number = self.random.below(CANDIDATES as u64) as usize;
        match self.random.below(100) {
            0..=33 => {
                let most = if self.random.percent(4) { 1_500_000 } else { 60_000 };
                let passes = self.random.below(most);
                self.now += passes;
                self.storage_ms = self.storage_ms.saturating_add((passes * self.storage_rate / 1_000_000_000) as i64);
                self.tell_time()?;
                self.poll(number)
            }
            34..=63 => self.apply(),
            64..=89 => self.deliver(),
            90..=93 => self.poll(number),
            94 => self.hear(number, Input::Wakeup),
            95 => self.hear(number, Input::Resign),
            96 => {
                let to = words::id(self.random.below(CANDIDATES as u64));
                let is_patient = self.random.percent(20);
                self.hear(self.leader_or(number), Input::Transfer { to, is_patient })
            }
            97 => self.end(number),
            98 => self.jump(self.plan.guard),
            _ => self.revoke(),
        }
    }

    /// The storage's clock steps: back, or wherever.
    fn jump(&mut self, forward: bool) -> Outcome {
        let by = self.random.below(3_000) as i64;
        self.storage_ms = (self.storage_ms + if forward && self.random.percent(50) { by } else { -by }).max(1);
        self.tell_time()
    }

    fn poll(&mut self, number: usize) -> Outcome {
        let now = self.clock(number);
        loop {
            match self.candidates[number].election.poll_output(now) {
                Output::Request { id, request, .. } => {
                    self.messages += 1;
                    let (message, of) = (self.messages, words::slot(&request));
                    self.tell(Some(of), format_args!("send {number} {message} {}", words::request(&request)))?;
                    let by = (number, self.candidates[number].instance);
                    self.requests.send(Sent { number: self.messages, by, id, request });
                }
                Output::DrawSession => {
                    let session = self.draw();
                    self.tell(None, format_args!("session {number} {session}"))?;
                    let session = Session::from_bits(session as u128);
                    self.candidates[number].election.handle_input(now, Input::Session(session));
                }
                Output::Event(_) => {}
                Output::Timeout(_) => return self.tell_state(number),
                _ => {
                    self.tell_state(number)?;
                    return self.renew(number);
                }
            }
        }
    }

    fn hear(&mut self, number: usize, input: Input) -> Outcome {
        let now = self.clock(number);
        self.candidates[number].election.handle_input(now, input);
        self.poll(number)
    }

    fn apply(&mut self) -> Outcome {
        let Some(sent) = self.requests.arrives(&mut self.random) else { return Ok(()) };
        self.messages += 1;
        let (now_ms, answer) = (self.storage_ms as u64, self.messages);
        let of = words::slot(&sent.request);
        let verdict = Record::judge(self.record(of).as_ref(), &sent.request, now_ms, Term::FIRST);
        let (reply, seen) = (words::reply(&verdict.reply), seen(&verdict.reply));
        let written = verdict.write.as_ref().map_or_else(|| "=".into(), |record| words::record(Some(record)));
        self.tell(Some(of), format_args!("apply {} {answer} {now_ms}|{reply}|{seen}|{written}", sent.number))?;
        self.write(of, verdict.write);
        self.replies.send(Answered { number: answer, by: sent.by, of, id: sent.id, reply: verdict.reply });
        Ok(())
    }

    fn record(&self, of: u16) -> &Option<Record> {
        &self.records[usize::from(of)]
    }

    fn write(&mut self, of: u16, written: Option<Record>) {
        if written.is_some() {
            self.records[usize::from(of)] = written;
        }
    }

    fn deliver(&mut self) -> Outcome {
        let Some(answered) = self.replies.arrives(&mut self.random) else { return Ok(()) };
        let (number, instance) = answered.by;
        if self.candidates[number].instance != instance {
            return Ok(()); // its connection is gone
        }
        let is_error = self.random.percent(6);
        let how = if is_error { "error" } else { "deliver" };
        self.tell(Some(answered.of), format_args!("{how} {number} {}", answered.number))?;
        // It was applied, and nobody hears so.
        let reply = if is_error { Err(self.error()) } else { Ok(answered.reply) };
        self.hear(number, Input::Reply { id: answered.id, reply })
    }

    fn error(&mut self) -> StorageError {
        match self.random.below(3) {
            0 => StorageError::transient("lost on its way"),
            1 => StorageError::permanent("not allowed"),
            _ => StorageError::not_sent(Duration::ZERO, StorageError::transient("too many")),
        }
    }

    fn revoke(&mut self) -> Outcome {
        let slot = self.plan.slot.map(|_| self.random.below(u64::from(SLOTS)) as u16);
        let (of, now_ms, names) = (slot.unwrap_or(0), self.storage_ms as u64, self.random.below(2) == 0);
        let term = self.record(of).as_ref().filter(|_| names).map(|record| record.term);
        let revoke: Request = Revoke::new(words::key_of(slot)).term(term).into();
        let verdict = Record::judge(self.record(of).as_ref(), &revoke, now_ms, Term::FIRST);
        let written = verdict.write.as_ref().map_or_else(|| "=".into(), |record| words::record(Some(record)));
        let (asked, reply) = (words::request(&revoke), words::reply(&verdict.reply));
        self.tell(Some(of), format_args!("{asked} {now_ms}|{reply}|{written}"))?;
        self.write(of, verdict.write);
        Ok(())
    }

    /// An instance crashes, stops, or goes to sleep.
    fn end(&mut self, number: usize) -> Outcome {
        match self.random.below(3) {
            0 => {
                self.tell(None, format_args!("stop {number}"))?;
                self.hear(number, Input::Stop)
            }
            // (A ticket is of one slot: how the next instance takes its seat there is the driver's.)
            1 => self.renew(number),
            _ if self.plan.slot.is_some() => self.renew(number),
            _ => {
                let number = self.leader_or(number);
                let ticket = self.candidates[number].election.clone().into_ticket();
                match ticket {
                    Some(ticket) => self.resume(number, ticket),
                    None => Ok(()),
                }
            }
        }
    }

    /// The next instance, with a new session.
    fn renew(&mut self, number: usize) -> Outcome {
        let session = self.draw();
        let election = self.begin(number, session, self.clock(number))?;
        let candidate = &mut self.candidates[number];
        (candidate.election, candidate.instance) = (election, candidate.instance + 1);
        self.tell_new(number, session)
    }

    /// The next instance goes on with the session, and with its reign. It may have been configured anew: with another ttl it does not.
    fn resume(&mut self, number: usize, ticket: Ticket) -> Outcome {
        let now = self.clock(number);
        self.tell(None, format_args!("sleep {number}"))?;
        if self.random.percent(50) {
            self.now += self.random.below(900_000);
            self.tell_time()?;
        }
        if self.random.percent(30) {
            let other_ttl = self.random.percent(50);
            let longer_ms = (self.random.below(500), self.random.below(100));
            self.candidates[number].longer_ms =
                if other_ttl { longer_ms } else { (self.candidates[number].longer_ms.0, longer_ms.1) };
            let (ttl, span) = self.ttl_and_span(number);
            self.tell(None, format_args!("config {number} {ttl} {span}"))?;
        }
        let now = now.max(self.clock(number));
        let id = words::id(number as u64);
        let election = Election::resume(id, self.config(number), ticket.continuing(), self.now, now)?;
        let candidate = &mut self.candidates[number];
        (candidate.election, candidate.instance) = (election, candidate.instance + 1);
        self.poll(number)
    }
}

fn clock(offset: u64, rate: u64, now: u64) -> Instant {
    Instant::from_origin(Duration::from_micros(offset) + Duration::from_nanos(now * rate / 1_000))
}

/// What the answer shows of the lease: term, version, ttl, and what is left of it.
fn seen(reply: &Reply) -> String {
    let lease: Option<&Lease> = match reply {
        Reply::Acquired(Acquired::Refused { lease, .. }) | Reply::Renewed(Renewed::Lost { lease, .. }) => {
            lease.as_ref()
        }
        Reply::Got(lease) => lease.as_ref(),
        _ => None,
    };
    lease.map_or_else(String::new, |lease| {
        let [ttl, left] = [lease.ttl, lease.time_left].map(|time| time.as_millis());
        format!("{} {} {ttl} {left}", lease.term.get(), lease.version.get())
    })
}
