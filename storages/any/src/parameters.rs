//! What stands behind the `?` of a URL. Drivers pass over what they do not know, so that a slip of the pen connects without
//! TLS, say, and nobody is told: here it is refused.

use percent_encoding::percent_decode_str;

use crate::OpenError;

/// What an engine's driver knows.
pub(crate) struct Known {
    /// As the engine's people write them.
    names: &'static [&'static str],
    /// Also known, and not advertised: other spellings.
    aliases: &'static [&'static str],
    /// What asks for TLS, for whoever writes it as elsewhere.
    tls: &'static str,
    /// What may stand behind a `#`.
    fragment: Option<&'static str>,
}

#[cfg(any(feature = "postgres", test))]
pub(crate) const POSTGRES: Known = Known {
    names: &[
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "application_name",
        "options",
        "statement-cache-capacity",
    ],
    aliases: &["ssl-mode", "ssl-root-cert", "ssl-ca", "ssl-cert", "ssl-key"],
    tls: "sslmode",
    fragment: None,
};

#[cfg(any(feature = "mysql", test))]
pub(crate) const MYSQL: Known = Known {
    names: &[
        "ssl-mode",
        "ssl-ca",
        "ssl-cert",
        "ssl-key",
        "charset",
        "collation",
        "socket",
        "time-zone",
        "statement-cache-capacity",
    ],
    aliases: &["sslmode", "sslca", "sslcert", "sslkey", "timezone"],
    tls: "ssl-mode",
    fragment: None,
};

#[cfg(any(feature = "redis", test))]
pub(crate) const REDIS: Known = Known {
    names: &["protocol", "max_ttl", "prefix", "durable"],
    aliases: &[],
    tls: "rediss://",
    fragment: Some("insecure"),
};

/// The driver takes from here what has no other place in the URL of a socket.
#[cfg(any(feature = "redis", test))]
pub(crate) const REDIS_SOCKET: Known = Known {
    names: &["protocol", "max_ttl", "prefix", "durable", "db", "user", "pass"],
    aliases: &[],
    tls: "rediss://",
    fragment: None,
};

#[cfg(any(feature = "etcd", test))]
pub(crate) const ETCD: Known =
    Known { names: &["cacert", "cert", "key"], aliases: &["ca-cert"], tls: "etcds://", fragment: None };

#[cfg(any(feature = "http", test))]
pub(crate) const HTTP: Known =
    Known { names: &["token_file", "cacert", "headers_file"], aliases: &[], tls: "https://", fragment: None };

#[cfg(any(feature = "nats", test))]
pub(crate) const NATS: Known = Known {
    names: &["replicas", "domain", "tlsca", "tlscert", "tlskey"],
    aliases: &[],
    tls: "natss://",
    fragment: None,
};

#[cfg(any(feature = "objects", test))]
pub(crate) const OBJECTS: Known =
    Known { names: &["region", "endpoint", "account"], aliases: &[], tls: "endpoint", fragment: None };

#[cfg(any(feature = "sqlite", test))]
pub(crate) const SQLITE: Known =
    Known { names: &["mode", "cache", "vfs"], aliases: &["psow"], tls: "", fragment: None };

/// The parameters of a URL, decoded.
///
/// # Errors
/// One that this engine does not know, or that is there twice. It is named, its value is not. And what stands behind a `#`,
/// which drivers do not read.
pub(crate) fn of(url: &str, known: &Known) -> Result<Vec<(String, String)>, OpenError> {
    let (url, fragment) = url.split_once('#').map_or((url, None), |(url, fragment)| (url, Some(fragment)));
    if fragment.is_some_and(|fragment| Some(fragment) != known.fragment) {
        return Err(OpenError::invalid(
            "what stands behind a # is passed over: a # in a name or a password is written as %23",
        ));
    }
    let Some((_, query)) = url.split_once('?') else { return Ok(Vec::new()) };
    if query.contains('@') {
        // A password with a ? in it: nothing of it may be shown.
        let reason = "an @ stands behind a ?: in user names and passwords both are written as %40 and %3F";
        return Err(OpenError::invalid(reason));
    }
    let mut parameters = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        if !known.has(&name) {
            return Err(OpenError::invalid(known.refusal(&name)));
        }
        let is_the_same = |(other, _): &(String, String)| plain(other) == plain(&name);
        if !name.starts_with("options") && parameters.iter().any(is_the_same) {
            return Err(OpenError::invalid(format!("parameter {name:?} is there twice")));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// As in forms: that is how drivers read them.
pub(crate) fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// A name in one of its spellings.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '_', '.'], "")
}

impl Known {
    fn has(&self, name: &str) -> bool {
        self.names.contains(&name)
            || self.aliases.contains(&name)
            || self.names.contains(&"options") && name.starts_with("options[") && name.ends_with(']')
    }

    fn refusal(&self, name: &str) -> String {
        // What has other letters is no name, and may be anybody's secret.
        let is_name =
            name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let what = if is_name {
            format!("parameter {name:?} is unknown")
        } else {
            "it has a parameter that is unknown".into()
        };
        match self.nearest(name) {
            Some(nearest) => format!("{what}: did you mean {nearest:?}?"),
            None => format!("{what}: there are {}", self.names.join(", ")),
        }
    }

    fn nearest(&self, name: &str) -> Option<&'static str> {
        let name = plain(name);
        let distance = |known: &str| strsim::damerau_levenshtein(&plain(known), &name);
        let nearest = self.names.iter().map(|known| (distance(known), *known)).min();
        let slip =
            nearest.filter(|(distance, known)| *distance <= 2 && *distance * 2 < known.len()).map(|(_, known)| known);
        slip.or_else(|| {
            let asks_for_tls = !self.tls.is_empty() && ["ssl", "tls"].iter().any(|word| name.contains(word));
            asks_for_tls.then_some(self.tls)
        })
    }
}

/// Certificates were given, and TLS only where the server likes: it may get none.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn certificates_are_used(
    parameters: &[(String, String)],
    optional: bool,
    advice: &str,
) -> Result<(), OpenError> {
    let is_certificate = |name: &str| name.starts_with("ssl") && !matches!(name, "sslmode" | "ssl-mode");
    match parameters.iter().find(|(name, _)| optional && is_certificate(name)) {
        Some((name, _)) => Err(OpenError::invalid(format!(
            "parameter {name:?} does nothing where TLS is left to the server: add {advice}"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(url: &str, known: &Known) -> String {
        match of(url, known) {
            Err(OpenError::InvalidUrl { reason }) => reason,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn what_a_driver_knows() {
        for (url, known) in [
            ("postgres://h/d", &POSTGRES),
            ("postgres://h/d?", &POSTGRES),
            ("postgres://h/d?sslmode=require&application_name=a+b&options[lock_timeout]=1&host=%2Frun", &POSTGRES),
            ("mysql://h/d?ssl-mode=REQUIRED&charset=utf8mb4&timezone=x", &MYSQL),
            ("redis://h?protocol=resp3", &REDIS),
            ("rediss://h#insecure", &REDIS),
        ] {
            assert!(of(url, known).is_ok(), "{url}");
        }
        let read = of("sqlite:e.db?mode=rw&vfs=a%26b", &SQLITE).unwrap();
        assert_eq!(read, [("mode", "rw"), ("vfs", "a&b")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_it_does_not_know_is_named() {
        for (url, known, reason) in [
            ("postgres://h/d?sslmod=require", &POSTGRES, "parameter \"sslmod\" is unknown: did you mean \"sslmode\"?"),
            (
                "postgres://h/d?SSLMODE=require",
                &POSTGRES,
                "parameter \"SSLMODE\" is unknown: did you mean \"sslmode\"?",
            ),
            ("postgres://h/d?ssl=true", &POSTGRES, "parameter \"ssl\" is unknown: did you mean \"sslmode\"?"),
            ("mysql://h/d?tls=required", &MYSQL, "parameter \"tls\" is unknown: did you mean \"ssl-mode\"?"),
            ("mysql://h/d?ssl_mode=REQUIRED", &MYSQL, "parameter \"ssl_mode\" is unknown: did you mean \"ssl-mode\"?"),
            ("mysql://h/d?useSSL=true", &MYSQL, "parameter \"useSSL\" is unknown: did you mean \"ssl-mode\"?"),
            ("mysql://h/d?charset=x&sokcet=/run", &MYSQL, "parameter \"sokcet\" is unknown: did you mean \"socket\"?"),
            (
                "redis://h?ssl_cert_reqs=none",
                &REDIS,
                "parameter \"ssl_cert_reqs\" is unknown: did you mean \"rediss://\"?",
            ),
            ("redis://h?db=3", &REDIS, "parameter \"db\" is unknown: there are protocol"),
            ("sqlite:a?immutable=1", &SQLITE, "parameter \"immutable\" is unknown: there are mode, cache, vfs"),
            ("postgres://h/d?sslmode=require&sslmode=disable", &POSTGRES, "parameter \"sslmode\" is there twice"),
            ("mysql://h/d?ssl-mode=REQUIRED&sslmode=x", &MYSQL, "parameter \"sslmode\" is there twice"),
            ("postgres://h/d#x?sslmode=require", &POSTGRES, "what stands behind a # is passed over"),
            ("redis://h#?protocol=resp3", &REDIS, "what stands behind a # is passed over"),
            ("mysql://h/d?my%20dog=1", &MYSQL, "it has a parameter that is unknown: there are ssl-mode, "),
        ] {
            let said = said(url, known);
            assert!(said.starts_with(reason), "{url}: {said}");
        }
    }

    /// What stands behind a `?` may be the rest of a password.
    #[test]
    fn a_password_is_not_shown() {
        for url in ["mysql://u:pa?s3cret@h/d?ssl-mode=x", "mysql://u:pa?s3cret=x@h/d", "mysql://u:p?s3%63ret/!@h"] {
            assert!(said(url, &MYSQL).starts_with("an @ stands behind a ?"), "{url}");
        }
    }
}
