//! Requests that travel together: what is wrong with one is nobody else's trouble.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::{join, join_all};
use lessor::storage::{Acquired, Claim, ErrorKind, Get, Renewed, Reply, Request};
use lessor::{Key, Storage, Term, Value};
use lessor_mysql::sqlx::mysql::MySqlPool;
use lessor_mysql::sqlx::{AssertSqlSafe, Executor};
use lessor_mysql::{AdapterError, MySqlStorage};
use lessor_servers::asking::Contest;
use lessor_servers::mysql::Server;
use smol::block_on;

use crate::support::{
    HOUR, claim, claim_for, granted_reply, key, lasting, nobody_waits, number, patiently, renewal, requests, run,
    storage, term,
};

/// So many keys, with a session of its own each.
fn claims(count: u128) -> Vec<Claim> {
    (0..count).map(|number| claim(&format!("{number:04}"), 1 + number)).collect()
}

async fn lead(storage: &MySqlStorage, claims: &[Claim]) {
    lead_all(storage, patiently(claims.to_vec())).await;
}

async fn lead_all(storage: &MySqlStorage, claims: Vec<Request>) {
    for acquired in storage.call_all(claims).await {
        assert_eq!(granted_reply(acquired), Term::FIRST);
    }
}

/// Statements of one kind that the server has run.
async fn run_so_far(pool: &MySqlPool, kind: &str) -> i64 {
    let count = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status WHERE variable_name = ";
    number(pool, &format!("{count}'{kind}'")).await
}

/// While another transaction has locked some rows, those who lead the other keys are renewed.
async fn beside_locked_rows(locked: &[&str]) {
    let server = Server::start();
    let (storage, pool) = storage(&server).await;
    let claims = claims(100);
    lead(&storage, &claims).await;
    let mut other = pool.begin().await.unwrap();
    let keys = locked.iter().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
    let lock = format!("SELECT * FROM lessor_leases FORCE INDEX (PRIMARY) WHERE `key` IN ({keys}) FOR UPDATE");
    other.execute(AssertSqlSafe(lock)).await.unwrap();
    // What is locked is given up soon, and what is free is not, however slow the machine is: alike enough to travel together.
    let brief = |claim: &Claim| {
        let patience = if locked.contains(&claim.key.as_str()) { 4_200 } else { 16_000 };
        let renewal = renewal(&lasting(Duration::from_secs(2), claim.clone()), Term::FIRST);
        renewal.patience(Duration::from_millis(patience))
    };
    let mut extended = BTreeMap::new();
    for round in 1..=3 {
        let flights = storage.traffic().flights;
        let renewed = storage.call_all(requests(claims.iter().map(brief))).await;
        let flights = storage.traffic().flights - flights;
        // One, on an idle machine; smaller ones where the server takes long.
        assert!(
            flights <= 20 + locked.len() as u64,
            "those that met a lock travel alone, the others do not: {flights}"
        );
        for (renewed, claim) in renewed.into_iter().zip(&claims) {
            match renewed {
                Err(error) if locked.contains(&claim.key.as_str()) => {
                    // One of them has waited, and the others' turn did not come.
                    assert_eq!(error.kind(), ErrorKind::Transient);
                    let is_locked = AdapterError::of(&error) == Some(&AdapterError::Locked);
                    assert!(is_locked || error.is_not_sent(), "{error}");
                }
                Ok(Reply::Renewed(Renewed::Extended { version, .. })) => {
                    assert_eq!(version.get(), 1 + round);
                    extended.insert(claim.key.clone(), version);
                }
                renewed => panic!("{}: {renewed:?}", claim.key),
            }
        }
        assert_eq!(extended.len(), claims.len() - locked.len());
        nobody_waits(&pool).await;
    }
    let looks = patiently(claims.iter().map(|claim| Get::new(claim.key.clone())));
    for (lease, claim) in storage.call_all(looks).await.into_iter().zip(&claims) {
        let Reply::Got(Some(lease)) = lease.unwrap() else { panic!("{}", claim.key) };
        assert_eq!(Some(lease.version), extended.get(&claim.key).copied().or(Some(lessor::storage::Version::new(1))));
    }
    other.rollback().await.unwrap();
    for renewed in storage.call_all(requests(claims.iter().map(brief))).await {
        assert!(matches!(renewed, Ok(Reply::Renewed(Renewed::Extended { .. }))), "{renewed:?}");
    }
}

#[test]
fn one_locked_row_among_a_hundred() {
    block_on(beside_locked_rows(&["0077"]));
}

#[test]
fn ten_locked_rows_among_a_hundred() {
    block_on(beside_locked_rows(&["0000", "0001", "0013", "0021", "0034", "0055", "0077", "0089", "0098", "0099"]));
}

/// A row that another program has spoilt is an error of its key alone, whatever is asked.
#[test]
fn an_unreadable_row_among_others() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let claims = claims(50);
        lead(&storage, &claims).await;
        run(&pool, "UPDATE lessor_leases SET id = '' WHERE `key` = '0007'").await;
        run(&pool, "UPDATE lessor_leases SET ttl = -1 WHERE `key` = '0008'").await;
        let looks = patiently(claims.iter().map(|claim| Get::new(claim.key.clone())));
        let again = patiently(claims.iter().map(|claim| lasting(2 * HOUR, claim.clone())));
        let renewals = patiently(claims.iter().map(|claim| renewal(claim, Term::FIRST)));
        for batch in [looks, again, renewals] {
            for (answer, claim) in storage.call_all(batch).await.into_iter().zip(&claims) {
                match claim.key.as_str() {
                    // A renewal looks at what it needs, and writes the rest anew.
                    "0007" | "0008" if matches!(answer, Ok(Reply::Renewed(Renewed::Extended { .. }))) => {}
                    "0007" | "0008" => {
                        let error = answer.unwrap_err();
                        assert!(matches!(AdapterError::of(&error), Some(AdapterError::Unreadable { .. })), "{error}");
                    }
                    _ => assert!(answer.is_ok(), "{}: {answer:?}", claim.key),
                }
            }
        }
    });
}

/// As many as travel together: claimed, renewed, seen and released in few statements, on two connections.
#[test]
fn a_thousand_keys() {
    const KEYS: u128 = 1_024;
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let storage = MySqlStorage::new(&pool);
        let claims = claims(KEYS);
        let (begun, updates) = (run_so_far(&pool, "COM_BEGIN").await, run_so_far(&pool, "COM_UPDATE").await);
        lead_all(&storage, patiently(claims.clone())).await;
        // What is locked beside them is not read for them.
        let insert = "INSERT INTO lessor_leases VALUES ('beside', NULL, 'h', 1, 1, 1, 1, 1, NULL)";
        run(&pool, insert).await;
        let mut other = pool.begin().await.unwrap();
        other.execute("SELECT * FROM lessor_leases WHERE `key` = 'beside' FOR UPDATE").await.unwrap();
        for round in 1..=3 {
            for renewed in storage.call_all(patiently(claims.iter().map(|claim| renewal(claim, Term::FIRST)))).await {
                let Ok(Reply::Renewed(Renewed::Extended { version, .. })) = renewed else { panic!("{renewed:?}") };
                assert_eq!(version.get(), 1 + round);
            }
        }
        assert_eq!(number(&pool, "SELECT COUNT(*) FROM lessor_leases WHERE version = 4").await, KEYS as i64);
        let looks = patiently(claims.iter().map(|claim| Get::new(claim.key.clone())));
        for (lease, claim) in storage.call_all(looks).await.into_iter().zip(&claims) {
            let Ok(Reply::Got(Some(lease))) = lease else { panic!("{lease:?}") };
            assert_eq!((lease.id.as_ref(), lease.version.get()), (Some(&claim.id), 4));
        }
        for released in storage.call_all(patiently(claims.iter().map(crate::support::release))).await {
            assert_eq!(released, Ok(Reply::Released));
        }
        other.rollback().await.unwrap();
        assert_eq!(number(&pool, "SELECT COUNT(*) FROM lessor_leases WHERE session IS NULL").await, 1 + KEYS as i64);
        assert_eq!(run_so_far(&pool, "COM_BEGIN").await - begun, 1 + 5, "a transaction for each batch that writes");
        assert_eq!(run_so_far(&pool, "COM_UPDATE").await - updates, 4, "one for all of a batch");
        let traffic = storage.traffic();
        assert_eq!((traffic.flights, traffic.requests), (6, 6 * KEYS as u64));
        assert!(traffic.connected <= 2, "{traffic:?}");
    });
}

/// A renewal publishes what it brings, for some keys of many: and only those cost more.
#[test]
fn some_publish_another_value() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let odd = |number: usize| Value::new(format!("{number} '\"`\\ ☃ ")).unwrap();
        let mut claims = claims(60);
        for (number, claim) in claims.iter_mut().enumerate().filter(|(number, _)| number % 3 == 0) {
            claim.value = Some(odd(number));
        }
        lead(&storage, &claims).await;
        for round in 1..=3 {
            let updates = run_so_far(&pool, "COM_UPDATE").await;
            let changed = match round {
                // To another, to none, from none.
                1 => vec![(0, Some(odd(7))), (3, None), (4, Some(odd(8)))],
                2 => vec![(4, Some(Value::new("").unwrap()))],
                _ => Vec::new(),
            };
            let count = changed.len();
            for (place, value) in changed {
                claims[place].value = value;
            }
            for renewed in storage.call_all(patiently(claims.iter().map(|claim| renewal(claim, Term::FIRST)))).await {
                let Ok(Reply::Renewed(Renewed::Extended { version, .. })) = renewed else { panic!("{renewed:?}") };
                assert_eq!(version.get(), 1 + round);
            }
            assert_eq!(run_so_far(&pool, "COM_UPDATE").await - updates, 1 + count as i64);
            let looks = patiently(claims.iter().map(|claim| Get::new(claim.key.clone())));
            for (lease, claim) in storage.call_all(looks).await.into_iter().zip(&claims) {
                let Ok(Reply::Got(Some(lease))) = lease else { panic!("{lease:?}") };
                assert_eq!((&lease.value, lease.version.get()), (&claim.value, 1 + round), "{}", claim.key);
            }
        }
    });
}

/// Only what is the claimant's, and lives, is renewed: by session, term and time, among others of which each is so.
#[test]
fn lost_ones_among_others() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let claims = claims(40);
        lead(&storage, &claims).await;
        run(&pool, "UPDATE lessor_leases SET expires = 1 WHERE `key` = '0001'").await;
        run(&pool, "UPDATE lessor_leases SET term = 2 WHERE `key` = '0002'").await;
        run(&pool, "UPDATE lessor_leases SET session = x'00000000000000000000000000000099' WHERE `key` = '0003'").await;
        run(&pool, "UPDATE lessor_leases SET session = NULL, expires = 0 WHERE `key` = '0004'").await;
        run(&pool, "DELETE FROM lessor_leases WHERE `key` = '0005'").await;
        let renewals = patiently(claims.iter().map(|claim| renewal(claim, Term::FIRST)));
        for (renewed, claim) in storage.call_all(renewals).await.into_iter().zip(&claims) {
            match (claim.key.as_str(), renewed.unwrap()) {
                ("0005", Reply::Renewed(Renewed::Lost { lease: None, .. })) => {}
                ("0001" | "0002" | "0003" | "0004", Reply::Renewed(Renewed::Lost { lease: Some(_), .. })) => {}
                (name, Reply::Renewed(Renewed::Extended { version, .. })) => {
                    assert!(name > "0005" || name == "0000", "{name}");
                    assert_eq!(version.get(), 2);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(number(&pool, "SELECT COUNT(*) FROM lessor_leases WHERE version = 2").await, 35);
        assert_eq!(
            number(&pool, "SELECT expires FROM lessor_leases WHERE `key` = '0001'").await,
            1,
            "it is not revived"
        );
    });
}

/// New, released, expired and held keys, and the claimant's own, in one batch of claims.
#[test]
fn claims_of_every_kind() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let names = |kind: &str| (0..20).map(move |number| format!("{kind} {number}")).collect::<Vec<_>>();
        let kinds = ["new", "released", "expired", "held", "own"].map(names);
        let first: Vec<_> = kinds[1..].iter().flatten().map(|name| claim(name, 1)).collect();
        lead(&storage, &first).await;
        run(&pool, "UPDATE lessor_leases SET session = NULL, expires = 0 WHERE `key` LIKE 'released %'").await;
        run(&pool, "UPDATE lessor_leases SET expires = 1 WHERE `key` LIKE 'expired %'").await;
        run(&pool, "UPDATE lessor_leases SET session = x'00000000000000000000000000000002' WHERE `key` LIKE 'own %'")
            .await;
        let all: Vec<_> = (0..20).flat_map(|number| kinds.iter().map(move |kind| kind[number].clone())).collect();
        let mine = |name: &String| claim(name, 2).after(Some(Term::FIRST));
        for (acquired, name) in storage.call_all(patiently(all.iter().map(mine))).await.into_iter().zip(&all) {
            match (name.split(' ').next(), acquired.unwrap()) {
                (
                    Some("new" | "released" | "expired" | "own"),
                    Reply::Acquired(Acquired::Granted { term: second, .. }),
                ) => {
                    assert_eq!(second, term(2), "{name}");
                }
                (Some("held"), Reply::Acquired(Acquired::Refused { lease: Some(lease), retry_after, .. })) => {
                    assert!(lease.term == Term::FIRST && !retry_after.is_zero(), "{name}");
                }
                (_, other) => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(number(&pool, "SELECT COUNT(*) FROM lessor_leases WHERE term = 2").await, 80);
    });
}

/// Two handles claim the same new keys at once: each key is one's, and the other hears of it.
#[test]
fn two_handles_on_new_keys() {
    let server = Server::start();
    block_on(async {
        let (one, pool) = storage(&server).await;
        let other = MySqlStorage::new(&pool);
        for round in 0..40 {
            let claims = |handle: u128| -> Vec<_> {
                let claims = (0..30).map(|number| claim(&format!("{round} {number:02}"), 1 + handle));
                if handle == 0 { claims.collect() } else { claims.rev().collect() }
            };
            let ask = async |storage: &MySqlStorage, handle| {
                let claims = claims(handle);
                let acquired = storage.call_all(patiently(claims.clone())).await;
                claims.into_iter().map(|claim| claim.key).zip(acquired).collect::<BTreeMap<_, _>>()
            };
            let (ones, others) = join(ask(&one, 0), ask(&other, 1)).await;
            for (one, other) in ones.values().zip(others.values()) {
                let is_granted = |reply: &Result<Reply, _>| match reply {
                    Ok(Reply::Acquired(Acquired::Granted { term, .. })) => {
                        assert_eq!(*term, Term::FIRST);
                        true
                    }
                    Ok(Reply::Acquired(Acquired::Refused { .. })) => false,
                    other => panic!("{other:?}"),
                };
                assert!(is_granted(one) != is_granted(other), "{one:?} {other:?}");
            }
        }
    });
}

/// Two handles want the same 300 keys all the time: each grant has a term of its own, and they grow.
#[test]
fn two_handles_on_the_same_keys() {
    const KEYS: u128 = 300;
    const ENOUGH: usize = 1_000;
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        let contest = Contest::begin(ENOUGH);
        let handles = (1..=2_u128).map(|handle| {
            let storage = MySqlStorage::new(&pool);
            let contest = contest.clone();
            async move {
                let mut terms: BTreeMap<Key, Vec<Term>> = BTreeMap::new();
                // One in the opposite order.
                let mut claims: Vec<_> = (0..KEYS)
                    .map(|number| {
                        claim_for(Duration::from_millis(50), &format!("{number:04}"), 1_000 * handle + number)
                    })
                    .collect();
                if handle == 2 {
                    claims.reverse();
                }
                let brief = |claim: &Claim| claim.clone().patience(Duration::from_secs(2));
                while contest.goes_on() {
                    let acquired = storage.call_all(requests(claims.iter().map(brief))).await;
                    for (acquired, claim) in acquired.into_iter().zip(&mut claims) {
                        match acquired {
                            Ok(Reply::Acquired(Acquired::Granted { term, .. })) => {
                                terms.entry(claim.key.clone()).or_default().push(term);
                                contest.grant();
                                claim.after = Some(term);
                            }
                            Ok(Reply::Acquired(Acquired::Refused { lease, .. })) => {
                                claim.after = claim.after.max(lease.map(|lease| lease.term));
                            }
                            Ok(other) => panic!("{other:?}"),
                            Err(error) => assert_eq!(error.kind(), ErrorKind::Transient, "{error}"),
                        }
                    }
                }
                terms
            }
        });
        let all = join_all(handles.map(smol::spawn)).await;
        let mut grants = 0;
        for number in 0..KEYS {
            let key = key(&format!("{number:04}"));
            let of_each: Vec<_> = all.iter().map(|terms| terms.get(&key).cloned().unwrap_or_default()).collect();
            assert!(of_each.iter().all(|terms| terms.is_sorted_by(|one, next| one < next)), "{key}: {of_each:?}");
            let count: usize = of_each.iter().map(Vec::len).sum();
            let distinct: BTreeSet<_> = of_each.into_iter().flatten().collect();
            assert_eq!(distinct.len(), count, "{key}");
            grants += count;
        }
        println!("{grants} grants");
        assert!(grants > ENOUGH, "{grants}");
    });
}
