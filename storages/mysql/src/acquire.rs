//! Claims: looked at, judged, and granted where that was allowed and nothing has changed since.

use core::time::Duration;
use std::collections::BTreeMap;

use lessor::storage::{Acquired, Claim, Record, Reply};
use lessor::{Key, StorageError, Term};
use lessor_kit::lane::Answer;
use lessor_kit::row::Reading;

use crate::address::Link;
use crate::error::Failure;
use crate::row;
use crate::server::Primary;
use crate::statement::Statement;
use crate::statements::{READ_CLOCK, SEE};
use crate::transaction::{Outcome, Rows};

/// What was seen allows it: it is written if that is still there.
struct Grant<'r> {
    claim: &'r Claim,
    /// The place of the claim among all.
    place: usize,
    seen: Reading,
    record: Record,
    reply: Reply,
}

impl Primary {
    pub(crate) async fn acquire(&self, link: &mut Link, claims: &[&Claim]) -> Result<Vec<Answer>, Failure> {
        let keys: Vec<_> = claims.iter().map(|claim| &claim.key).collect();
        let mut answers = Vec::new();
        let mut grants = Vec::new();
        for (place, (claim, reading)) in claims.iter().zip(self.look(link, &keys).await?).enumerate() {
            answers.push(match reading.map(|reading| judged(place, claim, reading)) {
                Ok(Judged::Grant(grant)) => {
                    grants.push(grant);
                    None
                }
                Ok(Judged::Refused(answer)) => Some(answer),
                Err(error) => Some(Answer::done(Err(error))),
            });
        }
        let granted = match &grants[..] {
            [] => Vec::new(),
            [grant] if claims.len() == 1 => {
                let outcome = self.write(link, &grant.claim.key, &self.statement(grant)).await?;
                vec![self.granted(grant, outcome)]
            }
            grants => self.grant_all(link, grants).await?,
        };
        for (grant, answer) in grants.iter().zip(granted) {
            if let Some(open) = answers.get_mut(grant.place) {
                *open = Some(answer);
            }
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or(Answer::Locked)).collect())
    }

    fn statement(&self, grant: &Grant<'_>) -> Statement {
        let key = &grant.claim.key;
        match &grant.seen.record {
            None => self.statements.create(key, &grant.record),
            Some(seen) => self.statements.grant(key, seen, &grant.record),
        }
    }

    fn granted(&self, grant: &Grant<'_>, outcome: Outcome) -> Answer {
        match outcome {
            Outcome::Written { .. } => {
                if grant.record.wakes_followers(grant.seen.record.as_ref()) {
                    self.subscribers.wake(&grant.claim.key);
                }
                Answer::done(Ok(grant.reply.clone()))
            }
            // Another was faster. What was seen is what was there before: the candidate looks and asks again.
            Outcome::Unmet => {
                let Reading { record, now_ms, .. } = &grant.seen;
                let lease = record.as_ref().map(|record| record.lease(*now_ms));
                Answer::done(Ok(Acquired::refused(lease, Duration::ZERO).into()))
            }
            Outcome::Locked => Answer::Locked,
        }
    }

    /// Those that have a row, then those that have none. What is not granted is looked at again: who was faster has
    /// mostly come to an end by then, and refuses it.
    async fn grant_all(&self, link: &mut Link, grants: &[Grant<'_>]) -> Result<Vec<Answer>, Failure> {
        let mut outcomes: Vec<_> = grants.iter().map(|_| Outcome::Locked).collect();
        let (new, there): (Vec<usize>, _) =
            (0..grants.len()).partition(|place| grants.get(*place).is_some_and(|grant| grant.seen.record.is_none()));
        for (rows, places) in [(Rows::There, there), (Rows::New, new)] {
            let some: Vec<&Grant<'_>> = places.iter().filter_map(|place| grants.get(*place)).collect();
            let written = match rows {
                Rows::There => self.update_all(link, &some).await?,
                Rows::New => self.create_all(link, &some).await?,
            };
            for (place, outcome) in places.into_iter().zip(written) {
                if let Some(open) = outcomes.get_mut(place) {
                    *open = outcome;
                }
            }
        }
        let open = || grants.iter().zip(&outcomes).filter(|(_, outcome)| !matches!(outcome, Outcome::Written { .. }));
        let keys: Vec<_> = open().map(|(grant, _)| &grant.claim.key).collect();
        let mut looked = self.look(link, &keys).await?.into_iter();
        let answer = |(grant, outcome): (&Grant<'_>, &Outcome)| {
            let reading = if let Outcome::Written { .. } = outcome { None } else { looked.next() };
            match reading.map(|reading| reading.map(|reading| judged(grant.place, grant.claim, reading))) {
                Some(Ok(Judged::Refused(answer))) => answer,
                Some(Err(error)) => Answer::done(Err(error)),
                _ => self.granted(grant, *outcome),
            }
        };
        Ok(grants.iter().zip(&outcomes).map(answer).collect())
    }

    async fn update_all(&self, link: &mut Link, grants: &[&Grant<'_>]) -> Result<Vec<Outcome>, Failure> {
        let keys: Vec<_> = grants.iter().map(|grant| &grant.claim.key).collect();
        let statements: Vec<_> = grants.iter().map(|grant| self.statement(grant)).collect();
        self.write_each(link, &keys, &statements).await
    }

    /// Each is inserted if its key is still nobody's. Then they are looked at, before others can change them.
    async fn create_all(&self, link: &mut Link, grants: &[&Grant<'_>]) -> Result<Vec<Outcome>, Failure> {
        let keys: Vec<_> = grants.iter().map(|grant| &grant.claim.key).collect();
        let script = |open: &[usize], keys: &[&Key]| {
            let mut open: Vec<_> = open.iter().filter_map(|place| grants.get(*place)).collect();
            // In one order for all, so that no two wait for one another.
            open.sort_by_key(|grant| &grant.claim.key);
            let script = self.statements.transaction(keys).sql(&self.statements.about(READ_CLOCK, &[]));
            let script = open.iter().fold(script, |script, grant| {
                script.statement(&self.statements.create_or_leave(&grant.claim.key, &grant.record))
            });
            script.sql(&self.statements.about(SEE, keys)).sql("COMMIT")
        };
        let (had, steps) = self.write_free(link, &keys, Rows::New, script).await?;
        let mut found = BTreeMap::new();
        for row in steps.iter().rev().nth(1).into_iter().flat_map(|seen| &seen.rows) {
            let numbers = [
                row::column::<i64>(row, "term")?,
                row::column::<i64>(row, "version")?,
                row::column::<i64>(row, "ttl")?,
            ];
            let record = (row::session(row)?, numbers, row::column::<&[u8]>(row, "value")?);
            found.insert(row::key_bytes(row)?, record);
        }
        let mut outcomes: Vec<_> = grants.iter().map(|_| Outcome::Locked).collect();
        for place in had {
            if let (Some(grant), Some(outcome)) = (grants.get(place), outcomes.get_mut(place)) {
                // The session's own from an earlier try has less time left: it is extended when it is asked for again.
                let Record { session, term, ttl_ms, value, .. } = &grant.record;
                let numbers = [Some((*term).into()), Some(1), i64::try_from(*ttl_ms).ok()];
                let mine = (*session, numbers, value.as_ref().map(|value| value.as_str().as_bytes()));
                let is_mine = found.get(grant.claim.key.as_str().as_bytes()) == Some(&mine);
                *outcome = if is_mine { Outcome::Written { said: 0 } } else { Outcome::Unmet };
            }
        }
        Ok(outcomes)
    }
}

enum Judged<'r> {
    Grant(Grant<'r>),
    Refused(Answer),
}

fn judged(place: usize, claim: &Claim, reading: Reading) -> Judged<'_> {
    let request = claim.clone().into();
    if let Some(refused) = reading.settles(&request) {
        return Judged::Refused(Answer::seen(refused, reading));
    }
    let verdict = Record::judge(reading.record.as_ref(), &request, reading.now_ms, Term::FIRST);
    let reply = verdict.reply;
    match verdict.write {
        Some(record) => Judged::Grant(Grant { claim, place, seen: reading, record, reply }),
        None => Judged::Refused(Answer::done(Err(StorageError::unfit()))),
    }
}

#[cfg(test)]
mod tests {
    use lessor_kit::lane::Server as _;
    use lessor_servers::asking::{MINUTE, claim_for};
    use lessor_servers::mysql::Server;
    use smol::block_on;

    use super::*;
    use crate::MySqlStorage;

    /// An earlier try of the same claims commits after the look, and before the rows are written: nobody believes in a
    /// longer lease than the row has.
    #[test]
    fn a_grant_that_is_repeated_is_extended() {
        let server = Server::start();
        block_on(async {
            let storage = MySqlStorage::new(server.options());
            storage.migrate().await.unwrap();
            let primary = storage.primary();
            let mut link = primary.connect().await.unwrap();
            let claims: Vec<_> = ["a", "b", "c"].map(|key| claim_for(MINUTE, key, 1)).into();
            let open = |claims: &[Claim]| -> Vec<Reading> { claims.iter().map(|_| Reading::absent(0)).collect() };
            let late = open(&claims);
            let earlier: Vec<_> =
                claims[..2].iter().map(|claim| claim_for(MINUTE / 2, claim.key.as_str(), 1)).collect();
            let earlier: Vec<_> = earlier.iter().collect();
            for answer in primary.acquire(&mut link, &earlier).await.unwrap() {
                assert!(is_granted(&answer), "{answer:?}");
            }
            let grants: Vec<_> = claims
                .iter()
                .zip(late)
                .enumerate()
                .map(|(place, (claim, reading))| match judged(place, claim, reading) {
                    Judged::Grant(grant) => grant,
                    Judged::Refused(answer) => panic!("{answer:?}"),
                })
                .collect();
            let answers = primary.grant_all(&mut link, &grants).await.unwrap();
            let keys: Vec<_> = claims.iter().map(|claim| &claim.key).collect();
            let left = primary.look(&mut link, &keys).await.unwrap();
            for (answer, reading) in answers.iter().zip(left) {
                let reading = reading.unwrap();
                let lease = reading.record.unwrap().lease(reading.now_ms);
                assert!(!is_granted(answer) || lease.time_left > MINUTE * 3 / 4, "{lease:?}");
            }
            assert!(is_granted(&answers[2]), "{answers:?}");
            // Whoever is told to ask again is granted the same term, extended.
            let claims: Vec<_> = claims.iter().collect();
            for answer in primary.acquire(&mut link, &claims).await.unwrap() {
                let granted = Reply::from(Acquired::granted(Term::FIRST, lessor::storage::Version::new(2)));
                assert!(matches!(&answer, Answer::Done { reply: Ok(reply), .. } if *reply == granted), "{answer:?}");
            }
        });
    }

    fn is_granted(answer: &Answer) -> bool {
        matches!(answer, Answer::Done { reply: Ok(Reply::Acquired(Acquired::Granted { .. })), .. })
    }
}
