//! URLs of object stores: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.

use std::sync::Arc;

use lessor_objects::ObjectStorage;
use lessor_objects::object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use lessor_objects::object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use lessor_objects::object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use lessor_objects::object_store::{ClientConfigKey, ObjectStore, RetryConfig};
use percent_encoding::percent_decode_str;

use crate::OpenError;
use crate::parameters::{self, OBJECTS};

/// Beside what the environment says of proxies, say. The first is longer than any candidate waits. The second is shorter than any store keeps
/// a connection that is idle: what is sent while it is closed gets no answer.
const TIMEOUTS: [(ClientConfigKey, &str); 2] =
    [(ClientConfigKey::Timeout, "10s"), (ClientConfigKey::PoolIdleTimeout, "4s")];

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    scheme: String,
    bucket: String,
    prefix: Option<String>,
    parameters: Vec<(String, String)>,
}

/// The storage that a URL names. Nothing is sent yet.
pub(crate) fn named(url: &str) -> Result<ObjectStorage, OpenError> {
    let Parts { scheme, bucket, prefix, parameters } = parts(url)?;
    // Only if the program has not chosen what its TLS computes with.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let parameter = |name: &str| parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let endpoint = parameter("endpoint");
    let store: Arc<dyn ObjectStore> = match scheme.as_str() {
        "s3" => {
            let builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(once());
            Arc::new(amazon(builder, parameter("region"), endpoint).build().map_err(OpenError::invalid)?)
        }
        "gs" => {
            let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket).with_retry(once());
            Arc::new(google(builder, endpoint).build().map_err(OpenError::invalid)?)
        }
        _ => {
            let builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket).with_retry(once());
            Arc::new(azure(builder, parameter("account"), endpoint).build().map_err(OpenError::invalid)?)
        }
    };
    let mut builder = ObjectStorage::builder();
    if let Some(prefix) = prefix {
        builder = builder.prefix(&prefix).map_err(OpenError::invalid)?;
    }
    Ok(builder.build(store))
}

/// A candidate tries again by itself.
fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// What is asked for where it is written, here or in the environment.
fn is_plain(endpoint: Option<&str>) -> bool {
    endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"))
}

fn amazon(mut builder: AmazonS3Builder, region: Option<&str>, endpoint: Option<&str>) -> AmazonS3Builder {
    use AmazonS3ConfigKey::{Client, Endpoint, S3Endpoint};
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = endpoint {
        // This one goes before the other, which the environment may have.
        builder = builder.with_config(S3Endpoint, endpoint);
    }
    for (key, value) in TIMEOUTS {
        builder = builder.with_config(Client(key), value);
    }
    let effective = builder.get_config_value(&S3Endpoint).or_else(|| builder.get_config_value(&Endpoint));
    if is_plain(effective.as_deref()) { builder.with_allow_http(true) } else { builder }
}

fn google(mut builder: GoogleCloudStorageBuilder, endpoint: Option<&str>) -> GoogleCloudStorageBuilder {
    use GoogleConfigKey::{BaseUrl, Client};
    if let Some(endpoint) = endpoint {
        builder = builder.with_base_url(endpoint);
    }
    for (key, value) in TIMEOUTS {
        builder = builder.with_config(Client(key), value);
    }
    if is_plain(builder.get_config_value(&BaseUrl).as_deref()) {
        builder = builder.with_config(Client(ClientConfigKey::AllowHttp), "true");
    }
    builder
}

fn azure(mut builder: MicrosoftAzureBuilder, account: Option<&str>, endpoint: Option<&str>) -> MicrosoftAzureBuilder {
    use AzureConfigKey::{Client, Endpoint};
    if let Some(account) = account {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.to_owned());
    }
    for (key, value) in TIMEOUTS {
        builder = builder.with_config(Client(key), value);
    }
    if is_plain(builder.get_config_value(&Endpoint).as_deref()) { builder.with_allow_http(true) } else { builder }
}

fn parts(url: &str) -> Result<Parts, OpenError> {
    let parameters = parameters::of(url, &OBJECTS)?;
    let invalid = |reason: &str| Err(OpenError::invalid(reason));
    let Some((scheme, rest)) = url.split_once("://") else { return invalid("write s3://bucket") };
    for (name, only) in [("region", "s3"), ("account", "az")] {
        if scheme != only && parameters.iter().any(|(given, _)| given == name) {
            return invalid(&format!("parameter {name:?} is for {only}://"));
        }
    }
    let (path, _) = rest.split_once('?').unwrap_or((rest, ""));
    if path.contains('@') {
        return invalid("keys are read from the environment: write s3://bucket/prefix");
    }
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    if bucket.is_empty() {
        return invalid("it names no bucket: write s3://bucket/prefix");
    }
    let Ok(prefix) = percent_decode_str(prefix.trim_end_matches('/')).decode_utf8() else {
        return invalid("its prefix is not UTF-8");
    };
    let prefix = Some(prefix.into_owned()).filter(|prefix| !prefix.is_empty());
    Ok(Parts { scheme: scheme.to_owned(), bucket: bucket.to_owned(), prefix, parameters })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says() {
        let said = parts("s3://b/leases/of%20jobs/?region=eu-west-1&endpoint=http%3A%2F%2Fh:9000").unwrap();
        assert_eq!((said.bucket.as_str(), said.prefix.as_deref()), ("b", Some("leases/of jobs")));
        let given = |name: &str| said.parameters.iter().find(|(given, _)| given == name).unwrap().1.as_str();
        assert_eq!((given("region"), given("endpoint")), ("eu-west-1", "http://h:9000"));
        assert_eq!(parts("gs://b/").unwrap().prefix, None);
        for url in ["s3://b", "gs://b/p", "az://c/p/q?account=a"] {
            named(url).unwrap();
        }
    }

    /// What the environment says of the way to the store stays as it is.
    #[test]
    fn the_way_of_the_environment() {
        use AmazonS3ConfigKey::{Client, Endpoint, S3Endpoint};
        let proxy = || Client(ClientConfigKey::ProxyUrl);
        let plain = |builder: &AmazonS3Builder| builder.get_config_value(&Client(ClientConfigKey::AllowHttp)).unwrap();
        let environment = AmazonS3Builder::new().with_config(proxy(), "http://proxy:3128");
        let built = amazon(environment.clone(), Some("eu-west-1"), None);
        assert_eq!(built.get_config_value(&proxy()).as_deref(), Some("http://proxy:3128"));
        assert_eq!(built.get_config_value(&Client(ClientConfigKey::Timeout)).as_deref(), Some("10s"));
        assert_eq!(plain(&built), "false");
        assert_eq!(plain(&amazon(environment.clone().with_allow_http(true), None, None)), "true");
        for key in [Endpoint, S3Endpoint] {
            let environment = environment.clone().with_config(key, "http://h:9000");
            assert_eq!(plain(&amazon(environment.clone(), None, None)), "true");
            assert_eq!(plain(&amazon(environment, None, Some("https://h"))), "false", "the URL goes first");
        }
        let there = amazon(environment.with_config(S3Endpoint, "https://h"), None, Some("http://h:9000"));
        assert_eq!(there.get_config_value(&S3Endpoint).as_deref(), Some("http://h:9000"));

        let proxy = || GoogleConfigKey::Client(ClientConfigKey::ProxyUrl);
        let built = google(GoogleCloudStorageBuilder::new().with_config(proxy(), "http://proxy"), Some("http://h"));
        assert_eq!(built.get_config_value(&proxy()).as_deref(), Some("http://proxy"));
        let plain = GoogleConfigKey::Client(ClientConfigKey::AllowHttp);
        assert_eq!(built.get_config_value(&plain).as_deref(), Some("true"));

        let proxy = || AzureConfigKey::Client(ClientConfigKey::ProxyUrl);
        let environment = MicrosoftAzureBuilder::new().with_config(proxy(), "http://proxy");
        let built = azure(environment.with_endpoint("http://h/a".into()), Some("a"), None);
        assert_eq!(built.get_config_value(&proxy()).as_deref(), Some("http://proxy"));
        let plain = AzureConfigKey::Client(ClientConfigKey::AllowHttp);
        assert_eq!(built.get_config_value(&plain).as_deref(), Some("true"));
    }

    #[test]
    fn what_is_not_allowed() {
        for (url, reason) in [
            ("s3://", "it names no bucket"),
            ("s3:///prefix", "it names no bucket"),
            ("s3://key:s3cret@b/p", "keys are read from the environment"),
            ("s3://b/a//b", "prefix \"a//b\" is not allowed"),
            ("gs://b?region=x", "parameter \"region\" is for s3://"),
            ("s3://b?account=x", "parameter \"account\" is for az://"),
            ("s3://b?endpont=x", "parameter \"endpont\" is unknown: did you mean \"endpoint\"?"),
        ] {
            let error = named(url).err().unwrap().to_string();
            assert!(error.contains(reason) && !error.contains("s3cret"), "{url}: {error}");
        }
    }
}
