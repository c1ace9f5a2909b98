//! Who has something to do: so that one future can look after many members without looking at all of them.

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::mem;
use core::task::{Context, Waker};

use crate::mutex::Mutex;

/// The place that no member has.
pub(super) const NOBODY: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Rouse(Mutex<Roused>);

#[derive(Debug, Default)]
struct Roused {
    members: Vec<u32>,
    driver: Option<Waker>,
    /// The driver itself has something to do.
    is_asked: bool,
}

impl Rouse {
    /// The driver is to look around.
    pub(super) fn driver(&self) {
        let mut roused = self.0.lock();
        roused.is_asked = true;
        let waker = roused.driver.take();
        drop(roused);
        waker.into_iter().for_each(Waker::wake);
    }

    fn member(&self, member: u32) {
        let mut roused = self.0.lock();
        roused.members.push(member);
        let waker = roused.driver.take();
        drop(roused);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Those that were roused since the last time, and whether the driver was. It is woken from now on.
    pub(super) fn take(&self, cx: &Context<'_>) -> (Vec<u32>, bool) {
        let waker = cx.waker().clone();
        let mut roused = self.0.lock();
        let former = roused.driver.replace(waker);
        let taken = (mem::take(&mut roused.members), mem::take(&mut roused.is_asked));
        drop(roused);
        drop(former);
        taken
    }

    /// What wakes this member.
    pub(super) fn waker(self: &Arc<Self>, member: u32) -> Waker {
        Waker::from(Arc::new(MemberWaker { rouse: self.clone(), member }))
    }
}

struct MemberWaker {
    rouse: Arc<Rouse>,
    member: u32,
}

impl Wake for MemberWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rouse.member(self.member);
    }
}
