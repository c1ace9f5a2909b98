//! The statements of one table, and what they have in common.

use std::sync::Arc;

use crate::{acquire, get, list, release, renew, revoke};

/// The server's clock when it is asked, in whole ms. Not `now()`, which is when the transaction began: before any
/// wait for a lock.
pub(crate) const CLOCK: &str = "(date_part('epoch', clock_timestamp()) * 1000)::bigint";

/// The columns of a row, by name: the table may have others one day.
pub(crate) const COLUMNS: &str = "l.key, l.session, l.id, l.term, l.version, l.ttl, l.expires, l.since, l.value";

/// The last term there is: after it nothing is granted.
pub(crate) const LAST: &str = "9007199254740991";

/// Set for this statement alone, where it is going to lock a row: how long it waits for another's lock.
pub(crate) const PATIENCE: &str = "(SELECT set_config('lock_timeout', $1, true)) IS NOT NULL";

/// What is answered is on the disk.
pub(crate) const FLUSHED: &str =
    "CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END";

/// The texts for one table, which is named as a statement has it.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    pub(crate) acquire: Text,
    /// A renewal where nobody holds the row's lock and the lease is the claimant's: all but a few.
    pub(crate) extend: Arc<str>,
    pub(crate) renew: Text,
    pub(crate) release: Text,
    pub(crate) get: Text,
    pub(crate) revoke: Text,
    pub(crate) list: Arc<str>,
}

impl Statements {
    pub(crate) fn new(table: &str) -> Self {
        Self {
            acquire: acquire::text(table),
            extend: renew::extend(table).into(),
            renew: renew::text(table),
            release: release::text(table),
            get: get::text(table),
            revoke: revoke::text(table),
            list: list::text(table).into(),
        }
    }
}

/// One statement, for one key and for many: the first has its parameters one by one, the second in arrays.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) one: Arc<str>,
    pub(crate) many: Arc<str>,
}

/// A column of a request: its name, and its type.
pub(crate) type Column = (&'static str, &'static str);

impl Text {
    /// One text for both, on where the requests are: a query of `columns` and the request's `place`, from 1 on.
    ///
    /// The columns' parameters are numbered from `first` on.
    pub(crate) fn new(first: usize, columns: &[Column], text: impl Fn(&str) -> String) -> Self {
        let one = columns.iter().zip(first..).map(|((name, kind), number)| format!("${number}::{kind} AS {name}, "));
        let one = format!("SELECT {}1::bigint AS place", one.collect::<String>());
        Self { one: text(&one).into(), many: Self::many(first, columns, text) }
    }

    /// The text for many.
    pub(crate) fn many(first: usize, columns: &[Column], text: impl Fn(&str) -> String) -> Arc<str> {
        let arrays = columns.iter().zip(first..).map(|((_, kind), number)| format!("${number}::{kind}[]"));
        let arrays = arrays.collect::<Vec<_>>().join(", ");
        let names = columns.iter().map(|(name, _)| format!("{name}, ")).collect::<String>();
        text(&format!("SELECT * FROM unnest({arrays}) WITH ORDINALITY AS c ({names}place)")).into()
    }
}

/// Tells the followers of a key, if there is a channel.
pub(crate) fn notified(key: &str) -> String {
    format!("CASE WHEN $2::text IS NOT NULL THEN pg_notify($2, {key})::text END")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation shows, and gives reasons for, is what runs.
    #[test]
    fn the_documentation_shows_what_runs() {
        let lines: Vec<_> = include_str!("lib.rs").lines().map_while(|line| line.strip_prefix("//!")).collect();
        let documented: Vec<_> = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let documented = documented.join("\n");
        assert!(documented.contains(&format!("`clock` stands for `{CLOCK}`")));
        let Statements { acquire, extend, renew, release, revoke, list, .. } = Statements::new("lessor_leases");
        for statement in [acquire.one, extend, renew.one, release.one, revoke.one, list] {
            let shown = statement.replace(CLOCK, "clock");
            assert!(documented.contains(&format!("```sql\n{shown}\n```")), "{shown}");
        }
    }
}
