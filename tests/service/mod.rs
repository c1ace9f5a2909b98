//! A user's own service: it holds what it was handed, and names no timer.

use futures::future::join;
use lessor::{Builder, Candidate, Driver, Guard, Leadership, MemoryStorage, Observer, Term};

pub(crate) struct Service {
    candidate: Candidate,
    leadership: Option<Leadership>,
    guard: Option<Guard>,
}

impl Service {
    fn new(candidate: Candidate) -> Self {
        Self { candidate, leadership: None, guard: None }
    }

    async fn lead(&mut self) {
        let leadership = self.candidate.elected().await.unwrap();
        self.guard = Some(leadership.guard().unwrap());
        self.leadership = Some(leadership);
    }

    fn term(&self) -> Option<Term> {
        self.leadership.as_ref().filter(|leadership| leadership.is_valid()).map(Leadership::term)
    }

    async fn end(&mut self) {
        self.guard = None;
        self.candidate.shutdown().await.unwrap();
    }
}

/// A service from its election to its end, watched by an observer: the same whatever the timer is.
pub(crate) async fn serve(service: (Candidate, Driver<MemoryStorage>), observer: (Observer, Driver<MemoryStorage>)) {
    let (candidate, driver) = service;
    let (mut observer, watching) = observer;
    let serving = async {
        let mut service = Service::new(candidate);
        service.lead().await;
        assert_eq!(service.term(), Some(Term::FIRST));
        while observer.leader_changed().await.unwrap().is_none() {}
        service.end().await;
        assert_eq!(service.term(), None);
        drop(observer);
    };
    join(join(driver.run(), watching.run()), serving).await;
}

pub(crate) fn builder() -> Builder {
    Builder::new("k")
}
