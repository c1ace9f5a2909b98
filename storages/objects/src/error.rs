//! What the store says, sorted by whether waiting may help.

use std::fmt;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use object_store::Error as StoreError;

use crate::answer::{Answer, CREDENTIALS, NAME, RIGHTS};

/// What a request came to that failed.
pub(crate) fn explain(error: StoreError) -> StorageError {
    let answer = Answer::of(&error);
    let refused = |or: &str, kind| {
        let code = answer.code.clone().unwrap_or_else(|| or.to_owned());
        AdapterError::refused("the object store", code, &answer.message, kind)
    };
    if matches!(error, StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) {
        return unconditional(&error).into();
    }
    if let Some(advice) = answer.advice() {
        let said = if answer.is_about_rights() {
            AdapterError::forbidden(answer.message.clone())
        } else {
            refused("", ErrorKind::Permanent)
        };
        return said.advising(advice).into();
    }
    match &error {
        StoreError::NotFound { .. } => refused("404", ErrorKind::Permanent).advising(NAME).into(),
        StoreError::Unauthenticated { .. } => refused("401", ErrorKind::Permanent).advising(CREDENTIALS).into(),
        StoreError::PermissionDenied { .. } => AdapterError::forbidden(answer.message).advising(RIGHTS).into(),
        _ if answer.is_said() => refused("HTTP", answer.kind()).into(),
        _ => StorageError::transient(error),
    }
}

/// That nobody said anything: the connection failed.
pub(crate) fn unanswered(error: &StoreError) -> bool {
    matches!(error, StoreError::Generic { .. }) && !Answer::of(error).is_said()
}

/// A store that cannot write on a condition.
pub(crate) fn unconditional(found: &dyn fmt::Display) -> AdapterError {
    AdapterError::wrong_setup(
        "conditional writes",
        format!("are not kept: {found}"),
        "this store does not write on the condition that an object is unchanged, so two candidates would lead",
        "take a store that keeps If-Match and If-None-Match, or switch that on (a file system cannot: take lessor-sqlite)",
    )
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    const XML: &str = "Server returned non-2xx status code: 404 Not Found: <?xml version=\"1.0\"?><Error>\
                       <Code>NoSuchBucket</Code><Message>The bucket does not exist</Message></Error>";

    fn of(error: fn(String, Box<dyn Error + Send + Sync>) -> StoreError, text: &str) -> StorageError {
        explain(error("k".into(), text.into()))
    }

    #[test]
    fn somebody_has_to_act() {
        let generic = |_, source| StoreError::Generic { store: "S3", source };
        let missing = |path, source| StoreError::NotFound { path, source };
        let denied = |path, source| StoreError::PermissionDenied { path, source };
        for (error, says) in [
            (of(generic, XML), "The bucket does not exist (NoSuchBucket): create the bucket"),
            (of(missing, XML), "The bucket does not exist (NoSuchBucket): create the bucket"),
            (of(missing, "gone"), "gone (404): create the bucket"),
            (of(denied, "no"), "the user lacks a right: no: candidates get and put"),
            (of(denied, "<Code>SignatureDoesNotMatch</Code>"), "(SignatureDoesNotMatch): correct the credentials"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    fn answered(status: &str, body: &str) -> StorageError {
        let text = format!("Server returned non-2xx status code: {status}: {body}");
        of(
            match status.split_once(' ').unwrap().0 {
                "403" => |path, source| StoreError::PermissionDenied { path, source },
                "401" => |path, source| StoreError::Unauthenticated { path, source },
                _ => |_, source| StoreError::Generic { store: "S3", source },
            },
            &text,
        )
    }

    /// As stores answer: Amazon, Azure, Google.
    #[test]
    fn waiting_heals_none_of_these() {
        for (status, body, says) in [
            (
                "403 Forbidden",
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>RequestTimeTooSkewed</Code><Message>The \
                 difference between the request time and the current time is too large.</Message><RequestTime>\
                 20261130T120000Z</RequestTime><MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds></Error>",
                "(RequestTimeTooSkewed): set this machine's clock",
            ),
            (
                "400 Bad Request",
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code><Message>\
                 The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message>\
                 <Region>eu-west-1</Region></Error>",
                "expecting 'eu-west-1' (AuthorizationHeaderMalformed): correct the region",
            ),
            (
                "301 Moved Permanently",
                "<Error><Code>PermanentRedirect</Code><Message>The bucket you are attempting to access must be addressed \
                 using the specified endpoint.</Message></Error>",
                "(PermanentRedirect): correct the region",
            ),
            ("301 Moved Permanently", "", "(PermanentRedirect): correct the region"),
            (
                "400 Bad Request",
                "<Error><Code>InvalidBucketName</Code><Message>The specified bucket is not valid.</Message><BucketName>\
                 a_B</BucketName></Error>",
                "(InvalidBucketName): create the bucket (the container), or correct its name",
            ),
            (
                "400 Bad Request",
                "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>InvalidResourceName</Code><Message>The \
                 specified resource name contains invalid characters.\nRequestId:1</Message></Error>",
                "The specified resource name contains invalid characters. (InvalidResourceName): create",
            ),
            (
                "400 Bad Request",
                "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>",
                "(ExpiredToken): renew the credentials",
            ),
            (
                "403 Forbidden",
                "<Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::1:user/app is not authorized to perform: \
                 s3:ListBucket on resource: \"arn:aws:s3:::b\"</Message></Error>",
                "s3:ListBucket on the bucket: without that, S3 says the same of each object that is not there yet",
            ),
            (
                "403 Forbidden",
                "<Error><Code>AuthorizationPermissionMismatch</Code><Message>This request is not authorized to perform \
                 this operation using this permission.</Message></Error>",
                "candidates get and put",
            ),
            (
                "400 Bad Request",
                "<Error><Code>InvalidArgument</Code><Message>x-amz-content-sha256 must be ..</Message></Error>",
                "must be .. (InvalidArgument)",
            ),
            ("405 Method Not Allowed", "<html>no</html>", "405 Method Not Allowed"),
        ] {
            let error = answered(status, body);
            assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
        let elsewhere = "Received redirect without LOCATION, this normally indicates an incorrectly configured region";
        let error = of(|_, source| StoreError::Generic { store: "S3", source }, elsewhere);
        assert!(error.kind() == ErrorKind::Permanent && error.to_string().contains("correct the region"), "{error}");
    }

    #[test]
    fn waiting_may_heal_these() {
        for (status, body) in [
            (
                "503 Service Unavailable",
                "<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>",
            ),
            ("500 Internal Server Error", "<Error><Code>InternalError</Code><Message>We ..</Message></Error>"),
            ("400 Bad Request", "<Error><Code>RequestTimeout</Code><Message>Your socket ..</Message></Error>"),
            ("429 Too Many Requests", "<Error><Code>TooManyRequests</Code><Message>slower</Message></Error>"),
            ("429 Too Many Requests", ""),
            ("408 Request Timeout", ""),
            ("502 Bad Gateway", "<html>no</html>"),
            ("307 Temporary Redirect", "<Error><Code>TemporaryRedirect</Code><Message>Re-send</Message></Error>"),
        ] {
            let error = answered(status, body);
            assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
        }
    }

    #[test]
    fn it_may_pass() {
        let generic = |_, source| StoreError::Generic { store: "S3", source };
        for (text, says) in [
            ("<Error><Code>SlowDown</Code><Message>Slow down</Message>", "Slow down (SlowDown)"),
            ("connection refused", "connection refused"),
        ] {
            let error = of(generic, text);
            assert!(error.kind() == ErrorKind::Transient && error.to_string().contains(says), "{error}");
        }
    }
}
