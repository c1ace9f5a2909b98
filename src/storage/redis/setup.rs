use alloc::string::ToString;

use ::redis::{Value, cmd};
use futures::future::try_join_all;

use super::error::NotReady;
use super::layout::SHARDS;
use super::link::field;
use super::{RedisStorage, Shared};
use crate::lease::Key;
use crate::storage::StorageError;

impl RedisStorage {
    /// Declares that nobody leads: every lease under this prefix ends, and so does a freeze. Terms go on.
    ///
    /// For the first deployment, which otherwise is taken for a loss of data: nothing is granted for
    /// [`max_ttl`](super::RedisBuilder::max_ttl) from the first claim on. And for an operator who knows that all processes
    /// are stopped. **Not for the start of a program**: after a real loss it would let a second leader in beside one that
    /// does not know yet.
    ///
    /// # Errors
    /// [`StorageError`]; some of the leases may then be ended and others not. It can be repeated.
    ///
    /// # Cancel safety
    /// As an error.
    pub async fn initialise(&self) -> Result<(), StorageError> {
        let Shared { link, layout, scripts, .. } = &*self.0;
        let shards = (0..SHARDS).map(|shard| {
            link.run(&scripts.initialise, move |command, run_id| {
                command.arg(1).arg(layout.marker(shard));
                self.0.settings(command, run_id);
            })
        });
        try_join_all(shards).await.map(|_| ())
    }

    /// Whether everything is there, and this user may use it.
    pub(super) async fn look_over(&self) -> Result<(), StorageError> {
        let Shared { link, layout, watch, durable, .. } = &*self.0;
        // Connecting, it asks for the role. Reading, it sends the clock and the script.
        self.call::<Key>(0, &[]).await?;
        let memory = text(&link.send(cmd("INFO").arg("memory")).await?);
        let limited = field(&memory, "maxmemory").is_some_and(|limit| limit != "0");
        if let Some(policy) = field(&memory, "maxmemory_policy")
            && limited
            && policy.starts_with("allkeys")
        {
            return Err(StorageError::permanent(NotReady::Evicts { policy: policy.to_string() }));
        }
        if *durable {
            let persistence = text(&link.send(cmd("INFO").arg("persistence")).await?);
            if field(&persistence, "aof_enabled") == Some("0") {
                return Err(StorageError::permanent(NotReady::NotDurable));
            }
        }
        if watch.is_some() {
            // No key: it wakes nobody.
            link.send(cmd("PUBLISH").arg(layout.channel()).arg("")).await?;
        }
        Ok(())
    }
}

fn text(value: &Value) -> alloc::string::String {
    ::redis::from_redis_value_ref(value).unwrap_or_default()
}
