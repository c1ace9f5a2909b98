use core::future::pending;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::task::Poll;

use async_io::{Timer, block_on};
use futures::future::{join_all, select};
use futures::{FutureExt, poll};
use lessor::storage::ErrorKind;

use super::*;
use crate::error::AdapterError;

/// What a server does with who connects.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Answers,
    AnswersAfter(Duration),
    Refuses(ErrorKind),
    Nothing,
}

struct Servers {
    does: Mutex<Vec<Does>>,
    asked: Vec<AtomicUsize>,
}

#[derive(Default)]
struct Open {
    answers: AtomicU64,
    given_up: AtomicBool,
}

impl Connection for Open {
    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

impl Connector for Servers {
    type Connection = Open;
    type Failure = StorageError;

    fn servers(&self) -> usize {
        self.asked.len()
    }

    async fn connect(&self, place: usize) -> Result<Open, StorageError> {
        self.asked[place].fetch_add(1, Ordering::Relaxed);
        let does = self.does.lock().unwrap()[place];
        match does {
            Does::Answers => {}
            Does::AnswersAfter(time) => drop(Timer::after(time).await),
            Does::Refuses(kind) => return Err(AdapterError::no_connection(place.to_string(), "refused", kind).into()),
            Does::Nothing => pending().await,
        }
        Ok(Open::default())
    }

    fn late(&self, _: usize, late: TimedOut) -> StorageError {
        late.into()
    }

    fn is_of_one_server(failure: &StorageError) -> bool {
        failure.kind() == ErrorKind::Transient
    }

    fn error(failure: &StorageError) -> &StorageError {
        failure
    }
}

/// It begins with the first of them.
fn link(does: &[Does]) -> Link<Servers> {
    let asked = does.iter().map(|_| AtomicUsize::new(0)).collect();
    let link = Link::new(Servers { does: Mutex::new(does.to_vec()), asked });
    link.state().place = 0;
    link
}

fn asked(link: &Link<Servers>) -> Vec<usize> {
    link.connector().asked.iter().map(|asked| asked.load(Ordering::Relaxed)).collect()
}

fn from_now_on(link: &Link<Servers>, place: usize, does: Does) {
    link.connector().does.lock().unwrap()[place] = does;
}

const SOON: Does = Does::AnswersAfter(Duration::from_millis(50));

/// Long enough for every machine, and never waited for by a test that passes.
async fn soon<F: Future>(future: F) -> F::Output {
    crate::timeout::within(Duration::from_secs(60), future).await.expect("it never comes")
}

#[test]
fn one_connection_for_all() {
    block_on(async {
        let link = link(&[SOON]);
        let lines = soon(join_all((0..100).map(|_| link.connection()))).await;
        let first = lines[0].as_ref().unwrap();
        assert!(lines.iter().all(|line| line.as_ref().is_ok_and(|line| Arc::ptr_eq(line, first))));
        assert!(link.connection().now_or_never().is_some_and(|line| Arc::ptr_eq(&line.unwrap(), first)));
        assert_eq!(asked(&link), [1]);
    });
}

/// Whoever began it, and is not polled any more, holds up nobody; and neither does one of the others.
#[test]
fn any_of_those_who_wait_drives_it() {
    block_on(async {
        let link = link(&[SOON]);
        let mut kept: Vec<_> = (0..3).map(|_| Box::pin(link.connection())).collect();
        for kept in &mut kept {
            assert!(poll!(kept).is_pending());
        }
        soon(link.connection()).await.unwrap();
        assert_eq!(asked(&link), [1]);
        assert!(join_all(kept).await.iter().all(Result::is_ok));
    });
}

/// Callers whose time is shorter than it takes get there together.
#[test]
fn it_outlives_who_waits() {
    block_on(async {
        let link = link(&[Does::AnswersAfter(Duration::from_millis(300))]);
        let mut given_up = 0;
        let line = soon(async {
            loop {
                match select(pin!(link.connection()), Timer::after(Duration::from_millis(10))).await {
                    futures::future::Either::Left((line, _)) => break line,
                    futures::future::Either::Right(_) => given_up += 1,
                }
            }
        });
        assert!(line.await.is_ok());
        assert!(given_up > 1);
        assert_eq!(asked(&link), [1]);
    });
}

#[test]
fn a_failure_is_shared_and_lasts_for_a_pause() {
    block_on(async {
        let link = link(&[Does::Refuses(ErrorKind::Permanent)]);
        for _ in 0..10 {
            let failures = soon(join_all((0..100).map(|_| link.connection()))).await;
            assert!(failures.iter().all(|failed| {
                failed.as_ref().is_err_and(|error| error.to_string().contains("no connection to 0: refused"))
            }));
        }
        let after = asked(&link)[0];
        assert!((1..=2).contains(&after), "{after} in no time");
        from_now_on(&link, 0, Does::Answers);
        soon(async {
            while link.connection().await.is_err() {
                Timer::after(Duration::from_millis(10)).await;
            }
        })
        .await;
        assert_eq!(asked(&link), [after + 1]);
    });
}

#[test]
fn pauses_grow_until_something_was_answered() {
    let link = link(&[Does::Answers]);
    let longest = |link: &Link<Servers>| {
        let mut state = link.state();
        let pause = state.backoff.clone().pause(u32::MAX);
        state.pause(StorageError::transient("refused"));
        pause
    };
    assert_eq!((longest(&link), longest(&link)), (FIRST_PAUSE, FIRST_PAUSE * 2));
    link.state().pause = None;
    let mute = block_on(link.connection()).unwrap();
    link.leave(&mute, None);
    assert!(mute.given_up.load(Ordering::Relaxed));
    assert_eq!(longest(&link), FIRST_PAUSE * 4);
    link.state().pause = None;
    let line = block_on(link.connection()).unwrap();
    line.answers.store(1, Ordering::Relaxed);
    link.leave(&line, None);
    assert_eq!(longest(&link), FIRST_PAUSE);
}

/// Those that cannot be reached are passed over, and what lasts is told at once.
#[test]
fn the_next_server() {
    block_on(async {
        let down = Does::Refuses(ErrorKind::Transient);
        let reached = link(&[down, down, Does::Answers]);
        assert_eq!(soon(reached.connection()).await.unwrap().place(), 2);
        let none = link(&[down, down]);
        assert!(soon(none.connection()).await.is_err_and(|error| error.to_string().contains("no connection to 1")));
        assert_eq!(asked(&none), [1, 1]);
        let refused = link(&[Does::Refuses(ErrorKind::Permanent), Does::Answers]);
        assert!(soon(refused.connection()).await.is_err());
        assert_eq!(asked(&refused), [1, 0]);
    });
}

/// Who gives up sends the others to the next one, and the first one that answers is taken.
#[test]
fn beside_one_that_says_nothing() {
    block_on(async {
        let link = link(&[Does::Nothing, SOON]);
        let mut first = Box::pin(link.connection());
        let mut second = Box::pin(link.connection());
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        drop(first);
        assert_eq!(soon(second).await.unwrap().place(), 1);
        assert_eq!(asked(&link), [1, 1]);
    });
}

#[test]
fn each_server_has_its_share_of_a_check() {
    for servers in 1..4 {
        let all = patience(servers) * u32::try_from(servers).unwrap();
        assert!(all < CHECK, "{servers}");
    }
    assert_eq!(patience(usize::MAX), LEAST_PATIENCE);
}

/// A connection that took long has as long for its first answer, whoever gives up; then it is given up.
#[test]
fn a_young_connection_may_be_silent() {
    block_on(async {
        let link = link(&[Does::Answers]);
        let line = Arc::new(Line::opened(
            Open::default(),
            0,
            Instant::from_origin(now().since_origin() - Duration::from_secs(60)),
        ));
        link.state().current = Some(line.clone());
        drop(SilenceWatch::new(&link, &line));
        assert!(link.current().is_some());
        let old = Arc::new(Line::opened(Open::default(), 0, now()));
        Timer::after(Duration::from_millis(20)).await;
        link.state().current = Some(old.clone());
        let watch = SilenceWatch::new(&link, &old);
        old.answers.store(1, Ordering::Relaxed);
        drop(watch);
        assert!(link.current().is_some(), "others got answers");
        SilenceWatch::new(&link, &old).ends();
        assert!(link.current().is_some());
        drop(SilenceWatch::new(&link, &old));
        assert!(link.current().is_none());
    });
}

/// One that lets everybody in and hangs up before it has answered is not asked without a pause.
#[test]
fn who_hangs_up_on_everybody() {
    block_on(async {
        let link = link(&[Does::Answers, Does::Answers]);
        let broken = StorageError::transient("hung up");
        for place in [0, 1] {
            let line = soon(link.connection()).await.unwrap();
            assert_eq!(line.place(), place);
            link.leave(&line, Some(&broken));
        }
        assert!(matches!(poll!(Box::pin(link.connection())), Poll::Ready(Err(error)) if error == broken));
        assert_eq!(asked(&link), [1, 1]);
    });
}
