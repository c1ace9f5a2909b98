//! One key alone: what the lane adds to the statement that it sends.

use std::time::Instant;

use lessor::storage::{Acquired, Claim, Renewal, Renewed, Session};
use lessor::{Id, Key, StorageExt};
use lessor_postgres::PostgresStorage;
use lessor_postgres::sqlx::{self, AssertSqlSafe};

use crate::keys::TTL;
use crate::pass::documented;
use crate::server::Measured;
use crate::table::{median, times};

const CALLS: usize = 600;

pub(crate) async fn measure() {
    let server = Measured::start().await;
    let storage = server.storage(PostgresStorage::builder());
    let (mut bare, _) = server.bare().await;
    let claim = |session| {
        let (key, id) = (Key::new("alone").expect("a key"), Id::new("candidate").expect("an id"));
        Claim::new(key, id, Session::from_bits(session), TTL)
    };
    let (mine, other) = (claim(1), claim(2));
    let Ok(Acquired::Granted { term, .. }) = storage.acquire(mine.clone()).await else {
        panic!("nobody else is there")
    };
    let renewal = Renewal::new(mine.key.clone(), mine.id.clone(), mine.session, term, TTL);
    let extend = documented("WHERE key = $1 AND session = $2 AND term = $6");
    let look = "SELECT 1::bigint AS place, l.*, (date_part('epoch', clock_timestamp()) * 1000)::bigint AS now
        FROM lessor_leases AS l WHERE l.key = $1";
    let mut measured: [Vec<_>; 4] = Default::default();
    for call in 0..=CALLS {
        let began = Instant::now();
        let query = sqlx::query(AssertSqlSafe(extend.as_str())).bind("alone").bind(&1_u128.to_be_bytes()[..]);
        let query = query.bind("candidate").bind(TTL.as_millis() as i64).bind(None::<String>).bind(1_i64);
        let rows = query.fetch_all(&mut bare).await.expect("its own");
        assert_eq!(rows.len(), 1, "it is extended");
        let extended = began.elapsed();
        let began = Instant::now();
        assert!(matches!(storage.renew(renewal.clone()).await, Ok(Renewed::Extended { .. })));
        let renewed = began.elapsed();
        let began = Instant::now();
        let rows = sqlx::query(look).bind("alone").fetch_all(&mut bare).await.expect("its own");
        assert_eq!(rows.len(), 1, "it is there");
        let looked = began.elapsed();
        let began = Instant::now();
        assert!(matches!(storage.acquire(other.clone()).await, Ok(Acquired::Refused { lease: Some(_), .. })));
        let refused = began.elapsed();
        // The first prepares.
        if call > 0 {
            measured.iter_mut().zip([extended, renewed, looked, refused]).for_each(|(all, one)| all.push(one));
        }
    }
    let [extended, renewed, looked, refused] = measured.map(|times| median(&times));
    times("renewal; its statement on a bare connection", extended, renewed);
    times("refused claim; its statement on a bare connection", looked, refused);
}
