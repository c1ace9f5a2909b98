//! What a URL says of a storage.

use crate::OpenError;

/// The schemes there are, and the feature that each needs.
pub(crate) const SCHEMES: [(&str, &str); 22] = [
    ("sqlite", "sqlite"),
    ("file", "sqlite"),
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
    ("mysql", "mysql"),
    ("mariadb", "mysql"),
    ("redis", "redis"),
    ("rediss", "redis"),
    ("valkey", "redis"),
    ("valkeys", "redis"),
    ("unix", "redis"),
    ("redis+unix", "redis"),
    ("valkey+unix", "redis"),
    ("etcd", "etcd"),
    ("etcds", "etcd"),
    ("nats", "nats"),
    ("natss", "nats"),
    ("s3", "objects"),
    ("gs", "objects"),
    ("az", "objects"),
    ("http", "http"),
    ("https", "http"),
];

/// The feature that the URL's scheme needs. What has no scheme is a path.
pub(crate) fn feature(url: &str) -> Result<&'static str, OpenError> {
    if url.trim().is_empty() {
        return Err(OpenError::invalid(
            "it is empty (is a variable not set?): write sqlite: and a path, or the url of a server",
        ));
    }
    let known = url.split_once(':').and_then(|(scheme, _)| SCHEMES.iter().find(|(name, _)| *name == scheme));
    match (known, url.split_once("://")) {
        (Some((_, feature)), _) => Ok(feature),
        (None, Some((scheme, _)))
            if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) =>
        {
            Err(OpenError::UnknownScheme { given: scheme.chars().take(20).collect() })
        }
        // Nothing of it is shown: it may be a URL without its scheme, and has a password then.
        (None, _) if url.contains('@') || url.contains("://") => {
            Err(OpenError::invalid("a path with an @ in it begins with sqlite:, and any other URL with its scheme"))
        }
        (None, _) => match no_path(url) {
            Some(reason) => Err(OpenError::invalid(reason)),
            None => Ok("sqlite"),
        },
    }
}

/// Why a text without a scheme is hardly meant as a path. As one it would be made: a file of this machine, in which every machine
/// leads by itself.
fn no_path(url: &str) -> Option<&'static str> {
    let host = url.split('/').next().unwrap_or(url);
    let is_address = host.split_once(':').is_some_and(|(name, port)| {
        !name.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    if is_address {
        Some(
            "it looks like a host and a port, and has no scheme: redis://host:port, say, or sqlite: before the path of a file",
        )
    } else if url.contains('?') {
        Some("a plain path takes no parameters: begin it with sqlite:, as in sqlite:leases.db?mode=rw")
    } else if SCHEMES.iter().any(|(name, _)| *name == url) {
        Some("it is the name of a storage, and says not which one: postgres://user:password@host/database, say")
    } else if !cfg!(windows) && url.get(1..3) == Some(":\\") {
        Some("it is a path of Windows")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_needs_its_feature() {
        for (url, expected) in [
            ("leases.db", "sqlite"),
            ("./a:b/leases.db", "sqlite"),
            ("a:1b/leases.db", "sqlite"),
            ("/var/lib/leases", "sqlite"),
            ("sqlite:leases.db", "sqlite"),
            ("file:leases.db?mode=rw", "sqlite"),
            ("postgresql://h/d", "postgres"),
            ("mariadb://h/d", "mysql"),
            ("redis://h", "redis"),
            ("rediss://h", "redis"),
            ("valkey://h", "redis"),
            ("valkeys://h", "redis"),
            ("unix:///run/redis.sock", "redis"),
            ("redis+unix:///run/redis.sock", "redis"),
            ("valkey+unix:///run/redis.sock", "redis"),
            ("etcd://h1,h2", "etcd"),
            ("etcds://h", "etcd"),
            ("nats://h1,h2", "nats"),
            ("natss://h", "nats"),
            ("s3://b/p", "objects"),
            ("https://t@h", "http"),
        ] {
            assert_eq!(feature(url), Ok(expected), "{url}");
        }
    }

    /// R15: what no storage understands is named, and no secret is shown.
    #[test]
    fn an_unknown_scheme_is_named_without_the_secret() {
        let error = feature("oracle://user:s3cret@h").unwrap_err();
        assert_eq!(error, OpenError::UnknownScheme { given: "oracle".to_owned() });
        assert!(!error.to_string().contains("s3cret"));
    }

    #[test]
    fn what_is_neither_url_nor_path_is_not_shown() {
        assert!(matches!(feature(""), Err(OpenError::InvalidUrl { .. })));
        for url in ["app:s3cret@h/leases", "app:s3cret@h/x?to=http://y"] {
            let error = feature(url).unwrap_err();
            assert!(matches!(error, OpenError::InvalidUrl { .. }) && !error.to_string().contains("s3cret"), "{error}");
        }
    }
}
