//! Looks at keys.

use std::collections::HashMap;

use lessor::storage::{Get, Reply};
use lessor::{Key, StorageError};
use lessor_kit::lane::Answer;
use lessor_kit::row::Reading;

use crate::address::Link;
use crate::error::Failure;
use crate::row;
use crate::server::Primary;
use crate::statement::Script;
use crate::statements::LOOK;

impl Primary {
    /// What is there, in the order of the keys. Locks nothing, and waits for nobody.
    ///
    /// For many it is a text: each number of keys would have to be prepared by itself.
    pub(crate) async fn look(
        &self,
        link: &mut Link,
        keys: &[&Key],
    ) -> Result<Vec<Result<Reading, StorageError>>, Failure> {
        let rows = match keys {
            [] => Vec::new(),
            [one] => self.fetch(link, &self.statements.look(one)).await?,
            keys => {
                let script = Script::default().sql(&self.statements.about(LOOK, keys));
                let steps = self.run(link, script).await.map_err(|error| self.failure(error))?;
                steps.into_iter().flat_map(|step| step.rows).collect()
            }
        };
        let mut found = HashMap::new();
        for row in &rows {
            found.insert(row::key_bytes(row)?, row);
        }
        let reading = |key: &&Key| {
            let row = found.get(key.as_str().as_bytes()).copied();
            row::reading(row, key.as_str()).map(|reading| reading.map_err(StorageError::from))
        };
        keys.iter().map(reading).collect()
    }

    pub(crate) async fn get(&self, link: &mut Link, gets: &[&Get]) -> Result<Vec<Answer>, Failure> {
        let keys: Vec<_> = gets.iter().map(|get| &get.key).collect();
        Ok(self.look(link, &keys).await?.into_iter().map(answer).collect())
    }
}

fn answer(reading: Result<Reading, StorageError>) -> Answer {
    match reading {
        Ok(reading) => {
            let lease = reading.record.as_ref().map(|record| record.lease(reading.now_ms));
            Answer::seen(Reply::Got(lease), reading)
        }
        Err(error) => Answer::done(Err(error)),
    }
}
