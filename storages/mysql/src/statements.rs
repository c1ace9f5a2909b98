//! The statements for one table. The [crate's documentation](crate) shows them, and says why they are safe.

use core::time::Duration;

use lessor::storage::{List, Record, Release, Renewal, Session};
use lessor::{Id, Key, Value};
use lessor_kit::encoding::{session_to_bytes, signed, ttl_ms, within_ms};

use crate::statement::{Param, Script, Statement, Template, list};

/// The server's clock when it is asked, in whole ms since 1970: sessions are in UTC. Not `NOW`, which is when the
/// statement began: before any wait for a lock.
pub(crate) const CLOCK: &str = "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', SYSDATE(6)) DIV 1000)";

pub(crate) const LOOK: &str = "\
SELECT l.`key`, l.session, CAST(l.id AS BINARY) AS id, l.term, l.version, l.ttl, l.expires, l.since,
    CAST(l.value AS BINARY) AS value, {clock} AS now
FROM {table} AS l WHERE l.`key` IN ({keys})";

pub(crate) const LIST: &str = "\
SELECT l.`key`, l.session, CAST(l.id AS BINARY) AS id, l.term, l.version, l.ttl, l.expires, l.since,
    CAST(l.value AS BINARY) AS value, {clock} AS now
FROM {table} AS l WHERE l.`key` >= ? AND l.`key` < ? ORDER BY l.`key` LIMIT ?";

pub(crate) const CREATE: &str = "\
INSERT INTO {table} (`key`, session, id, term, version, ttl, expires, since, value)
VALUES (?, ?, CONVERT(CAST(? AS BINARY) USING utf8mb4), ?, ?, ?, {clock} + ?, {clock},
    CONVERT(CAST(? AS BINARY) USING utf8mb4))";

/// Follows [`CREATE`] in a text, where one row that is there already should not end it. [`SEE`] tells which those are.
pub(crate) const OR_LEAVE: &str = "\nON DUPLICATE KEY UPDATE version = version";

/// The rows that were written since [`READ_CLOCK`].
pub(crate) const SEE: &str = "\
SELECT l.`key`, l.session, l.term, l.version, l.ttl, CAST(l.value AS BINARY) AS value
FROM {table} AS l FORCE INDEX (PRIMARY) WHERE l.`key` IN ({keys}) AND l.expires >= @lessor_now + l.ttl";

pub(crate) const GRANT: &str = "\
UPDATE {table} AS l FORCE INDEX (PRIMARY) SET
    l.session = ?, l.id = CONVERT(CAST(? AS BINARY) USING utf8mb4),
    l.value = CONVERT(CAST(? AS BINARY) USING utf8mb4),
    l.term = ?, l.version = ?, l.ttl = ?, l.expires = {clock} + ?, l.since = IF(?, {clock}, l.since)
WHERE l.`key` = ? AND l.version = ? AND l.term = ? AND l.session <=> ? AND (? OR l.expires > {clock})";

pub(crate) const RENEW: &str = "\
UPDATE {table} AS l FORCE INDEX (PRIMARY) SET
    l.id = CONVERT(CAST(? AS BINARY) USING utf8mb4),
    l.value = CONVERT(CAST(? AS BINARY) USING utf8mb4),
    l.version = LAST_INSERT_ID(l.version + 1), l.ttl = GREATEST(?, LEAST(l.expires - {clock}, l.ttl)),
    l.expires = {clock} + GREATEST(?, LEAST(l.expires - {clock}, l.ttl))
WHERE l.`key` = ? AND l.session = ? AND l.term = ? AND l.expires > {clock}";

pub(crate) const RELEASE: &str = "\
UPDATE {table} AS l FORCE INDEX (PRIMARY) SET
    l.session = NULL, l.version = l.version + 1, l.id = COALESCE(CONVERT(CAST(? AS BINARY) USING utf8mb4), l.id),
    l.ttl = COALESCE(?, l.ttl), l.expires = COALESCE({clock} + ?, 0)
WHERE l.`key` = ? AND l.session = ?";

pub(crate) const REVOKE: &str = "\
UPDATE {table} AS l FORCE INDEX (PRIMARY) SET
    l.session = ?, l.term = ?, l.version = ?, l.expires = ?, l.since = {clock}
WHERE l.`key` = ? AND l.version = ? AND l.term = ? AND l.session <=> ?";

/// Locks the rows, or fails at once.
pub(crate) const LOCK: &str = "\
SELECT l.`key`, l.session, l.id, l.term, l.version, l.expires, l.value
FROM {table} AS l FORCE INDEX (PRIMARY) WHERE l.`key` IN ({keys}) FOR UPDATE NOWAIT";

pub(crate) const READ_CLOCK: &str = "SET @lessor_now = {clock}";

/// Of locked rows, those that are still as they were left.
pub(crate) const RENEW_SAME: &str = "\
UPDATE {table} AS l FORCE INDEX (PRIMARY) SET
    l.version = l.version + 1, l.ttl = GREATEST({ttl}, LEAST(l.expires - @lessor_now, l.ttl)),
    l.expires = @lessor_now + GREATEST({ttl}, LEAST(l.expires - @lessor_now, l.ttl))
WHERE l.`key` IN ({keys}) AND l.expires > @lessor_now
    AND CONCAT(l.session, l.term, x'0a', l.`key`, x'0a', l.id, COALESCE(CONCAT(x'0a', l.value), '')) IN ({marks})";

pub(crate) const TELL_CLOCK: &str = "SELECT @lessor_now AS now";

/// Of locked rows, those that have this session. It reserves nothing.
pub(crate) const RELEASE_SAME: &str = "\
UPDATE {table} AS l FORCE INDEX (PRIMARY) SET l.session = NULL, l.version = l.version + 1, l.expires = 0
WHERE l.`key` IN ({keys}) AND CONCAT(l.session, l.`key`) IN ({marks})";

/// The rows that nobody has locked.
pub(crate) const FREE: &str = "\
SELECT l.`key` FROM {table} AS l FORCE INDEX (PRIMARY) WHERE l.`key` IN ({keys}) FOR UPDATE SKIP LOCKED";

/// The rows that are there, also those that are not committed yet.
pub(crate) const TAKEN: &str = "\
SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;
SELECT l.`key` FROM {table} AS l FORCE INDEX (PRIMARY) WHERE l.`key` IN ({keys})";

/// The statements for one table.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    table: String,
    look: Template,
    list: Template,
    create: Template,
    create_or_leave: Template,
    grant: Template,
    renew: Template,
    release: Template,
    revoke: Template,
}

impl Statements {
    /// The table is quoted.
    pub(crate) fn new(table: &str) -> Self {
        let look = LOOK.replace("{keys}", "?");
        let create_or_leave = [CREATE, OR_LEAVE].concat();
        let [look, list, create, create_or_leave, grant, renew, release, revoke] =
            [&look, LIST, CREATE, &create_or_leave, GRANT, RENEW, RELEASE, REVOKE].map(|sql| template(sql, table));
        Self { table: table.into(), look, list, create, create_or_leave, grant, renew, release, revoke }
    }

    /// What every candidate needs: a look, which everybody may, and what not everybody may.
    pub(crate) const fn of_every_candidate(&self) -> (&Template, [&Template; 4]) {
        (&self.look, [&self.renew, &self.release, &self.create, &self.grant])
    }

    /// The row of a key, as last committed. It locks nothing, and waits for nobody.
    pub(crate) fn look(&self, of: &Key) -> Statement {
        self.look.with([key(of)])
    }

    /// A statement without places for values, about these keys.
    pub(crate) fn about(&self, sql: &str, keys: &[&Key]) -> String {
        // The values last: nothing in them is to be replaced.
        complete(sql, &self.table, &[("{keys}", &list(keys.iter().map(|key| key.as_str())))])
    }

    /// One row more than the page has, to see whether there is a next one.
    pub(crate) fn list(&self, list: &List) -> Statement {
        let prefix = list.prefix.as_bytes();
        let from = list.start.as_ref().map_or(prefix, |from| from.as_str().as_bytes().max(prefix));
        // No byte of UTF-8 is 0xff: after all keys that begin with the prefix, and before all others that follow.
        let end = [prefix, &[0xff]].concat();
        let limit = i64::try_from(list.page_size().saturating_add(1)).unwrap_or(i64::MAX);
        self.list.with([Param::Bytes(from.into()), Param::Bytes(end), Param::Number(limit)])
    }

    /// The first record of a key.
    pub(crate) fn create(&self, of: &Key, record: &Record) -> Statement {
        self.create.with(Self::first(of, record))
    }

    /// As [`create`](Self::create), but a row that is there is no error.
    pub(crate) fn create_or_leave(&self, of: &Key, record: &Record) -> Statement {
        self.create_or_leave.with(Self::first(of, record))
    }

    fn first(of: &Key, record: &Record) -> [Param; 8] {
        [
            key(of),
            session_of(record),
            id(&record.id),
            Param::Number(record.term.into()),
            version(record),
            ttl(Duration::from_millis(record.ttl_ms)),
            ttl(Duration::from_millis(record.ttl_ms)),
            value(record.value.as_ref()),
        ]
    }

    /// A grant in the place of the record that was seen, if that is still there.
    ///
    /// The term of a reign is repeated only while its lease lives, and goes on as long as it has lasted.
    pub(crate) fn grant(&self, of: &Key, seen: &Record, record: &Record) -> Statement {
        let new_term = Param::Number((record.term != seen.term).into());
        self.grant.with([
            session_of(record),
            id(&record.id),
            value(record.value.as_ref()),
            Param::Number(record.term.into()),
            version(record),
            ttl(Duration::from_millis(record.ttl_ms)),
            ttl(Duration::from_millis(record.ttl_ms)),
            new_term.clone(),
            key(of),
            version(seen),
            Param::Number(seen.term.into()),
            session_of(seen),
            new_term,
        ])
    }

    /// Says the new version in the place of the last inserted id.
    pub(crate) fn renew(&self, renewal: &Renewal) -> Statement {
        self.renew.with([
            id(&renewal.id),
            value(renewal.value.as_ref()),
            ttl(renewal.ttl),
            ttl(renewal.ttl),
            key(&renewal.key),
            session(renewal.session),
            Param::Number(renewal.term.into()),
        ])
    }

    /// Those of one ttl, and whose texts are as they were.
    pub(crate) fn renew_same(&self, ttl: Duration, renewals: &[&Renewal]) -> String {
        let keys = list(renewals.iter().map(|renewal| renewal.key.as_str()));
        let marks = list(renewals.iter().map(|renewal| mark(renewal)));
        let ttl = ttl_ms(ttl).to_string();
        complete(RENEW_SAME, &self.table, &[("{ttl}", &ttl), ("{keys}", &keys), ("{marks}", &marks)])
    }

    pub(crate) fn release(&self, release: &Release) -> Statement {
        let successor = release.successor.as_ref();
        let within = successor.map_or(Param::Null, |successor| Param::Number(within_ms(successor.within)));
        self.release.with([
            successor.map_or(Param::Null, |successor| id(&successor.id)),
            within.clone(),
            within,
            key(&release.key),
            session(release.session),
        ])
    }

    /// Those that reserve nothing.
    pub(crate) fn release_same(&self, releases: &[&Release]) -> String {
        let keys = list(releases.iter().map(|release| release.key.as_str()));
        let mark =
            |release: &&Release| [&session_to_bytes(release.session)[..], release.key.as_str().as_bytes()].concat();
        let marks = list(releases.iter().map(mark));
        complete(RELEASE_SAME, &self.table, &[("{keys}", &keys), ("{marks}", &marks)])
    }

    /// Takes the lease that was seen from its holder, if it is still as it was.
    pub(crate) fn revoke(&self, of: &Key, seen: &Record, record: &Record) -> Statement {
        self.revoke.with([
            session_of(record),
            Param::Number(record.term.into()),
            version(record),
            Param::Number(record.expires_ms.cast_signed()),
            key(of),
            version(seen),
            Param::Number(seen.term.into()),
            session_of(seen),
        ])
    }

    /// A transaction that locks the rows of these keys first, or fails at once.
    pub(crate) fn transaction(&self, keys: &[&Key]) -> Script {
        Script::default().sql("START TRANSACTION").sql(&self.about(LOCK, keys))
    }
}

/// What a row has to be for a renewal that changes none of its texts: none of them has a line feed, and a session has 16
/// bytes, so that no two make the same mark.
fn mark(renewal: &Renewal) -> Vec<u8> {
    let mut mark = Vec::from(session_to_bytes(renewal.session));
    mark.extend(renewal.term.get().to_string().bytes());
    for text in [renewal.key.as_str(), renewal.id.as_str()].into_iter().chain(renewal.value.as_ref().map(Value::as_str))
    {
        mark.push(b'\n');
        mark.extend(text.bytes());
    }
    mark
}

fn template(sql: &str, table: &str) -> Template {
    Template::new(sql, |piece| complete(piece, table, &[]))
}

/// Puts these in their places. What they bring in is not looked at again.
fn complete(sql: &str, table: &str, more: &[(&str, &str)]) -> String {
    let mut rest = sql;
    let mut done = String::new();
    while let Some((before, after)) = rest.split_once('{') {
        done.push_str(before);
        let places = [("{clock}", CLOCK), ("{table}", table)].into_iter().chain(more.iter().copied());
        let place = places.into_iter().find_map(|(name, text)| Some((text, after.strip_prefix(name.get(1..)?)?)));
        let (text, after) = place.unwrap_or(("{", after));
        done.push_str(text);
        rest = after;
    }
    done + rest
}

fn key(key: &Key) -> Param {
    Param::Bytes(key.as_str().into())
}

fn id(id: &Id) -> Param {
    Param::Bytes(id.as_str().into())
}

fn value(value: Option<&Value>) -> Param {
    value.map_or(Param::Null, |value| Param::Bytes(value.as_str().into()))
}

fn session(session: Session) -> Param {
    Param::Bytes(session_to_bytes(session).into())
}

fn session_of(record: &Record) -> Param {
    record.session.map_or(Param::Null, session)
}

fn version(record: &Record) -> Param {
    Param::Number(signed(record.version.get()))
}

fn ttl(ttl: Duration) -> Param {
    Param::Number(ttl_ms(ttl))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::SET_UP;
    use crate::opening::LIMITS;

    /// What the documentation shows, and gives reasons for, is what runs.
    #[test]
    fn the_documentation_shows_what_runs() {
        let lines: Vec<_> = include_str!("lib.rs").lines().map_while(|line| line.strip_prefix("//!")).collect();
        let documented: Vec<_> = lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let documented = documented.join("\n");
        assert!(documented.contains(&format!("`clock` stands for `{CLOCK}`")));
        assert!(documented.contains(&format!("`{}`", OR_LEAVE.trim())));
        assert!(documented.contains(&format!("```sql\n{SET_UP}\n```")), "{SET_UP}");
        assert!(documented.contains(&format!("```sql\n{LIMITS}\n```")), "{LIMITS}");
        for sql in [
            LOOK,
            LIST,
            CREATE,
            SEE,
            GRANT,
            RENEW,
            LOCK,
            READ_CLOCK,
            RENEW_SAME,
            TELL_CLOCK,
            RELEASE,
            RELEASE_SAME,
            REVOKE,
            FREE,
            TAKEN,
        ] {
            let shown = sql.replace("{keys}", "?, ..").replace("{marks}", "?, ..").replace("{ttl}", "?");
            let shown = complete(&shown.replace("{clock}", "clock"), "lessor_leases", &[]);
            assert!(documented.contains(&format!("```sql\n{shown}\n```")), "{shown}");
        }
    }

    /// The longest flight is a shorter text than the server is asked to take.
    #[test]
    fn the_longest_text() {
        use lessor::Term;
        use lessor::storage::Claim;
        use lessor_kit::row::Reading;

        let statements = Statements::new(&"t".repeat(130));
        let value = |length: usize| Value::new("v".repeat(length)).unwrap();
        // As many keys as travel together, and as many bytes: in the keys, or in the values.
        for (count, key_length, value_length) in [(1_024, 256, 600), (250, 10, 4_096)] {
            let key = |number: usize| Key::new(format!("{number:0key_length$}")).unwrap();
            let id = Id::new("i".repeat(128)).unwrap();
            let (session, hour) = (Session::from_bits(1), Duration::from_secs(3600));
            let renewal = |number| {
                Renewal::new(key(number), id.clone(), session, Term::FIRST, hour).value(Some(value(value_length)))
            };
            let renewals: Vec<_> = (0..count).map(renewal).collect();
            let renewals: Vec<_> = renewals.iter().collect();
            let keys: Vec<_> = renewals.iter().map(|renewal| &renewal.key).collect();
            let renewed = statements.transaction(&keys).sql(&statements.renew_same(hour, &renewals));
            let claim = |number| Claim::new(key(number), id.clone(), session, hour).value(Some(value(value_length)));
            let judged = |number| {
                let Reading { record, .. } = Reading::absent(0);
                Record::judge(record.as_ref(), &claim(number).into(), 0, Term::FIRST).write.unwrap()
            };
            let records: Vec<_> = (0..count).map(judged).collect();
            let each = |statement: &dyn Fn(&Key, &Record) -> Statement| {
                let all = keys.iter().zip(&records);
                all.fold(statements.transaction(&keys), |script, (key, record)| {
                    script.statement(&statement(key, record))
                })
            };
            let granted = each(&|key, record| statements.grant(key, record, record));
            let created = each(&|key, record| statements.create_or_leave(key, record));
            for script in [renewed, granted, created] {
                let length = script.into_text().len();
                assert!(length < crate::check::LONGEST_TEXT as usize / 2, "{length}");
            }
        }
    }

    /// Nothing that a value brings in is taken for a place.
    #[test]
    fn what_is_put_in_is_not_looked_at_again() {
        let done = complete("{table}.{keys} {clock", "`{keys}`", &[("{keys}", "{table}")]);
        assert_eq!(done, "`{keys}`.{table} {clock");
    }
}
