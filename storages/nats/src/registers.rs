//! Registers in NATS: a key of a bucket each, whose revision is the number of its last message.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use lessor::storage::List;
use lessor::storage::registers::{Registers, Stored, Swap, Watch};
use lessor::{Key, StorageError, async_trait};

use crate::bucket::Bucket;
use crate::setup;
use crate::watch::Watcher;

/// How many requests of a batch are under way at a time: they are on one connection, one behind the other.
const TOGETHER: usize = 128;

/// What is in one bucket.
pub(crate) struct NatsRegisters {
    pub(crate) bucket: Arc<Bucket>,
    watcher: Watcher,
}

type Read = Result<Option<Stored<u64>>, StorageError>;
type Swapped = Result<Option<u64>, StorageError>;

impl NatsRegisters {
    pub(crate) fn new(bucket: Bucket) -> Self {
        let bucket = Arc::new(bucket);
        let watcher = Watcher::new(bucket.clone());
        Self { bucket, watcher }
    }
}

/// So many at a time, answered in their order.
async fn together<F: Future>(all: Vec<F>) -> Vec<F::Output> {
    stream::iter(all).buffered(TOGETHER).collect().await
}

#[async_trait]
impl Registers for NatsRegisters {
    type Revision = u64;

    fn name(&self) -> &str {
        "NATS"
    }

    async fn read(&self, key: &Key) -> Read {
        Ok(self.bucket.look(&self.bucket.layout.subject(key)).await?.stored)
    }

    async fn swap(&self, swap: &Swap<u64>) -> Swapped {
        Ok(self.bucket.swap(swap).await?)
    }

    async fn read_all(&self, keys: &[Key]) -> Vec<Read> {
        together(keys.iter().map(|key| self.read(key)).collect()).await
    }

    async fn swap_all(&self, swaps: &[Swap<u64>]) -> Vec<Swapped> {
        together(swaps.iter().map(|swap| self.swap(swap)).collect()).await
    }

    /// The names of all keys, and then the rows of the page. Servers sort nothing, and tell of no beginning of a name.
    async fn list(&self, list: &List) -> Result<Vec<(Key, Stored<u64>)>, StorageError> {
        let wanted = list.page_size() + 1;
        let subjects = self.bucket.subjects().await?;
        // What is no key's may be anybody's.
        let keys = subjects.iter().filter_map(|subject| self.bucket.layout.key(subject));
        let start = list.start.as_ref();
        let mut keys: Vec<_> = keys
            .filter(|key| key.as_str().starts_with(&*list.prefix) && start.is_none_or(|start| key >= start))
            .collect();
        keys.sort_unstable();
        let mut registers = Vec::new();
        for page in keys.chunks(wanted) {
            for (key, read) in page.iter().zip(self.read_all(page).await) {
                // What was deleted is still a name.
                registers.extend(read?.map(|stored| (key.clone(), stored)));
            }
            if registers.len() >= wanted {
                break;
            }
        }
        Ok(registers)
    }

    fn watch(&self, key: &Key) -> Option<Watch<u64>> {
        Some(self.watcher.watch(self.bucket.layout.subject(key)))
    }

    async fn check(&self) -> Result<(), StorageError> {
        setup::check(&self.bucket).await
    }
}

#[cfg(test)]
mod tests {
    //! What lies between reading and writing is out of reach for whoever uses the storage: it is drawn out here.

    use core::time::Duration;
    use std::sync::{Mutex, PoisonError};

    use async_nats::ConnectOptions;
    use futures::executor::block_on;
    use lessor::storage::conformance::{self, Failures, Harness, Power};
    use lessor::storage::registers::RegisterStorage;
    use lessor::{SystemTimer, Timer};
    use lessor_servers::nats::Server;

    use super::*;
    use crate::layout::Layout;
    use crate::link::Link;
    use crate::servers::Servers;

    /// Registers whose writes come late.
    struct Slow {
        registers: NatsRegisters,
        linger: Mutex<Duration>,
    }

    #[async_trait]
    impl Registers for Slow {
        type Revision = u64;

        fn name(&self) -> &str {
            self.registers.name()
        }

        async fn read(&self, key: &Key) -> Read {
            self.registers.read(key).await
        }

        async fn swap(&self, swap: &Swap<u64>) -> Swapped {
            let linger = *self.linger.lock().unwrap_or_else(PoisonError::into_inner);
            if linger > Duration::ZERO {
                SystemTimer::new().sleep(linger).await;
            }
            self.registers.swap(swap).await
        }

        async fn list(&self, list: &List) -> Result<Vec<(Key, Stored<u64>)>, StorageError> {
            self.registers.list(list).await
        }

        fn watch(&self, key: &Key) -> Option<Watch<u64>> {
            self.registers.watch(key)
        }

        async fn check(&self) -> Result<(), StorageError> {
            self.registers.check().await
        }
    }

    fn bucket(server: &Server) -> Bucket {
        let servers = Servers::new([server.address()], ConnectOptions::new()).unwrap();
        Bucket::new(Link::new(servers), Layout::standard())
    }

    struct Lingering(Server);

    #[async_trait]
    impl Harness for Lingering {
        type Storage = RegisterStorage<Slow>;
        type Timer = SystemTimer;

        async fn storage(&self) -> Result<Self::Storage, StorageError> {
            let registers = NatsRegisters::new(bucket(&self.0));
            Ok(RegisterStorage::new(Slow { registers, linger: Mutex::default() }))
        }

        fn timer(&self) -> SystemTimer {
            SystemTimer::new()
        }

        fn ttl(&self) -> Duration {
            Duration::from_millis(500)
        }

        async fn linger(&self, storage: &Self::Storage, time: Duration) -> Result<Power, StorageError> {
            *storage.registers().linger.lock().unwrap_or_else(PoisonError::into_inner) = time;
            Ok(Power::Used)
        }
    }

    #[test]
    fn what_comes_late_does_not_count() -> Result<(), Failures> {
        let server = Server::start();
        block_on(setup::migrate(&bucket(&server), 1)).unwrap();
        let report = block_on(conformance::run_those(&Lingering(server), |case| case.starts_with("lingering_")));
        println!("{report}");
        assert!(report.not_available().is_empty());
        report.into_result()
    }
}
