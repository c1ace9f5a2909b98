//! One request to the service, and what its answer means.

use std::io;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use lessor_wire::{Problem, WireReply};
use serde::de::DeserializeOwned;
use ureq::Body;
use ureq::http::Response;

/// The longest answer that is read, in bytes: a page of 1,000 keys that are all as long as can be.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Where the service is, and how it knows that it may serve.
pub(crate) struct Service {
    pub(crate) agent: ureq::Agent,
    /// Without a slash at its end.
    pub(crate) url: String,
    /// The whole header: a secret.
    pub(crate) authorization: String,
}

impl Service {
    /// Sends a batch, an array of requests in JSON: as many replies. It blocks.
    pub(crate) fn batch(&self, body: &str, count: usize) -> Result<Vec<WireReply>, Failed> {
        let request = self.agent.post(format!("{}/v1/batch", self.url)).header("authorization", &self.authorization);
        let replies: Vec<_> = read(request.content_type("application/json").send(body))?;
        if replies.len() == count { Ok(replies) } else { Err(Failed::Other(AdapterError::Unfit.into())) }
    }

    /// What the service says about itself and the token. It blocks.
    pub(crate) fn about<A: DeserializeOwned>(&self) -> Result<A, StorageError> {
        let about =
            read(self.agent.get(format!("{}/v1", self.url)).header("authorization", &self.authorization).call());
        about.map_err(Failed::into_error)
    }
}

/// The body of an answer, or what went wrong.
fn read<A: DeserializeOwned>(sent: Result<Response<Body>, ureq::Error>) -> Result<A, Failed> {
    let mut response = sent.map_err(unsent)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(LONGEST).read_to_vec().map_err(unsent)?;
    if status == 200 {
        // Something in between may answer 200 with a page of its own.
        return serde_json::from_slice(&body).map_err(|error| Failed::Other(StorageError::transient(error)));
    }
    Err(Failed::Other(serde_json::from_slice(&body).map_or_else(|_| strange(status), refused)))
}

/// What the service says when it refuses.
pub(crate) fn refused(problem: Problem) -> StorageError {
    let Problem { kind, status, detail, .. } = &problem;
    StorageError::from(match status {
        401 | 403 => AdapterError::forbidden(problem.to_string()),
        _ => AdapterError::refused("the lease service", kind, detail, kind_of(*status)),
    })
}

/// Something in between has answered, or there is no lease service at this URL.
fn strange(status: u16) -> StorageError {
    let (code, said) = (status.to_string(), "nothing that a lease service says");
    AdapterError::refused("the server at the url", code, said, kind_of(status)).into()
}

/// Somebody has to change something for these; everything else may pass by itself.
const fn kind_of(status: u16) -> ErrorKind {
    match status {
        400 | 401 | 403 | 404 | 405 | 413 | 415 => ErrorKind::Permanent,
        _ => ErrorKind::Transient,
    }
}

fn unsent(error: ureq::Error) -> Failed {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::Tls(_) => {
            Failed::Other(StorageError::permanent(error))
        }
        ureq::Error::Io(error)
            if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof) =>
        {
            Failed::Broken(StorageError::transient(error))
        }
        error => Failed::Other(StorageError::transient(error)),
    }
}

/// Why there are no replies.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The connection was closed: while it was idle, perhaps.
    Broken(StorageError),
    Other(StorageError),
}

impl Failed {
    pub(crate) fn into_error(self) -> StorageError {
        match self {
            Self::Broken(error) | Self::Other(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> StorageError {
        let response = Response::builder().status(status).body(Body::builder().data(body)).unwrap();
        read::<Vec<WireReply>>(Ok(response)).unwrap_err().into_error()
    }

    fn problem(kind: &str, status: u16) -> String {
        serde_json::to_string(&Problem::new(kind, status, "no")).unwrap()
    }

    #[test]
    fn what_an_answer_means() {
        for (status, body, kind, says) in [
            (401, problem("unauthenticated", 401), ErrorKind::Permanent, "lacks a right: unauthenticated (401): no"),
            (403, problem("forbidden", 403), ErrorKind::Permanent, "lacks a right: forbidden (403): no"),
            (400, problem("invalid", 400), ErrorKind::Permanent, "the lease service says: no (invalid)"),
            (503, problem("overloaded", 503), ErrorKind::Transient, "the lease service says: no (overloaded)"),
            (
                404,
                "<html>".into(),
                ErrorKind::Permanent,
                "the server at the url says: nothing that a lease service says (404)",
            ),
            (
                502,
                "<html>".into(),
                ErrorKind::Transient,
                "the server at the url says: nothing that a lease service says (502)",
            ),
            (200, "<html>".into(), ErrorKind::Transient, "expected value"),
        ] {
            let error = answered(status, &body);
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
