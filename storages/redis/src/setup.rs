//! Before the first election: whether the server will do, and the word that nobody leads.

use core::iter::empty;

use futures::future::try_join_all;
use lessor::StorageError;
use lessor_kit::error::AdapterError;
use lessor_kit::repeat::Repeat;
use redis::{Cmd, cmd, from_redis_value};

use crate::connection::info_field;
use crate::error::explain;
use crate::layout::SHARDS;
use crate::storage::{Inner, RedisStorage};

impl RedisStorage {
    /// Declares that nobody leads: every lease under this prefix ends, and so does a freeze. Terms go on.
    ///
    /// For the first deployment, which otherwise counts as a loss of data: nothing is granted for
    /// [`max_ttl`](crate::RedisBuilder::max_ttl) from the first claim on. And for an operator who knows that all
    /// processes are stopped.
    ///
    /// **Not for the start of a program.** A server that has no keys yet looks like one that lost them. After a real
    /// loss this call would let a second leader in beside one that has not heard of the loss. That is why this storage,
    /// unlike those in databases, has no `migrate` for programs to call at each start.
    ///
    /// ```no_run
    /// # async fn example(storage: lessor_redis::RedisStorage) -> Result<(), lessor::StorageError> {
    /// // In a command for operators.
    /// storage.initialise().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`StorageError`]; then some of the leases may be ended and others not. Call it again.
    ///
    /// # Cancel safety
    /// A dropped call may have ended some of the leases and not others, too.
    pub async fn initialise(&self) -> Result<(), StorageError> {
        let inner = &*self.0;
        let shards = (0..SHARDS).map(|shard| {
            inner.link.run(Repeat::Anytime, &inner.scripts.initialise, move |command, run_id| {
                inner.add_beginning(command, run_id, shard, empty());
            })
        });
        try_join_all(shards).await.map(|_| ())
    }
}

impl Inner {
    pub(crate) async fn check(&self) -> Result<(), StorageError> {
        self.may_look().await?;
        self.keeps_keys().await?;
        if self.durable {
            self.has_a_log().await?;
        }
        if let Some(wakeups) = &self.wakeups {
            // No record's name: it wakes nobody.
            self.link.send(cmd("PUBLISH").arg(self.layout.channel()).arg("")).await?;
            wakeups.channel.check().await.map_err(explain)?;
        }
        Ok(())
    }

    /// Whether scripts can be run on the storage's names: the script of a look, for no key. Connecting for it asks for
    /// the server's role. Each shard is asked: a node of a cluster may have some of them only.
    async fn may_look(&self) -> Result<(), StorageError> {
        let looks = (0..SHARDS).map(|shard| {
            self.link.run(Repeat::Anytime, &self.scripts.get, move |command, run_id| {
                self.add_beginning(command, run_id, shard, empty());
            })
        });
        try_join_all(looks).await.map(drop)
    }

    async fn keeps_keys(&self) -> Result<(), StorageError> {
        let memory = self.text(cmd("INFO").arg("memory")).await?;
        let limited = info_field(&memory, "maxmemory").is_some_and(|limit| limit != "0");
        match info_field(&memory, "maxmemory_policy") {
            // Leases and their terms have no expiry of Redis, and would go while they are held.
            Some(policy) if limited && policy.starts_with("allkeys") => {
                let problem = "the server evicts leases when its memory is full";
                let remedy = "set noeviction or one of the volatile policies";
                Err(AdapterError::wrong_setup("maxmemory-policy", policy, problem, remedy).into())
            }
            _ => Ok(()),
        }
    }

    async fn has_a_log(&self) -> Result<(), StorageError> {
        let persistence = self.text(cmd("INFO").arg("persistence")).await?;
        if info_field(&persistence, "aof_enabled") != Some("0") {
            return Ok(());
        }
        let problem = "the server has no append-only file, so durable(true) would grant twice what it forgets";
        let remedy = "set appendonly yes and appendfsync always, or leave durable(true) out";
        Err(AdapterError::wrong_setup("appendonly", "no", problem, remedy).into())
    }

    async fn text(&self, command: &Cmd) -> Result<String, StorageError> {
        let answered = self.link.send(command).await?;
        from_redis_value(answered.value).map_err(|_| AdapterError::Unfit.into())
    }
}
