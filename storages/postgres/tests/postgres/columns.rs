//! What a change of the table does to the statements that are prepared.

use lessor::StorageExt;
use lessor::storage::Acquired;
use lessor_postgres::PostgresStorage;
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{claim, run};

/// A later version may add a column: the statements that are prepared go on.
#[test]
fn a_new_column() {
    let server = Server::start();
    block_on(async {
        let storage = PostgresStorage::new(server.pool(1));
        storage.migrate().await.unwrap();
        let granted = |answer| matches!(answer, Ok(Acquired::Granted { .. }));
        assert!(granted(storage.acquire(claim("k", 1)).await));
        run(&server.pool(1), "ALTER TABLE lessor_leases ADD COLUMN note text").await;
        assert!(granted(storage.acquire(claim("k", 1)).await) && granted(storage.acquire(claim("other", 1)).await));

        // What does not fit any more is prepared again, on a new connection.
        run(&server.pool(1), "ALTER TABLE lessor_leases ALTER COLUMN id TYPE varchar(128)").await;
        assert!(granted(storage.acquire(claim("k", 1)).await));
    });
}
