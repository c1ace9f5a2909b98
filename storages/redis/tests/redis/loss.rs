//! What `RedisStorage` does when the server forgets, or another takes its place: nothing, for as long as a lease may last.

use std::thread;
use std::time::Duration;

use futures::future::{Either, join, select};
use lessor::storage::{Acquired, Claim, ErrorKind, Renewed, Takeover};
use lessor::{Builder, LostReason, Storage, StorageError, StorageExt, Term};
use lessor_redis::{AdapterError, RedisStorage};
use lessor_servers::asking::soon;
use lessor_servers::redis::{Keeps, PASSWORD, Server};
use smol::block_on;

use crate::{MINUTE, extended, granted, lasting, lease, now, release, renewal};

/// Long enough for all that is asked in a freeze, however slow the machine is.
const MAX_TTL: Duration = Duration::from_secs(5);

/// The grain of the server's clock, and as much again for this one's.
const GRAIN: Duration = Duration::from_millis(2);

fn claim(key: &str, session: u128) -> Claim {
    lasting(MAX_TTL, crate::claim(key, session))
}

/// How long the freeze that the answer tells of goes on.
#[track_caller]
fn frozen(acquired: Result<Acquired, StorageError>) -> Duration {
    frozen_with(MAX_TTL, acquired)
}

/// The same for another `max_ttl`.
#[track_caller]
fn frozen_with(max_ttl: Duration, acquired: Result<Acquired, StorageError>) -> Duration {
    match acquired.unwrap() {
        Acquired::Refused { lease: None, retry_after, .. } if !retry_after.is_zero() && retry_after <= max_ttl => {
            retry_after
        }
        other => panic!("it is not frozen: {other:?}"),
    }
}

fn open(server: &Server, durable: bool) -> RedisStorage {
    open_for(MAX_TTL, server, durable)
}

fn open_for(max_ttl: Duration, server: &Server, durable: bool) -> RedisStorage {
    RedisStorage::builder().max_ttl(max_ttl).unwrap().durable(durable).build(server.client())
}

/// Comes back as told until it is granted, which has to be no earlier than the whole freeze after this, and no later than the first
/// refusal tells.
async fn thawed(storage: &RedisStorage, claim: &Claim, lost_after: Duration) -> Term {
    let mut claim = claim.clone();
    // The latest end of the freeze that fits all refusals.
    let mut ends = Duration::MAX;
    loop {
        let asked = now();
        match storage.acquire(claim.clone()).await.unwrap() {
            Acquired::Granted { term, .. } => {
                let frozen_for = now() - lost_after;
                assert!(frozen_for + GRAIN >= MAX_TTL, "{frozen_for:?}");
                return term;
            }
            Acquired::Refused { lease: None, retry_after, .. } => {
                assert!(retry_after <= MAX_TTL, "{retry_after:?}");
                assert!(
                    asked + retry_after <= ends.saturating_add(GRAIN),
                    "{retry_after:?} from {asked:?}, not {ends:?}"
                );
                ends = ends.min(now() + retry_after);
                smol::Timer::after(retry_after).await;
            }
            // The freeze is over, and there was a term that the claim does not know of.
            Acquired::Refused { lease: Some(lease), .. } => {
                assert!(claim.after < Some(lease.term), "{lease:?}");
                claim.after = Some(lease.term);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// R5: each way to lose data: a freeze of a whole `max_ttl`, nothing renewed meanwhile, nothing written again, and terms that
/// grow.
#[test]
fn a_loss_freezes_and_terms_grow() {
    thread::scope(|scope| {
        for (keeps, durable, flush) in [
            (Keeps::Nothing, false, false),
            (Keeps::Nothing, true, false),
            (Keeps::Everything, false, false),
            (Keeps::Everything, true, true),
        ] {
            scope.spawn(move || block_on(a_loss(keeps, durable, flush)));
        }
    });
}

async fn a_loss(keeps: Keeps, durable: bool, flush: bool) {
    let server = Server::start(keeps);
    let storage = open(&server, durable);
    storage.initialise().await.unwrap();
    let old = granted(storage.acquire(claim("k", 1)).await);
    let released = granted(storage.acquire(claim("a", 1)).await);
    storage.release(release(&claim("a", 1))).await.unwrap();
    let lost_after = now();
    if flush {
        server.tell(&["FLUSHALL"]);
    } else {
        server.crash();
    }
    // Not even the holder, and the look does not show it as one.
    let nobody_holds_it = async || {
        if let Some(lease) = storage.get(&claim("k", 1).key).await.unwrap() {
            assert_eq!((lease.id, lease.term), (None, old));
        }
    };
    nobody_holds_it().await;
    assert!(matches!(storage.renew(renewal(&claim("k", 1), old)).await.unwrap(), Renewed::Lost { lease: None, .. }));
    nobody_holds_it().await;
    let first = frozen(storage.acquire(claim("k", 1).after(Some(old))).await);
    assert!(frozen(storage.acquire(claim("k", 2)).await) <= first);
    let written = server.info("rdb_changes_since_last_save");
    // A slow machine asks less often: what comes after the freeze would be granted.
    let until = now() + first / 2;
    for asked in 0..50 {
        if asked > 0 && now() >= until {
            break;
        }
        frozen(storage.acquire(claim("k", 2)).await);
        assert!(matches!(
            storage.renew(renewal(&claim("k", 1), old)).await.unwrap(),
            Renewed::Lost { lease: None, .. }
        ));
    }
    assert_eq!(server.info("rdb_changes_since_last_save"), written, "{keeps:?}");
    let again = thawed(&storage, &claim("k", 2), lost_after).await;
    assert!(again > old, "{again} {old}");
    extended(storage.renew(renewal(&claim("k", 2), again)).await);
    // A released one is free after the freeze of its own shard.
    assert!(thawed(&storage, &claim("a", 2), lost_after).await > released);
}

/// A server that keeps everything, and is said to: leases go on.
#[test]
fn durable_outlives_a_crash() {
    let server = Server::start(Keeps::Everything);
    block_on(async {
        let storage = open_for(MINUTE, &server, true);
        let claim = |session| crate::claim("k", session);
        storage.initialise().await.unwrap();
        let term = granted(storage.acquire(claim(1)).await);
        server.crash();
        extended(storage.renew(renewal(&claim(1), term)).await);
        assert!(matches!(storage.acquire(claim(2)).await.unwrap(), Acquired::Refused { lease: Some(_), .. }));
    });
}

/// The first deployment is frozen unless it is initialised; that ends leases, keeps terms, and frees at once.
#[test]
fn initialise() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = open_for(MINUTE, &server, false);
        let claim = |session| crate::claim("k", session);
        let began = now();
        frozen_with(MINUTE, storage.acquire(claim(1)).await);
        storage.initialise().await.unwrap();
        let term = granted(storage.acquire(claim(1)).await);
        assert!(now() - began < MINUTE);
        storage.initialise().await.unwrap();
        assert!(matches!(storage.renew(renewal(&claim(1), term)).await.unwrap(), Renewed::Lost { lease: Some(_), .. }));
        assert_eq!(lease(&storage, &claim(1).key).await.id, None);
        let next = claim(2).after(Some(term)).takeover(Takeover::ReleasedOnly);
        assert!(granted(storage.acquire(next).await) > term);
    });
}

/// A replica is not asked. When it takes over it freezes, and what the old primary granted last it need not know.
#[test]
fn a_failover_freezes() {
    let primary = Server::start(Keeps::Nothing);
    let replica = Server::with(
        Keeps::Nothing,
        &[&format!("replicaof 127.0.0.1 {}", primary.port()), &format!("masterauth {PASSWORD}")],
    );
    block_on(async {
        let storage = open(&primary, false);
        storage.initialise().await.unwrap();
        let old = granted(storage.acquire(claim("k", 1)).await);
        while replica.ask::<u64>(&["DBSIZE"]) < 17 {
            smol::Timer::after(Duration::from_millis(10)).await;
        }
        let elsewhere = open(&replica, false);
        for error in [elsewhere.check().await.unwrap_err(), elsewhere.acquire(claim("k", 1)).await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Permanent);
            assert!(matches!(AdapterError::of(&error), Some(AdapterError::ReadOnly { .. })), "{error}");
        }
        let lost_after = now();
        replica.tell(&["REPLICAOF", "NO", "ONE"]);
        // What it heard last it says until it connects again, in a second at most.
        let connected = async {
            while elsewhere.get(&claim("k", 1).key).await.is_err() {
                smol::Timer::after(Duration::from_millis(10)).await;
            }
        };
        soon(connected).await.expect("it connects again");
        assert_eq!(lease(&elsewhere, &claim("k", 1).key).await.id, None);
        frozen(elsewhere.acquire(claim("k", 2)).await);
        assert!(matches!(
            elsewhere.renew(renewal(&claim("k", 1), old)).await.unwrap(),
            Renewed::Lost { lease: None, .. }
        ));
        assert!(thawed(&elsewhere, &claim("k", 2), lost_after).await > old);

        // Who still talks to a primary that became a replica hears of it, and looks where it leads next time.
        primary.tell(&["CONFIG", "SET", "masterauth", PASSWORD]);
        primary.tell(&["REPLICAOF", "127.0.0.1", &replica.port().to_string()]);
        let known = claim("new", 3).after(Some(old));
        let error = storage.acquire(known).await.unwrap_err();
        assert!(matches!(AdapterError::of(&error), Some(AdapterError::ReadOnly { .. })), "{error}");
    });
}

/// R10: after a step back of the clock a freeze lasts no longer than it would, and one that is over does not come back.
#[test]
fn freezes_and_steps_back() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = open(&server, false);
        frozen(storage.acquire(claim("k", 1)).await);
        // What a step back by an hour looks like: it ends that much later.
        let marker: String = server.ask(&["GET", "lessor:{10}"]);
        let (before, ends) = marker.rsplit_once('\n').unwrap();
        let later = ends.parse::<u64>().unwrap() + 3_600_000;
        let stepped = now();
        server.tell(&["SET", "lessor:{10}", &format!("{before}\n{later}")]);
        let term = thawed(&storage, &claim("k", 1), stepped).await;
        let marker: String = server.ask(&["GET", "lessor:{10}"]);
        assert!(marker.ends_with("\n0"), "{marker:?}");
        extended(storage.renew(renewal(&claim("k", 1), term)).await);
    });
}

/// R1, R5, R12: an election over a server that forgets everything: the leader ends before the next one begins.
#[test]
fn an_election_over_a_loss() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = || open(&server, false);
        storage().initialise().await.unwrap();
        let builder = |id: &str| Builder::new("k").id(id).ttl(MAX_TTL);
        let (first, first_driver) = builder("first").build(storage()).unwrap();
        let (second, second_driver) = builder("second").build(storage()).unwrap();
        let drivers = join(first_driver.run(), second_driver.run());
        let scenario = async {
            let elected = select(Box::pin(first.elected()), Box::pin(second.elected())).await;
            let old = match elected {
                Either::Left((leadership, _)) | Either::Right((leadership, _)) => leadership.unwrap(),
            };
            server.crash();
            let lost = old.lost().await;
            assert!(matches!(lost.reason, LostReason::Superseded | LostReason::Expired), "{lost:?}");
            assert!(!first.is_leader() && !second.is_leader());
            let next = match select(Box::pin(first.elected()), Box::pin(second.elected())).await {
                Either::Left((leadership, _)) | Either::Right((leadership, _)) => leadership.unwrap(),
            };
            assert!(next.term() > old.term() && !old.is_valid());
            assert!(first.is_leader() != second.is_leader());
        };
        select(Box::pin(drivers), Box::pin(scenario)).await;
    });
}

/// What counts on a server to keep everything asks whether it keeps anything.
#[test]
fn durable_needs_an_append_only_file() {
    block_on(async {
        let forgets = Server::start(Keeps::Nothing);
        let error = open(&forgets, true).check().await.unwrap_err();
        let setting = AdapterError::of(&error).and_then(|error| match error {
            AdapterError::WrongSetup { setting, .. } => Some(*setting),
            _ => None,
        });
        assert_eq!(setting, Some("appendonly"), "{error}");
        open(&forgets, false).check().await.unwrap();
        open(&Server::start(Keeps::Everything), true).check().await.unwrap();
    });
}
