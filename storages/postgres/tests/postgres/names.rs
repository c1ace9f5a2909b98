//! Any name is a name, and any text a text.

use futures::future::join_all;
use lessor::storage::{List, Renewed};
use lessor::{Id, Key, Storage, StorageExt, Value};
use lessor_postgres::PostgresStorage;
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{claim, granted, number, release, renewal, run, woken};

#[test]
fn odd_names_and_texts() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        run(&pool, "CREATE TABLE victim ()").await;
        for (schema, table) in [
            ("public", "select"),
            ("My Schema", "My Leases"),
            ("sch\"ema", "x\"; DROP TABLE victim; --"),
            ("schéma", "%s {0} $1 '"),
            (&*"s".repeat(63), &*"t".repeat(63)),
        ] {
            let builder = PostgresStorage::builder().schema(schema).unwrap().table(table).unwrap();
            let storage = builder.clone().build(pool.clone());
            let others: Vec<_> = (0..4).map(|_| builder.clone().build(pool.clone())).collect();
            for migrated in join_all(others.iter().map(PostgresStorage::migrate)).await {
                migrated.unwrap();
            }
            run(&pool, &builder.migration_sql()).await;
            storage.check().await.unwrap();
            let text = r#"'"; DROP TABLE victim; -- $1 \ %s ☃ "#;
            let mut odd = claim("k", u128::MAX).value(Some(Value::new(text).unwrap()));
            (odd.key, odd.id) = (Key::new(text).unwrap(), Id::new(text).unwrap());
            let mut wakeups = storage.subscribe(&odd.key);
            woken(&mut wakeups).await;
            let term = granted(storage.acquire(odd.clone()).await);
            woken(&mut wakeups).await;
            assert!(matches!(storage.renew(renewal(&odd, term)).await.unwrap(), Renewed::Extended { .. }));
            let lease = storage.get(&odd.key).await.unwrap().unwrap();
            assert_eq!((lease.id, lease.value), (Some(odd.id.clone()), odd.value.clone()));
            let page = storage.list(List::new().prefix(text)).await.unwrap();
            assert_eq!(page.entries[0].key, odd.key);
            storage.release(release(&odd)).await.unwrap();
            woken(&mut wakeups).await;
        }
        assert_eq!(number(&pool, "SELECT count(*) FROM victim").await, 0, "it is there");
    });
}
