//! All candidates of a program at once, and nothing set.

use std::time::Duration;

use lessor::Builder;

use crate::crowd::Crowd;
use crate::keys::KEYS;
use crate::pass;
use crate::server::Measured;
use crate::table::{figure, times};

pub(crate) async fn measure(watched: Duration) {
    let server = Measured::start().await;
    let one = pass::bare_grants(&server, KEYS).await;
    let storage = lessor_any::open(&server.server.url()).await.expect("a storage");
    let crowd = Crowd::start(KEYS, &storage, |number| Builder::new(format!("opened-{number}")));
    match crowd.all_lead().await {
        Some(took) => times("all lead; a pass of bare INSERTs of as many rows", one, took),
        None => figure("led at most, for as long as was waited", crowd.led()),
    }
    let watched = watched.min(Duration::from_secs(20));
    let seen = crowd.watch(watched).await;
    figure(&format!("led at least, in the next {watched:?}"), format!("{} of {KEYS}", seen.least));
    crowd.end().await;
}
