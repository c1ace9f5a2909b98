//! Stores for the tests.

use std::sync::Arc;

use lessor_objects::object_store::aws::AmazonS3Builder;
use lessor_objects::object_store::{ObjectStore, RetryConfig};

/// What TLS would be computed with. (Whoever comes second finds it there.)
pub(crate) fn provide() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A bucket of a server of this machine that speaks the protocol of S3.
pub(crate) fn store(port: u16, bucket: &str) -> Arc<dyn ObjectStore> {
    provide();
    let store = AmazonS3Builder::new()
        .with_endpoint(format!("http://127.0.0.1:{port}"))
        .with_allow_http(true)
        .with_bucket_name(bucket)
        .with_skip_signature(true)
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
    Arc::new(store.build().expect("settings that fit"))
}
