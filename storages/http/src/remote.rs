//! The service, as the lane has to know it: what to send, and what comes back.

use futures::future::join_all;
use lessor::StorageError;
use lessor_kit::error::AdapterError;
use lessor_kit::lane::{Answer, Broken, Flight, Server};

use crate::answer::{Failed, refused};
use crate::parts::{Part, Parts};
use crate::service::Service;

/// Over the platform's connections, which opens them when it needs them.
pub(crate) struct Remote(pub(crate) Service);

impl Remote {
    /// The answers to one part of a flight, each with its place.
    async fn ask(&self, part: Part) -> Result<Vec<(usize, Answer)>, Broken> {
        match self.0.batch(part.body(), part.places.len()).await {
            Ok(replies) => {
                let answers = replies.into_iter().map(|reply| Answer::done(reply.into_result().map_err(refused)));
                Ok(part.places.into_iter().zip(answers).collect())
            }
            Err(Failed::Broken(error)) => Err(error.into()),
            // An error in one part is no verdict on what the others asked.
            Err(Failed::Other(error)) => {
                Ok(part.places.into_iter().map(|place| (place, Answer::done(Err(error.clone())))).collect())
            }
        }
    }
}

impl Server for Remote {
    type Connection = ();
    const THREAD: &'static str = "lessor-http";

    async fn connect(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// One request over HTTP for up to 256 operations; more than one are sent at the same time.
    async fn send(&self, (): &mut (), flight: &Flight) -> Result<Vec<Answer>, Broken> {
        let mut answers: Vec<_> =
            flight.requests.iter().map(|_| Answer::done(Err(AdapterError::Unfit.into()))).collect();
        let mut parts = Parts::default();
        for (place, request) in flight.requests.iter().enumerate() {
            if let (Err(error), Some(answer)) = (parts.push(place, request.clone()), answers.get_mut(place)) {
                *answer = Answer::done(Err(error));
            }
        }
        for asked in join_all(parts.into_iter().map(|part| self.ask(part))).await {
            for (place, answered) in asked? {
                if let Some(answer) = answers.get_mut(place) {
                    *answer = answered;
                }
            }
        }
        Ok(answers)
    }
}
