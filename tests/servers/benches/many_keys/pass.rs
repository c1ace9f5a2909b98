//! One pass of an operation over all keys: through the storage, and by bare statements.

use std::time::{Duration, Instant};

use lessor::storage::{Acquired, Claim, Release, Renewal, Renewed, Reply, Request, Session};
use lessor::{Id, Key, Storage, Term};
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::postgres::PgConnection;
use lessor_postgres::sqlx::{self, AssertSqlSafe};

use crate::keys::{KEYS, TTL};
use crate::machine::cpu_of;
use crate::server::Measured;
use crate::table::{median, times};

const ROUNDS: usize = 21;

/// As many keys as a flight has at most.
const FLIGHT: usize = 1_024;

/// What the page on the statements shows, and the storage runs: the one that has this in it.
pub(crate) fn documented(part: &str) -> String {
    let page = include_str!("../../../../storages/postgres/src/lib.rs");
    let lines = page.lines().filter_map(|line| line.strip_prefix("//!"));
    let page: String = lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n").collect();
    let shown = page.split("```sql\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let mut found = shown.filter(|statement| statement.contains(part));
    let statement = found.next().expect("it is shown");
    statement.replace("clock", "(date_part('epoch', clock_timestamp()) * 1000)::bigint")
}

/// What a pass took: on the clock, and of the server's CPU.
#[derive(Default)]
struct Passes {
    took: Vec<Duration>,
    spent: Vec<Duration>,
}

impl Passes {
    async fn time(&mut self, processes: &[i32], pass: impl Future<Output = ()>) {
        let spent = || processes.iter().copied().map(cpu_of).sum::<Duration>();
        let (before, began) = (spent(), Instant::now());
        pass.await;
        self.took.push(began.elapsed());
        self.spent.push(spent() - before);
    }

    /// The first are not counted: plans are made, pages are read.
    fn medians(&self) -> (Duration, Duration) {
        let late = |all: &[Duration]| median(all.get(1..).unwrap_or_default());
        (late(&self.took), late(&self.spent))
    }
}

/// A statement whose first parameter is all the keys, in statements of so many.
async fn bare(connection: &mut PgConnection, sql: &str, keys: &[String], size: usize) {
    for keys in keys.chunks(size) {
        let query = sqlx::query(AssertSqlSafe(sql)).bind(keys);
        query.fetch_all(&mut *connection).await.expect("its own");
    }
}

/// So many, in an order of their own.
fn names(count: usize) -> Vec<String> {
    // Coprime with it: each once.
    (0..count).map(|number| format!("key-{}", number * 7_919 % count)).collect()
}

const UPDATE: &str = "UPDATE lessor_leases SET version = version + 1,
    expires = (date_part('epoch', now()) * 1000)::bigint + 10000 WHERE key = ANY($1)";
/// The same, which waits for nobody's lock: it takes those of the rows first, and skips what another holds.
const UPDATE_WITHOUT_A_WAIT: &str = "UPDATE lessor_leases SET version = version + 1,
    expires = (date_part('epoch', now()) * 1000)::bigint + 10000
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM lessor_leases WHERE key = ANY($1) FOR NO KEY UPDATE SKIP LOCKED))
    RETURNING key, version";
const INSERT: &str = "INSERT INTO lessor_leases SELECT key, '\\x00', 'me', 1, 1, 10000, 0, 0, NULL
    FROM unnest($1::text[]) AS key ON CONFLICT DO NOTHING RETURNING key, term, version";
const LOOK: &str = "SELECT * FROM lessor_leases WHERE key = ANY($1)";
const RELEASE: &str = "UPDATE lessor_leases SET session = NULL, version = version + 1 WHERE key = ANY($1)";

/// The server's CPU for each row of bare `UPDATE`s of all keys that are there, of so many at a time.
///
/// All are updated once in this time, statement by statement with a pause before each: a process that has just slept
/// finds nothing in the processor's caches.
pub(crate) async fn bare_renewal(server: &Measured, count: usize, size: usize, every: Duration) -> Duration {
    const PASSES: u32 = 6;
    let (mut connection, process) = server.bare().await;
    let keys = names(count);
    let pause = every.div_f64(count.div_ceil(size) as f64);
    bare(&mut connection, UPDATE, &keys, size).await;
    let before = cpu_of(process);
    for _ in 0..PASSES {
        for keys in keys.chunks(size) {
            smol::Timer::after(pause).await;
            bare(&mut connection, UPDATE, keys, size).await;
        }
    }
    (cpu_of(process) - before) / PASSES / u32::try_from(count).unwrap_or(u32::MAX)
}

/// How long it takes to insert as many rows, in statements as large as a flight.
pub(crate) async fn bare_grants(server: &Measured, count: usize) -> Duration {
    let (mut connection, _) = server.bare().await;
    let began = Instant::now();
    bare(&mut connection, INSERT, &names(count), FLIGHT).await;
    began.elapsed()
}

/// All operations, in rounds that alternate.
pub(crate) async fn measure() {
    let mut server = Measured::start().await;
    let storage = server.storage(PostgresStorage::builder().wakeups(false));
    let (mut connection, process) = server.bare().await;
    let keys = names(KEYS);
    let claims = |session| {
        let id = Id::new("candidate").expect("an id");
        let key = |name: &String| Key::new(name.as_str()).expect("a key");
        let claims = keys.iter().map(|name| Claim::new(key(name), id.clone(), Session::from_bits(session), TTL * 6));
        claims.collect::<Vec<_>>()
    };
    let (mine, others) = (claims(1), claims(2));
    let renewal = |claim: &Claim| {
        Renewal::new(claim.key.clone(), claim.id.clone(), claim.session, Term::FIRST, claim.ttl).patience(TTL / 5)
    };
    let asked = async |requests: Vec<Request>, is_right: fn(&Reply) -> bool| {
        let replies = storage.call_all(requests).await;
        let right = replies.iter().filter(|reply| reply.as_ref().is_ok_and(is_right)).count();
        assert_eq!(right, KEYS, "{:?}", replies.iter().find(|reply| !reply.as_ref().is_ok_and(is_right)));
    };
    // Connects.
    let _ = storage.call_all(vec![mine[0].clone().into(), others[1].clone().into()]).await;
    server.run("TRUNCATE lessor_leases").await;
    let processes = server.processes().await;
    let mut all: [Passes; 12] = Default::default();
    let [
        inserted,
        granted,
        updated,
        updated_in_ten,
        updated_without_a_wait,
        renewed,
        looked,
        refused,
        known,
        released,
        released_in_ten,
        given_up,
    ] = &mut all;
    for _ in 0..ROUNDS {
        server.run("TRUNCATE lessor_leases").await;
        inserted.time(&[process], bare(&mut connection, INSERT, &keys, FLIGHT)).await;
        server.run("TRUNCATE lessor_leases").await;
        let requests = mine.iter().cloned().map(Into::into).collect();
        granted
            .time(&processes, asked(requests, |reply| matches!(reply, Reply::Acquired(Acquired::Granted { .. }))))
            .await;

        updated.time(&[process], bare(&mut connection, UPDATE, &keys, KEYS)).await;
        updated_in_ten.time(&[process], bare(&mut connection, UPDATE, &keys, FLIGHT)).await;
        updated_without_a_wait.time(&[process], bare(&mut connection, UPDATE_WITHOUT_A_WAIT, &keys, FLIGHT)).await;
        let requests = mine.iter().map(|claim| renewal(claim).into()).collect();
        renewed
            .time(&processes, asked(requests, |reply| matches!(reply, Reply::Renewed(Renewed::Extended { .. }))))
            .await;

        looked.time(&[process], bare(&mut connection, LOOK, &keys, FLIGHT)).await;
        for passes in [&mut *refused, &mut *known] {
            let requests = others.iter().cloned().map(Into::into).collect();
            let is_refused = |reply: &Reply| matches!(reply, Reply::Acquired(Acquired::Refused { lease: Some(_), .. }));
            passes.time(&processes, asked(requests, is_refused)).await;
        }

        let requests = mine.iter().map(|claim| Release::new(claim.key.clone(), claim.session).into()).collect();
        given_up.time(&processes, asked(requests, |reply| matches!(reply, Reply::Released))).await;
        released.time(&[process], bare(&mut connection, RELEASE, &keys, KEYS)).await;
        released_in_ten.time(&[process], bare(&mut connection, RELEASE, &keys, FLIGHT)).await;
    }
    both("grants; INSERT of 1,024 keys at a time", inserted, granted);
    both("renewals; one UPDATE of all keys", updated, renewed);
    both("renewals; UPDATE of 1,024 keys at a time", updated_in_ten, renewed);
    both("renewals; the same that waits for no lock, and answers", updated_without_a_wait, renewed);
    both("refused claims, the first for a key; SELECT of 1,024 keys at a time", looked, refused);
    both("refused claims later; SELECT of 1,024 keys at a time", looked, known);
    both("releases; one UPDATE of all keys", released, given_up);
    both("releases; UPDATE of 1,024 keys at a time", released_in_ten, given_up);
}

fn both(what: &str, bare: &Passes, ours: &Passes) {
    let ((bare_took, bare_spent), (took, spent)) = (bare.medians(), ours.medians());
    times(&format!("{what}: server CPU"), bare_spent, spent);
    times(&format!("{what}: time"), bare_took, took);
}
