//! SQL with values in it: prepared, or as part of a script of several statements.

use core::fmt::Write as _;
use std::sync::Arc;

use lessor::storage::Session;
use lessor_kit::encoding::session_to_bytes;
use sqlx::mysql::MySqlArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, MySql};

/// The SQL of a statement, in pieces: a value goes between each two.
#[derive(Clone, Debug)]
pub(crate) struct Template(Arc<[String]>);

impl Template {
    /// A value goes in the place of each `?`. Each piece is completed after that: a question mark that comes in by it,
    /// as one in the name of a table, is no place.
    pub(crate) fn new(sql: &str, complete: impl Fn(&str) -> String) -> Self {
        Self(sql.split('?').map(complete).collect())
    }

    /// With these values, one for each place.
    pub(crate) fn with(&self, values: impl Into<Vec<Param>>) -> Statement {
        let values = values.into();
        debug_assert_eq!(values.len() + 1, self.0.len(), "{}", self.sql());
        Statement { template: self.clone(), values }
    }

    /// As it is prepared.
    pub(crate) fn sql(&self) -> String {
        self.0.join("?")
    }
}

/// A value of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Param {
    /// A text, too, in UTF-8: statements convert it, whatever the character set of the connection.
    Bytes(Vec<u8>),
    Number(i64),
    /// A secret, which scripts do not show.
    Session(Session),
    Null,
}

/// A statement with its values.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    template: Template,
    values: Vec<Param>,
}

impl Statement {
    /// To be prepared. The values are sent apart from the SQL.
    pub(crate) fn prepared(&self) -> Query<'static, MySql, MySqlArguments> {
        let query = sqlx::query(AssertSqlSafe(self.template.sql()));
        self.values.iter().fold(query, |query, value| match value {
            Param::Bytes(bytes) => query.bind(bytes.clone()),
            Param::Number(number) => query.bind(*number),
            Param::Session(session) => query.bind(Vec::from(session_to_bytes(*session))),
            Param::Null => query.bind(None::<Vec<u8>>),
        })
    }

    /// About how many bytes it adds to a script.
    pub(crate) fn size(&self) -> usize {
        let sql = self.template.0.iter().map(String::len).sum::<usize>();
        let value = |value: &Param| if let Param::Bytes(bytes) = value { 2 * bytes.len() } else { 40 };
        sql + self.values.iter().map(value).sum::<usize>()
    }
}

/// Several statements in one text, which the server runs one after the other without waiting for the client.
///
/// sqlx logs a text that is slow: sessions stay out of it. They are put into a variable of the connection before, and
/// each statement takes its own from there.
#[derive(Default)]
pub(crate) struct Script {
    sql: String,
    sessions: Vec<u8>,
}

/// The variable of the connection that has the sessions of a script, one after the other.
const SESSIONS: &str = "@lessor_sessions";

impl Script {
    /// Adds SQL that takes no values.
    pub(crate) fn push_sql(&mut self, sql: &str) {
        self.sql.push_str(sql);
        self.sql.push_str("; ");
    }

    /// Adds a statement. Its bytes are written in hexadecimal, which means the same in every `sql_mode` and character
    /// set.
    pub(crate) fn push(&mut self, statement: &Statement) {
        let mut values = statement.values.iter();
        for piece in statement.template.0.iter() {
            self.sql.push_str(piece);
            // There is no value after the last piece.
            if let Some(value) = values.next() {
                self.push_value(value);
            }
        }
        self.sql.push_str("; ");
    }

    fn push_value(&mut self, value: &Param) {
        let sql = &mut self.sql;
        // Writing to a `String` does not fail.
        let _ = match value {
            Param::Bytes(bytes) => {
                sql.push_str("x'");
                bytes.iter().try_for_each(|byte| write!(sql, "{byte:02x}")).and_then(|()| write!(sql, "'"))
            }
            Param::Number(number) => write!(sql, "{number}"),
            Param::Session(session) => {
                let start = self.sessions.len() + 1;
                self.sessions.extend(session_to_bytes(*session));
                write!(sql, "SUBSTRING({SESSIONS}, {start}, 16)")
            }
            Param::Null => write!(sql, "NULL"),
        };
    }

    /// What has to be run on the connection before the script.
    pub(crate) fn preparation(&self) -> Query<'static, MySql, MySqlArguments> {
        sqlx::query(AssertSqlSafe(format!("SET {SESSIONS} = CAST(? AS BINARY)"))).bind(self.sessions.clone())
    }

    pub(crate) fn into_sql(self) -> String {
        self.sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        let template = Template::new("UPDATE {table} SET a = ?, b = ?, c = ? WHERE d = ?", |piece| {
            piece.replace("{table}", "`why?`")
        });
        let session = Param::Session(Session::from_bits(7));
        template.with([Param::Bytes(b"k'?".into()), Param::Number(-1), Param::Null, session])
    }

    #[test]
    fn a_question_mark_in_a_name_is_no_place() {
        assert_eq!(statement().template.sql(), "UPDATE `why?` SET a = ?, b = ?, c = ? WHERE d = ?");
        let mut script = Script::default();
        script.push(&statement());
        let sql = "UPDATE `why?` SET a = x'6b273f', b = -1, c = NULL WHERE d = SUBSTRING(@lessor_sessions, 1, 16); ";
        assert_eq!(script.into_sql(), sql);
    }

    #[test]
    fn a_script_shows_no_session() {
        let mut script = Script::default();
        script.push_sql("START TRANSACTION");
        script.push(&statement());
        script.push(&statement());
        assert_eq!(script.sessions[..16], session_to_bytes(Session::from_bits(7)));
        assert_eq!(script.sessions.len(), 32);
        let sql = script.into_sql();
        assert!(sql.starts_with("START TRANSACTION; UPDATE") && sql.ends_with("SUBSTRING(@lessor_sessions, 17, 16); "));
        assert!(statement().size() * 2 >= sql.len() / 2, "{sql}");
    }
}
