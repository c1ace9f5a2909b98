//! What the cases of late writes have at hand: a handle that lingers, rounds, and what may happen meanwhile.

use core::future::Future;
use core::pin::pin;
use core::time::Duration;

use futures::future::{Either, select};

use super::Harness;
use super::case::{Case, Outcome, Stop, needs};
use super::contender::Contender;
use super::revocation::revoked;
use crate::lease::Lease;
use crate::storage::{Reply, Request, Storage};
use crate::term::Term;

/// How often it is tried to get something in between, each time with twice as much time.
pub(super) const ROUNDS: u32 = 3;

/// A handle whose writes are late, of a round of a case.
pub(super) struct Late<S> {
    pub(super) handle: S,
    pub(super) round: u32,
    pub(super) limit: Duration,
}

impl<S: Storage> Late<S> {
    pub(super) async fn ask<H: Harness<Storage = S>>(
        &self,
        case: &Case<'_, H>,
        request: impl Into<Request>,
    ) -> Result<Reply, Stop> {
        let request = request.into();
        let operation = request.operation().as_str();
        case.insist(self.limit, operation, || self.handle.call(request.clone())).await
    }
}

/// That there are handles that linger, or the end of the case. Nothing is changed by it.
pub(super) async fn can_linger<H: Harness>(case: &Case<'_, H>) -> Outcome {
    case.power(needs::LINGER, case.harness.linger(case.handle(0)?, Duration::ZERO)).await
}

/// The rounds of a case: one in which what lingers landed too early says nothing.
pub(super) struct Rounds {
    /// For how many of the shortest ttls a write lingers in the first one.
    ttls: u32,
    pub(super) done: u32,
    spoilt: Option<Stop>,
}

impl Rounds {
    pub(super) const fn of(ttls: u32) -> Self {
        Self { ttls, done: 0, spoilt: None }
    }

    /// What the next round is to be made with, or why the last one came to nothing.
    pub(super) async fn next<H: Harness>(&mut self, case: &Case<'_, H>) -> Result<Late<H::Storage>, Stop> {
        let round = self.done;
        if let (true, Some(stop)) = (round == ROUNDS, self.spoilt.take()) {
            return Err(stop);
        }
        self.done += 1;
        let time = case.short().saturating_mul(self.ttls << round);
        if round == 0 {
            can_linger(case).await?;
        }
        let handle = case.another_handle().await?;
        case.power(needs::LINGER, case.harness.linger(&handle, time)).await?;
        // It may be judged anew, and linger anew; or be written in two steps.
        let limit = case.harness.patience().saturating_add(time.saturating_mul(4));
        Ok(Late { handle, round, limit })
    }

    /// What came of a request that lingers, and of what happened between its reading and its writing. `None`: it did not happen
    /// between the two.
    pub(super) async fn between<H: Harness, T, M>(
        &mut self,
        case: &Case<'_, H>,
        lingers: impl Future<Output = Result<T, Stop>>,
        happens: impl Future<Output = Result<M, Stop>>,
    ) -> Result<Option<(T, M)>, Stop> {
        let happens = async {
            // By now it is read.
            case.sleep(case.short() / 4).await;
            happens.await
        };
        match select(pin!(happens), pin!(lingers)).await {
            Either::Left((Ok(happened), lingers)) => Ok(Some((lingers.await?, happened))),
            // What lingered may have landed in its way.
            Either::Left((Err(stop), lingers)) => {
                lingers.await?;
                self.spoilt = Some(stop);
                Ok(None)
            }
            Either::Right((answer, _)) => {
                answer?;
                self.spoilt =
                    Some(Stop::saw("Harness::linger lets a write come later than others", "it came before them"));
                Ok(None)
            }
        }
    }
}

/// How a reign comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Release,
    Expiry,
    Revoke,
}

impl End {
    /// A contender whose reigns can come to this end within the case.
    pub(super) fn fit<'a, H: Harness>(self, case: &Case<'_, H>, contender: &Contender<'a, H>) -> Contender<'a, H> {
        contender.ttl(if self == Self::Expiry { case.short() } else { case.long() })
    }

    /// Waits for it, or brings it about. The lease after it.
    pub(super) async fn comes<H: Harness>(self, contender: &Contender<'_, H>) -> Result<Lease, Stop> {
        match self {
            Self::Release => contender.release().await?,
            Self::Expiry => drop(contender.expire().await?),
            Self::Revoke => drop(revoked(contender).await?),
        }
        contender.lease().await
    }

    /// A whole reign. The lease after it.
    pub(super) async fn of_a_reign<H: Harness>(
        self,
        case: &Case<'_, H>,
        contender: &Contender<'_, H>,
        known: Option<Term>,
    ) -> Result<Lease, Stop> {
        let contender = self.fit(case, contender);
        contender.win(known).await?;
        self.comes(&contender).await
    }
}
