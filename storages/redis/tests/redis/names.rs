//! Texts of any kind.

use lessor::storage::{Claim, Session};
use lessor::{Id, Storage, StorageExt, Value};
use lessor_redis::RedisStorage;
use lessor_servers::redis::{Keeps, Server};
use smol::block_on;

use crate::{MINUTE, extended, granted, key, lease, release, renewal, woken};

/// Any text is a text, and a key has no end of its own.
#[test]
fn odd_names_and_texts() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        for prefix in ["a", "a:", "schéma *?[ %s '", "lessor", &"p".repeat(128)] {
            let storage = RedisStorage::builder().prefix(prefix).unwrap().build(server.client());
            storage.initialise().await.unwrap();
            storage.check().await.unwrap();
            let long = format!("{}\u{10ffff}", "é".repeat(126));
            for text in ["}:{1}:x", "%s %d \\n \" ' ☃", &long] {
                let id: String = text.chars().take(60).collect();
                for value in [None, Some(""), Some(text), Some(&*"v".repeat(4096))] {
                    let (session, value) =
                        (Session::from_bits(u128::MAX), value.map(|value| Value::new(value).unwrap()));
                    let odd = Claim::new(key(text), Id::new(&id).unwrap(), session, MINUTE).value(value.clone());
                    let mut wakeups = storage.subscribe(&odd.key);
                    if value.is_none() && text == "}:{1}:x" {
                        woken(&mut wakeups).await;
                    }
                    let after = storage.get(&odd.key).await.unwrap().map(|lease| lease.term);
                    let term = granted(storage.acquire(odd.clone().after(after)).await);
                    woken(&mut wakeups).await;
                    extended(storage.renew(renewal(&odd, term)).await);
                    let lease = lease(&storage, &odd.key).await;
                    assert_eq!((lease.id.as_ref(), lease.value.as_ref()), (Some(&odd.id), odd.value.as_ref()));
                    storage.release(release(&odd)).await.unwrap();
                    woken(&mut wakeups).await;
                }
            }
        }
        let keys: Vec<String> = server.ask(&["KEYS", "*"]);
        assert_eq!(keys.len(), 5 * (16 + 3));
        for key in keys {
            assert_eq!(server.ask::<i64>(&["PTTL", &key]), -1, "{key}");
        }
    });
}
