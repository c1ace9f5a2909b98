//! Looks at many keys.

use lessor::Key;
use lessor::storage::{List, Page, Reply};
use lessor_kit::encoding::signed;
use sqlx::postgres::PgConnection;

use crate::binding::statement;
use crate::error::Failure;
use crate::row;
use crate::server::Primary;
use crate::statements::{CLOCK, COLUMNS};

impl Primary {
    /// One statement, which reads a lease more than the page has: the next page begins there.
    pub(crate) async fn list(&self, connection: &mut PgConnection, list: &List) -> Result<Reply, Failure> {
        // No key has this character, and the server takes no text with it.
        if list.prefix.contains('\0') {
            return Ok(Reply::Listed(Page::default()));
        }
        let from = list.start.as_ref().map_or("", Key::as_str).max(&list.prefix);
        let rows = statement(&self.statements.list)
            .bind(String::from(from))
            .bind(after_all(&list.prefix))
            .bind(signed(list.page_size().saturating_add(1) as u64));
        let mut leases = Vec::new();
        for row in self.fetch(connection, rows).await? {
            let key = row::key(&row)?;
            let reading = row::reading(Some(&row), key.as_str())?;
            leases.extend(reading.record.map(|record| (key, record.lease(reading.now_ms))));
        }
        Ok(Reply::Listed(list.page(leases)))
    }
}

/// The first text after all that begin like this, in the order of bytes. `None`: there is none.
fn after_all(prefix: &str) -> Option<String> {
    let mut letters: Vec<char> = prefix.chars().collect();
    while let Some(last) = letters.pop() {
        // In UTF-8 bytes are in the order of characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

pub(crate) fn text(table: &str) -> String {
    format!(
        r#"SELECT {COLUMNS}, {CLOCK} AS now
FROM {table} AS l
WHERE l.key COLLATE "C" >= $1 AND ($2::text IS NULL OR l.key COLLATE "C" < $2)
ORDER BY l.key COLLATE "C" LIMIT $3"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_prefix() {
        assert_eq!(after_all(""), None);
        assert_eq!(after_all("a%_"), Some("a%`".into()));
        assert_eq!(after_all("a\u{10ffff}"), Some("b".into()));
        assert_eq!(after_all("\u{10ffff}\u{10ffff}"), None);
        // What is not a character is left out.
        assert_eq!(after_all("\u{d7ff}"), Some("\u{e000}".into()));
        let (prefix, after) = ("é", after_all("é").unwrap());
        assert!("é\u{10ffff}" < after.as_str() && prefix < after.as_str());
    }
}
