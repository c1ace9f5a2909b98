//! Whether it is worth sending requests to this server: for load balancers.

use std::time::Duration;

use hyper::StatusCode;
use tokio::time::{Instant, timeout};

use super::answer::{self, Answer};
use super::server::Server;

/// For how long it is believed that the storage answers.
const READY: Duration = Duration::from_secs(1);

/// How long it may take to say so.
const CHECK: Duration = Duration::from_secs(5);

impl Server {
    /// Whether it is worth sending requests here.
    pub(super) async fn readiness(&self) -> Answer {
        if *self.drains.borrow() {
            return answer::plain(StatusCode::SERVICE_UNAVAILABLE, "it is about to end\n");
        }
        // Whoever asks: the storage is asked by one at a time, and not more often than matters.
        let mut ready = self.ready.lock().await;
        let said = match &*ready {
            Some((at, said)) if at.elapsed() < READY => *said,
            _ => {
                let said = timeout(CHECK, self.watching.leases.storage().check()).await;
                let said = match said {
                    Ok(Ok(())) => true,
                    Ok(Err(error)) => {
                        self.log.say_once_a_second(&error.to_string());
                        false
                    }
                    Err(_) => false,
                };
                *ready = Some((Instant::now(), said));
                said
            }
        };
        if said {
            return answer::plain(StatusCode::OK, "ok\n");
        }
        answer::plain(StatusCode::SERVICE_UNAVAILABLE, "the storage does not answer: see the log\n")
    }
}
