//! What is left of a candidate between two events: its ticket, in its object's own storage.

use lessor::Ticket;
use wasm_bindgen::JsCast;
use worker::{Result, State};

use crate::sql::Sql;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS lessor_ticket (one INTEGER PRIMARY KEY CHECK (one = 1), ticket TEXT NOT NULL);";

pub(super) struct Tickets {
    sql: Sql,
}

impl Tickets {
    pub(super) fn of(state: &State) -> Result<Self> {
        let sql: Sql = state.as_raw().storage()?.sql().unchecked_into();
        sql.run(TABLES, Vec::new())?;
        Ok(Self { sql })
    }

    /// Whether there is one, and what it says if that can be read.
    pub(super) fn found(&self) -> Result<Option<Option<Ticket>>> {
        let mut found = None;
        for mut row in self.sql.rows("SELECT ticket FROM lessor_ticket", Vec::new())? {
            found = Some(read(&row.text()?));
        }
        Ok(found)
    }

    pub(super) fn delete(&self) -> Result<()> {
        Ok(self.sql.run("DELETE FROM lessor_ticket", Vec::new())?)
    }

    pub(super) fn put(&self, ticket: Ticket) -> Result<()> {
        let ticket: String = ticket.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(self.sql.run("INSERT OR REPLACE INTO lessor_ticket VALUES (1, ?)", vec![ticket.into()])?)
    }
}

fn read(ticket: &str) -> Option<Ticket> {
    let byte = |at| u8::from_str_radix(ticket.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..ticket.len()).step_by(2).map(byte).collect();
    Ticket::from_bytes(&bytes?)
}
