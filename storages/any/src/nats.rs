//! URLs of NATS: `nats://user:password@host:4222,host2:4222/bucket`.

use lessor_nats::NatsStorage;
use lessor_nats::async_nats::ConnectOptions;
use percent_encoding::percent_decode_str;

use crate::OpenError;
use crate::parameters::{self, NATS};

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    /// With whom to be let in as, as it is written.
    servers: Vec<String>,
    bucket: Option<String>,
    parameters: Vec<(String, String)>,
}

/// The storage that a URL names. Nothing is sent yet.
pub(crate) fn named(url: &str) -> Result<NatsStorage, OpenError> {
    let Parts { servers, bucket, parameters } = parts(url)?;
    let mut builder = NatsStorage::builder();
    if let Some(bucket) = bucket {
        builder = builder.bucket(&bucket).map_err(OpenError::invalid)?;
    }
    let parameter = |name: &str| parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value);
    if let Some(replicas) = parameter("replicas") {
        let count = replicas.parse().map_err(|_| {
            let given: String = replicas.chars().take(40).collect();
            OpenError::invalid(format!("parameter \"replicas\" is {given:?}, allowed is a number from 1 to 5"))
        })?;
        builder = builder.replicas(count).map_err(OpenError::invalid)?;
    }
    if let Some(domain) = parameter("domain") {
        builder = builder.domain(domain).map_err(OpenError::invalid)?;
    }
    let mut options = ConnectOptions::new().name("lessor");
    if let Some(trusted) = parameter("tlsca") {
        options = options.add_root_certificates(trusted.into());
    }
    options = match (parameter("tlscert"), parameter("tlskey")) {
        (Some(certificate), Some(key)) => options.add_client_certificate(certificate.into(), key.into()),
        (None, None) => options,
        _ => return Err(OpenError::invalid("parameters \"tlscert\" and \"tlskey\" need each other")),
    };
    builder.options(options).build(servers).map_err(OpenError::invalid)
}

fn parts(url: &str) -> Result<Parts, OpenError> {
    let parameters = parameters::of(url, &NATS)?;
    let (scheme, rest) = url.split_once("://").ok_or_else(|| OpenError::invalid("write nats://host/bucket"))?;
    // As NATS's own programs call it.
    let scheme = if scheme == "natss" { "tls" } else { "nats" };
    if scheme == "nats"
        && let Some((name, _)) = parameters.iter().find(|(name, _)| name.starts_with("tls"))
    {
        return Err(OpenError::invalid(format!(
            "parameter {name:?} does nothing where TLS is left to the server: begin the url with natss://"
        )));
    }
    let (rest, _) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (format!("{user}@"), rest),
        None => (String::new(), rest),
    };
    let (hosts, bucket) = rest.split_once('/').unwrap_or((rest, ""));
    let bucket = percent_decode_str(bucket).decode_utf8().map_err(|_| OpenError::invalid("its bucket is not UTF-8"))?;
    let bucket = Some(bucket.into_owned()).filter(|bucket| !bucket.is_empty());
    let servers = hosts.split(',').map(|host| format!("{scheme}://{user}{host}")).collect();
    Ok(Parts { servers, bucket, parameters })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says() {
        let said = parts("nats://app:p%40ss@h1,h2:4333/leases?replicas=3").unwrap();
        assert_eq!(said.servers, ["nats://app:p%40ss@h1", "nats://app:p%40ss@h2:4333"]);
        assert_eq!(said.bucket.as_deref(), Some("leases"));
        assert_eq!(parts("natss://h").unwrap().servers, ["tls://h"]);
        assert_eq!(parts("nats://t0ken@[::1]:4222/").unwrap().servers, ["nats://t0ken@[::1]:4222"]);
        let shown = format!("{:?}", named("natss://app:s3cret@h1,h2/b?tlsca=a&tlscert=b&tlskey=c").unwrap());
        assert!(shown.contains("tls://h1:4222, tls://h2:4222") && shown.contains("\"b\""), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let shown = format!("{:?}", named("nats://leaf/b?domain=hub").unwrap());
        assert!(shown.contains("hub") && shown.contains("\"b\""), "{shown}");
    }

    #[test]
    fn what_is_not_allowed() {
        for (url, reason) in [
            ("nats://u:s3cret@/b", "server is not allowed"),
            ("nats://h1,,h2/b", "server \"nats://\" is not allowed"),
            ("nats://h/a.b", "bucket \"a.b\" is not allowed"),
            ("nats://h/a/b", "bucket \"a/b\" is not allowed"),
            ("nats://h/b?replicas=x", "parameter \"replicas\" is \"x\", allowed is a number from 1 to 5"),
            ("nats://h/b?replicas=7", "replicas \"7\" is not allowed: 1 to 5"),
            ("nats://h/b?domain=a.b", "domain \"a.b\" is not allowed"),
            ("nats://h/b?tlsca=a", "parameter \"tlsca\" does nothing where TLS is left to the server"),
            ("natss://h/b?tlscert=a", "parameters \"tlscert\" and \"tlskey\" need each other"),
            ("nats://h/b?ssl=true", "parameter \"ssl\" is unknown: did you mean \"natss://\"?"),
        ] {
            let error = named(url).err().unwrap().to_string();
            assert!(error.contains(reason) && !error.contains("s3cret"), "{url}: {error}");
        }
    }
}
