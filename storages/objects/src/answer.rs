//! What stores answer where they refuse, by their own codes.

use std::error::Error;

use lessor::storage::ErrorKind;
use object_store::Error as StoreError;

pub(crate) const NAME: &str = "create the bucket (the container), or correct its name";
pub(crate) const CREDENTIALS: &str = "correct the credentials";
const RENEW: &str = "renew the credentials: these have ended";
const CLOCK: &str = "set this machine's clock (by NTP, say): the store lets nobody in whose clock is minutes off";
const REGION: &str = "correct the region, or the endpoint: the bucket is elsewhere";
pub(crate) const RIGHTS: &str = "candidates get and put objects under the prefix, and check lists them";
const RIGHTS_OF_S3: &str = "grant s3:GetObject and s3:PutObject on the objects under the prefix, and s3:ListBucket on the bucket: \
                            without that, S3 says the same of each object that is not there yet";

/// Codes that say what somebody has to do: of S3 and what speaks its protocol, Google, Azure.
const KNOWN: [(&str, &str); 20] = [
    ("NoSuchBucket", NAME),
    ("ContainerNotFound", NAME),
    ("InvalidBucketName", NAME),
    ("InvalidResourceName", NAME),
    ("InvalidAccessKeyId", CREDENTIALS),
    ("SignatureDoesNotMatch", CREDENTIALS),
    ("AuthenticationFailed", CREDENTIALS),
    ("InvalidToken", CREDENTIALS),
    ("ExpiredToken", RENEW),
    ("RequestTimeTooSkewed", CLOCK),
    ("RequestExpired", CLOCK),
    ("AuthorizationHeaderMalformed", REGION),
    ("PermanentRedirect", REGION),
    ("IllegalLocationConstraintException", REGION),
    ("AccessDenied", RIGHTS_OF_S3),
    ("AllAccessDisabled", RIGHTS),
    ("AuthorizationFailure", RIGHTS),
    ("AuthorizationPermissionMismatch", RIGHTS),
    ("InsufficientAccountPermissions", RIGHTS),
    ("AccountIsDisabled", "let the account be enabled"),
];

/// Codes of requests that may pass the next time, though their status says that it was the request's fault.
const PASSING: [&str; 6] =
    ["Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestTimeout", "IncompleteBody", "BadDigest"];

/// What the other side said, out of all that was wrapped around it.
pub(crate) struct Answer {
    /// As the stores' pages of errors have it.
    pub(crate) code: Option<String>,
    /// Of HTTP.
    status: Option<u16>,
    pub(crate) message: String,
}

impl Answer {
    pub(crate) fn of(error: &StoreError) -> Self {
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
        let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)?.parse().ok());
        // The client keeps nothing else of it.
        let redirected = text.contains("redirect without LOCATION") || status == Some(301);
        let code = within("Code").or_else(|| redirected.then(|| "PermanentRedirect".to_owned()));
        Self { code, status, message: within("Message").unwrap_or_else(|| text.clone()) }
    }

    /// Whether a server has answered at all.
    pub(crate) fn is_said(&self) -> bool {
        self.code.is_some() || self.status.is_some()
    }

    /// What somebody has to do about it.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        let code = self.code.as_deref()?;
        KNOWN.iter().find(|(known, _)| *known == code).map(|(_, advice)| *advice)
    }

    /// Whether that is about a right which is missing.
    pub(crate) fn is_about_rights(&self) -> bool {
        self.advice().is_some_and(|advice| [RIGHTS, RIGHTS_OF_S3].contains(&advice))
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        let passes = self.code.as_deref().is_some_and(|code| PASSING.contains(&code));
        let is_mistaken = self
            .status
            .is_some_and(|status| (400..500).contains(&status) && ![408, 409, 412, 425, 429].contains(&status));
        if self.advice().is_some() || is_mistaken && !passes { ErrorKind::Permanent } else { ErrorKind::Transient }
    }
}
