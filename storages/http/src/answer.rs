//! What an answer over HTTP means.

use core::fmt::Display;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use lessor_wire::Problem;
use serde::de::DeserializeOwned;

/// The longest answer that is read, in bytes: a page of 1,000 keys that are all as long as can be.
pub(crate) const LONGEST: usize = 16 * 1024 * 1024;

/// What of an answer matters.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The headers `content-type` and `location`; nothing where they are missing.
    pub(crate) kind: String,
    pub(crate) location: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as the service writes it; or what the service says when it refuses, or who else has answered.
    pub(crate) fn read<A: DeserializeOwned>(self) -> Result<A, StorageError> {
        if self.status == 200 {
            if let Ok(answer) = serde_json::from_slice(&self.body) {
                return Ok(answer);
            }
        } else if let Ok(problem) = serde_json::from_slice(&self.body) {
            return Err(refused(problem));
        }
        Err(self.strange())
    }

    /// Something in between has answered, or there is no lease service at this URL.
    fn strange(&self) -> StorageError {
        let is_redirection = (300..400).contains(&self.status);
        if is_redirection && self.location.contains("/cdn-cgi/access/") {
            let message = "that Cloudflare Access is before it, and does not let this in: give the headers CF-Access-Client-Id and \
                           CF-Access-Client-Secret of a service token, by header, or by ?headers_file=FILE behind the url";
            return no_service(self.status, message, ErrorKind::Permanent);
        }
        let message = match elsewhere(&self.location) {
            Some(elsewhere) if is_redirection => {
                format!("the service is elsewhere, at {elsewhere}: if that is right, make it the url")
            }
            _ => {
                let kind = self.kind.split(';').next().filter(|kind| !kind.is_empty()).unwrap_or("nothing");
                format!("{kind} that no lease service answers: check the url, and what is between here and there")
            }
        };
        let is_lasting = is_redirection || (200..300).contains(&self.status);
        let kind = if is_lasting { ErrorKind::Permanent } else { kind_of(self.status) };
        no_service(self.status, &message, kind)
    }
}

/// Whatever is at the URL, it answers as no lease service does.
pub(crate) fn no_service(what: impl Display, message: &str, kind: ErrorKind) -> StorageError {
    AdapterError::refused("the server at the url", what.to_string(), message, kind).into()
}

/// What the service says when it refuses.
pub(crate) fn refused(problem: Problem) -> StorageError {
    let Problem { kind, status, detail, .. } = &problem;
    StorageError::from(match status {
        401 | 403 => AdapterError::forbidden(problem.to_string()),
        _ => AdapterError::refused("the lease service", kind, detail, kind_of(*status)),
    })
}

/// The URL of the service, if it is where this address is: without what may be a secret.
fn elsewhere(location: &str) -> Option<String> {
    let location = location.split(['?', '#']).next()?;
    let service = ["/v1/batch", "/v1"].into_iter().find_map(|path| location.strip_suffix(path)).unwrap_or(location);
    let shown = !service.is_empty() && !service.contains('@');
    shown.then(|| service.chars().filter(|letter| !letter.is_control()).take(200).collect())
}

/// Somebody has to change something for these; everything else may pass by itself.
const fn kind_of(status: u16) -> ErrorKind {
    match status {
        400 | 401 | 403 | 404 | 405 | 413 | 415 => ErrorKind::Permanent,
        _ => ErrorKind::Transient,
    }
}

/// Why there is no answer.
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

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Self::Other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lessor_wire::WireReply;

    fn answered(status: u16, body: &str) -> StorageError {
        let location = "https://new.example.com/leases/v1/batch?token=s3cret".into();
        let answer = Answer { status, kind: "text/html; charset=utf-8".into(), location, body: body.into() };
        answer.read::<Vec<WireReply>>().unwrap_err()
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
            (404, "<html>".into(), ErrorKind::Permanent, "text/html that no lease service answers: check the url"),
            (502, "<html>".into(), ErrorKind::Transient, "text/html that no lease service answers: check the url"),
            (200, "<html>".into(), ErrorKind::Permanent, "text/html that no lease service answers: check the url"),
            (200, r#"{"status":"up"}"#.into(), ErrorKind::Permanent, "check the url, and what is between"),
            (
                301,
                String::new(),
                ErrorKind::Permanent,
                "elsewhere, at https://new.example.com/leases: if that is right",
            ),
        ] {
            let error = answered(status, &body);
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
