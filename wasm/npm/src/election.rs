//! The state machine of a candidate. Each instant is in ms, by the clock of who drives it.

use core::num::NonZeroU32;

use js_sys::Array;
use lessor::election::{Election, Input, Output, RequestId};
use lessor::storage::{ErrorKind, Session};
use lessor::{Config, Event, Id, Instant, JsTimer, Key, Role, StorageError, Term, Timer, Value};
use wasm_bindgen::prelude::*;

use crate::row::{Row, duration, ms, number, refused, row, text};
use crate::wire;

/// By the clock that candidates go by, which never goes back, and counts the time a machine sleeps.
#[wasm_bindgen]
pub fn now_ms() -> f64 {
    ms(JsTimer::new().now().since_origin())
}

#[wasm_bindgen]
pub struct ElectionCore {
    election: Election,
    /// The newest request, and what it is called.
    asked: Option<(f64, RequestId)>,
}

fn instant(now_ms: f64) -> Instant {
    Instant::from_origin(duration(now_ms).unwrap_or_default())
}

fn random() -> Result<u64, JsValue> {
    getrandom::u64().map_err(|error| refused(&["there is no randomness: ", &error.to_string()].concat()))
}

fn session() -> Result<Session, JsValue> {
    Ok(Session::from_bits(u128::from(random()?) << 64 | u128::from(random()?)))
}

/// `told`: who follows is told of every release and grant. As a [`Builder`](lessor::Builder) has it.
fn config(row: &mut Row<'_>, told: bool) -> Config {
    let rank = row.number();
    let takeover_guard = row.next();
    let fall_back_after = row.number().and_then(|count| NonZeroU32::new(count as u32));
    let ttl = row.ms();
    let mut config = ttl.map_or_else(Config::default, Config::with_ttl);
    let renew_interval = row.ms();
    if let Some(retry_interval) = row.ms() {
        config.retry_interval = retry_interval;
        config.cool_off = retry_interval.saturating_mul(2).min(Config::MAX_DURATION);
    } else if told {
        config.retry_interval = config.ttl;
    }
    config.renew_interval = renew_interval.unwrap_or(config.renew_interval);
    for field in [
        &mut config.request_timeout,
        &mut config.margin,
        &mut config.drain_timeout,
        &mut config.cool_off,
        &mut config.min_hold,
        &mut config.takeover_delay,
    ] {
        *field = row.ms().unwrap_or(*field);
    }
    let ranked = rank.map(|rank| config.cool_off.saturating_mul(rank as u32));
    config.claim_delay = row.ms().or(ranked).unwrap_or(config.claim_delay);
    config.takeover_guard = takeover_guard.is_truthy();
    config.fall_back_after = fall_back_after;
    config
}

#[wasm_bindgen]
impl ElectionCore {
    /// The settings as `js/settings.js` has made sure of them, and puts them. `driven`: by the clock of this module.
    #[wasm_bindgen(constructor)]
    pub fn new(settings: &Array, now_ms: f64, told: bool, driven: bool) -> Result<Self, JsValue> {
        let mut row = Row::new(settings);
        let key = Key::new(row.known()).map_err(|error| refused(&error))?;
        let id = Id::new(row.known()).map_err(|error| refused(&error))?;
        let value = row.text().map(Value::new).transpose().map_err(|error| refused(&error))?;
        let slots = row.number();
        let config = config(&mut row, told);
        if driven {
            config.validate_for(JsTimer::new().resolution()).map_err(|error| refused(&error))?;
        }
        let now = instant(now_ms);
        let election = Election::new(key, id, config, session()?, random()?, now);
        let mut election = election.map_err(|error| refused(&error))?;
        if let Some(slots) = slots {
            election = election.with_slots(slots as u16).map_err(|error| refused(&error))?;
        }
        if value.is_some() {
            election.handle_input(now, Input::SetValue { value, serial: 1 });
        }
        Ok(Self { election, asked: None })
    }

    /// Hands in what happened: `timeout`, `wakeup`, `resign` (in favour of), `drained` (term), `stop`.
    pub fn handle(&mut self, now_ms: f64, kind: &str, what: &JsValue) -> Result<(), JsValue> {
        let input = match kind {
            "wakeup" => Input::Wakeup,
            "stop" => Input::Stop,
            "drained" => match what.as_f64().and_then(|term| Term::new(term as u64)) {
                Some(term) => Input::Drained(term),
                None => return Ok(()),
            },
            "resign" => match what.as_string() {
                None => Input::Resign,
                Some(to) => Input::Transfer { to: Id::new(to).map_err(|error| refused(&error))?, is_patient: false },
            },
            _ => Input::Timeout,
        };
        self.election.handle_input(instant(now_ms), input);
        Ok(())
    }

    pub fn set_value(&mut self, now_ms: f64, value: Option<String>, serial: f64) -> Result<(), JsValue> {
        let value = value.map(Value::new).transpose().map_err(|error| refused(&error))?;
        self.election.handle_input(instant(now_ms), Input::SetValue { value, serial: serial as u64 });
        Ok(())
    }

    /// The answer to the request of this number. Whether it was one.
    pub fn replied(&mut self, now_ms: f64, number: f64, reply: &Array) -> bool {
        let reply = wire::replied(reply);
        let fits = reply.is_some();
        self.answered(now_ms, number, reply.ok_or_else(|| StorageError::permanent("the storage's answer is no reply")));
        fits
    }

    /// It failed.
    pub fn failed(&mut self, now_ms: f64, number: f64, message: String, transient: bool) {
        let error = if transient { StorageError::transient(message) } else { StorageError::permanent(message) };
        self.answered(now_ms, number, Err(error));
    }

    /// What is to be done next: a row that begins with its name.
    pub fn poll(&mut self, now_ms: f64) -> Result<Array, JsValue> {
        let now = instant(now_ms);
        loop {
            return Ok(match self.election.poll_output(now) {
                Output::DrawSession => {
                    self.election.handle_input(now, Input::Session(session()?));
                    continue;
                }
                Output::Event(happened) => event(&happened, now),
                Output::Request { id, request, .. } => {
                    let number = self.asked.map_or(1.0, |(number, _)| number + 1.0);
                    self.asked = Some((number, id));
                    row(&["request".into(), number.into(), wire::written(&request).into()])
                }
                Output::Timeout(at) => row(&["timeout".into(), ms(at.since_origin()).into()]),
                _ => row(&["done".into()]),
            });
        }
    }

    /// Whether this request is still waited for.
    pub fn waits_for(&self, number: f64) -> bool {
        self.asked(number).is_some_and(|id| self.election.in_flight() == Some(id))
    }

    pub fn is_leader(&self, now_ms: f64) -> bool {
        self.election.is_leader(instant(now_ms))
    }

    pub fn is_handing_over(&self) -> bool {
        self.election.is_handing_over()
    }

    pub fn has_stored(&self, serial: f64) -> bool {
        self.election.serial_stored() >= serial as u64
    }

    /// Role, term, slot, ms that are left of it, jeopardy, leader, ms since the last success, failures, last error, ms by which it is late.
    pub fn status(&mut self, now_ms: f64) -> Array {
        let due = self.election.status().due;
        // What has ended by now has ended, whether anybody has stepped since or not.
        self.election.handle_input(instant(now_ms), Input::Timeout);
        let status = self.election.status();
        let now = instant(now_ms).max(status.at);
        let since = |then: Instant| ms(now.saturating_duration_since(then));
        let left = status.deadline.map(|deadline| ms(deadline.saturating_duration_since(now)));
        let leader = status.leader.map(|mut leader| {
            let passed = now.saturating_duration_since(status.at);
            leader.time_left = leader.time_left.saturating_sub(passed);
            leader.age = leader.age.map(|age| age.saturating_add(passed));
            wire::lease(&leader)
        });
        row(&[
            Role::as_str(status.role).into(),
            number(status.term.map(|term| term.get() as f64)),
            number(status.slot.map(f64::from)),
            number(left),
            status.jeopardy.into(),
            leader.unwrap_or(JsValue::NULL),
            number(status.last_success.map(since)),
            status.failures.into(),
            text(status.last_error.map(|error| error.to_string()).as_deref()),
            since(due).into(),
        ])
    }
}

impl ElectionCore {
    fn asked(&self, number: f64) -> Option<RequestId> {
        self.asked.and_then(|(asked, id)| (asked == number).then_some(id))
    }

    fn answered(&mut self, now_ms: f64, number: f64, reply: Result<lessor::storage::Reply, StorageError>) {
        if let Some(id) = self.asked(number) {
            self.election.handle_input(instant(now_ms), Input::Reply { id, reply });
        }
    }
}

/// "event", its type, and what belongs to that.
fn event(event: &Event, now: Instant) -> Array {
    let left = |deadline: &Instant| ms(deadline.saturating_duration_since(now)).into();
    let in_term = |kind: &str, term: &Term, more: JsValue, slot: Option<u16>| {
        row(&["event".into(), kind.into(), (term.get() as f64).into(), more, number(slot.map(f64::from))])
    };
    match event {
        Event::LeaderChanged(leader) => {
            row(&["event".into(), "leader-changed".into(), leader.as_ref().map_or(JsValue::NULL, wire::lease)])
        }
        Event::Elected { term, deadline, slot, .. } => in_term("elected", term, left(deadline), *slot),
        Event::Renewed { term, deadline, .. } => in_term("renewed", term, left(deadline), None),
        Event::Jeopardy { term, deadline, .. } => in_term("jeopardy", term, left(deadline), None),
        Event::Ending { term, reason, .. } => in_term("ending", term, reason.as_str().into(), None),
        Event::Lost { term, reason, .. } => in_term("lost", term, reason.as_str().into(), None),
        Event::StorageFailed { operation, error, .. } => {
            let transient = error.kind() == ErrorKind::Transient;
            let (operation, message) = (operation.as_str().into(), error.to_string().into());
            row(&["event".into(), "storage-failed".into(), operation, message, transient.into()])
        }
        Event::Stopped => row(&["event".into(), "stopped".into()]),
        _ => row(&["event".into(), "other".into()]),
    }
}
