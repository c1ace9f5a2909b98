//! Many candidates of one key, who are told of everything.

use std::time::{Duration, Instant};

use lessor::{Builder, Candidate};
use lessor_postgres::PostgresStorage;
use smol::Timer;

use crate::crowd::Crowd;
use crate::keys::{RENEW, TTL};
use crate::server::Measured;
use crate::table::{figure, median, times};

const CANDIDATES: usize = 100;
const HAND_OVERS: usize = 20;

pub(crate) async fn measure(watched: Duration) {
    let server = Measured::start().await;
    let watched = watched.min(Duration::from_secs(30)).max(TTL);
    // Two, beside whom a hundred are measured.
    let mut few = Duration::ZERO;
    for count in [2, CANDIDATES] {
        let storage = server.storage(PostgresStorage::builder());
        let build = |_| {
            let builder = Builder::new(format!("led by one of {count}")).ttl(TTL).renew_interval(RENEW);
            builder.cool_off(Duration::from_millis(50))
        };
        let crowd = Crowd::start(count, &storage, build);
        crowd.watch(TTL).await;
        let before = storage.traffic().requests;
        crowd.watch(watched).await;
        let asked = (storage.traffic().requests - before) as f64 / watched.as_secs_f64();
        let renewals = RENEW.as_secs_f64().recip();
        figure(
            &format!("{count} candidates: operations a second, of them by followers"),
            format!("{asked:.2}, {:.2}", asked - renewals),
        );
        let mut took = Vec::new();
        for _ in 0..HAND_OVERS {
            took.extend(crowd.run(hand_over(crowd.candidates())).await);
        }
        let took = median(&took);
        if count == CANDIDATES {
            times("hand-over among 100; among 2", few, took);
        }
        few = took;
        crowd.end().await;
    }
}

/// From the call that gives the lease up until another knows that it leads.
async fn hand_over(candidates: &[Candidate]) -> Option<Duration> {
    // All hear of who leads, and the cool-off of the last one is over.
    Timer::after(Duration::from_millis(300)).await;
    let leader = candidates.iter().position(Candidate::is_leader)?;
    let others = candidates.iter().enumerate().filter(|(number, _)| *number != leader);
    let elected = others.map(|(_, candidate)| Box::pin(candidate.elected()));
    let began = Instant::now();
    let (resigned, _) = futures::join!(candidates[leader].resign(), async {
        let elected = futures::future::select_all(elected).await.0;
        elected.expect("it leads");
    });
    resigned.expect("it led");
    Some(began.elapsed())
}
