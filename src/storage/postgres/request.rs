use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Encode, Postgres, Type};

use super::Shared;
use super::row::{self, term, version};
use super::statements::Text;
use crate::lease::{Key, Lease, Session, Term, Value};
use crate::record::{Acquired, Claim, Record, Renewed, Takeover};
use crate::storage::sql::{self, Reading, UnreadableRow};

/// The shortest time to wait for a lock: 0 would be for ever.
pub(super) const LEAST_PATIENCE: Duration = Duration::from_millis(10);

pub(super) type Statement = Query<'static, Postgres, PgArguments>;

/// The outer error is the driver's, the inner one this key's.
pub(super) type Told<A> = sqlx::Result<Result<A, UnreadableRow>>;

/// One of the operations, for any number of keys in one statement.
pub(super) trait Request: Sync {
    type Answer: Send;

    fn key(&self) -> &Key;

    /// A shorter statement for this one alone, which is mostly enough.
    fn shorter(&self, storage: &Shared) -> Option<Statement> {
        let _ = storage;
        None
    }

    /// What a row of the shorter statement answers. `None`, as without a row: nothing was done, and
    /// [`statement`](Self::statement) has to.
    fn settled(&self, row: &PgRow) -> Told<Option<Self::Answer>> {
        let _ = row;
        Ok(Ok(None))
    }

    /// The statement for these, which waits for a lock no longer than `patience`. It answers a row for each, told apart by its `place` from 1 on.
    fn statement(requests: &[&Self], storage: &Shared, patience: Duration) -> Statement;

    /// `None`: the statement gave no row for this one.
    fn answer(&self, row: Option<&PgRow>) -> Told<Self::Answer>;

    /// Remembers what helps the next time.
    fn learn(&self, answer: &Self::Answer, storage: &Shared) {
        let _ = (answer, storage);
    }
}

fn statement(text: &Arc<str>) -> Statement {
    sqlx::query(AssertSqlSafe(text.clone()))
}

/// The statement for so many requests, its columns bound one after the other.
struct Columns<'r, R>(Statement, &'r [&'r R]);

impl<'r, R> Columns<'r, R> {
    fn new(text: &Text, requests: &'r [&'r R]) -> Self {
        Self(statement(if requests.len() == 1 { &text.one } else { &text.many }), requests)
    }

    /// A parameter for all of them.
    fn bind<T>(self, value: T) -> Self
    where
        T: Encode<'static, Postgres> + Type<Postgres> + Send + 'static,
    {
        Self(self.0.bind(value), self.1)
    }

    /// A column: one value, or an array of them.
    fn column<T>(self, of: impl Fn(&R) -> T) -> Self
    where
        T: Encode<'static, Postgres> + Type<Postgres> + Send + 'static,
        Vec<T>: Encode<'static, Postgres> + Type<Postgres> + Send,
    {
        let Self(statement, requests) = self;
        let statement = match requests {
            [one] => statement.bind(of(one)),
            many => statement.bind(many.iter().map(|request| of(request)).collect::<Vec<_>>()),
        };
        Self(statement, requests)
    }
}

fn wait<'a>(claims: impl Iterator<Item = &'a Claim>, longest: Duration) -> String {
    format!("{}ms", sql::patience(claims, longest, LEAST_PATIENCE).as_millis())
}

fn key(key: &Key) -> String {
    key.as_str().into()
}

fn bytes(session: Session) -> Vec<u8> {
    session.to_bits().to_be_bytes().into()
}

fn ttl(claim: &Claim) -> i64 {
    sql::ttl_ms(claim.ttl)
}

fn value(claim: &Claim) -> Option<String> {
    claim.value.as_ref().map(|value| Value::as_str(value).into())
}

fn reading(row: Option<&PgRow>, key: &Key) -> Told<Reading> {
    row.map_or(Ok(Ok(Reading::NOTHING)), |row| row::reading(row, key))
}

impl Request for Claim {
    type Answer = Acquired;

    fn key(&self) -> &Key {
        &self.key
    }

    /// Who still holds it is asked in vain: a look is the cheapest way to be refused.
    fn shorter(&self, storage: &Shared) -> Option<Statement> {
        storage.held.contains(&self.key).then(|| Key::statement(&[&self.key], storage, LEAST_PATIENCE))
    }

    fn settled(&self, row: &PgRow) -> Told<Option<Acquired>> {
        Ok(reading(Some(row), &self.key)?.map(|Reading { record, now_ms }| {
            let verdict = Record::acquire(record.as_ref(), self, now_ms, Term::FIRST);
            verdict.write.is_none().then_some(verdict.answer)
        }))
    }

    fn statement(requests: &[&Self], storage: &Shared, patience: Duration) -> Statement {
        let unchanged = |claim: &Self| match claim.takeover {
            Takeover::Unchanged(version) => i64::try_from(version.get()).ok(),
            _ => None,
        };
        Columns::new(&storage.statements.acquire, requests)
            .bind(wait(requests.iter().copied(), patience))
            .bind(storage.channel())
            .column(|claim| key(&claim.key))
            .column(|claim| bytes(claim.session))
            .column(|claim| String::from(claim.holder.as_str()))
            .column(ttl)
            .column(value)
            .column(|claim| claim.after.map_or(0, i64::from))
            .column(|claim| claim.takeover == Takeover::Expired)
            .column(unchanged)
            .0
    }

    fn answer(&self, row: Option<&PgRow>) -> Told<Acquired> {
        if let Some(row) = row
            && let Some(term) = term(row, "new_term")?
            && let Some(version) = version(row, "new_version")?
        {
            return Ok(Ok(Acquired::Granted { term, version }));
        }
        Ok(reading(row, &self.key)?.map(|Reading { record, now_ms }| {
            let verdict = Record::acquire(record.as_ref(), self, now_ms, Term::FIRST);
            if verdict.write.is_none() {
                return verdict.answer;
            }
            // Another was faster: what was read is what was there before.
            let lease = record.map(|record| record.lease(now_ms));
            Acquired::Held { lease, retry_after: Duration::ZERO }
        }))
    }

    fn learn(&self, answer: &Acquired, storage: &Shared) {
        let held = matches!(answer, Acquired::Held { retry_after, .. } if !retry_after.is_zero());
        storage.held.set(&self.key, held);
    }
}

impl Request for (Claim, Term) {
    type Answer = Renewed;

    fn key(&self) -> &Key {
        &self.0.key
    }

    fn shorter(&self, storage: &Shared) -> Option<Statement> {
        let (claim, term) = self;
        let statement = statement(&storage.statements.extend)
            .bind(key(&claim.key))
            .bind(bytes(claim.session))
            .bind(String::from(claim.holder.as_str()))
            .bind(ttl(claim))
            .bind(value(claim))
            .bind(i64::from(*term));
        Some(statement)
    }

    fn settled(&self, row: &PgRow) -> Told<Option<Renewed>> {
        Ok(Ok(version(row, "new_version")?.map(|version| Renewed::Extended { version })))
    }

    fn statement(requests: &[&Self], storage: &Shared, patience: Duration) -> Statement {
        Columns::new(&storage.statements.renew, requests)
            .bind(wait(requests.iter().map(|(claim, _)| claim), patience))
            .column(|(claim, _)| key(&claim.key))
            .column(|(claim, _)| bytes(claim.session))
            .column(|(claim, _)| String::from(claim.holder.as_str()))
            .column(|(claim, _)| ttl(claim))
            .column(|(claim, _)| value(claim))
            .column(|(_, term)| i64::from(*term))
            .0
    }

    fn answer(&self, row: Option<&PgRow>) -> Told<Renewed> {
        if let Some(row) = row
            && let Some(version) = version(row, "new_version")?
        {
            return Ok(Ok(Renewed::Extended { version }));
        }
        let (claim, term) = self;
        Ok(reading(row, &claim.key)?.map(|Reading { record, now_ms }| {
            let verdict = Record::renew(record.as_ref(), claim, *term, now_ms);
            if verdict.write.is_none() {
                return verdict.answer;
            }
            // Another was faster, or it expired while the lock was waited for.
            Renewed::Lost(record.map(|record| record.lease(now_ms)))
        }))
    }
}

impl Request for (Key, Session) {
    type Answer = ();

    fn key(&self) -> &Key {
        &self.0
    }

    fn statement(requests: &[&Self], storage: &Shared, patience: Duration) -> Statement {
        Columns::new(&storage.statements.release, requests)
            .bind(wait([].into_iter(), patience))
            .bind(storage.channel())
            .column(|(of, _)| key(of))
            .column(|(_, session)| bytes(*session))
            .0
    }

    fn answer(&self, _: Option<&PgRow>) -> Told<()> {
        Ok(Ok(()))
    }
}

impl Request for Key {
    type Answer = Option<Lease>;

    fn key(&self) -> &Key {
        self
    }

    fn statement(requests: &[&Self], storage: &Shared, _: Duration) -> Statement {
        Columns::new(&storage.statements.get, requests).column(key).0
    }

    fn answer(&self, row: Option<&PgRow>) -> Told<Option<Lease>> {
        Ok(reading(row, self)?.map(|Reading { record, now_ms }| record.map(|record| record.lease(now_ms))))
    }
}
