use std::sync::Arc;
use std::time::Duration;

use lessor::Storage;
use lessor_objects::ObjectStorage;
use lessor_objects::object_store::aws::{AmazonS3, AmazonS3Builder};
use lessor_objects::object_store::path::Path;
use lessor_objects::object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig, UpdateVersion};
use lessor_servers::seaweed::Server;
use tokio::runtime::{Builder, Runtime};

use crate::{Bare, RECORD, crash, operations, within};

struct Hand<'r> {
    runtime: &'r Runtime,
    store: AmazonS3,
    revision: Option<UpdateVersion>,
}

impl Bare for Hand<'_> {
    async fn acquire(&mut self) {
        let mode = self.revision.take().map_or(PutMode::Create, PutMode::Update);
        let options = PutOptions { mode, ..PutOptions::default() };
        let path = Path::from("hand/k");
        let put = self.store.put_opts(&path, RECORD.into(), options);
        let written = within(self.runtime, put).await.expect("nobody else writes it");
        self.revision = Some(UpdateVersion { e_tag: written.e_tag, version: written.version });
    }

    async fn renew(&mut self) {
        self.acquire().await;
    }

    async fn look(&mut self) {
        let path = Path::from("hand/k");
        let read = within(self.runtime, async { self.store.get(&path).await?.bytes().await });
        assert_eq!(read.await.expect("an answer").len(), RECORD.len());
    }

    /// Nobody is told.
    async fn hand_over(&mut self) -> Duration {
        unreachable!("it is not measured")
    }
}

fn store(server: &Server) -> AmazonS3 {
    let store = AmazonS3Builder::new()
        .with_endpoint(format!("http://127.0.0.1:{}", server.port()))
        .with_allow_http(true)
        .with_bucket_name("leases")
        .with_skip_signature(true)
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
    store.build().expect("settings that fit")
}

pub(crate) async fn measure() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let server = Server::start();
    let storage = ObjectStorage::new(Arc::new(store(&server)));
    storage.check().await.expect("it is ready");
    let mut hand = Hand { runtime: &runtime, store: store(&server), revision: None };
    operations("objects (SeaweedFS)", &storage, &mut hand).await;
    crash::measure("objects (SeaweedFS)", &storage).await;
    runtime.shutdown_background();
}
