use alloc::format;
use alloc::string::{String, ToString};

use super::error::InvalidName;

/// The longest name that PostgreSQL keeps, in bytes.
const MAX_NAME: usize = 63;

/// The table, as it is named in statements and told to followers.
#[derive(Clone, Debug)]
pub(super) struct Table {
    schema: String,
    name: String,
}

impl Table {
    pub(super) fn standard() -> Self {
        Self { schema: "public".into(), name: "lessor_leases".into() }
    }

    pub(super) fn in_schema(self, schema: &str) -> Result<Self, InvalidName> {
        Ok(Self { schema: checked("schema", schema)?, ..self })
    }

    pub(super) fn named(self, name: &str) -> Result<Self, InvalidName> {
        Ok(Self { name: checked("table", name)?, ..self })
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Schema and name as a statement has them.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// Where its followers listen: a name of their own for each table, and short enough for a channel.
    pub(super) fn channel(&self) -> String {
        let channel = format!("lessor {}", self.quoted());
        if channel.len() <= MAX_NAME { channel } else { format!("lessor {:016x}", fingerprint(channel.as_bytes())) }
    }

    pub(super) fn create_schema(&self) -> String {
        format!("CREATE SCHEMA IF NOT EXISTS {};", quoted(&self.schema))
    }

    pub(super) fn create(&self) -> String {
        format!(
            r#"CREATE TABLE IF NOT EXISTS {table} (
    key     text   COLLATE "C" PRIMARY KEY,
    session bytea,           -- 16 bytes, a secret; NULL: released
    holder  text   NOT NULL, -- the candidate's id
    term    bigint NOT NULL CHECK (term BETWEEN 1 AND 9007199254740991), -- never falls
    version bigint NOT NULL, -- moves at every write
    ttl     bigint NOT NULL, -- ms
    expires bigint NOT NULL, -- ms since 1970, by the server's clock
    value   text
) WITH (fillfactor = 50);"#,
            table = self.quoted()
        )
    }
}

fn checked(field: &'static str, name: &str) -> Result<String, InvalidName> {
    if (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(name.to_string());
    }
    Err(InvalidName { field, given: name.chars().take(80).collect() })
}

/// A delimited identifier: any text, its quotes doubled.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// FNV-1a: the same in every build and version, as those who notify and those who listen have to agree.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R15: a name that breaks a limit is refused; any other is one identifier, whatever is in it.
    #[test]
    fn names() {
        let odd = Table::standard().in_schema("My Schema").unwrap().named(r#"x"; DROP TABLE y; --"#).unwrap();
        assert_eq!(odd.quoted(), r#""My Schema"."x""; DROP TABLE y; --""#);
        assert!(Table::standard().named(&"t".repeat(63)).is_ok());
        for name in ["", "a\0b", "a\nb", &"t".repeat(64), &"é".repeat(32)] {
            assert_eq!(Table::standard().named(name).unwrap_err().field, "table", "{name:?}");
            assert_eq!(Table::standard().in_schema(name).unwrap_err().field, "schema", "{name:?}");
        }
    }

    /// Each table has a channel of its own, of at most 63 bytes.
    #[test]
    fn channels() {
        assert_eq!(Table::standard().channel(), r#"lessor "public"."lessor_leases""#);
        let long = |end: &str| Table::standard().named(&("t".repeat(50) + end)).unwrap().channel();
        assert!(long("a").len() <= MAX_NAME);
        assert_ne!(long("a"), long("b"));
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c, "as published");
    }
}
