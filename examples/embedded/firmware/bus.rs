//! The storage, as a board sees it: a mailbox whose frames a bus carries to the arbiter and back.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use critical_section::Mutex;
use lessor::storage::{Reply, Request, one_by_one};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};

/// What comes back to a request.
pub type Answer = Result<Reply, StorageError>;

/// What a board has on its way. Interrupt handlers of the bus take requests out and put replies in.
pub struct Mailbox(Mutex<RefCell<Frames>>);

struct Frames {
    next: u32,
    requests: VecDeque<(u32, Request)>,
    /// What is waited for, and the reply to it when it has come.
    replies: BTreeMap<u32, Option<Answer>>,
}

impl Mailbox {
    /// An empty one, for a `static`.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(RefCell::new(Frames { next: 0, requests: VecDeque::new(), replies: BTreeMap::new() })))
    }

    fn with<R>(&self, change: impl FnOnce(&mut Frames) -> R) -> R {
        critical_section::with(|section| change(&mut self.0.borrow_ref_mut(section)))
    }

    /// The next frame to send. A bus that is broken loses it.
    pub fn take_request(&self) -> Option<(u32, Request)> {
        self.with(|frames| frames.requests.pop_front())
    }

    /// A frame has come. If nobody waits for it any more it is dropped.
    pub fn put_reply(&self, number: u32, reply: Answer) {
        self.with(|frames| {
            if let Some(waiting) = frames.replies.get_mut(&number) {
                *waiting = Some(reply);
            }
        });
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

/// The driver drops what takes too long: then nothing of it stays in the mailbox.
struct Waiting<'a> {
    mailbox: &'a Mailbox,
    number: u32,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.mailbox.with(|frames| {
            frames.replies.remove(&self.number);
            frames.requests.retain(|(number, _)| *number != self.number);
        });
    }
}

#[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
#[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
impl Storage for Mailbox {
    async fn call(&self, request: Request) -> Answer {
        let number = self.with(|frames| {
            frames.next = frames.next.wrapping_add(1);
            frames.requests.push_back((frames.next, request));
            frames.replies.insert(frames.next, None);
            frames.next
        });
        let waiting = Waiting { mailbox: self, number };
        poll_fn(|_| match self.with(|frames| frames.replies.get_mut(&waiting.number)?.take()) {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        })
        .await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Answer> {
        one_by_one(self, requests).await
    }

    /// The arbiter tells nobody of a release: a follower asks at its retry interval.
    fn subscribe(&self, _: &Key) -> Wakeups {
        Wakeups::never()
    }

    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }
}
