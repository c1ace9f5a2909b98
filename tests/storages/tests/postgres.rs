//! What `PostgresStorage` promises beyond the contract of a storage: what it costs, what it waits for, what it says.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{join, join_all, select};
use lessor::storage::postgres::sqlx::postgres::PgPool;
use lessor::storage::postgres::sqlx::{self, AssertSqlSafe, Row, Transaction};
use lessor::storage::postgres::{NotAdmitted, NotReady, Refused, UnreadableRow, admit};
use lessor::{
    Acquired, Claim, ErrorKind, Fence, Holder, Key, PostgresStorage, Renewed, Session, Storage, StorageError,
    SystemTimer, Takeover, Term, Timer, Value, Wakeups,
};
use lessor_storage_tests::postgres::{PASSWORD, Server, pool};
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

async fn storage(server: &Server) -> (PostgresStorage, PgPool) {
    let pool = server.pool(8);
    let storage = PostgresStorage::new(pool.clone());
    storage.migrate().await.unwrap();
    storage.check().await.unwrap();
    (storage, pool)
}

async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

async fn number(pool: &PgPool, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap()
}

/// R13: a refused claim neither writes nor locks, whoever holds the row's lock.
#[test]
fn a_refused_claim_writes_nothing() {
    const WRITTEN: &str = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let _ = granted(storage.acquire(&claim("k", 1)).await);
        let refused = claim("k", 2);
        let _ = storage.acquire(&refused).await.unwrap();
        // Its first use writes hints of what was committed; and so that nobody else writes.
        run(&pool, "CHECKPOINT").await;
        let before = number(&pool, WRITTEN).await;
        for _ in 0..500 {
            assert!(matches!(storage.acquire(&refused).await.unwrap(), Acquired::Held { lease: Some(_), .. }));
            let _ = storage.renew(&refused, Term::FIRST).await.unwrap();
            storage.release(&refused.key, refused.session).await.unwrap();
            let _ = storage.get(&refused.key).await.unwrap();
        }
        assert_eq!(number(&pool, WRITTEN).await - before, 0);

        let mut other = pool.begin().await.unwrap();
        sqlx::query("SELECT FROM lessor_leases FOR UPDATE").execute(&mut *other).await.unwrap();
        let began = now();
        assert!(matches!(storage.acquire(&refused).await.unwrap(), Acquired::Held { .. }));
        let mine = storage.acquire(&Claim { ttl: Duration::from_secs(2), ..claim("k", 1) }).await.unwrap_err();
        let waited = now() - began;
        assert!(waited >= Duration::from_millis(200) && waited < Duration::from_secs(2), "{waited:?}");
        assert_eq!(mine.kind(), ErrorKind::Transient);
        assert_eq!(mine.get_ref().downcast_ref::<Refused>().unwrap().code, "55P03");
        other.rollback().await.unwrap();
        assert_eq!(granted(storage.acquire(&claim("k", 1)).await), Term::FIRST);
    });
}

/// R4: a verdict is of the time after the wait for a lock, also where whoever held it changed nothing.
#[test]
fn time_goes_on_while_a_lock_is_waited_for() {
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let storage = PostgresStorage::builder().lock_timeout(HOUR).pool(pool.clone());
        let brief = Claim { ttl: Duration::from_millis(500), ..claim("k", 1) };
        let lock = async || {
            let mut other = pool.begin().await.unwrap();
            sqlx::query("SELECT FROM lessor_leases FOR UPDATE").execute(&mut *other).await.unwrap();
            other
        };
        let unlock = async |other: Transaction<'_, sqlx::Postgres>| {
            smol::Timer::after(Duration::from_millis(700)).await;
            other.rollback().await.unwrap();
        };

        // Live when it is asked, expired when it gets the lock.
        let term = granted(storage.acquire(&brief).await);
        let other = lock().await;
        let longer = Claim { ttl: HOUR, ..brief.clone() };
        let (renewed, ()) = join(storage.renew(&longer, term), unlock(other)).await;
        assert!(matches!(renewed.unwrap(), Renewed::Lost(Some(_))));
        assert!(!storage.get(&brief.key).await.unwrap().unwrap().is_live());

        // What is given lasts from when it is given.
        let other = lock().await;
        let next = Claim { after: Some(term), ttl: Duration::from_secs(60), ..claim("k", 2) };
        let (acquired, ()) = join(storage.acquire(&next), unlock(other)).await;
        assert_eq!(Some(granted(acquired)), term.next());
        let left = storage.get(&brief.key).await.unwrap().unwrap().time_left;
        assert!(left > Duration::from_millis(59_500), "{left:?}");
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
        run(&pool, "UPDATE lessor_leases SET expires = expires + 3600000").await;
        assert!(matches!(storage.renew(&short(2), term.next().unwrap()).await.unwrap(), Renewed::Extended { .. }));
        let now = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let ahead = number(&pool, &format!("SELECT expires - {now} FROM lessor_leases")).await;
        assert!(ahead <= 5000, "a renewal brings it back to the clock: {ahead}");
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
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        let missing = PostgresStorage::new(pool.clone());
        let table = r#""public"."lessor_leases""#.to_string();
        for error in [missing.check().await.unwrap_err(), missing.acquire(&claim("k", 1)).await.unwrap_err()] {
            let error = permanent(error);
            assert_eq!(error.get_ref().downcast_ref(), Some(&NotReady::NoTable { table: table.clone() }), "{error}");
        }
        missing.migrate().await.unwrap();

        let wrong = PostgresStorage::new(self::pool(server.options().password("wr0ng"), 1));
        let error = permanent(wrong.check().await.unwrap_err());
        assert_eq!(error.get_ref().downcast_ref::<Refused>().unwrap().code, "28P01");
        let error = permanent(
            PostgresStorage::new(self::pool(server.options().database("none"), 1)).check().await.unwrap_err(),
        );
        assert_eq!(error.get_ref().downcast_ref::<Refused>().unwrap().code, "3D000");

        let read_only =
            PostgresStorage::new(self::pool(server.options().options([("default_transaction_read_only", "on")]), 1));
        for error in [read_only.check().await.unwrap_err(), read_only.acquire(&claim("k", 1)).await.unwrap_err()] {
            assert_eq!(permanent(error).get_ref().downcast_ref(), Some(&NotReady::ReadOnly));
        }

        run(&pool, "CREATE ROLE reader LOGIN PASSWORD 'r'; GRANT SELECT, INSERT ON lessor_leases TO reader").await;
        let reader = PostgresStorage::new(self::pool(server.options().username("reader").password("r"), 1));
        let error = permanent(reader.check().await.unwrap_err());
        assert_eq!(error.get_ref().downcast_ref(), Some(&NotReady::NoRight { table: table.clone(), right: "UPDATE" }));
        let error = permanent(reader.acquire(&claim("k", 1)).await.unwrap_err());
        assert_eq!(error.get_ref().downcast_ref::<Refused>().unwrap().code, "42501");
        reader.migrate().await.unwrap();
        run(&pool, "GRANT UPDATE ON lessor_leases TO reader").await;
        reader.check().await.unwrap();
        assert_eq!(granted(reader.acquire(&claim("k", 1)).await), Term::FIRST);

        // What another program wrote, and what the table does not take. Sessions stay out of both.
        run(&pool, "UPDATE lessor_leases SET holder = ''").await;
        let error = permanent(missing.get(&claim("k", 1).key).await.unwrap_err());
        assert_eq!(error.get_ref().downcast_ref::<UnreadableRow>().unwrap().column, "holder");
        run(&pool, "DELETE FROM lessor_leases; ALTER TABLE lessor_leases ADD CHECK (session IS NULL)").await;
        let secret = 0x1122_3344_5566_7788;
        let error = permanent(missing.acquire(&claim("new", secret)).await.unwrap_err());
        let shown = format!("{error} {error:?} {:?}", error.get_ref());
        assert!(shown.contains("23514") && !shown.contains("1122334455667788"), "{shown}");

        run(&pool, "ALTER TABLE lessor_leases RENAME COLUMN value TO note").await;
        permanent(missing.check().await.unwrap_err());
        pool.close().await;
        permanent(missing.check().await.unwrap_err());

        let exhausted = sqlx::postgres::PgPoolOptions::new().max_connections(1);
        let exhausted = exhausted.acquire_timeout(Duration::from_millis(100)).connect_lazy_with(server.options());
        let held = exhausted.acquire().await.unwrap();
        let error = PostgresStorage::new(exhausted.clone()).check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
        drop(held);
    });
}

/// Batches lock in the order of their keys, whatever theirs is.
#[test]
fn batches_in_opposite_orders() {
    const KEYS: u128 = 300;
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let storage = PostgresStorage::builder().lock_timeout(HOUR).pool(pool);
        let claims: Vec<_> = (0..KEYS).map(|number| claim(&format!("{number}"), 1 + number)).collect();
        let reversed: Vec<_> = claims.iter().cloned().rev().collect();
        for round in 0..10 {
            let (one, other) = join(storage.acquire_all(&claims), storage.acquire_all(&reversed)).await;
            let term = |acquired: Result<_, _>| granted(acquired).get();
            assert!(one.into_iter().chain(other).map(term).all(|term| term == 1 + round));
            let renewals = |claims: &[Claim]| -> Vec<_> {
                claims.iter().map(|claim| (claim.clone(), Term::new(1 + round).unwrap())).collect()
            };
            let (one, other) = (renewals(&claims), renewals(&reversed));
            let (one, other) = join(storage.renew_all(&one), storage.renew_all(&other)).await;
            assert!(one.into_iter().chain(other).all(|renewed| matches!(renewed, Ok(Renewed::Extended { .. }))));
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
            assert!(storage.acquire_all(&again).await.into_iter().map(term).all(|term| term == 2 + round));
        }
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
                let storage = PostgresStorage::builder().wakeups(false).pool(pool);
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

/// Any name is a name, and any text a text.
#[test]
fn odd_names_and_texts() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        run(&pool, "CREATE TABLE victim ()").await;
        for (schema, table) in [
            ("public", "select"),
            ("My Schema", "My Leases"),
            ("sch\"ema", "x\"; DROP TABLE victim; --"),
            ("schéma", "%s {0} $1 '"),
            (&*"s".repeat(63), &*"t".repeat(63)),
        ] {
            let builder = PostgresStorage::builder().schema(schema).unwrap().table(table).unwrap();
            let storage = builder.clone().pool(pool.clone());
            let others: Vec<_> = (0..4).map(|_| builder.clone().pool(pool.clone())).collect();
            for migrated in join_all(others.iter().map(PostgresStorage::migrate)).await {
                migrated.unwrap();
            }
            run(&pool, &builder.migration_sql()).await;
            storage.check().await.unwrap();
            let text = r#"'"; DROP TABLE victim; -- $1 \ %s ☃ "#;
            let odd = Claim {
                key: Key::new(text).unwrap(),
                holder: Holder::new(text).unwrap(),
                value: Some(Value::new(text).unwrap()),
                ..claim("k", u128::MAX)
            };
            let mut wakeups = storage.subscribe(&odd.key);
            woken(&mut wakeups).await;
            let term = granted(storage.acquire(&odd).await);
            woken(&mut wakeups).await;
            assert!(matches!(storage.renew(&odd, term).await.unwrap(), Renewed::Extended { .. }));
            let lease = storage.get(&odd.key).await.unwrap().unwrap();
            assert_eq!((lease.holder, lease.value), (Some(odd.holder.clone()), odd.value.clone()));
            storage.release(&odd.key, odd.session).await.unwrap();
            woken(&mut wakeups).await;
        }
        assert_eq!(number(&pool, "SELECT count(*) FROM victim").await, 0, "it is there");
    });
}

async fn woken(wakeups: &mut Wakeups) {
    let limit = smol::Timer::after(Duration::from_secs(10));
    assert!(matches!(select(wakeups.next(), limit).await, futures::future::Either::Left((Some(()), _))), "no wake-up");
}

async fn listeners(pool: &PgPool) -> i64 {
    number(pool, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query LIKE 'UNLISTEN%'").await
}

/// R13: one connection listens for all keys, comes back by itself and then wakes everybody, and ends with the storage.
#[test]
fn wakeups_come_back() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        assert_eq!(listeners(&pool).await, 0);
        let keys: Vec<_> = (0..20).map(|number| Key::new(format!("{number}")).unwrap()).collect();
        let mut all: Vec<_> = keys.iter().map(|key| storage.subscribe(key)).collect();
        for wakeups in &mut all {
            woken(wakeups).await;
        }
        assert_eq!(listeners(&pool).await, 1);
        run(&pool, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'").await;
        for wakeups in &mut all {
            woken(wakeups).await;
        }
        assert_eq!(listeners(&pool).await, 1);

        server.crash();
        for wakeups in &mut all {
            woken(wakeups).await;
        }

        // Another process is told by the database alone, and of its key alone.
        let (other, _) = self::storage(&server).await;
        let term = granted(other.acquire(&claim("7", 1)).await);
        woken(&mut all[7]).await;
        assert!(matches!(other.renew(&claim("7", 1), term).await.unwrap(), Renewed::Extended { .. }));
        assert_eq!(granted(other.acquire(&claim("7", 1)).await), term, "repeated");
        smol::Timer::after(Duration::from_millis(300)).await;
        for wakeups in &mut all {
            assert!(futures::FutureExt::now_or_never(wakeups.next()).is_none());
        }

        drop(storage);
        let began = now();
        while listeners(&pool).await > 0 {
            assert!(now() - began < Duration::from_secs(10), "it listens on, for nobody");
            smol::Timer::after(Duration::from_millis(10)).await;
        }
    });
}

/// R11: within the transaction of a write the newest term wins, and an older one is refused.
#[test]
fn fencing_in_the_own_transaction() {
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        run(&pool, Fence::CREATE_TABLE).await;
        let [one, two] = [1, 2].map(|term| Term::new(term).unwrap());
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
        let row = sqlx::query("SELECT term FROM lessor_fences").fetch_one(&pool).await.unwrap();
        assert_eq!(row.get::<i64, _>("term"), 2);
    });
}
