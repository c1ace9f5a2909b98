//! Many leases, a page at a time.

use std::time::Duration;

use lessor::storage::{List, Page, Release};
use lessor::{Key, StorageExt};
use lessor_postgres::PostgresStorage;
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{claim, granted, key, number, run, storage};

fn names(page: &Page) -> Vec<&str> {
    page.entries.iter().map(|entry| entry.key.as_str()).collect()
}

/// So many released keys that begin like this.
fn insert(prefix: &str, keys: usize) -> String {
    format!(
        "INSERT INTO lessor_leases (key, id, term, version, ttl, expires, since)
         SELECT '{prefix}' || number, 'nobody', 1, 1, 1, 1, 1 FROM generate_series(1, {keys}) AS number"
    )
}

/// In the order of bytes, whatever the database's own order is; no letter of a prefix has a meaning of its own.
#[test]
fn order_and_prefix() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let names_of_keys =
            ["B", "Z", "a", "a%", "a%b", "a_b", "ab", "a\u{10ffff}", "a\u{10ffff}b", "b", "\u{e9}", "\u{10ffff}"];
        for name in names_of_keys.iter().rev() {
            let _ = granted(storage.acquire(claim(name, 1)).await);
        }
        storage.release(Release::new(key("b"), claim("b", 1).session)).await.unwrap();
        let page = storage.list(List::new()).await.unwrap();
        assert_eq!((names(&page), &page.next), (names_of_keys.to_vec(), &None));
        for entry in &page.entries {
            assert_eq!(entry.lease.id.is_some(), entry.key.as_str() != "b");
            assert_eq!(entry.lease.is_live(), entry.key.as_str() != "b");
        }
        for prefix in ["", "a", "a%", "a_", "a\u{10ffff}", "\u{10ffff}", "\\", "'", "a\0", "\0", "\u{e9}", "ab"] {
            let expected: Vec<_> = names_of_keys.iter().copied().filter(|name| name.starts_with(prefix)).collect();
            let page = storage.list(List::new().prefix(prefix)).await.unwrap();
            assert_eq!((names(&page), page.next.clone()), (expected.clone(), None), "{prefix:?}");
            // Page after page.
            let (mut from, mut found) = (None, Vec::new());
            loop {
                let page = storage.list(List::new().prefix(prefix).start(from).limit(2)).await.unwrap();
                assert!(page.entries.len() <= 2);
                found.extend(page.entries.iter().map(|entry| entry.key.to_string()));
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{prefix:?}");
        }
        let from = |name: &str| List::new().start(Some(key(name)));
        assert_eq!(names(&storage.list(from("ab")).await.unwrap())[0], "ab");
        assert_eq!(names(&storage.list(from("aa")).await.unwrap())[0], "ab");
        assert!(storage.list(from("b").prefix("a")).await.unwrap().entries.is_empty());
        assert_eq!(names(&storage.list(from("A").prefix("a").limit(0)).await.unwrap()), ["a"]);

        run(&pool, "ALTER TABLE lessor_leases ALTER COLUMN key TYPE text COLLATE \"und-x-icu\"").await;
        assert_eq!(
            number(&pool, "SELECT ('a' < 'B' COLLATE \"und-x-icu\")::int::bigint").await,
            1,
            "not the order of bytes"
        );
        let anew = PostgresStorage::new(server.pool(1));
        assert_eq!(names(&anew.list(List::new()).await.unwrap()), names_of_keys);

        run(&pool, &insert("many ", 2_000)).await;
        let page = anew.list(List::new().prefix("many ").limit(usize::MAX)).await.unwrap();
        assert_eq!(page.entries.len(), List::MAX_LIMIT);
        let next: Key = page.next.unwrap();
        assert!(page.entries.iter().all(|entry| entry.key < next));
    });
}

/// A page is read from the index, from its first key to its last one.
#[test]
fn a_page_is_a_range_of_the_index() {
    const PAGES: i64 = 20;
    const READ: &str = "SELECT pg_stat_get_tuples_returned('lessor_leases'::regclass)
        + pg_stat_get_tuples_returned('lessor_leases_pkey'::regclass)";
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        run(&pool, &insert("many ", 20_000)).await;
        run(&pool, "ANALYZE lessor_leases").await;
        let lists = server.pool(1);
        let storage = PostgresStorage::builder().wakeups(false).build(lists.clone());
        let process = number(&lists, "SELECT pg_backend_pid()::bigint").await;
        let ended = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {process}");
        let before = number(&pool, READ).await;
        for _ in 0..PAGES {
            let page = storage.list(List::new().prefix("many 1999")).await.unwrap();
            assert_eq!(page.entries.len(), 11);
        }
        // A process tells what it has read when it ends, at the latest.
        lists.close().await;
        let rows = loop {
            let rows = number(&pool, READ).await - before;
            if number(&pool, &ended).await == 0 && rows >= 11 * PAGES {
                break rows;
            }
            smol::Timer::after(Duration::from_millis(10)).await;
        };
        assert!(rows <= 13 * PAGES, "{rows} rows are read for {PAGES} pages of 11");
    });
}
