//! Rows that no storage wrote.

use lessor::storage::{ErrorKind, Get};
use lessor::{Storage, StorageExt, Term};
use lessor_postgres::AdapterError;
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{claim, granted_in, key, number, run, storage};

/// A row that cannot be read is granted to nobody, expired, released or not: alone and in a batch. Once it is mended, or
/// was only odd, it is.
#[test]
fn an_unreadable_row_is_granted_to_nobody() {
    const FIELDS: [(&str, &str); 9] = [
        ("session", "session = '\\x07'"),
        ("session", "session = ''"),
        ("id", "id = ''"),
        ("id", "id = repeat('é', 65)"),
        ("id", "id = E'two\\nlines'"),
        ("id", "id = E'\\u0085'"),
        ("version", "version = -1"),
        ("since", "since = -1"),
        ("value", "value = E'\\t'"),
    ];
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        for (field, garbled) in FIELDS {
            for expires in ["0", "7"] {
                let good = "INSERT INTO lessor_leases VALUES ('k', repeat('\\x01', 16)::bytea, 'é', 1, 1, 1, 1, 1, ''), ('l', NULL, 'é ☃', 1, 1, 1, 1, 1, NULL)";
                run(
                    &pool,
                    &format!(
                        "SET standard_conforming_strings = on; DELETE FROM lessor_leases; {}",
                        good.replace("repeat('\\x01', 16)::bytea", "decode(repeat('01', 16), 'hex')")
                    ),
                )
                .await;
                run(&pool, &format!("UPDATE lessor_leases SET {garbled}, expires = {expires} WHERE key = 'k'")).await;
                let after = |name: &str| claim(name, 2).after(Some(Term::FIRST));
                let alone = storage.acquire(after("k")).await.map(drop).unwrap_err();
                let batch = storage.call_all(vec![after("k").into(), after("l").into()]).await;
                for error in [&alone, batch[0].as_ref().unwrap_err()] {
                    assert_eq!(error.kind(), ErrorKind::Permanent, "{garbled}");
                    match AdapterError::of(error) {
                        Some(AdapterError::Unreadable { field: found, .. }) => assert_eq!(*found, field, "{garbled}"),
                        _ => panic!("{garbled}: {error}"),
                    }
                }
                assert!(granted_in(&batch[1]).is_some(), "{garbled}: {:?}", batch[1]);
                assert_eq!(number(&pool, "SELECT count(*) FROM lessor_leases WHERE id LIKE 'candidate%'").await, 1);
                assert!(storage.call(Get::new(key("k")).into()).await.is_err());
                run(&pool, "UPDATE lessor_leases SET session = NULL, id = 'é', version = 1, since = 1, value = 'ü' WHERE key = 'k'").await;
                let mended = storage.call(after("k").into()).await;
                assert!(granted_in(&mended).is_some(), "{garbled}: {mended:?}");
            }
        }
    });
}
