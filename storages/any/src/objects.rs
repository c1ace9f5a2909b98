//! URLs of object stores: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.

use std::sync::Arc;
use std::time::Duration;

use lessor_objects::ObjectStorage;
use lessor_objects::object_store::aws::AmazonS3Builder;
use lessor_objects::object_store::azure::MicrosoftAzureBuilder;
use lessor_objects::object_store::gcp::GoogleCloudStorageBuilder;
use lessor_objects::object_store::{ClientOptions, ObjectStore, RetryConfig};
use percent_encoding::percent_decode_str;

use crate::OpenError;
use crate::parameters::{self, OBJECTS};

/// Longer than any candidate waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shorter than any store keeps a connection that is idle: what is sent while it is closed gets no answer.
const IDLE: Duration = Duration::from_secs(4);

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
    // It is asked for where it is written.
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    // A candidate tries again by itself.
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let store: Arc<dyn ObjectStore> = match scheme.as_str() {
        "s3" => {
            let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
            if let Some(region) = parameter("region") {
                builder = builder.with_region(region);
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint).with_allow_http(plain);
            }
            Arc::new(builder.with_client_options(client(plain)).build().map_err(OpenError::invalid)?)
        }
        "gs" => {
            let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket).with_retry(retry);
            if let Some(endpoint) = endpoint {
                builder = builder.with_base_url(endpoint);
            }
            Arc::new(builder.with_client_options(client(plain)).build().map_err(OpenError::invalid)?)
        }
        _ => {
            let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket).with_retry(retry);
            if let Some(account) = parameter("account") {
                builder = builder.with_account(account);
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint.to_owned()).with_allow_http(plain);
            }
            Arc::new(builder.with_client_options(client(plain)).build().map_err(OpenError::invalid)?)
        }
    };
    let mut builder = ObjectStorage::builder();
    if let Some(prefix) = prefix {
        builder = builder.prefix(&prefix).map_err(OpenError::invalid)?;
    }
    Ok(builder.build(store))
}

fn client(plain: bool) -> ClientOptions {
    ClientOptions::new().with_allow_http(plain).with_timeout(PATIENCE).with_pool_idle_timeout(IDLE)
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
        return invalid("keys are read from the environment, as the store's own programs do: write s3://bucket/prefix");
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
