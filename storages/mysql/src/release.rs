//! Releases.

use std::collections::BTreeSet;

use lessor::Key;
use lessor::storage::{Release, Reply};
use lessor_kit::lane::Answer;

use crate::address::Link;
use crate::error::Failure;
use crate::row;
use crate::server::Primary;
use crate::statement::Script;
use crate::transaction::{Outcome, Rows};

impl Primary {
    /// Where no row has the session there is nothing to release.
    pub(crate) async fn release(&self, link: &mut Link, releases: &[&Release]) -> Result<Vec<Answer>, Failure> {
        let [release] = releases else { return self.release_all(link, releases).await };
        Ok(vec![match self.write(link, &release.key, &self.statements.release(release)).await? {
            Outcome::Locked => Answer::Locked,
            outcome => {
                if let Outcome::Written { .. } = outcome {
                    self.subscribers.wake(&release.key);
                }
                Answer::done(Ok(Reply::Released))
            }
        }])
    }

    /// What is locked, or is not there, is looked at.
    async fn release_all(&self, link: &mut Link, releases: &[&Release]) -> Result<Vec<Answer>, Failure> {
        let keys: Vec<_> = releases.iter().map(|release| &release.key).collect();
        let script = |open: &[usize], keys: &[&Key]| {
            let open = open.iter().filter_map(|place| releases.get(*place).copied());
            let (reserving, plain): (Vec<_>, Vec<_>) = open.partition(|release| release.successor.is_some());
            let script = self.statements.transaction(keys);
            let script = if plain.is_empty() { script } else { script.sql(&self.statements.release_same(&plain)) };
            let each = |script: Script, release: &&Release| script.statement(&self.statements.release(release));
            reserving.iter().fold(script, each).sql("COMMIT")
        };
        let (had, steps) = self.write_free(link, &keys, Rows::There, script).await?;
        let mut holders = BTreeSet::new();
        for row in steps.get(1).into_iter().flat_map(|locked| &locked.rows) {
            holders.insert((row::key_bytes(row)?, row::session(row)?));
        }
        for release in had.iter().filter_map(|place| releases.get(*place)) {
            if holders.contains(&(release.key.as_str().as_bytes(), Some(release.session))) {
                self.subscribers.wake(&release.key);
            }
        }
        let had: BTreeSet<_> = had.into_iter().collect();
        let open = || releases.iter().enumerate().filter(|(place, _)| !had.contains(place));
        let keys: Vec<_> = open().map(|(_, release)| &release.key).collect();
        let mut answers: Vec<_> = releases.iter().map(|_| Answer::done(Ok(Reply::Released))).collect();
        for ((place, release), reading) in open().zip(self.look(link, &keys).await?) {
            let session = reading.ok().and_then(|reading| reading.record).and_then(|record| record.session);
            if session == Some(release.session)
                && let Some(answer) = answers.get_mut(place)
            {
                *answer = Answer::Locked;
            }
        }
        Ok(answers)
    }
}
