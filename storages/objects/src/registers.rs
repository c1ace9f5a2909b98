//! Objects as registers: read with their tag, written on the condition that it is still that one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt, TryStreamExt, stream};
use lessor::storage::List;
use lessor::storage::registers::{Registers, Stored, Swap};
use lessor::{Key, StorageError, async_trait};
use lessor_kit::runtime::within;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::error::{explain, unanswered, unconditional};
use crate::name::Names;
use crate::revision::Revision;

/// How many objects of a list are read at a time.
const TOGETHER: usize = 64;

/// The objects under a prefix, one for each key.
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    names: Names,
    name: String,
    /// That the store keeps conditions was seen.
    proven: AtomicBool,
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, names: Names) -> Self {
        let name = format!("{store}/{}", names.folder());
        Self { store, names, name, proven: AtomicBool::new(false) }
    }

    /// Writes an object; `None`: there is one already, or another than was meant.
    async fn put(&self, swap: &Swap<Revision>) -> Result<Option<Revision>, StorageError> {
        let mode = swap.expected.as_ref().map_or(PutMode::Create, |revision| PutMode::Update(revision.update()));
        let options = PutOptions { mode, ..PutOptions::default() };
        let name = self.names.of(&swap.key);
        match self.store.put_opts(&name, swap.bytes.clone().into(), options).await {
            Ok(written) => Ok(Some(Revision::new(written.e_tag, written.version))),
            // That it collided with another, which is still under way, is told like that too: what came of it is read.
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Ok(None),
            Err(error) => Err(explain(error)),
        }
    }

    /// That the store keeps conditions: an object that is there is not created, and one with another tag is not replaced.
    ///
    /// A store that knows nothing of them writes all the same, and two would lead.
    async fn prove(&self) -> Result<(), StorageError> {
        if self.proven.load(Ordering::Relaxed) {
            return Ok(());
        }
        let probe = self.names.probe();
        let put = async |mode| {
            let options = PutOptions { mode, ..PutOptions::default() };
            self.store.put_opts(&probe, "is here to see whether conditions are kept\n".into(), options).await
        };
        // The first may create it; the second finds it.
        for may_succeed in [true, false] {
            match put(PutMode::Create).await {
                Ok(_) if may_succeed => {}
                Ok(_) => return Err(unconditional(&"an object was created twice").into()),
                Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => break,
                Err(error) => return Err(explain(error)),
            }
        }
        // (Google counts, and nothing is its first version.)
        let nobodys = Revision::new(Some("\"0123456789abcdef\"".into()), Some("1".into()));
        match put(PutMode::Update(nobodys.update())).await {
            Ok(_) => Err(unconditional(&"an object was replaced under a tag that it never had").into()),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                self.proven.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(explain(error)),
        }
    }
}

/// By clients whose connections are tasks of tokio: to be polled within it.
impl Objects {
    async fn get(&self, key: &Key) -> Result<Option<Stored<Revision>>, StorageError> {
        let read = async || {
            let object = self.store.get(&self.names.of(key)).await?;
            let revision = Revision::new(object.meta.e_tag.clone(), object.meta.version.clone());
            Ok(Stored::new(object.bytes().await?.into(), revision))
        };
        let mut result = read().await;
        // On an idle connection that the store is closing just now, a request gets no answer. (A write that got none is read first.)
        if result.as_ref().is_err_and(unanswered) {
            result = read().await;
        }
        match result {
            Ok(stored) => Ok(Some(stored)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(explain(error)),
        }
    }

    /// All names under the prefix, and the objects of the page: stores list by folder, and in an order of their own.
    async fn page(&self, list: &List) -> Result<Vec<(Key, Stored<Revision>)>, StorageError> {
        let names = self.store.list(Some(self.names.folder())).map_ok(|meta| meta.location);
        let names: Vec<_> = names.try_collect().await.map_err(explain)?;
        let start = list.start.as_ref();
        let mut keys: Vec<_> = names.iter().filter_map(|path| self.names.key(path)).collect();
        keys.retain(|key| key.as_str().starts_with(&list.prefix) && start.is_none_or(|start| key >= start));
        keys.sort_unstable();
        keys.truncate(list.page_size() + 1);
        let reads: Vec<_> = keys.iter().map(|key| self.get(key)).collect();
        let stored: Vec<_> = stream::iter(reads).buffered(TOGETHER).try_collect().await?;
        Ok(keys.into_iter().zip(stored).filter_map(|(key, stored)| Some((key, stored?))).collect())
    }
}

#[async_trait]
impl Registers for Objects {
    type Revision = Revision;

    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, key: &Key) -> Result<Option<Stored<Revision>>, StorageError> {
        within(self.get(key)).await?
    }

    async fn swap(&self, swap: &Swap<Revision>) -> Result<Option<Revision>, StorageError> {
        let proven = async {
            self.prove().await?;
            self.put(swap).await
        };
        within(proven).await?
    }

    async fn list(&self, list: &List) -> Result<Vec<(Key, Stored<Revision>)>, StorageError> {
        within(self.page(list)).await?
    }

    async fn check(&self) -> Result<(), StorageError> {
        let lists = async {
            self.store.list(Some(self.names.folder())).try_next().await.map_err(explain)?;
            self.prove().await
        };
        within(lists).await?
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("name", &self.name).finish_non_exhaustive()
    }
}
