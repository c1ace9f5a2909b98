//! What `RedisStorage` promises beyond the contract of a storage, on real servers.

mod batches;
mod connection;
mod contention;
mod costs;
mod errors;
mod lists;
mod loss;
mod names;
mod revoke;
mod wakeups;

use lessor::{Key, Lease, StorageExt};
use lessor_redis::RedisStorage;
use lessor_servers::asking::{MINUTE, claim, extended, granted, key, lasting, now, release, renewal, woken};
use lessor_servers::redis::Server;

/// The lease of a key that was granted before.
async fn lease(storage: &RedisStorage, key: &Key) -> Lease {
    storage.get(key).await.unwrap().expect("it was granted")
}

/// Ready to grant.
async fn storage(server: &Server) -> RedisStorage {
    let storage = RedisStorage::new(server.client());
    storage.initialise().await.unwrap();
    lessor::Storage::check(&storage).await.unwrap();
    storage
}

/// How many calls of scripts the server has seen.
fn calls(server: &Server) -> u64 {
    server.info("cmdstat_evalsha").split([',', '=']).nth(1).unwrap().parse().unwrap()
}
