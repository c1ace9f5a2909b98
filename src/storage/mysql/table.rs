use alloc::format;
use alloc::string::{String, ToString};

use super::error::InvalidName;

/// The longest name that MySQL keeps, in characters.
const MAX_NAME: usize = 64;

/// The table, as it is named in statements.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// `None`: that of the connection.
    database: Option<String>,
    name: String,
}

impl Table {
    pub(super) fn standard() -> Self {
        Self { database: None, name: "lessor_leases".into() }
    }

    pub(super) fn in_database(self, database: &str) -> Result<Self, InvalidName> {
        Ok(Self { database: Some(checked("database", database)?), ..self })
    }

    pub(super) fn named(self, name: &str) -> Result<Self, InvalidName> {
        Ok(Self { name: checked("table", name)?, ..self })
    }

    pub(super) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Database and name as a statement has them.
    pub(super) fn quoted(&self) -> String {
        let name = quoted(&self.name);
        self.database.as_ref().map_or_else(|| name.clone(), |database| format!("{}.{name}", quoted(database)))
    }

    pub(super) fn create_database(&self) -> Option<String> {
        Some(format!("CREATE DATABASE IF NOT EXISTS {};", quoted(self.database.as_ref()?)))
    }

    pub(super) fn create(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {table} (
    `key`   varbinary(256) PRIMARY KEY, -- UTF-8, compared byte by byte
    session binary(16),                 -- a secret; NULL: released
    holder  varchar(128) NOT NULL,      -- the candidate's id
    term    bigint       NOT NULL CHECK (term BETWEEN 1 AND 9007199254740991), -- never falls
    version bigint       NOT NULL,      -- moves at every write
    ttl     bigint       NOT NULL,      -- ms
    expires bigint       NOT NULL,      -- ms since 1970, by the server's clock
    value   varchar(4096)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;",
            table = self.quoted()
        )
    }
}

/// MySQL keeps no characters beyond U+FFFF in a name, and no spaces at its end.
fn checked(field: &'static str, name: &str) -> Result<String, InvalidName> {
    let fits = (1..=MAX_NAME).contains(&name.chars().count()) && !name.ends_with(char::is_whitespace);
    if fits && !name.chars().any(|character| character.is_control() || character > '\u{ffff}') {
        return Ok(name.to_string());
    }
    Err(InvalidName { field, given: name.chars().take(80).collect() })
}

/// A delimited identifier in every `sql_mode`: any text, its quotes doubled.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R15: a name that breaks a limit is refused; any other is one identifier, whatever is in it.
    #[test]
    fn names() {
        let odd = Table::standard().in_database("My Database").unwrap().named("x`; DROP TABLE y; --").unwrap();
        assert_eq!(odd.quoted(), "`My Database`.`x``; DROP TABLE y; --`");
        assert_eq!(Table::standard().quoted(), "`lessor_leases`");
        assert!(Table::standard().named(&"é".repeat(64)).is_ok());
        for name in ["", "a\0b", "a\nb", "a ", "☃\u{1f600}", &"t".repeat(65)] {
            assert_eq!(Table::standard().named(name).unwrap_err().field, "table", "{name:?}");
            assert_eq!(Table::standard().in_database(name).unwrap_err().field, "database", "{name:?}");
        }
    }
}
