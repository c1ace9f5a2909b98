//! A bucket of R2 as a [`Storage`], for Workers: no Durable Object is needed.

use core::fmt;

use futures::{StreamExt, TryStreamExt, stream};
use lessor::storage::registers::{RegisterStorage, Registers, Stored, Swap};
use lessor::storage::{List, Reply, Request};
use lessor::{Key, Storage, StorageError, Wakeups, async_trait};
use worker::{Bucket, Conditional, Error};

use crate::object_name::Names;
use crate::timer::WorkerTimer;

/// How many objects of a list are read at a time: as many requests as the platform has under way for one event.
const TOGETHER: usize = 6;

/// Leases in a bucket of R2 that a Worker has a binding to: a small object for each key.
///
/// Renewals are writes on the condition that the object is still the one that was read. An object that has stood still for its whole ttl is
/// free: see [`registers`](lessor::storage::registers). **Do not delete the objects**, and let no lifecycle rule expire them.
///
/// They are those of the crate `lessor-objects` in the same folder of the same bucket: processes that reach it by its S3 interface and
/// Workers elect one leader. Who may read the objects can act for their holders.
///
/// Nobody is told of a release: followers ask. Clones share what they have seen of others' leases: give each candidate of an event a clone.
/// An event that has just begun has seen nothing, and takes over from a leader that is gone only after a whole ttl.
///
/// R2 takes one write a second to an object: take a ttl of 10 s or more, and where work may be short a
/// [`min_hold`](lessor::Config::min_hold) of 1 s. Followers judge by the [platform's clock](WorkerTimer), which must not be set forward by
/// more than an election's margin meanwhile.
///
/// ```no_run
/// use lessor_worker::R2Storage;
///
/// # fn storage(env: &worker::Env) -> worker::Result<R2Storage> {
/// Ok(R2Storage::new(env.bucket("LEASES")?))
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct R2Storage(RegisterStorage<R2Registers>);

impl R2Storage {
    /// In this bucket, in the folder `lessor`.
    #[must_use]
    pub fn new(bucket: Bucket) -> Self {
        Self::of(bucket, Names::standard())
    }

    /// In another folder of this bucket. Two folders are independent: the same key may be led in each. Give it to nothing else.
    ///
    /// # Errors
    /// The name has not 1 to 128 bytes: letters, digits, `.`, `_` and `-`, with `/` between folders.
    pub fn under(bucket: Bucket, folder: &str) -> worker::Result<Self> {
        let names = Names::under(folder).ok_or_else(|| {
            let allowed = "1 to 128 bytes: folders of letters, digits, '.', '_' and '-', with '/' between them";
            Error::RustError(format!("folder {folder:?} is not allowed: {allowed}"))
        })?;
        Ok(Self::of(bucket, names))
    }

    fn of(bucket: Bucket, names: Names) -> Self {
        let name = format!("the bucket's folder {}", names.folder());
        Self(RegisterStorage::with_timer(R2Registers { bucket, names, name }, WorkerTimer::new()))
    }
}

#[async_trait(?Send)]
impl Storage for R2Storage {
    async fn call(&self, request: Request) -> Result<Reply, StorageError> {
        self.0.call(request).await
    }

    async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
        self.0.call_all(requests).await
    }

    /// Those of this storage and its clones: R2 tells nobody.
    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.subscribe(key)
    }

    /// Whether the bucket can be reached, and whether it keeps the conditions of writes: a write to an object `=probe` beside those
    /// of the keys, which has to be refused. It leaves nothing behind.
    async fn check(&self) -> Result<(), StorageError> {
        self.0.check().await
    }
}

/// The objects under a prefix, one for each key.
struct R2Registers {
    bucket: Bucket,
    names: Names,
    /// As errors have it.
    name: String,
}

/// An etag as R2 gives it and takes it, without quotes: a hash of the content, which is enough since no two records of a key are equal.
type Tag = String;

impl R2Registers {
    /// Writes an object; `None`: the condition did not hold.
    async fn put(&self, name: String, bytes: Vec<u8>, only_if: Conditional) -> Result<Option<Tag>, StorageError> {
        let written = self.bucket.put(name, bytes).only_if(only_if).execute().await.map_err(transient)?;
        Ok(written.map(|object| object.etag()))
    }

    /// All keys that begin with this, in no order: that of their names is another one.
    async fn keys(&self, prefix: &str) -> Result<Vec<Key>, StorageError> {
        let (prefix, mut keys, mut cursor) = (self.names.of(prefix), Vec::new(), None);
        loop {
            let page = self.bucket.list().prefix(&prefix);
            let page = match cursor {
                None => page,
                Some(cursor) => page.cursor(cursor),
            };
            let page = page.execute().await.map_err(transient)?;
            keys.extend(page.objects().iter().filter_map(|object| self.names.key(&object.key())));
            cursor = page.cursor().filter(|_| page.truncated());
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }
}

#[async_trait(?Send)]
impl Registers for R2Registers {
    type Revision = Tag;

    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, key: &Key) -> Result<Option<Stored<Tag>>, StorageError> {
        let object = self.bucket.get(self.names.of(key.as_str())).execute().await.map_err(transient)?;
        let Some(object) = object else { return Ok(None) };
        let body = object.body().ok_or_else(|| StorageError::transient("the object came without its content"))?;
        Ok(Some(Stored::new(body.bytes().await.map_err(transient)?, object.etag())))
    }

    async fn swap(&self, swap: &Swap<Tag>) -> Result<Option<Tag>, StorageError> {
        let only_if = match &swap.expected {
            Some(tag) => Conditional { etag_matches: Some(tag.clone()), ..Conditional::default() },
            None => Conditional { etag_does_not_match: Some("*".to_owned()), ..Conditional::default() },
        };
        self.put(self.names.of(swap.key.as_str()), swap.bytes.clone(), only_if).await
    }

    /// All names that begin with the prefix, and the objects of the page.
    async fn list(&self, list: &List) -> Result<Vec<(Key, Stored<Tag>)>, StorageError> {
        let mut keys = self.keys(&list.prefix).await?;
        keys.retain(|key| list.start.as_ref().is_none_or(|start| key >= start));
        keys.sort_unstable();
        keys.truncate(list.page_size() + 1);
        let reads: Vec<_> = keys.iter().map(|key| self.read(key)).collect();
        let stored: Vec<_> = stream::iter(reads).buffered(TOGETHER).try_collect().await?;
        Ok(keys.into_iter().zip(stored).filter_map(|(key, stored)| Some((key, stored?))).collect())
    }

    async fn check(&self) -> Result<(), StorageError> {
        // No content has it: an etag is a hash of 32 digits.
        let only_if = Conditional { etag_matches: Some("none".to_owned()), ..Conditional::default() };
        match self.put(self.names.probe(), Vec::new(), only_if).await? {
            None => Ok(()),
            Some(_) => Err(StorageError::permanent("this bucket keeps no conditions: two would lead")),
        }
    }
}

/// Whether a write that was answered like this has happened is open.
fn transient(error: Error) -> StorageError {
    StorageError::transient(error.to_string())
}

impl fmt::Debug for R2Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("R2Registers").field("name", &self.name).finish_non_exhaustive()
    }
}
