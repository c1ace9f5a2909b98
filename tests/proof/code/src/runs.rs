//! A run: elections of the shipped code, one record, and everything that may happen between them. Each line is what happened, and what a
//! candidate answered after it.

use std::error::Error;
use std::io::Write;

use core::time::Duration;

use lessor::election::{Election, Input, Output};
use lessor::storage::{Acquired, Record, Renewed, Reply, Request, Revoke, Session};
use lessor::{Config, Instant, Lease, Term, Ticket};

use crate::network::{Answered, Sent, UnderWay};
use crate::random::Random;
use crate::words;

const CANDIDATES: usize = 3;
/// How far a clock's rate may be off, in millionths: a tenth of the ttl as margin covers it.
const RATE: u64 = 45_000;

struct Candidate {
    election: Election,
    instance: u32,
    /// Its clock at first, and how much it goes on in a true millionth of a second, in ps.
    offset: u64,
    rate: u64,
}

struct Run<'a, W> {
    out: &'a mut W,
    random: Random,
    guard: bool,
    /// True time, in us.
    now: u64,
    storage_ms: i64,
    storage_rate: u64,
    record: Option<Record>,
    candidates: Vec<Candidate>,
    requests: UnderWay<Sent>,
    replies: UnderWay<Answered>,
    messages: usize,
    sessions: i64,
}

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

pub(crate) fn write(out: &mut impl Write, seed: u64, steps: u64, guard: bool) -> Outcome {
    let mut random = Random::new(seed);
    let mut rate = || 1_000_000 - RATE + random.below(2 * RATE);
    let storage_rate = rate();
    let rates: Vec<u64> = (0..CANDIDATES).map(|_| rate()).collect();
    let mut run = Run {
        out,
        random,
        guard,
        now: 0,
        storage_ms: 100_000,
        storage_rate,
        record: None,
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
        run.candidates.push(Candidate { election, instance: 0, offset, rate });
        run.tell_new(number, session)?;
    }
    run.tell_time()?;
    for _ in 0..steps {
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
        let ttl = Duration::from_millis(1_000 + 200 * number as u64) + Duration::from_micros(700);
        let mut config = Config::with_ttl(ttl);
        (config.takeover_guard, config.cool_off, config.drain_timeout) = (self.guard, ttl / 4, ttl / 10);
        config
    }

    fn begin(&self, number: usize, session: i64, now: Instant) -> Outcome<Election> {
        let session = Session::from_bits(session as u128);
        let id = words::id(number as u64);
        Ok(Election::new(words::key(), id, self.config(number), session, self.now + number as u64, now)?)
    }

    fn clock(&self, number: usize) -> Instant {
        let Candidate { offset, rate, .. } = &self.candidates[number];
        clock(*offset, *rate, self.now)
    }

    // === what is written down

    fn tell_new(&mut self, number: usize, session: i64) -> Outcome {
        let Config { ttl, margin, .. } = self.config(number);
        let own = self.clock(number).since_origin().as_nanos();
        let (ttl, span) = (ttl.as_nanos().div_ceil(1_000_000), (ttl - margin).as_nanos());
        Ok(writeln!(self.out, "new {number} {session} {ttl} {span} {own}")?)
    }

    fn tell_time(&mut self) -> Outcome {
        let clocks = (0..CANDIDATES).map(|number| self.clock(number).since_origin().as_nanos().to_string());
        let clocks: Vec<_> = clocks.collect();
        Ok(writeln!(self.out, "time {} {}", self.storage_ms, clocks.join(" "))?)
    }

    fn tell_state(&mut self, number: usize) -> Outcome {
        let election = &self.candidates[number].election;
        let status = election.status();
        let term = status.term.map_or(0, Term::get);
        let deadline = status.deadline.map_or(0, |at| at.since_origin().as_nanos());
        let leads = u8::from(election.is_leader(self.clock(number)));
        let waits = u8::from(election.in_flight().is_some());
        Ok(writeln!(self.out, "state {number} {term} {deadline} {leads} {waits}")?)
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
                self.hear(number, Input::Transfer { to, is_patient: false })
            }
            97 => self.end(number),
            98 if self.guard => self.jump(true),
            98 => self.jump(false),
            _ if self.guard => self.poll(number),
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
                    writeln!(self.out, "send {number} {} {}", self.messages, words::request(&request))?;
                    let by = (number, self.candidates[number].instance);
                    self.requests.send(Sent { number: self.messages, by, id, request });
                }
                Output::DrawSession => {
                    let session = self.draw();
                    writeln!(self.out, "session {number} {session}")?;
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
        let verdict = Record::judge(self.record.as_ref(), &sent.request, now_ms, Term::FIRST);
        let (reply, seen) = (words::reply(&verdict.reply), seen(&verdict.reply));
        let written = verdict.write.as_ref().map_or_else(|| "=".into(), |record| words::record(Some(record)));
        writeln!(self.out, "apply {} {answer} {now_ms}|{reply}|{seen}|{written}", sent.number)?;
        self.record = verdict.write.or_else(|| self.record.take());
        self.replies.send(Answered { number: answer, by: sent.by, id: sent.id, reply: verdict.reply });
        Ok(())
    }

    fn deliver(&mut self) -> Outcome {
        let Some(answered) = self.replies.arrives(&mut self.random) else { return Ok(()) };
        let (number, instance) = answered.by;
        if self.candidates[number].instance != instance {
            return Ok(()); // its connection is gone
        }
        writeln!(self.out, "deliver {number} {}", answered.number)?;
        self.hear(number, Input::Reply { id: answered.id, reply: Ok(answered.reply) })
    }

    fn revoke(&mut self) -> Outcome {
        let of = self.record.as_ref().filter(|_| self.random.below(2) == 0).map(|record| record.term);
        let now_ms = self.storage_ms as u64;
        let revoke: Request = Revoke::new(words::key()).term(of).into();
        let verdict = Record::judge(self.record.as_ref(), &revoke, now_ms, Term::FIRST);
        let written = verdict.write.as_ref().map_or_else(|| "=".into(), |record| words::record(Some(record)));
        writeln!(self.out, "{} {now_ms}|{}|{written}", words::request(&revoke), words::reply(&verdict.reply))?;
        self.record = verdict.write.or_else(|| self.record.take());
        Ok(())
    }

    /// An instance crashes, stops, or goes to sleep.
    fn end(&mut self, number: usize) -> Outcome {
        match self.random.below(3) {
            0 => {
                writeln!(self.out, "stop {number}")?;
                self.hear(number, Input::Stop)
            }
            1 => self.renew(number),
            _ => {
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

    /// The next instance goes on with the session, and with its reign.
    fn resume(&mut self, number: usize, ticket: Ticket) -> Outcome {
        let now = self.clock(number);
        writeln!(self.out, "sleep {number}")?;
        if self.random.percent(50) {
            self.now += self.random.below(900_000);
            self.tell_time()?;
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

/// What the answer shows of the lease: term, version, ttl.
fn seen(reply: &Reply) -> String {
    let lease: Option<&Lease> = match reply {
        Reply::Acquired(Acquired::Refused { lease, .. }) | Reply::Renewed(Renewed::Lost { lease, .. }) => {
            lease.as_ref()
        }
        Reply::Got(lease) => lease.as_ref(),
        _ => None,
    };
    lease.map_or_else(String::new, |lease| {
        format!("{} {} {}", lease.term.get(), lease.version.get(), lease.ttl.as_millis())
    })
}
