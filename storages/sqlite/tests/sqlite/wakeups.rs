//! Who is woken by whom, and when.

use std::fs;

use futures::executor::block_on;
use futures::{FutureExt, StreamExt};
use lessor::{StorageExt, Term};
use lessor_sqlite::SqliteStorage;

use crate::database::{
    Database, at_once, claim, extended, granted, held_by, key, release, renewal, soon, subscribed, term,
};

/// R13: a grant and a release wake the followers, a renewal does not.
#[test]
fn followers_of_other_storages_are_woken() {
    block_on(async {
        let database = Database::new();
        let (leader, follower) = (database.storage().await, database.storage().await);
        let mut wakeups = subscribed(&follower, "k").await;
        let mut others = subscribed(&follower, "other").await;

        let mine = claim("k", 1);
        let first = granted(leader.acquire(mine.clone()).await);
        soon(wakeups.next()).await.unwrap();
        assert_eq!(held_by(follower.acquire(claim("k", 2)).await), "node-1");

        for _ in 0..10 {
            extended(leader.renew(renewal(&mine, first)).await);
        }
        granted(leader.acquire(claim("other", 1)).await);
        soon(others.next()).await.unwrap();
        assert_eq!(wakeups.next().now_or_never(), None, "a renewal wakes nobody");

        leader.release(release(&mine)).await.unwrap();
        soon(wakeups.next()).await.unwrap();
        assert_eq!(others.next().now_or_never(), None, "the other key's followers sleep on");
        assert_eq!(granted(follower.acquire(claim("k", 2).after(Some(first))).await), term(2));
    });
}

/// A leader that is deposed leaves followers who want to know.
#[test]
fn an_operator_wakes_them_too() {
    block_on(async {
        let database = Database::new();
        let (leader, follower, operator) =
            (database.storage().await, database.storage().await, database.storage().await);
        granted(leader.acquire(claim("k", 1)).await);
        let mut there = subscribed(&follower, "k").await;
        let mut here = subscribed(&operator, "k").await;
        operator.revoke(at_once(&key("k"))).await.unwrap();
        soon(there.next()).await.unwrap();
        soon(here.next()).await.unwrap();
        operator.revoke(at_once(&key("k"))).await.unwrap();
        granted(operator.acquire(claim("another", 1)).await);
        assert_eq!(here.next().now_or_never(), None, "nothing was done the second time");
    });
}

/// What this storage committed itself is no news to it when it looks what others did.
#[test]
fn own_commits_wake_once() {
    block_on(async {
        let database = Database::new();
        let (one, two) = (database.storage().await, database.storage().await);
        let mut wakeups = subscribed(&one, "k").await;
        let mut others = subscribed(&one, "other").await;
        granted(one.acquire(claim("k", 1)).await);
        soon(wakeups.next()).await.unwrap();
        granted(two.acquire(claim("other", 2)).await);
        soon(others.next()).await.unwrap();
        assert_eq!(wakeups.next().now_or_never(), None);
    });
}

/// A wake-up that came before the change can be seen would be lost: the look that it causes would find nothing.
#[test]
fn a_wake_up_comes_when_the_change_can_be_seen() {
    block_on(async {
        let database = Database::new();
        let (leader, follower) = (database.storage().await, database.storage().await);
        let mut wakeups = subscribed(&follower, "k").await;
        for round in 1..=50 {
            let mine = claim("k", 1).after(Term::new(round - 1));
            assert_eq!(granted(leader.acquire(mine.clone()).await), term(round));
            soon(wakeups.next()).await.unwrap();
            assert_eq!(follower.get(&key("k")).await.unwrap().unwrap().term, term(round));
            leader.release(release(&mine)).await.unwrap();
            soon(wakeups.next()).await.unwrap();
            assert_eq!(follower.get(&key("k")).await.unwrap().unwrap().id, None);
        }
    });
}

/// Another's long read does not keep wake-ups back, and neither does the journal mode.
#[test]
fn wake_ups_pass_readers_and_come_in_every_journal_mode() {
    block_on(async {
        for mode in ["wal", "delete", "truncate"] {
            let database = Database::new();
            let own = || {
                let connection = database.raw();
                connection.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(())).unwrap();
                connection
            };
            let leader = SqliteStorage::new(own()).await.unwrap();
            leader.migrate().await.unwrap();
            let follower = SqliteStorage::new(own()).await.unwrap();
            let mut wakeups = subscribed(&follower, "k").await;
            let reader = own();
            if mode == "wal" {
                reader.execute_batch("BEGIN").unwrap();
                reader.query_row("SELECT count(*) FROM lessor_leases", [], |_| Ok(())).unwrap();
            }
            granted(leader.acquire(claim("k", 1)).await);
            soon(wakeups.next()).await.unwrap();
        }
    });
}

/// What a process leaves behind that died between making and removing its signal does not silence the others.
#[test]
fn a_signal_left_behind_is_no_obstacle() {
    block_on(async {
        let database = Database::new();
        let (leader, follower) = (database.storage().await, database.storage().await);
        let signal = database.path.with_file_name("leases.db-lessor-wakeup");
        fs::write(&signal, "").unwrap();
        let mut wakeups = subscribed(&follower, "k").await;
        let mine = claim("k", 1);
        granted(leader.acquire(mine.clone()).await);
        soon(wakeups.next()).await.unwrap();
        assert!(!signal.exists());

        fs::write(&signal, "somebody's own").unwrap();
        leader.release(release(&mine)).await.unwrap();
        assert_eq!(fs::read(&signal).unwrap(), b"somebody's own");
    });
}
