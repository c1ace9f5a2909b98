//! The statements of one table, and what they have in common.

use std::sync::Arc;

use crate::renew::Renew;
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

/// What is answered is on the disk. Asked once for all rows of a statement.
pub(crate) const FLUSHED: &str = "(SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END)";

/// The texts for one table, which is named as a statement has it.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    pub(crate) acquire: Text,
    pub(crate) renew: Renew,
    pub(crate) release: Text,
    pub(crate) get: Text,
    pub(crate) revoke: Arc<str>,
    pub(crate) list: Arc<str>,
}

impl Statements {
    /// `seeded`: new terms are at least the server's clock.
    pub(crate) fn new(table: &str, seeded: bool) -> Self {
        Self {
            acquire: acquire::text(table, seeded),
            renew: renew::texts(table),
            release: release::text(table),
            get: get::text(table),
            revoke: revoke::text(table).into(),
            list: list::text(table).into(),
        }
    }
}

/// A statement for one key, and one for many: the first has its parameters one by one, the second in arrays.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) one: Arc<str>,
    pub(crate) many: Arc<str>,
}

/// A column of a request: its name, and its type.
pub(crate) type Column = (&'static str, &'static str);

/// The requests as rows: their columns, and the `place` of each, from 1 on. The columns' parameters are numbered from
/// `first` on.
///
/// What is found for each of them follows as a `LATERAL` subquery, which stays one (because it locks, or by an `OFFSET
/// 0`): so each key is looked up in the index. A plain join would be planned by how large the table was at that moment,
/// and the plan is kept while it grows.
pub(crate) fn many(first: usize, columns: &[Column]) -> String {
    let arrays = columns.iter().zip(first..).map(|((_, kind), number)| format!("${number}::{kind}[]"));
    let arrays = arrays.collect::<Vec<_>>().join(", ");
    let names = columns.iter().map(|(name, _)| format!("{name}, ")).collect::<String>();
    format!("unnest({arrays}) WITH ORDINALITY AS c ({names}place)")
}

/// Tells the followers of a key, if there is a channel.
pub(crate) fn notified(channel: &str, key: &str) -> String {
    format!("CASE WHEN {channel}::text IS NOT NULL THEN pg_notify({channel}, {key})::text END")
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
        let Statements { acquire, renew, release, revoke, list, .. } = Statements::new("lessor_leases", false);
        let Renew { extend, many, wait } = renew;
        for statement in [acquire.one, acquire.many, extend, many, wait, release.one, release.many, revoke, list] {
            let shown = statement.replace(CLOCK, "clock");
            assert!(documented.contains(&format!("```sql\n{shown}\n```")), "{shown}");
        }
    }
}
