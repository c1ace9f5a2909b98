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
};

#[cfg(any(feature = "redis", test))]
pub(crate) const REDIS: Known = Known { names: &["protocol"], aliases: &[], tls: "rediss://" };

#[cfg(any(feature = "sqlite", test))]
pub(crate) const SQLITE: Known = Known { names: &["mode", "cache", "vfs"], aliases: &["psow"], tls: "" };

/// The parameters of a URL, decoded.
///
/// # Errors
/// One that this engine does not know. It is named, its value is not.
pub(crate) fn of(url: &str, known: &Known) -> Result<Vec<(String, String)>, OpenError> {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
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
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// As in forms: that is how drivers read them.
fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
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
        let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '_', '.'], "");
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
        let read = of("sqlite:e.db?mode=rw&vfs=a%26b#x", &SQLITE).unwrap();
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
