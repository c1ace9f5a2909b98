//! A store that counts what it is asked, may take conditions for decoration, and may not answer.

use std::io::ErrorKind::ConnectionReset;
use std::sync::{Arc, Mutex};
use std::{fmt, io, mem};

use futures::stream::BoxStream;
use lessor::async_trait;
use lessor_objects::object_store::memory::InMemory;
use lessor_objects::object_store::path::Path;
use lessor_objects::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Which conditions it does not keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ignores {
    #[default]
    None,
    Creation,
    Replacement,
}

#[derive(Debug, Default)]
pub(crate) struct Spy {
    store: InMemory,
    ignores: Ignores,
    asked: Mutex<Vec<String>>,
    /// How many reads get no answer, from now on.
    silent: Mutex<usize>,
}

impl Spy {
    pub(crate) fn new(ignores: Ignores) -> Arc<Self> {
        Arc::new(Self { ignores, ..Self::default() })
    }

    /// What it was asked since that was asked last: `put` or `get`, and the name.
    pub(crate) fn asked(&self) -> Vec<String> {
        mem::take(&mut self.asked.lock().unwrap())
    }

    /// The connections of as many reads are reset.
    pub(crate) fn reset(&self, reads: usize) {
        *self.silent.lock().unwrap() = reads;
    }

    fn note(&self, verb: &str, path: &Path) {
        self.asked.lock().unwrap().push(format!("{verb} {path}"));
    }
}

impl fmt::Display for Spy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spy")
    }
}

#[async_trait]
impl ObjectStore for Spy {
    async fn put_opts(&self, path: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        self.note("put", path);
        let ignored = match (&options.mode, self.ignores) {
            (PutMode::Create, Ignores::Creation) => true,
            (PutMode::Update(_), ignores) => ignores != Ignores::None,
            _ => false,
        };
        if ignored {
            options.mode = PutMode::Overwrite;
        }
        self.store.put_opts(path, payload, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.note("get", path);
        {
            let mut silent = self.silent.lock().unwrap();
            if *silent > 0 {
                *silent -= 1;
                return Err(Error::Generic { store: "Spy", source: io::Error::from(ConnectionReset).into() });
            }
        }
        self.store.get_opts(path, options).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(paths)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}
