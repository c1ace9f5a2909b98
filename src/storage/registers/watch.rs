//! What is written to a register, as it comes: wake-ups, and early sights.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use futures::future::poll_fn;
use futures::{FutureExt, Stream, StreamExt, stream};

use super::store::Inner;
use super::{Registers, Stored};
use crate::maybe_send::MaybeSend;
use crate::storage::{Record, StorageError, Wakeups};
use crate::text::Key;
use crate::time::{AnyTimer, Instant, Timer};

#[cfg(not(any(target_family = "wasm", target_os = "none")))]
type Items<R> = Pin<Box<dyn Stream<Item = Result<Option<Stored<R>>, StorageError>> + Send>>;
#[cfg(any(target_family = "wasm", target_os = "none"))]
type Items<R> = Pin<Box<dyn Stream<Item = Result<Option<Stored<R>>, StorageError>>>>;

/// The first pause before a watch that has ended is made anew, and the longest. What has stood for that long counts as working: the next
/// pause is the first one again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// So many items are taken before others on the executor's thread get their turn.
const AT_ONCE: usize = 256;

/// A stream of what is written to one register.
///
/// * The first item says what is in it when the watch stands, `None` if it was never written: what is written after that is told of. It comes
///   in time also where nothing is written.
/// * After it each item is what was written last. Of several writes that nobody took meanwhile the newest is enough, and it
///   should be all that is kept: nobody may poll for long.
/// * It ends with an error when its way to the engine is lost, or with the stream's end; it is then made anew, after a pause.
///   A watch that hears nothing and does not know it costs time, at most a ttl; never safety.
#[must_use = "streams do nothing unless polled"]
pub struct Watch<R>(Items<R>);

impl<R> Watch<R> {
    /// The items of this stream.
    pub fn new(items: impl Stream<Item = Result<Option<Stored<R>>, StorageError>> + MaybeSend + 'static) -> Self {
        Self(Box::pin(items))
    }

    /// The next item, or of those that are there the newest: only that one counts, however many have come while nobody polled.
    /// And whether there may be more, since one that has always something to say is never at its end.
    async fn newest(&mut self) -> (Option<Result<Option<Stored<R>>, StorageError>>, bool) {
        let mut item = self.next().await;
        for _ in 0..AT_ONCE {
            // Not polled on after an error, or the end.
            let newer = if let Some(Ok(_)) = item { self.next().now_or_never() } else { None };
            match newer {
                Some(newer) => item = newer,
                None => return (item, false),
            }
        }
        (item, true)
    }
}

impl<R> Stream for Watch<R> {
    type Item = Result<Option<Stored<R>>, StorageError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<R> fmt::Debug for Watch<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

pub(super) fn subscribe<R: Registers + 'static>(inner: &Arc<Inner<R>>, key: &Key) -> Wakeups {
    match inner.registers.watch(key) {
        None => inner.subscribers.subscribe(key),
        Some(watch) => {
            let (inner, timer, key) = (Arc::downgrade(inner), inner.timer.clone(), key.clone());
            let follower =
                Follower { inner, timer, key, watch: Some(watch), stands: None, last: None, pause: PAUSES.0 };
            Wakeups::new(stream::unfold(follower, Follower::next)).complete()
        }
    }
}

/// Follows one register, for one subscription.
struct Follower<R: Registers> {
    /// A subscription does not keep the storage.
    inner: Weak<Inner<R>>,
    timer: AnyTimer,
    key: Key,
    watch: Option<Watch<R::Revision>>,
    /// As long as the watch stands.
    stands: Option<Stands<R>>,
    /// What it was woken for last.
    last: Option<Option<Record>>,
    pause: Duration,
}

impl<R: Registers> Follower<R> {
    /// Goes on to the next change that is worth a wake-up.
    async fn next(mut self) -> Option<((), Self)> {
        loop {
            let Some(watch) = &mut self.watch else {
                self.timer.sleep(spread(self.pause, &self.key, self.timer.now())).await;
                self.pause = self.pause.saturating_mul(2).min(PAUSES.1);
                self.watch = self.inner.upgrade()?.registers.watch(&self.key);
                continue;
            };
            let (item, has_more) = watch.newest().await;
            let inner = self.inner.upgrade()?;
            let seen = match item {
                Some(Ok(stored)) => inner.hear(&self.key, stored),
                Some(Err(error)) => Err(error),
                None => Err(StorageError::transient("the watch has ended")),
            };
            match seen {
                Ok(record) => {
                    if self.stands.is_none() {
                        inner.subscribers.connected();
                        let now = inner.timer.now();
                        inner.seen.lock().watch(&self.key, now);
                        self.stands = Some(Stands { inner: self.inner.clone(), key: self.key.clone(), since: now });
                    }
                    let wakes = self.last.as_ref().is_none_or(|last| is_news(last.as_ref(), record.as_ref()));
                    self.last = Some(record);
                    if wakes {
                        return Some(((), self));
                    }
                }
                Err(error) => {
                    // Where it stood, the next one says whether that is worth a word: other subscriptions have lost theirs too.
                    match self.stands.take() {
                        Some(stood) => {
                            if inner.timer.now().saturating_duration_since(stood.since) >= PAUSES.1 {
                                self.pause = PAUSES.0;
                            }
                            inner.subscribers.interrupted();
                        }
                        None => inner.subscribers.disconnected(&error),
                    }
                    self.watch = None;
                    // What comes then may be what came before, and may not.
                    self.last = None;
                }
            }
            drop(inner);
            if has_more {
                // Others on this thread get their turn.
                let mut is_first = true;
                poll_fn(|cx| {
                    if mem::take(&mut is_first) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Poll::Ready(())
                })
                .await;
            }
        }
    }
}

/// Half of a pause, and of its other half a part that the key and the clock decide: what ended together does not come back together.
fn spread(pause: Duration, key: &Key, now: Instant) -> Duration {
    // Nothing has to be unpredictable about it. (FNV-1a, and the last step of splitmix64.)
    let seed = now.since_origin().as_nanos() as u64 ^ 0xcbf2_9ce4_8422_2325;
    let mut bits =
        key.as_str().bytes().fold(seed, |bits, byte| (bits ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let half = pause / 2;
    half + half.mul_f64((bits >> 32) as f64 / f64::from(u32::MAX))
}

/// Whether followers are to be woken: the lease went to another, or to nobody, or has ended.
fn is_news(before: Option<&Record>, now: Option<&Record>) -> bool {
    let Some(now) = now else { return before.is_some() };
    let ended = before.is_some_and(|before| before.expires_ms > 0) && now.expires_ms == 0;
    ended || now.wakes_followers(before)
}

impl<R: Registers> Inner<R> {
    /// Takes in what a watch has told.
    fn hear(&self, key: &Key, stored: Option<Stored<R::Revision>>) -> Result<Option<Record>, StorageError> {
        Ok(self.see(key, stored, None)?.map(|sight| sight.record))
    }
}

/// A watch that stands: what is known of the register is how it is.
struct Stands<R: Registers> {
    inner: Weak<Inner<R>>,
    key: Key,
    since: Instant,
}

impl<R: Registers> Drop for Stands<R> {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            inner.seen.lock().unwatch(&self.key);
        }
    }
}
