//! What keeps a driver going.

use alloc::sync::Arc;
use core::ops::Deref;
use core::sync::atomic::Ordering;

use super::Shared;
use crate::lease::Lease;
use crate::stopped::Stopped;
use crate::time::Timer;

/// A handle: keeps its driver going, and remembers which change of leader it reported last.
pub(crate) struct Handle<T: Timer> {
    pub(crate) shared: Kept<T>,
    seen: u32,
}

impl<T: Timer> Handle<T> {
    pub(crate) const fn new(shared: Kept<T>) -> Self {
        Self { shared, seen: 0 }
    }

    /// Who leads, once that is another than this handle last reported.
    pub(crate) async fn leader_changed(&mut self) -> Result<Option<Lease>, Stopped> {
        let (seen, lease) = self.shared.leader_changed(self.seen).await?;
        self.seen = seen;
        Ok(lease)
    }
}

impl<T: Timer> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), seen: self.seen }
    }
}

/// The driver stops when the last of these is gone.
pub(crate) struct Kept<T: Timer>(Arc<Shared<T>>);

impl<T: Timer> Kept<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>) -> Self {
        shared.handles.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }

    /// One more, unless the last one is gone.
    pub(crate) fn again(shared: &Arc<Shared<T>>) -> Option<Self> {
        let add = |handles: usize| (handles > 0).then(|| handles + 1);
        shared.handles.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).ok()?;
        Some(Self(shared.clone()))
    }

    /// What is left of it when it is gone.
    pub(crate) fn downgrade(&self) -> Arc<Shared<T>> {
        self.0.clone()
    }

    /// Whether it is about this one.
    pub(crate) fn is_of(&self, shared: &Arc<Shared<T>>) -> bool {
        Arc::ptr_eq(&self.0, shared)
    }

    /// Whether both are about the same candidate.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T: Timer> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl<T: Timer> Deref for Kept<T> {
    type Target = Shared<T>;

    fn deref(&self) -> &Shared<T> {
        &self.0
    }
}

impl<T: Timer> Drop for Kept<T> {
    fn drop(&mut self) {
        if self.0.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.ask(|wishes| {
                if wishes.stop() {
                    self.0.is_unused.store(true, Ordering::Relaxed);
                }
            });
        }
    }
}
