//! One request that the server refuses, among others that it does not.

use lessor::storage::{Claim, ErrorKind, Reply};
use lessor::{Storage, StorageError, Term, Value};
use lessor_postgres::{AdapterError, PostgresStorage, sqlx};
use lessor_servers::asking::patiently;
use lessor_servers::postgres::Server;
use smol::block_on;

use crate::{claim, granted_in, is_extended, number, release, renewal, run, storage};

const WRONG: usize = 42;

/// All but one fare well, and that one hears this code.
fn all_but_one(
    replies: &[Result<Reply, StorageError>],
    is_well: impl Fn(&Result<Reply, StorageError>) -> bool,
    code: &str,
) {
    assert_eq!(replies.len(), 100);
    for (number, reply) in replies.iter().enumerate() {
        if number == WRONG {
            let error = reply.as_ref().unwrap_err();
            let said = AdapterError::of(error);
            assert!(matches!(said, Some(AdapterError::Refused { code: said, .. }) if said == code), "{error}");
            assert_eq!(error.kind() == ErrorKind::Permanent, code != "P0001", "{error}");
        } else {
            assert!(is_well(reply), "{number}: {reply:?}");
        }
    }
}

fn claims() -> Vec<Claim> {
    (0..100).map(|number| claim(&format!("{number:03}"), 1 + number)).collect()
}

/// What the database's encoding does not have.
#[test]
fn a_text_that_the_database_cannot_keep() {
    let server = Server::start();
    block_on(async {
        let latin = "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
        run(&server.pool(1), latin).await;
        let storage = PostgresStorage::new(server.options().database("latin"));
        storage.migrate().await.unwrap();
        let mut claims = claims();
        let emoji = Some(Value::new("\u{1f600}").unwrap());
        claims[WRONG].value = emoji.clone();
        let replies = storage.call_all(patiently(claims.clone())).await;
        all_but_one(&replies, |reply| granted_in(reply) == Some(Term::FIRST), "22P05");

        claims[WRONG].value = None;
        assert!(granted_in(&storage.call(claims[WRONG].clone().into()).await).is_some());
        claims[WRONG].value = emoji;
        let renewals = patiently(claims.iter().map(|claim| renewal(claim, Term::FIRST)));
        all_but_one(&storage.call_all(renewals).await, is_extended, "22P05");
    });
}

/// A transaction that is still open has inserted one of the keys: the others do not wait for it one by one.
#[test]
fn a_row_that_is_not_committed_yet() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let mut other = pool.begin().await.unwrap();
        let insert = "INSERT INTO lessor_leases VALUES ('042', NULL, 'another', 1, 1, 1, 0, 1, NULL)";
        sqlx::query(insert).execute(&mut *other).await.unwrap();
        let flights = storage.traffic().flights;
        let mut replies = storage.call_all(patiently(claims())).await;
        let flights = storage.traffic().flights - flights;
        assert!(flights < 40, "{flights} flights for 100 keys");
        let error = replies.remove(WRONG).unwrap_err();
        assert_eq!(AdapterError::of(&error), Some(&AdapterError::Locked), "{error}");
        assert!(replies.iter().all(|reply| granted_in(reply) == Some(Term::FIRST)), "{replies:?}");
        other.rollback().await.unwrap();
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
        let replies = storage.call_all(patiently(claims.clone())).await;
        assert!(replies.iter().all(|reply| granted_in(reply) == Some(Term::FIRST)));
        run(&pool, "ALTER TABLE lessor_leases ADD CHECK (key <> '042' OR version < 2)").await;
        all_but_one(&storage.call_all(renewals()).await, is_extended, "23514");
        run(
            &pool,
            "ALTER TABLE lessor_leases DROP CONSTRAINT lessor_leases_check;
             CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
             CREATE TRIGGER no BEFORE UPDATE ON lessor_leases FOR EACH ROW WHEN (OLD.key = '042') EXECUTE FUNCTION no()",
        )
        .await;
        all_but_one(&storage.call_all(renewals()).await, is_extended, "P0001");
        let replies = storage.call_all(patiently(claims.iter().map(release))).await;
        all_but_one(&replies, |reply| *reply == Ok(Reply::Released), "P0001");
        assert_eq!(number(&pool, "SELECT count(*) FROM lessor_leases WHERE session IS NOT NULL").await, 1);
    });
}
