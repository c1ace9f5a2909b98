//! TLS that was asked for, and that this program was built without. No driver connects without it then; each has its words.

#[cfg(any(feature = "mysql", feature = "postgres"))]
use lessor::StorageError;

use crate::OpenError;

const NEEDED: OpenError = OpenError::MissingFeature { feature: "tls-rustls" };

/// What a database's driver says when it connects.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn missing(error: StorageError) -> OpenError {
    if error.to_string().contains("built without TLS support") { NEEDED } else { error.into() }
}

/// What Redis's driver says of the URL: nothing else is wrong with it.
#[cfg(feature = "redis")]
pub(crate) fn missing_for(url: &str, error: &lessor_redis::redis::RedisError) -> OpenError {
    let plain = ["rediss:", "valkeys:"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let plain = plain.map(|rest| format!("redis:{rest}"));
    let needed = plain.is_some_and(|url| lessor_redis::redis::Client::open(url).is_ok())
        && error.to_string().contains("the feature is not enabled");
    if needed { NEEDED } else { OpenError::invalid(error) }
}
