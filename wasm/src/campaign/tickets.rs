//! What is left of candidates between two events, in their object's own storage: tickets, and who rests after a hand-over.

use lessor::{Key, Ticket};
use wasm_bindgen::JsCast;
use worker::{Result, State};

use super::Due;
use crate::sql::Sql;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS lessor_ticket (one INTEGER PRIMARY KEY CHECK (one = 1), ticket TEXT NOT NULL);";

pub(super) struct Tickets {
    sql: Sql,
}

#[derive(Default)]
pub(super) struct Left {
    pub(super) tickets: Vec<Ticket>,
    /// Of which key nothing is claimed until when. (A ticket says nothing of that.)
    pub(super) resting: Vec<(Key, Due)>,
}

impl Tickets {
    pub(super) fn of(state: &State) -> Result<Self> {
        let sql: Sql = state.as_raw().storage()?.sql().unchecked_into();
        sql.run(TABLES, Vec::new())?;
        Ok(Self { sql })
    }

    /// Whether there is anything, and what of it can be read.
    pub(super) fn found(&self) -> Result<Option<Left>> {
        let mut found = None;
        for mut row in self.sql.rows("SELECT ticket FROM lessor_ticket", Vec::new())? {
            let mut left = Left::default();
            for text in row.text()?.split(' ') {
                match text.split_once(':') {
                    None => left.tickets.extend(bytes(text).and_then(|bytes| Ticket::from_bytes(&bytes))),
                    Some((key, until)) => left.resting.extend(key_of(key).zip(until.parse().ok().map(Due))),
                }
            }
            found = Some(left);
        }
        Ok(found)
    }

    pub(super) fn delete(&self) -> Result<()> {
        Ok(self.sql.run("DELETE FROM lessor_ticket", Vec::new())?)
    }

    /// As one row: tickets in hexadecimal digits; keys so, and until when, with a colon between.
    pub(super) fn put(&self, left: Left) -> Result<()> {
        let tickets = left.tickets.into_iter().map(|ticket| digits(&ticket.into_bytes()));
        let resting =
            left.resting.iter().map(|(key, Due(until))| format!("{}:{until}", digits(key.as_str().as_bytes())));
        let text: Vec<_> = tickets.chain(resting).collect();
        Ok(self.sql.run("INSERT OR REPLACE INTO lessor_ticket VALUES (1, ?)", vec![text.join(" ").into()])?)
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let byte = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn key_of(digits: &str) -> Option<Key> {
    Key::new(String::from_utf8(bytes(digits)?).ok()?).ok()
}
