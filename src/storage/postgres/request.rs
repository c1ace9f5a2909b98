use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};

use super::Shared;
use super::error::UnreadableRow;
use super::row::{Reading, term, version};
use crate::lease::{Key, Lease, Session, Term, Value};
use crate::record::{Acquired, Claim, Record, Renewed, Takeover, whole_ms};

/// The shortest time to wait for a lock: 0 would be for ever.
const LEAST_PATIENCE: Duration = Duration::from_millis(10);

pub(super) type Statement = Query<'static, Postgres, PgArguments>;

/// The outer error is the driver's, the inner one this key's.
pub(super) type Told<A> = sqlx::Result<Result<A, UnreadableRow>>;

/// One of the operations, for any number of keys in one statement.
pub(super) trait Request: Sync {
    type Answer: Send;

    fn key(&self) -> &Key;

    /// The statement for these. It answers a row for each, told apart by its `place` from 1 on.
    fn statement(requests: &[&Self], storage: &Shared) -> Statement;

    /// `None`: the statement gave no row for this one.
    fn answer(&self, row: Option<&PgRow>) -> Told<Self::Answer>;
}

fn statement(text: &Arc<str>) -> Statement {
    sqlx::query(AssertSqlSafe(text.clone()))
}

/// A storage waits for a lock no longer than a tenth of the ttl: a candidate waits for a fifth.
fn patience<'a>(claims: impl Iterator<Item = &'a Claim>, longest: Duration) -> String {
    let patience = claims.map(|claim| claim.ttl / 10).fold(longest, Duration::min).max(LEAST_PATIENCE);
    format!("{}ms", patience.as_millis())
}

/// A column of all requests.
fn column<R, T>(requests: &[&R], of: impl Fn(&R) -> T) -> Vec<T> {
    requests.iter().map(|request| of(request)).collect()
}

fn key(key: &Key) -> String {
    key.as_str().into()
}

fn bytes(session: Session) -> Vec<u8> {
    session.to_bits().to_be_bytes().into()
}

/// 1 ms at least, and 285,000 years at most, which can be added to any time.
fn ttl(claim: &Claim) -> i64 {
    whole_ms(claim.ttl).clamp(1, (1 << 53) - 1).cast_signed()
}

fn value(claim: &Claim) -> Option<String> {
    claim.value.as_ref().map(|value| Value::as_str(value).into())
}

fn reading(row: Option<&PgRow>, key: &Key) -> Told<Reading> {
    row.map_or(Ok(Ok(Reading::NOTHING)), |row| Reading::of(row, key))
}

impl Request for Claim {
    type Answer = Acquired;

    fn key(&self) -> &Key {
        &self.key
    }

    fn statement(requests: &[&Self], storage: &Shared) -> Statement {
        let unchanged = |claim: &Self| match claim.takeover {
            Takeover::Unchanged(version) => i64::try_from(version.get()).ok(),
            _ => None,
        };
        statement(&storage.statements.acquire)
            .bind(patience(requests.iter().copied(), storage.lock_timeout))
            .bind(storage.channel())
            .bind(column(requests, |claim| key(&claim.key)))
            .bind(column(requests, |claim| bytes(claim.session)))
            .bind(column(requests, |claim| String::from(claim.holder.as_str())))
            .bind(column(requests, ttl))
            .bind(column(requests, value))
            .bind(column(requests, |claim| claim.after.map_or(0, i64::from)))
            .bind(column(requests, |claim| claim.takeover == Takeover::Expired))
            .bind(column(requests, unchanged))
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
}

impl Request for (Claim, Term) {
    type Answer = Renewed;

    fn key(&self) -> &Key {
        &self.0.key
    }

    fn statement(requests: &[&Self], storage: &Shared) -> Statement {
        statement(&storage.statements.renew)
            .bind(patience(requests.iter().map(|(claim, _)| claim), storage.lock_timeout))
            .bind(column(requests, |(claim, _)| key(&claim.key)))
            .bind(column(requests, |(claim, _)| bytes(claim.session)))
            .bind(column(requests, |(claim, _)| String::from(claim.holder.as_str())))
            .bind(column(requests, |(claim, _)| ttl(claim)))
            .bind(column(requests, |(claim, _)| value(claim)))
            .bind(column(requests, |(_, term)| i64::from(*term)))
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

    fn statement(requests: &[&Self], storage: &Shared) -> Statement {
        statement(&storage.statements.release)
            .bind(patience([].into_iter(), storage.lock_timeout))
            .bind(storage.channel())
            .bind(column(requests, |(of, _)| key(of)))
            .bind(column(requests, |(_, session)| bytes(*session)))
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

    fn statement(requests: &[&Self], storage: &Shared) -> Statement {
        statement(&storage.statements.get).bind(column(requests, key))
    }

    fn answer(&self, row: Option<&PgRow>) -> Told<Option<Lease>> {
        Ok(reading(row, self)?.map(|Reading { record, now_ms }| record.map(|record| record.lease(now_ms))))
    }
}
