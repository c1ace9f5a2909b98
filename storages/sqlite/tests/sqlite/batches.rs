//! Many requests in one transaction.

use futures::executor::block_on;
use lessor::storage::{DuplicateKey, Get, Renewed, Reply, Request, Revoke};
use lessor::{Storage, StorageExt, Term};

use crate::database::{
    Database, acquired, claim, granted, held_by, impatient, key, permanent, release, renewal, transient, unreadable,
};

#[test]
fn batches_answer_in_order_and_each_key_for_itself() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        granted(storage.acquire(claim("held", 9)).await);
        granted(storage.acquire(claim("broken", 9)).await);
        database.raw().execute("UPDATE lessor_leases SET term = 0 WHERE key = 'broken'", []).unwrap();

        let claims = ["a", "held", "a", "broken", "b"].map(|name| claim(name, 1));
        let answers = storage.call_all(claims.clone().map(Request::from).to_vec()).await;
        assert_eq!(answers.len(), 5);
        assert_eq!(granted(acquired(&answers[0])), Term::FIRST);
        assert_eq!(held_by(acquired(&answers[1])), "node-9");
        let twice = answers[2].clone().unwrap_err();
        assert_eq!(twice.get_ref().downcast_ref::<DuplicateKey>().unwrap().0, key("a"));
        assert_eq!(unreadable(answers[3].as_ref().unwrap_err()), ("broken", "term"));
        assert_eq!(granted(acquired(&answers[4])), Term::FIRST);

        let renewals = claims.each_ref().map(|claim| renewal(claim, Term::FIRST).into());
        let answers = storage.call_all(renewals.to_vec()).await;
        let extended = |answer| matches!(answer, &Ok(Reply::Renewed(Renewed::Extended { .. })));
        assert!(extended(&answers[0]), "{answers:?}");
        assert!(matches!(answers[1], Ok(Reply::Renewed(Renewed::Lost { lease: Some(_), .. }))), "{answers:?}");
        assert!(answers[2].is_err() && answers[3].is_err() && extended(&answers[4]), "{answers:?}");

        let looks = claims.each_ref().map(|claim| Get::new(claim.key.clone()).into());
        let terms = storage.call_all(looks.to_vec()).await.into_iter().map(|answer| match answer {
            Ok(Reply::Got(lease)) => Some(lease?.term.get()),
            _ => None,
        });
        assert_eq!(terms.collect::<Vec<_>>(), [Some(1), Some(1), None, None, Some(1)]);

        let releases = claims.each_ref().map(|claim| release(claim).into());
        let answers = storage.call_all(releases.to_vec()).await;
        assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, false, true]);
        assert_eq!(storage.get(&key("b")).await.unwrap().unwrap().id, None);
        assert!(storage.get(&key("held")).await.unwrap().unwrap().id.is_some());
        assert!(storage.call_all(Vec::new()).await.is_empty());
    });
}

/// What is read before the transaction and what is decided in it come back in their places.
#[test]
fn operations_may_be_mixed() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage().await;
        let mine = ["renewed", "released", "revoked", "looked at"].map(|name| claim(name, 1));
        for claim in mine.clone() {
            granted(storage.acquire(claim).await);
        }
        let [renewed, released, revoked, looked_at] = &mine;
        let answers = storage.call_all(vec![
            Get::new(looked_at.key.clone()).into(),
            release(released).into(),
            claim("free", 1).into(),
            Revoke::new(revoked.key.clone()).now(true).into(),
            renewal(renewed, Term::FIRST).into(),
            Get::new(key("missing")).into(),
            Revoke::new(key("missing too")).now(true).into(),
            Get::new(renewed.key.clone()).into(),
        ]);
        let answers = answers.await;
        assert!(matches!(&answers[0], Ok(Reply::Got(Some(lease))) if lease.is_live()), "{answers:?}");
        assert_eq!(answers[1], Ok(Reply::Released));
        assert_eq!(granted(acquired(&answers[2])), Term::FIRST);
        assert!(matches!(&answers[3], Ok(Reply::Revoked(Some(lease))) if lease.is_live()), "{answers:?}");
        assert!(matches!(&answers[4], Ok(Reply::Renewed(Renewed::Extended { .. }))), "{answers:?}");
        assert_eq!(answers[5], Ok(Reply::Got(None)));
        assert_eq!(answers[6], Ok(Reply::Revoked(None)));
        assert!(answers[7].as_ref().unwrap_err().get_ref().is::<DuplicateKey>());
    });
}

/// A transaction that fails is an error for the keys that it covered, and no verdict on the others.
#[test]
fn a_failed_batch_fails_for_what_it_covered() {
    block_on(async {
        let database = Database::new();
        let storage = database.storage_of(impatient()).await;
        granted(storage.acquire(claim("held", 9)).await);
        let claims = || ["a", "held", "b"].map(|name| claim(name, 1).into()).to_vec();

        let other = database.locked();
        let answers = storage.call_all(claims()).await;
        transient(answers[0].clone());
        assert_eq!(held_by(acquired(&answers[1])), "node-9");
        assert_eq!(answers[2], answers[0]);
        other.execute_batch("ROLLBACK").unwrap();

        // Half-way through the batch the table's owner refuses a row.
        let sql = "CREATE TRIGGER no_b BEFORE INSERT ON lessor_leases WHEN new.key = 'b'
                   BEGIN SELECT raise(ABORT, 'not b'); END";
        other.execute_batch(sql).unwrap();
        let answers = storage.call_all(claims()).await;
        permanent(answers[0].clone());
        assert_eq!(held_by(acquired(&answers[1])), "node-9");
        assert_eq!(answers[2], answers[0]);
        assert_eq!(storage.get(&key("a")).await.unwrap(), None, "half a transaction was kept");
        granted(storage.acquire(claim("a", 1)).await);
    });
}
