//! The table, and how it is named in statements.

use lessor_kit::error::AdapterError;
use lessor_kit::name::{checked, quoted};
use lessor_kit::version::mark;

/// The longest name that MySQL keeps, in characters.
const MAX_NAME: usize = 64;

/// Where the leases are.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// `None`: that of the connection.
    database: Option<String>,
    name: String,
}

impl Table {
    pub(crate) fn standard() -> Self {
        Self { database: None, name: "lessor_leases".into() }
    }

    pub(crate) fn in_database(self, database: &str) -> Result<Self, AdapterError> {
        Ok(Self { database: Some(checked_name("database", database)?), ..self })
    }

    pub(crate) fn named(self, name: &str) -> Result<Self, AdapterError> {
        Ok(Self { name: checked_name("table", name)?, ..self })
    }

    pub(crate) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Database and name as a statement has them.
    pub(crate) fn quoted(&self) -> String {
        let name = quoted(&self.name, '`');
        self.database.as_ref().map_or_else(|| name.clone(), |database| format!("{}.{name}", quoted(database, '`')))
    }

    /// Says the table's version.
    pub(crate) fn comment(&self, comment: &str) -> String {
        format!("ALTER TABLE {} COMMENT = {};", self.quoted(), literal(comment))
    }

    /// `None`: no database was named.
    pub(crate) fn create_database(&self) -> Option<String> {
        Some(format!("CREATE DATABASE IF NOT EXISTS {};", quoted(self.database.as_ref()?, '`')))
    }

    pub(crate) fn create(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {table} (
    `key`   varbinary(256) PRIMARY KEY, -- UTF-8, compared byte by byte
    session binary(16),                 -- a secret; NULL: released, zeros: revoked, held by nobody until it ends
    id      varchar(128) NOT NULL,      -- the candidate's; after a release in favour of another, that one's
    term    bigint       NOT NULL CHECK (term BETWEEN 1 AND 9007199254740991), -- never falls
    version bigint       NOT NULL,      -- moves at every write
    ttl     bigint       NOT NULL,      -- ms
    expires bigint       NOT NULL,      -- ms since 1970, by the server's clock; released: until when it is reserved
    since   bigint       NOT NULL,      -- when the term was granted, as expires
    value   varchar(4096)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT = {comment};",
            table = self.quoted(),
            comment = literal(&mark())
        )
    }
}

/// A text, where the server takes no expression: the sessions' `sql_mode` takes backslashes for what they are in C.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

/// MySQL keeps no characters beyond U+FFFF in a name, and no spaces at its end.
fn checked_name(field: &'static str, name: &str) -> Result<String, AdapterError> {
    let fits = |name: &str| {
        (1..=MAX_NAME).contains(&name.chars().count())
            && !name.ends_with(char::is_whitespace)
            && !name.chars().any(|character| character.is_control() || character > '\u{ffff}')
    };
    checked(field, name, fits, "1 to 64 characters up to U+FFFF, no control characters, no space at the end")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that breaks a limit is refused; any other is one identifier, whatever is in it.
    #[test]
    fn names() {
        let odd = Table::standard().in_database("My Database").unwrap().named("x`; DROP TABLE y; --").unwrap();
        assert_eq!(odd.quoted(), "`My Database`.`x``; DROP TABLE y; --`");
        assert_eq!(Table::standard().quoted(), "`lessor_leases`");
        assert!(Table::standard().named(&"é".repeat(64)).is_ok());
        for name in ["", "a\0b", "a\nb", "a ", "☃\u{1f600}", &"t".repeat(65)] {
            for (refused, named) in
                [(Table::standard().named(name), "table"), (Table::standard().in_database(name), "database")]
            {
                let error = refused.unwrap_err();
                assert!(matches!(error, AdapterError::InvalidSetting { field, .. } if field == named), "{name:?}");
            }
        }
    }
}
