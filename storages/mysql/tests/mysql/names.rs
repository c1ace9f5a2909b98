//! Any name is a name, and any text a text.

use futures::future::join_all;
use lessor::storage::{Claim, Session};
use lessor::{Id, Storage, StorageExt, Term, Value};
use lessor_mysql::MySqlStorage;
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::support::{HOUR, cycle, granted_reply, key, number, patiently, run};

#[test]
fn odd_names_and_texts() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        run(&pool, "CREATE TABLE victim (nothing int)").await;
        for (database, table) in [
            (None, "select"),
            (Some("My Database"), "My Leases"),
            (Some("data`base"), "x`; DROP TABLE victim; --"),
            (Some("schéma?"), "why? %s {0} {table} {clock} $1 ' \" a.b/c"),
            (Some(&*"s".repeat(64)), &*"t".repeat(64)),
        ] {
            let mut builder = MySqlStorage::builder().table(table).unwrap();
            if let Some(database) = database {
                builder = builder.database(database).unwrap();
            }
            let storage = builder.clone().build(pool.clone());
            let others: Vec<_> = (0..4).map(|_| builder.clone().build(pool.clone())).collect();
            for migrated in join_all(others.iter().map(MySqlStorage::migrate)).await {
                migrated.unwrap();
            }
            run(&pool, &builder.migration_sql()).await;
            storage.check().await.unwrap();
            cycle(&storage, "k").await;
        }
        assert_eq!(number(&pool, "SELECT COUNT(*) FROM victim").await, 0, "it is there");
    });
}

/// The longest texts, and more of them than fit into one packet.
#[test]
fn long_texts() {
    let server = Server::start();
    block_on(async {
        let storage = MySqlStorage::new(server.pool(4));
        storage.migrate().await.unwrap();
        let longest = |number: u8| {
            let key = key(&format!("{number:03}{}é", "k".repeat(251)));
            let claim = Claim::new(key, Id::new("é".repeat(64)).unwrap(), Session::from_bits(1), HOUR);
            claim.value(Some(Value::new("é".repeat(2048)).unwrap()))
        };
        let claims: Vec<_> = (0..=255).map(longest).collect();
        for _ in 0..2 {
            for acquired in storage.call_all(patiently(claims.clone())).await {
                assert_eq!(granted_reply(acquired), Term::FIRST);
            }
        }
        assert_eq!(storage.get(&claims[200].key).await.unwrap().unwrap().value, claims[200].value);
    });
}
