//! Pages of leases, from an index or not.

use futures::executor::block_on;
use lessor::storage::{List, Page, Reply, Request};
use lessor::{Key, Storage, StorageExt};
use lessor_sqlite::SqliteStorage;
use lessor_sqlite::rusqlite::Connection;

use crate::database::{Database, at_once, claim, granted, key, unreadable};

fn names(page: &Page) -> Vec<&str> {
    page.entries.iter().map(|entry| entry.key.as_str()).collect()
}

/// All of it, page by page.
async fn walk(storage: &SqliteStorage, list: &List) -> Vec<String> {
    let mut found = Vec::new();
    let mut from = list.start.clone();
    loop {
        let page = storage.list(list.clone().start(from)).await.unwrap();
        assert!(page.entries.len() <= list.page_size());
        found.extend(names(&page).into_iter().map(str::to_owned));
        match page.next {
            Some(next) => from = Some(next),
            None => return found,
        }
    }
}

/// Their order as bytes is neither that of a language nor that of UTF-16.
const KEYS: [&str; 9] = ["A", "B", "Z", "a", "a/1", "a/2", "é", "ｚ", "😀"];

async fn filled(storage: &SqliteStorage) {
    storage.migrate().await.unwrap();
    for name in KEYS.iter().rev() {
        granted(storage.acquire(claim(name, 1)).await);
    }
}

async fn lists_in_order(storage: &SqliteStorage) {
    filled(storage).await;
    for limit in [1, 2, 3, 8, 9, 10, 1000] {
        assert_eq!(walk(storage, &List::new().limit(limit)).await, KEYS, "{limit}");
        assert_eq!(walk(storage, &List::new().limit(limit).prefix("a")).await, ["a", "a/1", "a/2"], "{limit}");
        let from = List::new().limit(limit).prefix("a").start(Some(key("a/")));
        assert_eq!(walk(storage, &from).await, ["a/1", "a/2"], "{limit}");
    }
    let page = storage.list(List::new().prefix("a").limit(3)).await.unwrap();
    assert_eq!(page.next, None, "what follows is another's");
    for nothing in
        [List::new().prefix("b"), List::new().prefix("a").start(Some(key("b"))), List::new().prefix("\u{10ffff}")]
    {
        assert_eq!(storage.list(nothing).await.unwrap(), Page::default());
    }
}

#[test]
fn keys_are_in_the_order_of_their_bytes() {
    block_on(async { lists_in_order(&SqliteStorage::open(":memory:").await.unwrap()).await });
}

/// SQLite itself would order these keys by the bytes of their UTF-16.
#[test]
fn even_where_the_database_keeps_other_bytes() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        block_on(async {
            let own = Connection::open_in_memory().unwrap();
            own.pragma_update(None, "encoding", encoding).unwrap();
            lists_in_order(&SqliteStorage::new(own).await.unwrap()).await;
        });
    }
}

#[test]
fn a_list_shows_what_a_look_shows() {
    block_on(async {
        let storage = SqliteStorage::open(":memory:").await.unwrap();
        storage.migrate().await.unwrap();
        granted(storage.acquire(claim("k", 1)).await);
        storage.revoke(at_once(&key("k"))).await.unwrap();
        let page = storage.list(List::new()).await.unwrap();
        assert_eq!(Some(page.entries[0].lease.clone()), storage.get(&key("k")).await.unwrap());
    });
}

/// In a batch a list sees what was asked before it.
#[test]
fn a_batch_keeps_its_order() {
    block_on(async {
        let storage = SqliteStorage::open(":memory:").await.unwrap();
        storage.migrate().await.unwrap();
        let list = || Request::from(List::new());
        let requests = vec![list(), claim("b", 1).into(), list(), claim("a", 1).into(), list()];
        let replies = storage.call_all(requests).await;
        let counts = replies.iter().map(|reply| match reply {
            Ok(Reply::Listed(page)) => Some(page.entries.len()),
            _ => None,
        });
        assert_eq!(counts.collect::<Vec<_>>(), [Some(0), None, Some(1), None, Some(2)]);
    });
}

/// What no candidate can have asked for is no election. It does not end a page early, either.
#[test]
fn what_is_no_key_is_passed_over() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        let columns = "session, id, term, version, ttl, expires, since, value";
        let table = format!("DROP TABLE lessor_leases; CREATE TABLE lessor_leases (key PRIMARY KEY, {columns})");
        database.raw().execute_batch(&table).unwrap();
        for name in ["''", "char(10)", "x'6131'", "NULL", "7", "CAST(x'61ff' AS TEXT)"] {
            let row = format!("INSERT INTO lessor_leases VALUES ({name}, NULL, 'x', 1, 1, 1, 1, 1, NULL)");
            database.raw().execute_batch(&row).unwrap();
        }
        for name in ["a", "b", "c"] {
            granted(storage.acquire(claim(name, 1)).await);
        }
        assert_eq!(walk(&storage, &List::new().limit(1)).await, ["a", "b", "c"]);
        assert_eq!(walk(&storage, &List::new().prefix("a")).await, ["a"]);
    });
}

/// A row that cannot be read is an error on the page where it belongs, which names it, and on no other.
#[test]
fn a_broken_row_breaks_its_own_page() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        filled(&storage).await;
        database.raw().execute("UPDATE lessor_leases SET term = 0 WHERE key = 'a/1'", []).unwrap();
        assert_eq!(unreadable(&storage.list(List::new()).await.unwrap_err()), ("a/1", "term"));
        assert_eq!(names(&storage.list(List::new().prefix("A")).await.unwrap()), ["A"]);
        let page = storage.list(List::new().limit(3)).await.unwrap();
        assert_eq!((names(&page), &page.next), (vec!["A", "B", "Z"], &Some(key("a"))));
        let rest = List::new().start(Key::new("a/2").ok());
        assert_eq!(names(&storage.list(rest).await.unwrap()), KEYS[5..]);
    });
}
