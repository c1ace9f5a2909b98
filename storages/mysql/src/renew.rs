//! Renewals.

use core::time::Duration;
use std::collections::{BTreeMap, HashMap};

use lessor::storage::{Renewal, Renewed, Version};
use lessor::{Key, StorageError, Value};
use lessor_kit::lane::Answer;
use lessor_kit::row::Reading;
use sqlx::mysql::MySqlRow;

use crate::address::Link;
use crate::error::Failure;
use crate::row;
use crate::server::{Primary, settled};
use crate::statements::{READ_CLOCK, TELL_CLOCK};
use crate::transaction::{Outcome, Rows, Step};

/// What became of a renewal in a text for many.
enum Became {
    Extended(Version),
    /// It is the claimant's, but not with these texts: the statement for many changes none.
    Other,
}

impl Primary {
    /// Without a look. What was not extended is looked at: it is lost, or another holds the row's lock.
    pub(crate) async fn renew(&self, link: &mut Link, renewals: &[&Renewal]) -> Result<Vec<Answer>, Failure> {
        let extended: Vec<Option<Version>> = match renewals {
            [renewal] => vec![version(self.write(link, &renewal.key, &self.statements.renew(renewal)).await?)],
            renewals => self.renew_all(link, renewals).await?,
        };
        let open = || renewals.iter().zip(&extended).filter(|(_, extended)| extended.is_none()).map(|(one, _)| *one);
        let missing: Vec<_> = open().collect();
        let keys: Vec<_> = missing.iter().map(|renewal| &renewal.key).collect();
        let readings = self.look(link, &keys).await?;
        let mut looked = missing.iter().zip(readings).map(|(renewal, reading)| not_extended(renewal, reading));
        let answer = |version: Option<Version>| match version {
            Some(version) => Answer::done(Ok(Renewed::extended(version).into())),
            None => looked.next().unwrap_or(Answer::Locked),
        };
        Ok(extended.into_iter().map(answer).collect())
    }

    async fn renew_all(&self, link: &mut Link, renewals: &[&Renewal]) -> Result<Vec<Option<Version>>, Failure> {
        let keys: Vec<_> = renewals.iter().map(|renewal| &renewal.key).collect();
        let script = |open: &[usize], keys: &[&Key]| {
            let mut by_ttl: BTreeMap<Duration, Vec<&Renewal>> = BTreeMap::new();
            for renewal in open.iter().filter_map(|place| renewals.get(*place)) {
                by_ttl.entry(renewal.ttl).or_default().push(renewal);
            }
            let script = self.statements.transaction(keys).sql(&self.statements.about(READ_CLOCK, &[]));
            let script = by_ttl.iter().fold(script, |script, (ttl, some)| {
                script.sql(&self.statements.renew_same(*ttl, some))
            });
            script.sql(TELL_CLOCK).sql("COMMIT")
        };
        let (had, steps) = self.write_free(link, &keys, Rows::There, script).await?;
        let mut became: Vec<Option<Became>> = renewals.iter().map(|_| None).collect();
        if let Some((locked, now_ms)) = locked(&steps)? {
            for place in had {
                if let (Some(renewal), Some(became)) = (renewals.get(place), became.get_mut(place))
                    && let Some(row) = locked.get(renewal.key.as_str().as_bytes())
                {
                    *became = what_became(renewal, row, now_ms)?;
                }
            }
        }
        let extended = became.iter().filter(|became| matches!(became, Some(Became::Extended(_)))).count() as u64;
        // Of another type, or of another character set, a text is never as it was: then each is written by itself.
        let updates = steps.iter().skip(3).take(steps.len().saturating_sub(5));
        let is_as_judged = updates.map(|step| step.result.rows_affected()).sum::<u64>() == extended;
        let others: Vec<usize> = (0..renewals.len())
            .filter(|place| match became.get(*place) {
                Some(Some(Became::Extended(_))) => !is_as_judged,
                Some(Some(Became::Other)) => true,
                _ => false,
            })
            .collect();
        let mut versions: Vec<Option<Version>> = became
            .into_iter()
            .map(|became| match became {
                Some(Became::Extended(version)) => Some(version),
                _ => None,
            })
            .collect();
        if !others.is_empty() {
            let some: Vec<_> = others.iter().filter_map(|place| renewals.get(*place)).collect();
            let keys: Vec<_> = some.iter().map(|renewal| &renewal.key).collect();
            let statements: Vec<_> = some.iter().map(|renewal| self.statements.renew(renewal)).collect();
            let outcomes = self.write_each(link, &keys, &statements).await?;
            for (place, outcome) in others.into_iter().zip(outcomes) {
                if let Some(open) = versions.get_mut(place) {
                    *open = version(outcome);
                }
            }
        }
        Ok(versions)
    }
}

/// The locked rows by their keys, and the clock that was read after all of them were locked.
fn locked(steps: &[Step]) -> Result<Option<(HashMap<&[u8], &MySqlRow>, i64)>, Failure> {
    let (Some(lock), Some(clock)) = (steps.get(1), steps.iter().rev().nth(1)) else { return Ok(None) };
    let Some(now_ms) = clock.rows.first().map(|row| row::column::<i64>(row, "now")).transpose()?.flatten() else {
        return Ok(None);
    };
    let mut locked = HashMap::new();
    for row in &lock.rows {
        locked.insert(row::key_bytes(row)?, row);
    }
    Ok(Some((locked, now_ms)))
}

/// As the statement has judged the row, which was locked before and after. `None`: it is not the claimant's, or has
/// expired.
fn what_became(renewal: &Renewal, row: &MySqlRow, now_ms: i64) -> Result<Option<Became>, Failure> {
    let expires = row::column::<i64>(row, "expires")?;
    let term = row::column::<i64>(row, "term")?;
    if row::session(row)? != Some(renewal.session)
        || term != Some(renewal.term.into())
        || expires.is_none_or(|expires| expires <= now_ms)
    {
        return Ok(None);
    }
    let id = row::column::<&[u8]>(row, "id")?;
    let value = row::column::<&[u8]>(row, "value")?;
    let is_same = id == Some(renewal.id.as_str().as_bytes())
        && value == renewal.value.as_ref().map(Value::as_str).map(str::as_bytes);
    let version = row::column::<i64>(row, "version")?.unwrap_or_default();
    Ok(Some(if is_same { Became::Extended(Version::new(version.cast_unsigned()).next()) } else { Became::Other }))
}

fn version(outcome: Outcome) -> Option<Version> {
    match outcome {
        Outcome::Written { said } => Some(Version::new(said)),
        Outcome::Unmet | Outcome::Locked => None,
    }
}

/// By what was seen after it: lost, or still the claimant's, but locked.
fn not_extended(renewal: &Renewal, reading: Result<Reading, StorageError>) -> Answer {
    match reading {
        Ok(reading) => match settled(&renewal.clone().into(), &reading) {
            Some(lost) => Answer::seen(lost, reading),
            None => Answer::Locked,
        },
        Err(error) => Answer::done(Err(error)),
    }
}
