//! Containers of Azure's blobs for the tests.

use std::sync::Arc;
use std::time::Duration;

use lessor_objects::object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential, MicrosoftAzureBuilder};
use lessor_objects::object_store::client::{HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use lessor_objects::object_store::{ClientOptions, ObjectStore, RetryConfig};
use lessor_servers::azurite;

use crate::support::provide;

/// It closes connections after five idle seconds.
const IDLE: Duration = Duration::from_secs(2);

/// A container of this server of Azure's blobs. It is made if there is none.
pub(crate) fn container(server: &azurite::Server, name: &str) -> Arc<dyn ObjectStore> {
    provide();
    let store = MicrosoftAzureBuilder::new()
        .with_endpoint(server.endpoint())
        .with_account(azurite::ACCOUNT)
        .with_access_key(azurite::KEY)
        .with_container_name(name)
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .with_client_options(ClientOptions::new().with_allow_http(true).with_pool_idle_timeout(IDLE))
        .build();
    let mut make = HttpRequest::new(HttpRequestBody::empty());
    *make.method_mut() = "PUT".parse().expect("a method");
    *make.uri_mut() = format!("{}/{name}?restype=container", server.endpoint()).parse().expect("a URL");
    let key = AzureCredential::AccessKey(AzureAccessKey::try_new(azurite::KEY).expect("a key"));
    AzureAuthorizer::new(&key, azurite::ACCOUNT).try_authorize(&mut make).expect("it can be signed");
    let options = ClientOptions::new().with_allow_http(true);
    let client = ReqwestConnector::default().connect(&options).expect("a client");
    let made = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let said = made.block_on(client.execute(make)).expect("an answer").status();
    assert!(said.is_success() || said.as_u16() == 409, "{said}");
    Arc::new(store.expect("settings that fit"))
}
