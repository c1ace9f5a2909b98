//! The storage over registers.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use async_trait::async_trait;

use super::seen::{Seen, Sight, Sights};
use super::{Registers, Stored, error, step, watch};
use crate::maybe_send::{MaybeSend, MaybeSendSync};
use crate::mutex::Mutex;
use crate::storage::{List, Record, Reply, Request, Storage, StorageError, Subscribers, UniqueKeys, Wakeups};
use crate::text::Key;
use crate::time::{AnyTimer, Instant, Timer};

/// A [`Storage`] over [`Registers`]: see the [module](super).
///
/// Clones share what they have seen, and that is what ends the leases of leaders that are gone: build one for a process, and give each
/// candidate a clone.
pub struct RegisterStorage<R: Registers>(Arc<Inner<R>>);

pub(super) struct Inner<R: Registers> {
    pub(super) registers: R,
    pub(super) timer: AnyTimer,
    pub(super) seen: Mutex<Seen<R::Revision>>,
    pub(super) subscribers: Subscribers,
}

#[cfg(any(feature = "system", all(feature = "js", target_family = "wasm", target_os = "unknown")))]
impl<R: Registers> RegisterStorage<R> {
    /// Observes by the system's clock.
    pub fn new(registers: R) -> Self {
        Self::with_timer(registers, crate::SystemTimer::new())
    }
}

impl<R: Registers> RegisterStorage<R> {
    /// Observes by this timer's clock, which must never go forward by itself.
    #[allow(clippy::arc_with_non_send_sync, reason = "on wasm and bare metal registers need not cross threads")]
    pub fn with_timer<T: Timer<Sleep: MaybeSend> + MaybeSendSync + 'static>(registers: R, timer: T) -> Self {
        let timer = AnyTimer::new(timer);
        let (seen, subscribers) = (Mutex::new(Seen::new()), Subscribers::new());
        Self(Arc::new(Inner { registers, timer, seen, subscribers }))
    }

    /// The store.
    #[must_use]
    pub fn registers(&self) -> &R {
        &self.0.registers
    }

    /// All that it knows of the register of this key, but for who watches it.
    ///
    /// Not part of the API, as [`set_sights`](Self::set_sights): for the model, which goes back to where it was to let
    /// something else happen.
    #[doc(hidden)]
    #[must_use]
    pub fn sights(&self, key: &Key) -> Sights<R::Revision> {
        self.0.seen.lock().sights(key)
    }

    /// As if this was all that it knows of the register of this key.
    #[doc(hidden)]
    pub fn set_sights(&self, key: &Key, sights: Sights<R::Revision>) {
        self.0.seen.lock().set_sights(key, sights);
    }
}

impl<R: Registers> Inner<R> {
    /// Takes in what was read of a register, or told by a watch: nobody has sent for that. Answers `None` where it is empty.
    pub(super) fn see(
        &self,
        key: &Key,
        stored: Option<Stored<R::Revision>>,
        sent: Option<Instant>,
    ) -> Result<Option<Sight<R::Revision>>, StorageError> {
        // After the answer: it is never seen earlier than it was written.
        let now = self.timer.now();
        let Some(stored) = stored else {
            self.seen.lock().forget(key);
            return Ok(None);
        };
        let record = Record::from_bytes(&stored.bytes)
            .map_err(|problem| error::invalid_register(self.registers.name(), key, problem))?;
        Ok(Some(self.seen.lock().take_in(key, stored.revision, record, sent, now)))
    }

    /// A page by what is known: an end that only this handle has seen is shown, and not written.
    async fn list(&self, list: &List) -> Result<Reply, StorageError> {
        let sent = self.timer.now();
        let registers = self.registers.list(list).await?;
        let mut leases = Vec::with_capacity(registers.len());
        for (key, stored) in registers {
            let Some(sight) = self.see(&key, Some(stored), Some(sent))? else { continue };
            let lease = step::lease(&sight, self.timer.now(), self.timer.resolution());
            leases.push((key, lease));
        }
        Ok(Reply::Listed(list.page(leases)))
    }
}

#[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
#[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
impl<R: Registers + 'static> Storage for RegisterStorage<R> {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        if let Request::List(list) = &request {
            return self.0.list(list).await;
        }
        let mut answers = self.0.answer(vec![(0, &request)]).await;
        answers.pop().map_or_else(|| Err(StorageError::unfit()), |(_, answer)| answer)
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        let mut unique = UniqueKeys::default();
        let mut answers = Vec::with_capacity(requests.len());
        let mut together = Vec::with_capacity(requests.len());
        for (place, request) in requests.iter().enumerate() {
            match request {
                Request::List(list) => answers.push((place, self.0.list(list).await)),
                request => match request.key().map_or(Ok(()), |key| unique.first_time(key)) {
                    Ok(()) => together.push((place, request)),
                    Err(error) => answers.push((place, Err(error))),
                },
            }
        }
        answers.extend(self.0.answer(together).await);
        answers.sort_unstable_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Complete where the store can [watch](Registers::watch); else those of this handle and its clones only.
    fn subscribe(&self, key: &Key) -> Wakeups {
        watch::subscribe(&self.0, key)
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.0.registers.check().await
    }
}

// Derived, it would ask for registers that can be cloned.
impl<R: Registers> Clone for RegisterStorage<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: Registers> fmt::Debug for RegisterStorage<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterStorage").field("store", &self.0.registers.name()).finish_non_exhaustive()
    }
}
