//! The table that keeps the leases: its names, and how it is created.

use lessor_kit::encoding::fingerprint;
use lessor_kit::error::AdapterError;
use lessor_kit::name::{MAX_IDENTIFIER, identifier, quoted};

/// The table, as it is named in statements and told to followers.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    schema: String,
    name: String,
}

impl Table {
    pub(crate) fn standard() -> Self {
        Self { schema: "public".into(), name: "lessor_leases".into() }
    }

    pub(crate) fn in_schema(self, schema: &str) -> Result<Self, AdapterError> {
        Ok(Self { schema: identifier("schema", schema)?, ..self })
    }

    pub(crate) fn named(self, name: &str) -> Result<Self, AdapterError> {
        Ok(Self { name: identifier("table", name)?, ..self })
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    pub(crate) fn quoted_schema(&self) -> String {
        quoted(&self.schema, '"')
    }

    /// Schema and name as a statement has them.
    pub(crate) fn quoted(&self) -> String {
        format!("{}.{}", self.quoted_schema(), quoted(&self.name, '"'))
    }

    /// Where its followers listen: a name of their own for each table, and short enough for a channel.
    pub(crate) fn channel(&self) -> String {
        let channel = format!("lessor {}", self.quoted());
        if channel.len() <= MAX_IDENTIFIER {
            channel
        } else {
            format!("lessor {:016x}", fingerprint(channel.as_bytes()))
        }
    }

    /// A condition on `pg_namespace AS n` and `pg_class AS c`.
    pub(crate) fn found(&self) -> String {
        format!("n.nspname = {} AND c.relname = {}", literal(&self.schema), literal(&self.name))
    }

    /// Says the table's version.
    pub(crate) fn comment(&self, comment: &str) -> String {
        format!("COMMENT ON TABLE {} IS {};", self.quoted(), literal(comment))
    }

    pub(crate) fn create_schema(&self) -> String {
        format!("CREATE SCHEMA IF NOT EXISTS {};", self.quoted_schema())
    }

    pub(crate) fn create(&self) -> String {
        format!(
            r#"CREATE TABLE IF NOT EXISTS {table} (
    key     text   COLLATE "C" PRIMARY KEY,
    session bytea,           -- 16 bytes, a secret; NULL: released, zeros: revoked, held by nobody until it ends
    id      text   NOT NULL, -- the candidate's; after a release in favour of another, that one's
    term    bigint NOT NULL CHECK (term BETWEEN 1 AND 9007199254740991), -- never falls
    version bigint NOT NULL, -- moves at every write
    ttl     bigint NOT NULL, -- ms
    expires bigint NOT NULL, -- ms since 1970, by the server's clock; released: until when it is reserved
    since   bigint NOT NULL, -- likewise, when the term was granted
    value   text
) WITH (fillfactor = 50);"#,
            table = self.quoted()
        )
    }
}

/// A text as a statement has it, whatever `standard_conforming_strings` is set to.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', r"\\")) } else { format!("'{quoted}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that breaks a limit is refused; any other is one identifier, whatever is in it.
    #[test]
    fn names() {
        let odd = Table::standard().in_schema("My Schema").unwrap().named(r#"x"; DROP TABLE y; --"#).unwrap();
        assert_eq!(odd.quoted(), r#""My Schema"."x""; DROP TABLE y; --""#);
        let refused = |refused: Result<Table, AdapterError>, setting| matches!(refused, Err(AdapterError::InvalidSetting { field, .. }) if field == setting);
        for name in ["", "a\0b", "a\nb", &"t".repeat(64)] {
            assert!(refused(Table::standard().named(name), "table"), "{name:?}");
            assert!(refused(Table::standard().in_schema(name), "schema"), "{name:?}");
        }
    }

    #[test]
    fn texts() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
    }

    /// Each table has a channel of its own, of at most 63 bytes.
    #[test]
    fn channels() {
        assert_eq!(Table::standard().channel(), r#"lessor "public"."lessor_leases""#);
        let long = |end: &str| Table::standard().named(&("t".repeat(50) + end)).unwrap().channel();
        assert!(long("a").len() <= MAX_IDENTIFIER);
        assert_ne!(long("a"), long("b"));
    }
}
