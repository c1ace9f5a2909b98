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
use crate::server::Primary;
use crate::statement::Script;
use crate::statements::{READ_CLOCK, TELL_CLOCK};
use crate::transaction::{Outcome, Rows};

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

    /// The new version of each that was extended.
    async fn renew_all(&self, link: &mut Link, renewals: &[&Renewal]) -> Result<Vec<Option<Version>>, Failure> {
        let became = self.extend_all(link, renewals).await?;
        let mut others = Vec::new();
        let mut versions = Vec::with_capacity(renewals.len());
        for (place, (became, renewal)) in became.into_iter().zip(renewals).enumerate() {
            if let Some(Became::Other) = became {
                others.push((place, *renewal));
            }
            versions.push(match became {
                Some(Became::Extended(version)) => Some(version),
                _ => None,
            });
        }
        if !others.is_empty() {
            let keys: Vec<_> = others.iter().map(|(_, renewal)| &renewal.key).collect();
            let statements: Vec<_> = others.iter().map(|(_, renewal)| self.statements.renew(renewal)).collect();
            for ((place, _), outcome) in others.iter().zip(self.write_each(link, &keys, &statements).await?) {
                if let Some(open) = versions.get_mut(*place) {
                    *open = version(outcome);
                }
            }
        }
        Ok(versions)
    }

    /// Those that change no text. `None`: it is locked, or not the claimant's, or has expired.
    async fn extend_all(&self, link: &mut Link, renewals: &[&Renewal]) -> Result<Vec<Option<Became>>, Failure> {
        let keys: Vec<_> = renewals.iter().map(|renewal| &renewal.key).collect();
        let script = |open: &[usize], keys: &[&Key]| {
            let mut by_ttl: BTreeMap<Duration, Vec<&Renewal>> = BTreeMap::new();
            for renewal in open.iter().filter_map(|place| renewals.get(*place)) {
                by_ttl.entry(renewal.ttl).or_default().push(renewal);
            }
            let script = self.statements.transaction(keys).sql(&self.statements.about(READ_CLOCK, &[]));
            let extend = |script: Script, (ttl, some): (&Duration, &Vec<&Renewal>)| {
                script.sql(&self.statements.renew_same(*ttl, some))
            };
            by_ttl.iter().fold(script, extend).sql(TELL_CLOCK).sql("COMMIT")
        };
        let (had, steps) = self.write_free(link, &keys, Rows::There, script).await?;
        let mut became: Vec<_> = renewals.iter().map(|_| None).collect();
        let [_start, lock, _clock, updates @ .., clock, _commit] = &steps[..] else { return Ok(became) };
        let now_ms = clock.rows.first().map(|row| row::column::<i64>(row, "now")).transpose()?.flatten();
        let Some(now_ms) = now_ms else { return Err(Failure::Refused(StorageError::unfit())) };
        let mut locked = HashMap::new();
        for row in &lock.rows {
            locked.insert(row::key_bytes(row)?, row);
        }
        let mut extended = 0;
        for place in had {
            if let (Some(renewal), Some(became)) = (renewals.get(place), became.get_mut(place))
                && let Some(row) = locked.get(renewal.key.as_str().as_bytes())
            {
                *became = what_became(renewal, row, now_ms)?;
                extended += u64::from(matches!(became, Some(Became::Extended(_))));
            }
        }
        if updates.iter().map(|step| step.result.rows_affected()).sum::<u64>() != extended {
            // In a table of one's own making a text may be kept in another way, and never be as it was.
            became.iter_mut().flatten().for_each(|became| *became = Became::Other);
        }
        Ok(became)
    }
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
        Ok(reading) => match reading.settles(&renewal.clone().into()) {
            Some(lost) => Answer::seen(lost, reading),
            None => Answer::Locked,
        },
        Err(error) => Answer::done(Err(error)),
    }
}
