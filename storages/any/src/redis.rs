//! URLs of Redis, as its driver takes them, with the storage's own settings: `redis://user:password@host/0?max_ttl=2m`.

use std::time::Duration;

use lessor_redis::redis::Client;
use lessor_redis::{AdapterError, RedisStorage};

use crate::OpenError;
use crate::parameters::{self, REDIS, REDIS_SOCKET};
use crate::tls;

/// What the driver does not know, and must not see.
const OWN: [&str; 3] = ["max_ttl", "prefix", "durable"];

/// The storage that a URL names. Nothing is sent yet.
pub(crate) fn named(url: &str) -> Result<RedisStorage, OpenError> {
    let is_socket = url.split_once(':').is_some_and(|(scheme, _)| scheme.ends_with("unix"));
    let parameters = parameters::of(url, if is_socket { &REDIS_SOCKET } else { &REDIS })?;
    let parameter = |name: &str| parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let mut builder = RedisStorage::builder();
    if let Some(given) = parameter("max_ttl") {
        let allowed = "a duration from 100ms to 24h, as 500ms, 90 (seconds), 2m or 1h";
        let max_ttl = duration(given).ok_or_else(|| refused("max_ttl", given, allowed))?;
        builder = builder.max_ttl(max_ttl).map_err(|_: AdapterError| refused("max_ttl", given, allowed))?;
    }
    if let Some(prefix) = parameter("prefix") {
        builder = builder.prefix(prefix).map_err(OpenError::invalid)?;
    }
    builder = match parameter("durable") {
        None => builder,
        Some("true") => builder.durable(true),
        Some("false") => builder.durable(false),
        Some(given) => return Err(refused("durable", given, "true or false")),
    };
    let drivers = for_the_driver(url);
    let client = Client::open(&*drivers).map_err(|error| tls::missing_for(&drivers, &error))?;
    Ok(builder.build(client))
}

fn refused(name: &str, given: &str, allowed: &str) -> OpenError {
    let given: String = given.chars().take(40).collect();
    OpenError::invalid(format!("parameter {name:?} is {given:?}, allowed is {allowed}"))
}

/// As the program `lessor` takes durations.
fn duration(text: &str) -> Option<Duration> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (number, unit) =
        units.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit))).unwrap_or((text, 1.0));
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()
}

/// The URL without what is the storage's own.
fn for_the_driver(url: &str) -> String {
    let (rest, fragment) = url.split_once('#').map_or((url, None), |(rest, fragment)| (rest, Some(fragment)));
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_own =
        |pair: &&str| OWN.contains(&&*parameters::decoded(pair.split_once('=').map_or(*pair, |(name, _)| name)));
    let others: Vec<_> = query.split('&').filter(|pair| !pair.is_empty() && !is_own(pair)).collect();
    let mut left = place.to_owned();
    if !others.is_empty() {
        left.push('?');
        left.push_str(&others.join("&"));
    }
    if let Some(fragment) = fragment {
        left.push('#');
        left.push_str(fragment);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings() {
        let shown = |url: &str| format!("{:?}", named(url).unwrap());
        let said = shown("redis://u:s3cret@h:1/0?max_ttl=2m&prefix=a%3Ab&durable=true&protocol=resp3");
        for says in ["max_ttl: 120s", "a:b", "durable: true"] {
            assert!(said.contains(says) && !said.contains("s3cret"), "{said}");
        }
        let said = shown("redis://h");
        assert!(said.contains("max_ttl: 60s") && said.contains("durable: false"), "{said}");
        assert!(shown("valkey://h?max_ttl=1.5").contains("max_ttl: 1.5s"));
    }

    #[test]
    fn what_the_driver_is_told() {
        for (url, left) in [
            ("redis://u:p@h:1/2", "redis://u:p@h:1/2"),
            ("redis://h?max_ttl=2m", "redis://h"),
            ("rediss://h/1?max_ttl=2m&protocol=3&%70refix=a#insecure", "rediss://h/1?protocol=3#insecure"),
            ("unix:///run/r.sock?db=1&durable=false&pass=%23", "unix:///run/r.sock?db=1&pass=%23"),
        ] {
            assert_eq!(for_the_driver(url), left);
        }
    }

    #[test]
    fn what_is_not_allowed() {
        for (url, reason) in [
            ("redis://u:s3cret@h?max_ttl=2d", "parameter \"max_ttl\" is \"2d\", allowed is a duration"),
            ("redis://u:s3cret@h?max_ttl=1ms", "allowed is a duration from 100ms to 24h"),
            ("redis://u:s3cret@h?max_ttl=-1", "allowed is a duration from 100ms to 24h"),
            ("redis://u:s3cret@h?durable=yes", "parameter \"durable\" is \"yes\", allowed is true or false"),
            ("redis://u:s3cret@h?prefix=%7B", "prefix"),
            ("redis://u:s3cret@h?max-ttl=2m", "parameter \"max-ttl\" is unknown: did you mean \"max_ttl\"?"),
            ("redis://u:s3cret@h?db=1", "parameter \"db\" is unknown: there are protocol, max_ttl, prefix, durable"),
        ] {
            let error = named(url).err().unwrap().to_string();
            assert!(error.contains(reason) && !error.contains("s3cret"), "{url}: {error}");
        }
    }

    /// Whatever the driver takes.
    #[test]
    fn schemes() {
        for url in ["redis://h", "valkey://h"] {
            named(url).unwrap();
        }
        #[cfg(unix)]
        for url in
            ["unix:///run/r.sock", "redis+unix:///run/r.sock?db=3&user=app&pass=s3cret", "valkey+unix:///run/r.sock"]
        {
            named(url).unwrap();
        }
        #[cfg(feature = "tls-rustls")]
        for url in ["rediss://h", "valkeys://h"] {
            named(url).unwrap();
        }
        #[cfg(not(feature = "tls-rustls"))]
        for url in ["rediss://h", "valkeys://h"] {
            assert_eq!(named(url).err(), Some(OpenError::MissingFeature { feature: "tls-rustls" }), "{url}");
        }
    }
}
