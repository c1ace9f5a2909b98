//! Every interleaving of those who ask and the dispatcher. A wake-up that is lost is a deadlock to loom, and so is a
//! call under the lock that comes back to the lock.

use std::future::Future;
use std::pin::pin;
use std::sync::Weak;
use std::task::Wake;

use lessor::Key;
use lessor::storage::Get;
use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::super::queue::Tracks;
use super::*;

fn request() -> Request {
    Get::new(Key::new("k").unwrap()).into()
}

fn ask(hub: &Arc<Hub>) -> Asked {
    hub.ask([request()], Instant::default()).remove(0)
}

/// The one member of the next flight, if somebody has asked.
fn take(hub: &Hub) -> Option<Member> {
    let tracks = Tracks { count: 1, flying: &[] };
    let departure = hub.lock().queue.depart(Instant::default(), tracks)?;
    departure.members.into_iter().next()
}

/// It lands, and is answered.
fn answer(hub: &Hub, member: &Member) {
    hub.answer([(member.asker.id, Ok(Reply::Got(None)))]);
    hub.lock().queue.land(member.request.key().unwrap());
}

fn gone() -> StorageError {
    StorageError::transient("gone")
}

/// Nobody waits, and nothing does.
fn assert_nothing_left(hub: &Hub) {
    let state = hub.lock();
    assert!(state.is_empty(), "{state:?}");
}

/// A waker that counts, and looks at the hub whenever it is woken or dropped, as anybody's may.
struct Nosy {
    hub: Weak<Hub>,
    woken: AtomicUsize,
}

impl Nosy {
    fn new(hub: &Arc<Hub>) -> Arc<Self> {
        Arc::new(Self { hub: Arc::downgrade(hub), woken: AtomicUsize::new(0) })
    }

    fn look(&self) {
        if let Some(hub) = self.hub.upgrade() {
            let _ = hub.is_closed();
        }
    }

    fn is_woken(&self) -> bool {
        self.woken.load(Ordering::SeqCst) > 0
    }
}

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        self.look();
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.look();
    }
}

fn poll(asked: &mut Asked, waker: &Arc<Nosy>) -> Poll<Answered> {
    Pin::new(asked).poll(&mut Context::from_waker(&waker.clone().into()))
}

/// Both sleep whenever there is nothing to do, and neither sleeps for ever: the dispatcher hears of what is asked
/// between its look and its sleep, and the asker of what is answered between its poll and its sleep.
#[test]
fn asked_and_answered() {
    loom::model(|| {
        let hub = Arc::new(Hub::new());
        let dispatcher = {
            let hub = hub.clone();
            thread::spawn(move || {
                block_on(async {
                    loop {
                        if let Some(member) = take(&hub) {
                            return answer(&hub, &member);
                        }
                        hub.changed().await;
                    }
                });
            })
        };
        assert_eq!(block_on(ask(&hub)), Ok(Reply::Got(None)));
        dispatcher.join().unwrap();
        assert_nothing_left(&hub);
    });
}

/// Who has been told to wait is woken by the answer, by the waker that came last.
#[test]
fn the_last_waker_is_woken() {
    loom::model(|| {
        let hub = Arc::new(Hub::new());
        let mut asked = ask(&hub);
        let (first, last) = (Nosy::new(&hub), Nosy::new(&hub));
        assert!(poll(&mut asked, &first).is_pending());
        let dispatcher = {
            let hub = hub.clone();
            thread::spawn(move || answer(&hub, &take(&hub).unwrap()))
        };
        let waits = poll(&mut asked, &last).is_pending();
        dispatcher.join().unwrap();
        if waits {
            assert!(last.is_woken());
            assert!(poll(&mut asked, &last).is_ready());
        }
        assert!(poll(&mut asked, &last).is_pending(), "there is one answer");
        assert_nothing_left(&hub);
    });
}

/// An answer, another one, and the end of everything: what came first is heard, once.
#[test]
fn answered_twice() {
    loom::model(|| {
        let hub = Arc::new(Hub::new());
        let mut asked = ask(&hub);
        let member = take(&hub).unwrap();
        let dispatcher = {
            let hub = hub.clone();
            thread::spawn(move || {
                answer(&hub, &member);
                hub.answer([(member.asker.id, Err(StorageError::transient("a second answer")))]);
            })
        };
        hub.answer_all(&gone());
        let heard = block_on(&mut asked);
        assert!(heard == Ok(Reply::Got(None)) || heard == Err(gone()));
        dispatcher.join().unwrap();
        assert!(poll(&mut asked, &Nosy::new(&hub)).is_pending());
        assert_nothing_left(&hub);
    });
}

/// Given up while its answer comes: whichever is first, nothing is left of it.
#[test]
fn dropped_beside_its_answer() {
    loom::model(|| {
        let hub = Arc::new(Hub::new());
        let mut asked = ask(&hub);
        assert!(poll(&mut asked, &Nosy::new(&hub)).is_pending());
        let dispatcher = {
            let hub = hub.clone();
            thread::spawn(move || {
                if let Some(member) = take(&hub) {
                    answer(&hub, &member);
                }
            })
        };
        drop(asked);
        dispatcher.join().unwrap();
        assert_nothing_left(&hub);
    });
}

/// Given up while it is in flight, and its connection is broken or it has met a lock: it does not wait again.
#[test]
fn dropped_before_it_waits_again() {
    loom::model(|| {
        let hub = Arc::new(Hub::new());
        let asked = ask(&hub);
        let dispatcher = {
            let hub = hub.clone();
            thread::spawn(move || {
                let Some(member) = take(&hub) else { return };
                let key = member.request.key().unwrap().clone();
                hub.again(member, Queue::push_again);
                hub.lock().queue.land(&key);
            })
        };
        drop(asked);
        dispatcher.join().unwrap();
        assert_nothing_left(&hub);
        assert!(take(&hub).is_none());
    });
}

/// The last handle goes while the dispatcher looks, sends or falls asleep: it ends, and whoever waits hears of that.
#[test]
fn closed() {
    loom::model(|| {
        let hub = Arc::new(Hub::new());
        let dispatcher = {
            let hub = hub.clone();
            thread::spawn(move || {
                block_on(async {
                    while !hub.is_closed() {
                        if let Some(member) = take(&hub) {
                            answer(&hub, &member);
                        }
                        hub.changed().await;
                    }
                });
                hub.answer_all(&gone());
            })
        };
        let asked = ask(&hub);
        hub.close();
        dispatcher.join().unwrap();
        let heard = block_on(asked);
        assert!(heard == Ok(Reply::Got(None)) || heard == Err(gone()));
        assert_nothing_left(&hub);
    });
}

/// Closed by one while another asks: the dispatcher is woken, and finds both.
#[test]
fn closed_beside_a_request() {
    loom::model(|| {
        let hub = Arc::new(Hub::new());
        let waker = Nosy::new(&hub);
        let mut changed = pin!(hub.changed());
        assert!(changed.as_mut().poll(&mut Context::from_waker(&waker.clone().into())).is_pending());
        let asker = {
            let hub = hub.clone();
            thread::spawn(move || ask(&hub))
        };
        hub.close();
        let asked = asker.join().unwrap();
        assert!(waker.is_woken());
        block_on(changed);
        assert!(hub.is_closed() && hub.lock().queue.len() == 1);
        drop(asked);
        assert_nothing_left(&hub);
    });
}

/// Asked while everybody else is told of an end: it hears that, or it waits for what comes next. It is never forgotten.
#[test]
fn asked_beside_an_end() {
    loom::model(|| {
        let hub = Arc::new(Hub::new());
        let end = {
            let hub = hub.clone();
            thread::spawn(move || hub.answer_all(&gone()))
        };
        let mut asked = ask(&hub);
        let waker = Nosy::new(&hub);
        let mut heard = poll(&mut asked, &waker);
        end.join().unwrap();
        if heard.is_pending() && waker.is_woken() {
            heard = poll(&mut asked, &waker);
            assert!(heard.is_ready());
        }
        let waits = hub.lock().queue.len() == 1;
        assert_eq!(waits, heard.is_pending());
        drop(asked);
        assert_nothing_left(&hub);
    });
}

/// Wakers of the dispatcher may look at the hub, too.
#[test]
fn the_bell_wakes_outside_of_the_lock() {
    loom::model(|| {
        let hub = Arc::new(Hub::new());
        let (first, last) = (Nosy::new(&hub), Nosy::new(&hub));
        let mut changed = pin!(hub.changed());
        assert!(changed.as_mut().poll(&mut Context::from_waker(&first.into())).is_pending());
        let asker = {
            let hub = hub.clone();
            thread::spawn(move || ask(&hub))
        };
        let sleeps = changed.as_mut().poll(&mut Context::from_waker(&last.clone().into())).is_pending();
        let asked = asker.join().unwrap();
        assert_eq!(sleeps, last.is_woken());
        hub.close();
        drop(asked);
    });
}
