//! What the store says, sorted by whether waiting may help.

use std::error::Error;
use std::fmt;

use lessor::StorageError;
use lessor::storage::ErrorKind;
use lessor_kit::error::AdapterError;
use object_store::Error as StoreError;

/// What a request came to that failed.
pub(crate) fn explain(error: StoreError) -> StorageError {
    let Said { code, message } = Said::by(&error);
    let refused = |or: &str, kind| {
        AdapterError::refused("the object store", code.clone().unwrap_or_else(|| or.to_owned()), &message, kind)
    };
    match (&error, code.as_deref()) {
        (_, Some("NoSuchBucket" | "ContainerNotFound")) | (StoreError::NotFound { .. }, _) => {
            let advice = "create the bucket (the container), or correct its name";
            refused("404", ErrorKind::Permanent).advising(advice).into()
        }
        (StoreError::Unauthenticated { .. }, _)
        | (_, Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "AuthenticationFailed")) => {
            refused("401", ErrorKind::Permanent).advising("correct the credentials").into()
        }
        (StoreError::PermissionDenied { .. }, _) => {
            let advice = "candidates get and put objects under the prefix, and check lists them";
            AdapterError::forbidden(message).advising(advice).into()
        }
        (StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }, _) => unconditional(&error).into(),
        (_, Some(_)) => refused("", ErrorKind::Transient).into(),
        (_, None) => StorageError::transient(error),
    }
}

/// That nobody said anything: the connection failed.
pub(crate) fn unanswered(error: &StoreError) -> bool {
    matches!(error, StoreError::Generic { .. }) && Said::by(error).code.is_none()
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

/// What the other side said, out of all that was wrapped around it.
struct Said {
    /// As the stores' pages of errors have it.
    code: Option<String>,
    message: String,
}

impl Said {
    fn by(error: &StoreError) -> Self {
        let mut innermost: &dyn Error = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        let text = innermost.to_string();
        let within = |tag: &str| {
            let (_, rest) = text.split_once(&format!("<{tag}>"))?;
            let (said, _) = rest.split_once("</")?;
            Some(said.trim().to_owned())
        };
        let message = within("Message").unwrap_or_else(|| text.clone());
        Self { code: within("Code"), message }
    }
}

#[cfg(test)]
mod tests {
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
