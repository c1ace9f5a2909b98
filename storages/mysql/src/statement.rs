//! SQL with values in it: prepared, or as part of a text of several statements.

use core::fmt::Write as _;
use std::sync::Arc;

use sqlx::mysql::MySqlArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, MySql, SqlSafeStr, SqlStr};

/// The SQL of a statement, in pieces: a value goes between each two.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pieces: Arc<[String]>,
    whole: Arc<str>,
}

impl Template {
    /// A value goes in the place of each `?`. Each piece is completed after that: a question mark that comes in by it,
    /// as one in the name of a table, is no place.
    pub(crate) fn new(sql: &str, complete: impl Fn(&str) -> String) -> Self {
        let pieces: Arc<[String]> = sql.split('?').map(complete).collect();
        Self { whole: pieces.join("?").into(), pieces }
    }

    /// With these values, one for each place.
    pub(crate) fn with(&self, values: impl Into<Vec<Param>>) -> Statement {
        let values = values.into();
        debug_assert_eq!(values.len() + 1, self.pieces.len(), "{}", self.whole);
        Statement { template: self.clone(), values }
    }

    /// As it is prepared.
    pub(crate) fn sql(&self) -> SqlStr {
        AssertSqlSafe(self.whole.clone()).into_sql_str()
    }
}

/// A value of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Param {
    /// A text, too, in UTF-8: statements convert it.
    Bytes(Vec<u8>),
    Number(i64),
    Null,
}

/// A statement with its values.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    template: Template,
    values: Vec<Param>,
}

impl Statement {
    /// To be prepared, once on a connection. The values are sent apart from the SQL.
    pub(crate) fn prepared(&self) -> Query<'static, MySql, MySqlArguments> {
        let query = sqlx::query(self.template.sql());
        self.values.iter().fold(query, |query, value| match value {
            Param::Bytes(bytes) => query.bind(bytes.clone()),
            Param::Number(number) => query.bind(*number),
            Param::Null => query.bind(None::<Vec<u8>>),
        })
    }
}

/// Several statements in one text, which the server runs one after the other without waiting for the client. It ends at
/// the first one that fails.
#[derive(Debug, Default)]
pub(crate) struct Script(String);

impl Script {
    /// Adds a statement that has its values in it.
    pub(crate) fn sql(mut self, sql: &str) -> Self {
        self.0.push_str(sql);
        self.0.push_str(";\n");
        self
    }

    pub(crate) fn statement(mut self, statement: &Statement) -> Self {
        let mut values = statement.values.iter();
        for piece in statement.template.pieces.iter() {
            self.0.push_str(piece);
            // There is no value after the last piece.
            if let Some(value) = values.next() {
                push_value(&mut self.0, value);
            }
        }
        self.0.push_str(";\n");
        self
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

/// Bytes are written in hexadecimal, which means the same in every character set.
fn push_value(sql: &mut String, value: &Param) {
    // Writing to a `String` does not fail.
    let _ = match value {
        Param::Bytes(bytes) => {
            push_bytes(sql, bytes);
            Ok(())
        }
        Param::Number(number) => write!(sql, "{number}"),
        Param::Null => write!(sql, "NULL"),
    };
}

fn push_bytes(sql: &mut String, bytes: &[u8]) {
    sql.push_str("x'");
    for byte in bytes {
        let _ = write!(sql, "{byte:02x}");
    }
    sql.push('\'');
}

/// Values as they stand in a list of SQL.
pub(crate) fn list(values: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut sql = String::new();
    for value in values {
        if !sql.is_empty() {
            sql.push_str(", ");
        }
        push_bytes(&mut sql, value.as_ref());
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_mark_in_a_name_is_no_place() {
        let template = Template::new("UPDATE {table} SET a = ?, b = ?, c = ? WHERE d = 1", |piece| {
            piece.replace("{table}", "`why?`")
        });
        assert_eq!(template.sql().as_str(), "UPDATE `why?` SET a = ?, b = ?, c = ? WHERE d = 1");
        let statement = template.with([Param::Bytes(b"k'?".into()), Param::Number(-1), Param::Null]);
        let text = Script::default().sql("START TRANSACTION").statement(&statement).into_text();
        let update = "UPDATE `why?` SET a = x'6b273f', b = -1, c = NULL WHERE d = 1";
        assert_eq!(text, format!("START TRANSACTION;\n{update};\n"));
    }

    #[test]
    fn values_of_a_list() {
        assert_eq!(list(["a'", ""]), "x'6127', x''");
    }
}
