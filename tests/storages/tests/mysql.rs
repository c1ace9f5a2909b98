//! What `MySqlStorage` promises beyond the contract of a storage: what it costs, what it waits for, what it says.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::{Either, join, join_all, select};
use futures::{FutureExt, StreamExt};
use lessor::storage::mysql::sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use lessor::storage::mysql::sqlx::{self, AssertSqlSafe, Connection, Executor, MySql, Transaction};
use lessor::storage::mysql::{Locked, NotAdmitted, NotReady, Refused, UnreadableRow, admit};
use lessor::{
    Acquired, Builder, Claim, ErrorKind, Fence, Holder, Key, MySqlStorage, Renewed, Session, Storage, StorageError,
    SystemTimer, Takeover, Term, Timer, Value, Wakeups,
};
use lessor_storage_tests::mysql::{DATABASE, PASSWORD, Server, pool};
use smol::block_on;

const HOUR: Duration = Duration::from_secs(3600);

/// Since the machine started.
fn now() -> Duration {
    SystemTimer::new().now().since_origin()
}

fn claim(key: &str, session: u128) -> Claim {
    Claim {
        key: Key::new(key).unwrap(),
        holder: Holder::new(format!("candidate {session}")).unwrap(),
        session: Session::from_bits(session),
        ttl: HOUR,
        value: None,
        after: None,
        takeover: Takeover::Expired,
    }
}

fn granted(acquired: Result<Acquired, StorageError>) -> Term {
    match acquired.unwrap() {
        Acquired::Granted { term, .. } => term,
        held => panic!("{held:?}"),
    }
}

async fn storage(server: &Server) -> (MySqlStorage, MySqlPool) {
    let pool = server.pool(8);
    let storage = MySqlStorage::new(pool.clone());
    storage.migrate().await.unwrap();
    storage.check().await.unwrap();
    (storage, pool)
}

async fn run(pool: &MySqlPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

async fn number(pool: &MySqlPool, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap()
}

/// Another transaction on every row.
async fn lock(pool: &MySqlPool) -> Transaction<'static, MySql> {
    let mut other = pool.begin().await.unwrap();
    other.execute("SELECT * FROM lessor_leases FOR UPDATE").await.unwrap();
    other
}

async fn unlock(other: Transaction<'_, MySql>, after: Duration) {
    smol::Timer::after(after).await;
    other.rollback().await.unwrap();
}

/// Statements that wait on the server.
async fn waiting(pool: &MySqlPool) -> i64 {
    number(pool, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'UPDATE %'").await
}

/// R13: a refused claim neither writes nor locks, whoever holds the row's lock.
#[test]
fn a_refused_claim_writes_nothing() {
    const WRITTEN: &str = "SELECT CAST(SUM(variable_value) AS SIGNED) FROM information_schema.global_status
        WHERE variable_name IN ('INNODB_OS_LOG_WRITTEN', 'BINLOG_BYTES_WRITTEN', 'HANDLER_WRITE', 'HANDLER_UPDATE')";
    let server = Server::start_with(&["--log-bin=bin", "--server-id=1"], None);
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let _ = granted(storage.acquire(&claim("k", 1)).await);
        let refused = claim("k", 2);
        // Until the server has cleaned up behind what was written.
        let mut before = (number(&pool, WRITTEN).await, 0);
        while before.1 < 20 {
            smol::Timer::after(Duration::from_millis(50)).await;
            let written = number(&pool, WRITTEN).await;
            before = (written, if written == before.0 { before.1 + 1 } else { 0 });
        }
        for _ in 0..500 {
            assert!(matches!(storage.acquire(&refused).await.unwrap(), Acquired::Held { lease: Some(_), .. }));
            let _ = storage.renew(&refused, Term::FIRST).await.unwrap();
            storage.release(&refused.key, refused.session).await.unwrap();
            let _ = storage.get(&refused.key).await.unwrap();
        }
        assert_eq!(number(&pool, WRITTEN).await - before.0, 0);
        run(&pool, "UPDATE lessor_leases SET version = version + 1").await;
        assert!(number(&pool, WRITTEN).await > before.0, "what is counted counts");

        let other = lock(&pool).await;
        let began = now();
        assert!(matches!(storage.acquire(&refused).await.unwrap(), Acquired::Held { .. }));
        assert_eq!(waiting(&pool).await, 0);
        for _ in 0..2 {
            let mine = storage.acquire(&Claim { ttl: Duration::from_secs(2), ..claim("k", 1) }).await.unwrap_err();
            assert_eq!(mine.kind(), ErrorKind::Transient);
        }
        let waited = now() - began;
        assert!(waited >= Duration::from_millis(400) && waited < Duration::from_secs(3), "{waited:?}");
        other.rollback().await.unwrap();
        // What was left behind may just come to an end.
        while !matches!(storage.acquire(&claim("k", 1)).await.unwrap(), Acquired::Granted { term: Term::FIRST, .. }) {}
    });
}

/// R4: a verdict is of the time after the wait for a lock, also where whoever held it changed nothing.
#[test]
fn time_goes_on_while_a_lock_is_waited_for() {
    const WAIT: Duration = Duration::from_millis(700);
    let server = Server::start_with(&[], Some("Europe/Berlin"));
    block_on(async {
        storage(&server).await.0.check().await.unwrap();
        // With a time zone of its own, as with sqlx's.
        for options in [server.options(), server.options().timezone(None)] {
            let pool = pool(options, 8);
            run(&pool, "DELETE FROM lessor_leases").await;
            let storage = MySqlStorage::builder().lock_timeout(HOUR).pool(pool.clone());
            let brief = Claim { ttl: Duration::from_millis(500), ..claim("k", 1) };

            // Live when it is asked, expired when it gets the lock.
            let term = granted(storage.acquire(&brief).await);
            let other = lock(&pool).await;
            let longer = Claim { ttl: HOUR, ..brief.clone() };
            let (renewed, ()) = join(storage.renew(&longer, term), unlock(other, WAIT)).await;
            assert!(matches!(renewed.unwrap(), Renewed::Lost(Some(_))));
            assert!(!storage.get(&brief.key).await.unwrap().unwrap().is_live());

            // A claim that was granted is repeated only while it lasts.
            let brief = Claim { after: Some(term), ..brief };
            let second = granted(storage.acquire(&brief).await);
            assert_eq!(Some(second), term.next());
            let other = lock(&pool).await;
            let longer = Claim { ttl: HOUR, ..brief.clone() };
            let (repeated, ()) = join(storage.acquire(&longer), unlock(other, WAIT)).await;
            assert!(matches!(repeated.unwrap(), Acquired::Held { retry_after: Duration::ZERO, .. }));
            assert!(!storage.get(&brief.key).await.unwrap().unwrap().is_live());

            // What is given lasts from when it is given.
            let other = lock(&pool).await;
            let next = Claim { after: Some(second), ttl: Duration::from_secs(60), ..claim("k", 2) };
            let (acquired, ()) = join(storage.acquire(&next), unlock(other, WAIT)).await;
            let third = granted(acquired);
            assert_eq!(Some(third), second.next());
            let left = storage.get(&brief.key).await.unwrap().unwrap().time_left;
            assert!(left > Duration::from_millis(59_500) && left <= Duration::from_secs(60), "{left:?}");
            let other = lock(&pool).await;
            let (renewed, ()) = join(storage.renew(&next, third), unlock(other, WAIT)).await;
            assert!(matches!(renewed.unwrap(), Renewed::Extended { .. }));
            let left = storage.get(&brief.key).await.unwrap().unwrap().time_left;
            assert!(left > Duration::from_millis(59_500) && left <= Duration::from_secs(60), "{left:?}");
        }
    });
}

/// R10: a stored expiry far ahead of the clock shows no more than the ttl, and goes to who saw it unchanged.
#[test]
fn an_hour_ahead() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let short = |session| Claim { ttl: Duration::from_secs(5), ..claim("k", session) };
        let term = granted(storage.acquire(&short(1)).await);
        run(&pool, "UPDATE lessor_leases SET expires = expires + 3600000").await;
        let lease = storage.get(&short(1).key).await.unwrap().unwrap();
        assert_eq!(lease.time_left, Duration::from_secs(5));
        let known = Claim { after: Some(term), ..short(2) };
        assert!(matches!(
            storage.acquire(&known).await.unwrap(),
            Acquired::Held { retry_after, .. } if retry_after == Duration::from_secs(5)
        ));
        let watched = Claim { takeover: Takeover::Unchanged(lease.version), ..known.clone() };
        assert!(matches!(
            storage.acquire(&Claim { after: None, ..watched.clone() }).await.unwrap(),
            Acquired::Held { .. }
        ));
        assert_eq!(Some(granted(storage.acquire(&watched).await)), term.next());
        for sql_mode in ["", "SIMULTANEOUS_ASSIGNMENT"] {
            run(&pool, "UPDATE lessor_leases SET expires = expires + 3600000").await;
            let options = MySqlPoolOptions::new().max_connections(1).after_connect(move |connection, _| {
                let set = format!("SET sql_mode = '{sql_mode}'");
                Box::pin(async move { connection.execute(AssertSqlSafe(set)).await.map(drop) })
            });
            let storage = MySqlStorage::new(options.connect_lazy_with(server.options()));
            assert!(matches!(storage.renew(&short(2), term.next().unwrap()).await.unwrap(), Renewed::Extended { .. }));
            let ahead = "SELECT expires - TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000 FROM lessor_leases";
            let ahead = number(&pool, ahead).await;
            assert!(ahead <= 5000, "a renewal brings it back to the clock: {ahead}");
        }
        // A shorter ttl shortens nothing.
        let brief = Claim { ttl: Duration::from_millis(100), ..short(2) };
        assert!(matches!(storage.renew(&brief, term.next().unwrap()).await.unwrap(), Renewed::Extended { .. }));
        let left = storage.get(&brief.key).await.unwrap().unwrap().time_left;
        assert!(left > Duration::from_secs(4), "{left:?}");
    });
}

/// An error says what is wrong, of which kind it is, and no secret.
#[test]
fn errors() {
    fn permanent(error: StorageError) -> StorageError {
        let shown = format!("{error} {error:?}");
        assert_eq!(error.kind(), ErrorKind::Permanent, "{shown}");
        assert!(!shown.contains(PASSWORD) && !shown.contains("wr0ng"), "{shown}");
        error
    }
    fn refused(error: StorageError) -> u16 {
        let error = permanent(error);
        error.get_ref().downcast_ref::<Refused>().unwrap_or_else(|| panic!("{error}")).number
    }
    fn not_ready(error: StorageError) -> NotReady {
        let error = permanent(error);
        error.get_ref().downcast_ref::<NotReady>().unwrap_or_else(|| panic!("{error}")).clone()
    }
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        let missing = MySqlStorage::new(pool.clone());
        let table = "`lessor_leases`".to_string();
        for error in [missing.check().await.unwrap_err(), missing.acquire(&claim("k", 1)).await.unwrap_err()] {
            assert_eq!(not_ready(error), NotReady::NoTable { table: table.clone() });
        }
        missing.migrate().await.unwrap();

        let of = |options: MySqlConnectOptions| MySqlStorage::new(self::pool(options, 1));
        assert_eq!(refused(of(server.options().password("wr0ng")).check().await.unwrap_err()), 1045);
        assert_eq!(refused(of(server.options().database("none")).check().await.unwrap_err()), 1049);
        let elsewhere = MySqlStorage::builder().database("none").unwrap().pool(pool.clone());
        assert_eq!(
            not_ready(elsewhere.check().await.unwrap_err()),
            NotReady::NoTable { table: "`none`.`lessor_leases`".into() }
        );

        run(
            &pool,
            "CREATE USER app IDENTIFIED BY 'r'; GRANT SELECT, INSERT ON lessor.lessor_leases TO app;
             CREATE USER nobody IDENTIFIED BY 'r'; GRANT SELECT ON lessor.* TO nobody",
        )
        .await;
        let app = of(server.options().username("app").password("r"));
        let lacks = |right| NotReady::NoRight { table: table.clone(), right };
        assert_eq!(not_ready(app.check().await.unwrap_err()), lacks("UPDATE"));
        assert_eq!(granted(app.acquire(&claim("other", 1)).await), Term::FIRST);
        assert_eq!(refused(app.renew(&claim("other", 1), Term::FIRST).await.unwrap_err()), 1142);
        app.migrate().await.unwrap();
        let nobody = of(server.options().username("nobody").password("r"));
        assert_eq!(not_ready(nobody.check().await.unwrap_err()), lacks("INSERT"));
        run(&pool, "GRANT UPDATE ON lessor.lessor_leases TO app").await;
        app.check().await.unwrap();
        assert!(matches!(app.renew(&claim("other", 1), Term::FIRST).await.unwrap(), Renewed::Extended { .. }));

        run(&pool, "SET GLOBAL read_only = 1").await;
        for error in [app.check().await.unwrap_err(), app.acquire(&claim("new", 1)).await.unwrap_err()] {
            assert_eq!(not_ready(error), NotReady::ReadOnly);
        }
        assert_eq!(not_ready(app.renew(&claim("other", 1), Term::FIRST).await.unwrap_err()), NotReady::ReadOnly);
        run(&pool, "SET GLOBAL read_only = 0").await;
        for (set, error) in [("autocommit = 0", NotReady::NoAutocommit), ("tx_read_only = 1", NotReady::ReadOnly)] {
            let set = format!("SET {set}");
            let options = MySqlPoolOptions::new().max_connections(1).after_connect(move |connection, _| {
                let set = set.clone();
                Box::pin(async move { connection.execute(AssertSqlSafe(set)).await.map(drop) })
            });
            let storage = MySqlStorage::new(options.connect_lazy_with(server.options()));
            assert_eq!(not_ready(storage.check().await.unwrap_err()), error);
            assert_eq!(not_ready(storage.acquire(&claim("new", 1)).await.unwrap_err()), error);
            assert_eq!(not_ready(storage.renew(&claim("other", 1), Term::FIRST).await.unwrap_err()), error);
        }

        // What another program wrote, and what the table does not take. Sessions stay out of both.
        run(&pool, "UPDATE lessor_leases SET holder = ''").await;
        let error = permanent(missing.get(&claim("other", 1).key).await.unwrap_err());
        assert_eq!(error.get_ref().downcast_ref::<UnreadableRow>().unwrap().column, "holder");
        run(&pool, "DELETE FROM lessor_leases; ALTER TABLE lessor_leases ADD CHECK (session IS NULL)").await;
        let secret = 0x1122_3344_5566_7788;
        for error in [
            missing.acquire(&claim("new", secret)).await.unwrap_err(),
            missing.acquire_all(&[claim("new", secret), claim("newer", secret)]).await.remove(0).unwrap_err(),
        ] {
            let error = permanent(error);
            let shown = format!("{error} {error:?} {:?}", error.get_ref());
            assert!(shown.contains("4025") && !shown.contains("1122334455667788"), "{shown}");
        }

        run(&pool, "ALTER TABLE lessor_leases RENAME COLUMN value TO note").await;
        assert_eq!(refused(missing.check().await.unwrap_err()), 1054);
        run(&pool, "ALTER TABLE lessor_leases RENAME COLUMN note TO value, ENGINE = MyISAM").await;
        assert_eq!(
            not_ready(missing.check().await.unwrap_err()),
            NotReady::NotInnoDb { table, engine: "MyISAM".into() }
        );
        pool.close().await;
        permanent(missing.check().await.unwrap_err());

        let exhausted = MySqlPoolOptions::new().max_connections(1);
        let exhausted = exhausted.acquire_timeout(Duration::from_millis(100)).connect_lazy_with(server.options());
        let held = exhausted.acquire().await.unwrap();
        let error = MySqlStorage::new(exhausted.clone()).check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
        drop(held);
    });
}

/// Batches wait for one another, in whatever order their keys are.
#[test]
fn batches_in_opposite_orders() {
    const KEYS: u128 = 300;
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let storage = MySqlStorage::builder().lock_timeout(HOUR).pool(pool);
        let claims: Vec<_> = (0..KEYS).map(|number| claim(&format!("{number}"), 1 + number)).collect();
        let reversed: Vec<_> = claims.iter().cloned().rev().collect();
        for round in 0..10 {
            // Who is not faster looks and asks again, as a candidate does.
            let acquire = async |claims: &[Claim]| {
                let mut open = claims.to_vec();
                while !open.is_empty() {
                    let answers = storage.acquire_all(&open).await;
                    let held = answers.into_iter().map(|answer| match answer.unwrap() {
                        Acquired::Granted { term, .. } => {
                            assert_eq!(term.get(), 1 + round);
                            false
                        }
                        Acquired::Held { retry_after, .. } => retry_after.is_zero() || panic!("held"),
                    });
                    open = open.iter().zip(held).filter(|(_, held)| *held).map(|(claim, _)| claim.clone()).collect();
                }
            };
            join(acquire(&claims), acquire(&reversed)).await;
            let renewals = |claims: &[Claim]| -> Vec<_> {
                claims.iter().map(|claim| (claim.clone(), Term::new(1 + round).unwrap())).collect()
            };
            let (one, other) = (renewals(&claims), renewals(&reversed));
            let (one, other) = join(storage.renew_all(&one), storage.renew_all(&other)).await;
            for renewed in one.into_iter().chain(other) {
                assert!(matches!(renewed, Ok(Renewed::Extended { .. })), "{renewed:?}");
            }
            let releases = |claims: &[Claim]| -> Vec<_> {
                claims.iter().map(|claim| (claim.key.clone(), claim.session)).collect()
            };
            let (one, other) = (releases(&claims), releases(&reversed));
            let (one, other) = join(storage.release_all(&one), storage.release_all(&other)).await;
            assert!(one.into_iter().chain(other).all(|released| released.is_ok()));
            let keys: Vec<_> = claims.iter().map(|claim| claim.key.clone()).collect();
            for (lease, claim) in storage.get_all(&keys).await.into_iter().zip(&claims) {
                let lease = lease.unwrap().unwrap();
                assert_eq!((lease.holder, lease.term.get()), (None, 1 + round), "{}", claim.key);
            }
            let knowing = |claim: &Claim| Claim { after: Term::new(1 + round), ..claim.clone() };
            let again: Vec<_> = claims.iter().map(knowing).collect();
            for acquired in storage.acquire_all(&again).await {
                assert_eq!(granted(acquired).get(), 2 + round);
            }
        }
    });
}

/// One row that another transaction holds keeps back nobody else: neither in a batch, nor beside one.
#[test]
fn one_locked_row_in_a_batch() {
    const KEYS: usize = 200;
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let claims: Vec<_> = (0..KEYS).map(|number| claim(&format!("{number}"), 1)).collect();
        for acquired in storage.acquire_all(&claims).await {
            granted(acquired);
        }
        let mut other = pool.begin().await.unwrap();
        other.execute("SELECT * FROM lessor_leases WHERE `key` = '77' FOR UPDATE").await.unwrap();
        let brief = |claim: &Claim| (Claim { ttl: Duration::from_secs(5), ..claim.clone() }, Term::FIRST);
        let renewals: Vec<_> = claims.iter().map(brief).collect();
        for (renewed, claim) in storage.renew_all(&renewals).await.into_iter().zip(&claims) {
            match renewed {
                Err(error) if claim.key.as_str() == "77" => {
                    assert!(error.get_ref().is::<Locked>(), "{error}");
                    assert_eq!(error.kind(), ErrorKind::Transient);
                }
                renewed => assert!(matches!(renewed, Ok(Renewed::Extended { .. })), "{}: {renewed:?}", claim.key),
            }
        }
        let versions = "SELECT COUNT(*) FROM lessor_leases WHERE version = 2";
        assert_eq!(number(&pool, versions).await, i64::try_from(KEYS).unwrap() - 1);
        assert_eq!(waiting(&pool).await, 0);
        other.rollback().await.unwrap();
        for renewed in storage.renew_all(&renewals).await {
            assert!(matches!(renewed, Ok(Renewed::Extended { .. })));
        }
        // Nothing is left open behind a batch that met a lock.
        assert_eq!(number(&pool, "SELECT COUNT(*) FROM information_schema.innodb_trx").await, 0);
    });
}

/// Who waits in vain leaves one statement behind on the server, not one with each try; dropped or not.
#[test]
fn vain_waits_do_not_pile_up() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let brief = Claim { ttl: Duration::from_millis(500), ..claim("k", 1) };
        let term = granted(storage.acquire(&claim("k", 1)).await);
        for dropped in [false, true] {
            let other = lock(&pool).await;
            for _ in 0..10 {
                if dropped {
                    let limit = smol::Timer::after(Duration::from_millis(20));
                    let renewed = select(Box::pin(storage.renew(&brief, term)), limit).await;
                    assert!(matches!(renewed, Either::Right(_)));
                } else {
                    let error = storage.renew(&brief, term).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
                }
                assert!(waiting(&pool).await <= 1);
            }
            assert_eq!(waiting(&pool).await, 1, "the first");
            other.rollback().await.unwrap();
            for _ in 0..3 {
                assert!(matches!(storage.renew(&brief, term).await.unwrap(), Renewed::Extended { .. }));
            }
            while waiting(&pool).await > 0 {}
            assert_eq!(number(&pool, "SELECT COUNT(*) FROM information_schema.innodb_trx").await, 0);
        }
        // The same for a key's first claim.
        let mut other = pool.begin().await.unwrap();
        other.execute("INSERT INTO lessor_leases SELECT 'new', session, holder, term, version, ttl, expires, value FROM lessor_leases").await.unwrap();
        let first = Claim { ttl: Duration::from_secs(1), ..claim("new", 2) };
        for _ in 0..5 {
            assert_eq!(storage.acquire(&first).await.unwrap_err().kind(), ErrorKind::Transient);
        }
        let inserting = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT %'";
        assert_eq!(number(&pool, inserting).await, 1);
        other.rollback().await.unwrap();
        // The one that was left behind may be first.
        let term = loop {
            match storage.acquire(&first).await.unwrap() {
                Acquired::Granted { term, .. } => break term,
                Acquired::Held { retry_after, .. } => assert!(retry_after.is_zero()),
            }
        };
        assert_eq!(term, Term::FIRST);
    });
}

/// Who waits in vain does not keep the pool's connection.
#[test]
fn a_vain_wait_keeps_no_connection() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let storage = MySqlStorage::new(server.pool(1));
        let brief = Claim { ttl: Duration::from_millis(500), ..claim("k", 1) };
        let term = granted(storage.acquire(&claim("k", 1)).await);
        let other = lock(&pool).await;
        assert_eq!(storage.renew(&brief, term).await.unwrap_err().kind(), ErrorKind::Transient);
        let limit = smol::Timer::after(Duration::from_secs(10));
        let looked = select(Box::pin(storage.get(&brief.key)), limit).await;
        assert!(matches!(looked, Either::Left((Ok(Some(_)), _))), "it waits for the statement that was given up");
        other.rollback().await.unwrap();
    });
}

/// R5: sixteen at once on leases that end all the time: every grant has a term of its own, and they grow.
#[test]
fn contention() {
    const CLIENTS: u128 = 16;
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let until = now() + Duration::from_secs(4);
        let clients = (1..=CLIENTS).map(|number| {
            let pool = self::pool(server.options(), 1);
            async move {
                let storage = MySqlStorage::new(pool);
                let mut claim = Claim { ttl: Duration::from_millis(5), ..claim("k", number) };
                let mut terms = Vec::new();
                while now() < until {
                    match storage.acquire(&claim).await {
                        Ok(Acquired::Granted { term, .. }) => {
                            terms.push(term);
                            claim.after = Some(term);
                        }
                        Ok(Acquired::Held { lease, .. }) => {
                            claim.after = claim.after.max(lease.map(|lease| lease.term));
                        }
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Transient, "{error}"),
                    }
                }
                terms
            }
        });
        let all = join_all(clients.map(smol::spawn)).await;
        let count: usize = all.iter().map(Vec::len).sum();
        for terms in &all {
            assert!(terms.is_sorted_by(|one, next| one < next));
        }
        let distinct: BTreeSet<_> = all.into_iter().flatten().collect();
        assert_eq!(distinct.len(), count);
        let newest = number(&pool, "SELECT term FROM lessor_leases").await;
        assert!(distinct.iter().all(|term| i64::from(*term) <= newest));
        println!("{count} grants, the newest term is {newest}");
        assert!(count > 100, "{count}");
    });
}

/// Every operation once, alone and in a batch, with texts of every kind.
async fn cycle(storage: &MySqlStorage, name: &str) {
    let text = format!(r#"{name} '"`; DROP TABLE victim; -- $1 ? \ %s ☃ "#);
    let [odd, padded] = [text.clone(), format!("{text} ")].map(|key| Claim {
        key: Key::new(key).unwrap(),
        holder: Holder::new(r#"\'"?☃ "#).unwrap(),
        value: Some(Value::new(&text).unwrap()),
        ..claim("k", u128::MAX << 8)
    });
    let mut wakeups = storage.subscribe(&odd.key);
    let term = granted(storage.acquire(&odd).await);
    woken(&mut wakeups).await;
    // A space at its end makes another key, and so does a capital letter.
    assert_eq!(storage.get(&padded.key).await.unwrap(), None);
    assert_eq!(granted(storage.acquire(&padded).await), Term::FIRST);
    assert_eq!(storage.get(&Key::new(text.to_uppercase()).unwrap()).await.unwrap(), None);
    assert!(matches!(storage.renew(&odd, term).await.unwrap(), Renewed::Extended { .. }));
    let batch = [(odd.clone(), term), (padded.clone(), Term::FIRST)];
    for renewed in storage.renew_all(&batch).await {
        assert!(matches!(renewed.unwrap(), Renewed::Extended { .. }));
    }
    assert!(wakeups.next().now_or_never().is_none(), "renewals wake nobody");
    let lease = storage.get(&odd.key).await.unwrap().unwrap();
    assert_eq!((lease.holder, lease.value), (Some(odd.holder.clone()), odd.value.clone()));
    let left = lease.time_left;
    assert!(left > Duration::from_secs(3590) && left <= HOUR, "{left:?}");
    storage.release(&odd.key, odd.session).await.unwrap();
    woken(&mut wakeups).await;
    let again = [Claim { after: Some(term), ..odd.clone() }, Claim { after: Some(Term::FIRST), ..padded.clone() }];
    for acquired in storage.acquire_all(&again).await {
        assert!(granted(acquired) > term);
    }
    let releases = again.map(|claim| (claim.key, claim.session));
    for released in storage.release_all(&releases).await {
        released.unwrap();
    }
    for lease in storage.get_all(&releases.map(|(key, _)| key)).await {
        assert_eq!(lease.unwrap().unwrap().holder, None);
    }
}

/// Any name is a name, and any text a text.
#[test]
fn odd_names_and_texts() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        run(&pool, "CREATE TABLE victim (nothing int)").await;
        for (database, table) in [
            (None, "select"),
            (Some("My Database"), "My Leases"),
            (Some("data`base"), "x`; DROP TABLE victim; --"),
            (Some("schéma?"), "why? %s {0} $1 ' \" a.b/c"),
            (Some(&*"s".repeat(64)), &*"t".repeat(64)),
        ] {
            let mut builder = MySqlStorage::builder().table(table).unwrap();
            if let Some(database) = database {
                builder = builder.database(database).unwrap();
            }
            let storage = builder.clone().pool(pool.clone());
            let others: Vec<_> = (0..4).map(|_| builder.clone().pool(pool.clone())).collect();
            for migrated in join_all(others.iter().map(MySqlStorage::migrate)).await {
                migrated.unwrap();
            }
            run(&pool, &builder.migration_sql()).await;
            storage.check().await.unwrap();
            cycle(&storage, "k").await;
        }
        // The longest texts, and more of them than fit into one packet.
        let storage = MySqlStorage::new(pool.clone());
        storage.migrate().await.unwrap();
        let longest = |number: u8| Claim {
            key: Key::new(format!("{number:03}{}é", "k".repeat(251))).unwrap(),
            holder: Holder::new("é".repeat(64)).unwrap(),
            value: Some(Value::new("é".repeat(2048)).unwrap()),
            ..claim("k", 1)
        };
        let claims: Vec<_> = (0..=255).map(longest).collect();
        for _ in 0..2 {
            for acquired in storage.acquire_all(&claims).await {
                assert_eq!(granted(acquired), Term::FIRST);
            }
        }
        assert_eq!(storage.get(&claims[200].key).await.unwrap().unwrap().value, claims[200].value);
        assert_eq!(number(&pool, "SELECT COUNT(*) FROM victim").await, 0, "it is there");
    });
}

/// Whatever the server and the pool's connections are set to.
#[test]
fn every_setting() {
    let strange = [
        "--sql-mode=ANSI,NO_BACKSLASH_ESCAPES",
        "--default-time-zone=-11:30",
        "--character-set-server=ucs2",
        "--transaction-isolation=SERIALIZABLE",
        "--log-bin=bin",
        "--server-id=1",
        "--sysdate-is-now",
        "--innodb-snapshot-isolation=ON",
        "--completion-type=CHAIN",
    ];
    for (server, own) in [(Server::start(), true), (Server::start_with(&strange, Some("Asia/Kathmandu")), false)] {
        block_on(async {
            storage(&server).await.0.check().await.unwrap();
            for (number, set) in [
                "sql_mode = ''",
                "sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,IGNORE_SPACE'",
                "sql_mode = 'TRADITIONAL,ONLY_FULL_GROUP_BY,PAD_CHAR_TO_FULL_LENGTH,NO_UNSIGNED_SUBTRACTION'",
                "sql_mode = 'SIMULTANEOUS_ASSIGNMENT,HIGH_NOT_PRECEDENCE,REAL_AS_FLOAT'",
                "time_zone = '+12:45'",
                "time_zone = 'SYSTEM'",
                "tx_isolation = 'SERIALIZABLE'",
                "tx_isolation = 'READ-COMMITTED'",
                "tx_isolation = 'READ-UNCOMMITTED'",
                "completion_type = 'CHAIN'",
                "NAMES latin1",
                "NAMES utf8mb4 COLLATE utf8mb4_unicode_ci",
                "div_precision_increment = 0",
                "innodb_lock_wait_timeout = 1",
            ]
            .into_iter()
            .enumerate()
            {
                let statement = format!("SET {set}");
                let options = MySqlPoolOptions::new().max_connections(2).after_connect(move |connection, _| {
                    let statement = statement.clone();
                    Box::pin(async move { connection.execute(AssertSqlSafe(statement)).await.map(drop) })
                });
                let mut connect = server.options();
                if !own {
                    connect =
                        connect.timezone(None).set_names(false).pipes_as_concat(false).no_engine_substitution(false);
                }
                let storage = MySqlStorage::new(options.connect_lazy_with(connect));
                println!("{set}");
                storage.check().await.unwrap();
                cycle(&storage, &format!("{number}")).await;
            }
        });
    }
}

/// Times are counted right where local time is counted twice or not at all.
#[test]
fn summer_time() {
    let server = Server::start_with(&[], Some("Europe/Berlin"));
    block_on(async {
        storage(&server).await.0.check().await.unwrap();
        // The last Sundays of March and October 2025, 01:00 UTC, and an hour around them.
        for (number, change) in [1_743_296_400_i64, 1_761_440_400].into_iter().enumerate() {
            for (step, minutes) in (-90..=90).step_by(15).enumerate() {
                let seconds = change + minutes * 60;
                let options = MySqlPoolOptions::new().max_connections(1).after_connect(move |connection, _| {
                    let set = format!("SET timestamp = {seconds}.25");
                    Box::pin(async move { connection.execute(AssertSqlSafe(set)).await.map(drop) })
                });
                let pool = options.connect_lazy_with(server.options().timezone(None));
                let storage = MySqlStorage::new(pool.clone());
                let claim = Claim { ttl: Duration::from_millis(1), ..claim(&format!("{number} {step}"), 1) };
                let term = granted(storage.acquire(&claim).await);
                let expires = format!("SELECT expires FROM lessor_leases WHERE `key` = '{}'", claim.key);
                assert_eq!(self::number(&pool, &expires).await, seconds * 1000 + 251);
                assert!(matches!(storage.renew(&claim, term).await.unwrap(), Renewed::Extended { .. }));
                assert_eq!(self::number(&pool, &expires).await, seconds * 1000 + 251);
            }
        }
    });
}

/// R14: a server that stands still costs time, and no more than that.
#[test]
fn a_server_that_pauses() {
    let server = Server::start();
    block_on(async {
        let (storage, _) = storage(&server).await;
        let brief = Claim { ttl: Duration::from_secs(2), ..claim("k", 1) };
        let term = granted(storage.acquire(&claim("k", 1)).await);
        server.pause();
        for _ in 0..10 {
            let limit = smol::Timer::after(Duration::from_millis(50));
            let renewed = select(Box::pin(storage.renew(&brief, term)), limit).await;
            assert!(matches!(renewed, Either::Right(_)));
        }
        server.resume();
        assert!(matches!(storage.renew(&brief, term).await.unwrap(), Renewed::Extended { .. }));
        server.pause();
    });
    // It ends while it is paused.
    drop(server);
}

/// R14: a leader goes on where another transaction holds its row for a while.
#[test]
fn a_leader_outlasts_a_lock() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let (candidate, driver) = Builder::new("k").ttl(Duration::from_secs(2)).build(storage).unwrap();
        let task = smol::spawn(driver.run());
        let leadership = candidate.elected().await.unwrap();
        let other = lock(&pool).await;
        unlock(other, Duration::from_millis(900)).await;
        smol::Timer::after(Duration::from_millis(1500)).await;
        assert!(leadership.is_valid());
        candidate.shutdown().await.unwrap();
        task.await;
    });
}

async fn woken(wakeups: &mut Wakeups) {
    let limit = smol::Timer::after(Duration::from_secs(10));
    assert!(matches!(select(wakeups.next(), limit).await, Either::Left((Some(()), _))), "no wake-up");
}

/// R11: within the transaction of a write the newest term wins, and an older one is refused.
#[test]
fn fencing_in_the_own_transaction() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        run(&pool, Fence::MYSQL_CREATE_TABLE).await;
        let [one, two] = [1, 2].map(|term| Term::new(term).unwrap());
        let mut first = pool.begin().await.unwrap();
        admit(&mut first, "r", one).await.unwrap();
        admit(&mut first, "R", two).await.unwrap();
        first.commit().await.unwrap();
        let mut newer = pool.begin().await.unwrap();
        admit(&mut newer, "r", two).await.unwrap();
        // The older waits for the newer, and is then refused.
        let older = async {
            let mut older = pool.begin().await.unwrap();
            let refused = admit(&mut older, "r", one).await.unwrap_err();
            assert!(matches!(refused, NotAdmitted::Stale(stale) if (stale.term, stale.newest) == (one, two)));
        };
        join(older, async {
            smol::Timer::after(Duration::from_millis(100)).await;
            newer.commit().await.unwrap();
        })
        .await;
        let mut again = pool.begin().await.unwrap();
        admit(&mut again, "r", two).await.unwrap();
        again.commit().await.unwrap();
        assert_eq!(number(&pool, "SELECT term FROM lessor_fences WHERE resource = 'r'").await, 2);
        let mut connection = sqlx::MySqlConnection::connect_with(&server.options().database(DATABASE)).await.unwrap();
        let failed = admit(&mut connection, &"r".repeat(256), two).await.unwrap_err();
        assert!(matches!(failed, NotAdmitted::Failed(error) if error.kind() == ErrorKind::Permanent));
    });
}
