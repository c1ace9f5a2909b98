//! URLs of etcd: `etcd://user:password@host:2379,host2:2379/prefix`.

use lessor_etcd::EtcdStorage;
use percent_encoding::percent_decode_str;

use crate::OpenError;
use crate::parameters::{self, ETCD};

/// Where a member listens for clients, unless its URL says otherwise.
const PORT: u16 = 2379;

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    is_secret: bool,
    user: Option<(String, String)>,
    endpoints: Vec<String>,
    prefix: Option<String>,
    parameters: Vec<(String, String)>,
}

/// The storage that a URL names. Nothing is sent yet.
pub(crate) fn named(url: &str) -> Result<EtcdStorage, OpenError> {
    let Parts { is_secret, user, endpoints, prefix, parameters } = parts(url)?;
    let mut builder = EtcdStorage::builder();
    if let Some(prefix) = prefix {
        builder = builder.prefix(&prefix).map_err(OpenError::invalid)?;
    }
    if let Some((name, password)) = user {
        builder = builder.user(name, password);
    }
    if is_secret {
        builder = with_tls(builder, &parameters)?;
    } else if let Some((name, _)) = parameters.first() {
        return Err(OpenError::invalid(format!(
            "parameter {name:?} does nothing without TLS: begin the url with etcds://"
        )));
    }
    builder.build(endpoints).map_err(OpenError::invalid)
}

fn parts(url: &str) -> Result<Parts, OpenError> {
    let parameters = parameters::of(url, &ETCD)?;
    let (scheme, rest) = url.split_once("://").ok_or_else(|| OpenError::invalid("write etcd://host:2379"))?;
    let is_secret = scheme == "etcds";
    let (rest, _) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let scheme = if is_secret { "https" } else { "http" };
    let endpoint = |host: &str| match host.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{PORT}"),
    };
    let user = match user {
        Some(user) => {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            Some((decoded(name)?, decoded(password)?))
        }
        None => None,
    };
    // As a folder's name, with or without its end.
    let prefix =
        Some(decoded(path)?).filter(|path| !path.is_empty()).map(|path| format!("{}/", path.trim_end_matches('/')));
    Ok(Parts { is_secret, user, endpoints: hosts.split(',').map(endpoint).collect(), prefix, parameters })
}

fn decoded(text: &str) -> Result<String, OpenError> {
    let decoded =
        percent_decode_str(text).decode_utf8().map_err(|_| OpenError::invalid("it has a part that is not UTF-8"))?;
    Ok(decoded.into_owned())
}

#[cfg(not(feature = "tls-rustls"))]
fn with_tls(_: lessor_etcd::EtcdBuilder, _: &[(String, String)]) -> Result<lessor_etcd::EtcdBuilder, OpenError> {
    Err(OpenError::MissingFeature { feature: "tls-rustls" })
}

#[cfg(feature = "tls-rustls")]
fn with_tls(
    builder: lessor_etcd::EtcdBuilder,
    parameters: &[(String, String)],
) -> Result<lessor_etcd::EtcdBuilder, OpenError> {
    use lessor_etcd::etcd_client::{Certificate, Identity, TlsOptions};
    let file = |name: &str| {
        let named = parameters.iter().find(|(given, _)| given.replace(['-', '_'], "") == name);
        let read = named.map(|(_, path)| std::fs::read(path));
        read.transpose()
            .map_err(|error| OpenError::invalid(format!("the file of parameter {name:?} cannot be read: {error}")))
    };
    let tls = match file("cacert")? {
        Some(trusted) => TlsOptions::new().ca_certificate(Certificate::from_pem(trusted)),
        None => TlsOptions::new().with_enabled_roots(),
    };
    match (file("cert")?, file("key")?) {
        (Some(certificate), Some(key)) => Ok(builder.tls(tls.identity(Identity::from_pem(certificate, key)))),
        (None, None) => Ok(builder.tls(tls)),
        _ => Err(OpenError::invalid("parameters \"cert\" and \"key\" need each other")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Parts {
        parts(url).unwrap()
    }

    #[test]
    fn members() {
        let parts = parsed("etcd://h");
        assert_eq!((parts.endpoints, parts.user, parts.prefix), (vec!["http://h:2379".to_owned()], None, None));
        let parts = parsed("etcds://h1:1,h2,[::1],[::1]:2/");
        assert_eq!(parts.endpoints, ["https://h1:1", "https://h2:2379", "https://[::1]:2379", "https://[::1]:2"]);
        assert!(parts.is_secret && parts.prefix.is_none());
    }

    #[test]
    fn users_and_prefixes() {
        let parts = parsed("etcd://app:p%40%2F%3Fw@h:1/a%20b/c");
        assert_eq!(parts.user, Some(("app".to_owned(), "p@/?w".to_owned())));
        assert_eq!(parts.prefix.as_deref(), Some("a b/c/"));
        assert_eq!(parsed("etcd://h/leases/").prefix.as_deref(), Some("leases/"));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for (url, says) in [
            ("etcd://app:s3cret@h?cacert=/ca.pem", "etcds://"),
            ("etcd://app:s3cret@h?prefix=x", "parameter \"prefix\" is unknown"),
            ("etcd://app:s3cret@h?tls=true", "did you mean \"etcds://\"?"),
            ("etcd://app:s3cret@", "endpoint"),
            ("etcd://app:s3cret@h:port", "endpoint"),
            ("etcd://app:s3cret@h#x", "behind a #"),
        ] {
            let Err(error) = named(url) else { panic!("{url}") };
            let said = format!("{error} {error:?}");
            assert!(said.contains(says) && !said.contains("s3cret"), "{url}: {said}");
        }
        #[cfg(feature = "tls-rustls")]
        for (url, says) in [
            ("etcds://h?cacert=/nowhere/ca.pem", "parameter \"cacert\" cannot be read"),
            ("etcds://h?cert=/dev/null", "need each other"),
        ] {
            let Err(error) = named(url) else { panic!("{url}") };
            assert!(error.to_string().contains(says), "{url}: {error}");
        }
        #[cfg(not(feature = "tls-rustls"))]
        assert!(matches!(named("etcds://h"), Err(OpenError::MissingFeature { feature: "tls-rustls" })));
    }
}
