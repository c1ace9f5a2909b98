use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{Either, select};
use lessor::{Builder, Candidate, Storage};

use crate::rounds::row;
use crate::{Bare, KEEPS};

const HAND_OVERS: usize = 60;

/// From the call that gives the lease up to the moment at which the next one knows that it leads.
///
/// A storage for each of the two, with connections of its own, as two processes have them.
pub(crate) async fn measure<S: Storage + 'static>(name: &str, storages: [S; 2], bare: &mut impl Bare) {
    let mut drivers = Vec::new();
    let candidates = storages.map(|storage| {
        let builder = Builder::new("hand-over").ttl(KEEPS).cool_off(Duration::from_millis(50));
        let (candidate, driver) = builder.build(storage).expect("a candidate");
        drivers.push(smol::spawn(driver.run()));
        candidate
    });
    let [mut leader, mut next] = candidates;
    // Either may be the first.
    let first = select(leader.elected().boxed(), next.elected().boxed()).await;
    let next_is_first = matches!(first, Either::Right(_));
    drop(first);
    if next_is_first {
        std::mem::swap(&mut leader, &mut next);
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..HAND_OVERS {
        follows(&next).await;
        let began = Instant::now();
        let (resigned, elected) = futures::join!(leader.resign(), async {
            let elected = next.elected().await;
            (elected, began.elapsed())
        });
        resigned.expect("it led");
        elected.0.expect("it leads");
        ours.push(elected.1);
        std::mem::swap(&mut leader, &mut next);
        theirs.push(bare.hand_over().await);
    }
    row(name, "hand-over", &theirs, &ours);
}

/// Waits until it knows of the leader, and is out of its cool-off.
async fn follows(candidate: &Candidate) {
    let mut events = candidate.events();
    while candidate.leader().is_none_or(|lease| !lease.is_live()) {
        events.next().await;
    }
    idle().await;
}

/// As long as the machine takes to go to rest: both begin there.
pub(crate) async fn idle() {
    smol::Timer::after(Duration::from_millis(100)).await;
}
