//! Rows that no storage wrote.

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageExt, Term};
use lessor_mysql::AdapterError;
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::support::{claim, granted, granted_reply, number, run, storage};

/// A row that cannot be read is granted to nobody, expired, released or not: alone and in a batch. Once it is mended it
/// is.
#[test]
fn an_unreadable_row_is_granted_to_nobody() {
    const FIELDS: [(&str, &str); 6] = [
        ("session", "session = x'07'"),
        ("session", "session = x''"),
        ("id", "id = ''"),
        ("id", "id = x'610a62'"),
        ("version", "version = -1"),
        ("value", "value = x'09'"),
    ];
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        // Only so that a session of another length is one.
        run(&pool, "ALTER TABLE lessor_leases MODIFY session varbinary(16)").await;
        for (field, garbled) in FIELDS {
            for expires in ["0", "7"] {
                run(
                    &pool,
                    "DELETE FROM lessor_leases;
                     INSERT INTO lessor_leases VALUES (x'6b', REPEAT(x'01', 16), 'é', 1, 1, 1, 1, 1, ''),
                         (x'6c', NULL, 'é ☃', 1, 1, 1, 1, 1, NULL)",
                )
                .await;
                run(&pool, &format!("UPDATE lessor_leases SET {garbled}, expires = {expires} WHERE `key` = x'6b'"))
                    .await;
                let after = |name: &str| claim(name, 2).after(Some(Term::FIRST));
                let alone = storage.acquire(after("k")).await.map(drop).unwrap_err();
                let mut batch = storage.call_all(vec![after("l").into(), after("k").into()]).await;
                for error in [alone, batch.pop().unwrap().unwrap_err()] {
                    assert_eq!(error.kind(), ErrorKind::Permanent, "{garbled}");
                    match AdapterError::of(&error) {
                        Some(AdapterError::Unreadable { field: found, .. }) => assert_eq!(*found, field, "{garbled}"),
                        _ => panic!("{garbled}: {error}"),
                    }
                }
                let _ = granted_reply(batch.pop().unwrap());
                assert_eq!(number(&pool, "SELECT COUNT(*) FROM lessor_leases WHERE id LIKE 'candidate%'").await, 1);
                run(
                    &pool,
                    "UPDATE lessor_leases SET session = NULL, id = 'é', version = 1, value = 'ü' WHERE `key` = x'6b'",
                )
                .await;
                let _ = granted(storage.acquire(after("k")).await);
            }
        }
    });
}
