//! R11: what comes from an earlier reign is refused by the database that it would change.

use core::time::Duration;
use std::sync::mpsc;
use std::thread;

use lessor::storage::ErrorKind;
use lessor::{Fence, Term};
use lessor_sqlite::rusqlite::{self, Connection, TransactionBehavior};
use lessor_sqlite::{AdapterError, NotAdmitted, admit};

use crate::database::{Database, term};

/// A database of the user's own: it needs no leases in it.
fn ledger(database: &Database) -> Connection {
    let connection = database.raw();
    connection.execute_batch(Fence::CREATE_TABLE).unwrap();
    connection.execute_batch("CREATE TABLE IF NOT EXISTS ledger (line TEXT)").unwrap();
    connection
}

/// A leader's write: committed only if it was admitted.
fn write(connection: &mut Connection, resource: &str, term: Term, line: &str) -> Result<(), NotAdmitted> {
    let transaction = connection.transaction().unwrap();
    admit(&transaction, resource, term)?;
    transaction.execute("INSERT INTO ledger VALUES (?1)", [line]).unwrap();
    transaction.commit().unwrap();
    Ok(())
}

fn lines(connection: &Connection) -> Vec<String> {
    let mut statement = connection.prepare("SELECT line FROM ledger ORDER BY rowid").unwrap();
    let lines = statement.query_map([], |row| row.get(0)).unwrap();
    lines.collect::<rusqlite::Result<_>>().unwrap()
}

#[track_caller]
fn stale(answer: Result<(), NotAdmitted>) -> (u64, u64) {
    match answer.unwrap_err() {
        NotAdmitted::Stale(stale) => (stale.term.get(), stale.newest.get()),
        other => panic!("another error: {other}"),
    }
}

#[test]
fn an_outdated_term_is_refused() {
    let database = Database::new();
    let (mut one, mut two) = (ledger(&database), ledger(&database));
    write(&mut one, "ledger", term(1), "first").unwrap();
    write(&mut one, "ledger", term(1), "first again").unwrap();
    write(&mut two, "ledger", term(3), "third").unwrap();
    assert_eq!(stale(write(&mut one, "ledger", term(2), "second")), (2, 3));
    assert_eq!(stale(write(&mut one, "ledger", term(1), "first, late")), (1, 3));
    write(&mut two, "ledger", Term::LAST, "last").unwrap();
    assert_eq!(stale(write(&mut one, "ledger", term(3), "third, late")), (3, Term::LAST.get()));
    write(&mut one, "another", term(1), "another's first").unwrap();
    assert_eq!(lines(&one), ["first", "first again", "third", "last", "another's first"]);
}

/// What was admitted and then rolled back never was.
#[test]
fn a_dropped_transaction_leaves_nothing() {
    let database = Database::new();
    let mut connection = ledger(&database);
    let transaction = connection.transaction().unwrap();
    admit(&transaction, "ledger", term(7)).unwrap();
    drop(transaction);
    write(&mut connection, "ledger", term(1), "first").unwrap();
    assert_eq!(lines(&connection), ["first"]);
}

/// An admitted write keeps a newer term waiting until it is committed: theirs cannot overlap.
#[test]
fn a_newer_term_waits_for_the_commit() {
    let database = Database::new();
    let (mut old, mut new) = (ledger(&database), ledger(&database));
    new.busy_timeout(Duration::from_secs(20)).unwrap();
    let transaction = old.transaction().unwrap();
    admit(&transaction, "ledger", term(1)).unwrap();
    let (done, waits) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || done.send(write(&mut new, "ledger", term(2), "second")).unwrap());
        // However long this waits: nothing can come.
        assert_eq!(waits.recv_timeout(Duration::from_millis(50)), Err(mpsc::RecvTimeoutError::Timeout));
        transaction.execute("INSERT INTO ledger VALUES ('first')", []).unwrap();
        transaction.commit().unwrap();
        assert_eq!(waits.recv(), Ok(Ok(())));
    });
    assert_eq!(lines(&old), ["first", "second"]);
}

#[test]
fn a_fence_that_cannot_be_asked_admits_nothing() {
    let database = Database::new();
    let mut connection = database.raw();
    let transaction = connection.transaction().unwrap();
    let NotAdmitted::Failed(error) = admit(&transaction, "ledger", term(1)).unwrap_err() else { panic!("admitted") };
    assert_eq!(error.kind(), ErrorKind::Permanent);
    let cause = AdapterError::of(&error).unwrap();
    assert!(matches!(cause, AdapterError::NoTable { table, .. } if table == "lessor_fences"), "{cause:?}");
    assert!(error.to_string().contains("Fence::CREATE_TABLE"), "{error}");
    drop(transaction);

    let mut connection = ledger(&database);
    let other = database.locked();
    connection.busy_timeout(Duration::ZERO).unwrap();
    let transaction = connection.transaction().unwrap();
    let NotAdmitted::Failed(error) = admit(&transaction, "ledger", term(1)).unwrap_err() else { panic!("admitted") };
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    drop(transaction);
    drop(other);

    // Whatever is there instead of a term is newer than any.
    connection.execute("INSERT INTO lessor_fences VALUES ('ledger', 'soon')", []).unwrap();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let NotAdmitted::Failed(error) = admit(&transaction, "ledger", Term::LAST).unwrap_err() else { panic!("admitted") };
    assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
}
