//! One request that the server refuses, among others that it does not.

use lessor::storage::{Claim, Renewed, Reply};
use lessor::{Storage, StorageError, Term, Value};
use lessor_mysql::AdapterError;
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::support::{claim, granted, granted_reply, number, patiently, release, renewal, run, storage};

const WRONG: usize = 42;

/// All but one fare well, and that one hears this number.
fn all_but_one(
    replies: Vec<Result<Reply, StorageError>>,
    is_well: impl Fn(Result<Reply, StorageError>) -> bool,
    code: &str,
) {
    assert_eq!(replies.len(), 100);
    for (number, reply) in replies.into_iter().enumerate() {
        if number == WRONG {
            let error = reply.unwrap_err();
            let said = AdapterError::of(&error);
            assert!(matches!(said, Some(AdapterError::Refused { code: said, .. }) if said == code), "{error}");
        } else {
            let shown = format!("{number}: {reply:?}");
            assert!(is_well(reply), "{shown}");
        }
    }
}

fn is_extended(reply: Result<Reply, StorageError>) -> bool {
    matches!(reply, Ok(Reply::Renewed(Renewed::Extended { .. })))
}

fn claims() -> Vec<Claim> {
    (0..100).map(|number| claim(&format!("{number:03}"), 1 + number)).collect()
}

/// What the column does not take.
#[test]
fn a_text_that_the_table_cannot_keep() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        run(&pool, "ALTER TABLE lessor_leases MODIFY value varchar(4096) CHARACTER SET latin1").await;
        let mut claims = claims();
        let emoji = Some(Value::new("\u{1f600}").unwrap());
        claims[WRONG].value = emoji.clone();
        let is_granted = |reply| granted_reply(reply) == Term::FIRST;
        all_but_one(storage.call_all(patiently(claims.clone())).await, is_granted, "1366");

        claims[WRONG].value = None;
        let _ = granted(lessor::StorageExt::acquire(&storage, claims[WRONG].clone()).await);
        claims[WRONG].value = emoji;
        // All of them change their values.
        for claim in claims.iter_mut().filter(|claim| claim.value.is_none()) {
            claim.value = Some(Value::new("new").unwrap());
        }
        let renewals = patiently(claims.iter().map(|claim| renewal(claim, Term::FIRST)));
        all_but_one(storage.call_all(renewals).await, is_extended, "1366");
    });
}

/// A condition of somebody's own, and a trigger.
#[test]
fn a_row_that_the_table_does_not_take() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let claims = claims();
        let renewals = || patiently(claims.iter().map(|claim| renewal(claim, Term::FIRST)));
        for reply in storage.call_all(patiently(claims.clone())).await {
            assert_eq!(granted_reply(reply), Term::FIRST);
        }
        run(&pool, "ALTER TABLE lessor_leases ADD CONSTRAINT odd CHECK (`key` <> '042' OR version < 2)").await;
        all_but_one(storage.call_all(renewals()).await, is_extended, "4025");
        run(&pool, "ALTER TABLE lessor_leases DROP CONSTRAINT odd").await;
        run(
            &pool,
            "CREATE TRIGGER no BEFORE UPDATE ON lessor_leases FOR EACH ROW
             IF OLD.`key` = '042' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF",
        )
        .await;
        all_but_one(storage.call_all(renewals()).await, is_extended, "1644");
        let replies = storage.call_all(patiently(claims.iter().map(release))).await;
        all_but_one(replies, |reply| reply == Ok(Reply::Released), "1644");
        assert_eq!(number(&pool, "SELECT COUNT(*) FROM lessor_leases WHERE session IS NOT NULL").await, 1);
    });
}
