//! What an answer means when it is no verdict.

use serde::Deserialize;
use ureq::Body;
use ureq::http::Response;

use super::LONGEST;
use crate::storage::StorageError;
use crate::wire::Problem;

/// The body of an answer, or what went wrong.
pub(super) fn answer<A: for<'de> Deserialize<'de>>(
    sent: Result<Response<Body>, ureq::Error>,
) -> Result<A, StorageError> {
    let mut response = sent.map_err(transport)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(LONGEST).read_to_vec().map_err(transport)?;
    if status == 200 {
        // Something in between may answer 200 with a page of its own.
        return serde_json::from_slice(&body).map_err(StorageError::transient);
    }
    let found = serde_json::from_slice(&body).ok();
    Err(problem(found.unwrap_or_else(|| Problem {
        kind: "status".into(),
        status,
        detail: "no lease service answers so".into(),
    })))
}

/// Somebody has to change something for these; everything else may pass by itself.
pub(super) fn problem(problem: Problem) -> StorageError {
    match problem.status {
        400 | 401 | 403 | 404 | 405 | 413 | 415 => StorageError::permanent(problem),
        _ => StorageError::transient(problem),
    }
}

fn transport(error: ureq::Error) -> StorageError {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::Tls(_) => StorageError::permanent(error),
        error => StorageError::transient(error),
    }
}

pub(super) fn no_fit() -> StorageError {
    StorageError::transient("the service's answer does not fit the request")
}
