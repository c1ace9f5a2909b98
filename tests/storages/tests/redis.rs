//! What `RedisStorage` promises beyond the contract of a storage: what it costs, what it says, whom it wakes.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::{Either, join_all, select};
use futures::{FutureExt, StreamExt};
use lessor::storage::DuplicateKey;
use lessor::storage::redis::redis::Client;
use lessor::storage::redis::{NotReady, Refused, TtlTooLong, UnreadableRecord};
use lessor::{
    Acquired, Claim, ErrorKind, Holder, Key, RedisStorage, Renewed, Session, Storage, StorageError, SystemTimer,
    Takeover, Term, Timer, Value, Wakeups,
};
use lessor_storage_tests::redis::{Keeps, PASSWORD, Server};
use smol::block_on;

const MINUTE: Duration = Duration::from_secs(60);

/// Since the machine started.
fn now() -> Duration {
    SystemTimer::new().now().since_origin()
}

fn claim(key: &str, session: u128) -> Claim {
    Claim {
        key: Key::new(key).unwrap(),
        holder: Holder::new(format!("candidate {session}")).unwrap(),
        session: Session::from_bits(session),
        ttl: MINUTE,
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

async fn storage(server: &Server) -> RedisStorage {
    let storage = RedisStorage::new(server.client());
    storage.initialise().await.unwrap();
    storage.check().await.unwrap();
    storage
}

/// R13: a refused claim neither writes to memory nor to the log, and each operation is one call of a script.
#[test]
fn a_refused_claim_writes_nothing() {
    const WRITTEN: [&str; 2] = ["rdb_changes_since_last_save", "aof_current_size"];
    let server = Server::start(Keeps::Everything);
    block_on(async {
        let storage = storage(&server).await;
        let written = || WRITTEN.map(|field| server.info(field));
        let calls = || -> u64 {
            let calls = server.info("cmdstat_evalsha").split([',', '=']).nth(1).unwrap().to_owned();
            calls.parse().unwrap()
        };
        let before = written();
        let _ = granted(storage.acquire(&claim("k", 1)).await);
        assert!(written() != before, "{before:?}");
        let refused = claim("k", 2);
        // Each script is sent once.
        let ask = async || {
            assert!(matches!(storage.acquire(&refused).await.unwrap(), Acquired::Held { lease: Some(_), .. }));
            assert!(matches!(storage.renew(&refused, Term::FIRST).await.unwrap(), Renewed::Lost(Some(_))));
            storage.release(&refused.key, refused.session).await.unwrap();
            assert!(storage.get(&refused.key).await.unwrap().is_some());
        };
        ask().await;
        let (before, calls_before, evals) = (written(), calls(), server.info("cmdstat_eval"));
        for _ in 0..500 {
            ask().await;
        }
        assert_eq!(written(), before);
        assert_eq!(calls() - calls_before, 2000, "one call each");
        assert_eq!(server.info("cmdstat_eval"), evals);
    });
}

/// R10: a stored expiry far ahead of the clock shows no more than the ttl, and goes to who saw it unchanged.
#[test]
fn an_hour_ahead() {
    const HOUR: Duration = Duration::from_secs(3600);
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let short = |session| Claim { ttl: Duration::from_secs(5), ..claim("k", session) };
        let term = granted(storage.acquire(&short(1)).await);
        server.push_expiries(HOUR);
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
        let next = granted(storage.acquire(&watched).await);
        assert!(next > term);
        server.push_expiries(HOUR);
        assert!(matches!(storage.renew(&short(2), next).await.unwrap(), Renewed::Extended { .. }));
        let record: String = server.ask(&["GET", "lessor:{10}:k"]);
        let fields: Vec<_> = record.split('\n').map(|field| field.parse::<u64>().unwrap_or_default()).collect();
        let clock: Vec<String> = server.ask(&["TIME"]);
        let ahead = fields[3].saturating_sub(clock[0].parse::<u64>().unwrap() * 1000);
        assert!(fields[2] == 5000 && ahead <= 6000, "a renewal brings it back to the clock: {ahead} {record:?}");
        // So does its own claim.
        server.push_expiries(HOUR);
        assert_eq!(granted(storage.acquire(&Claim { after: Some(term), ..short(2) }).await), next);
        assert_eq!(storage.get(&short(2).key).await.unwrap().unwrap().ttl, Duration::from_secs(5));
    });
}

/// An error says what is wrong, of which kind it is, and no secret.
#[test]
fn errors() {
    #[track_caller]
    fn permanent(error: StorageError) -> StorageError {
        let shown = format!("{error} {error:?} {:?}", error.get_ref());
        assert_eq!(error.kind(), ErrorKind::Permanent, "{shown}");
        assert!(!shown.contains(PASSWORD) && !shown.contains("wr0ng"), "{shown}");
        error
    }
    let server = Server::start(Keeps::Nothing);
    let as_user = |user: &str, password: &str| {
        let url = format!("redis://{user}:{password}@127.0.0.1:{}/", server.port());
        RedisStorage::new(Client::open(url).unwrap())
    };
    let refused = |error: &StorageError| error.get_ref().downcast_ref::<Refused>().unwrap().code.clone();
    block_on(async {
        let storage = storage(&server).await;
        let error = permanent(as_user("", "wr0ng").check().await.unwrap_err());
        assert_eq!(refused(&error), "WRONGPASS");
        let url = format!("redis://127.0.0.1:{}/", server.port());
        let error = permanent(RedisStorage::new(Client::open(url).unwrap()).check().await.unwrap_err());
        assert_eq!(refused(&error), "NOAUTH", "{error}");

        // As documented: what is left out is missed.
        let rights = "~lessor:* &lessor +evalsha +eval +info +time +mget +set +publish +subscribe +ping";
        let grant = |user: &str, rights: &str| {
            let mut command = vec!["ACL", "SETUSER", user, "reset", "on", ">pw"];
            command.extend(rights.split(' '));
            server.tell(&command);
        };
        grant("app", rights);
        let app = as_user("app", "pw");
        app.check().await.unwrap();
        let mut wakeups = app.subscribe(&Key::new("allowed").unwrap());
        woken(&mut wakeups).await;
        let term = granted(app.acquire(&claim("allowed", 1)).await);
        woken(&mut wakeups).await;
        assert!(matches!(app.renew(&claim("allowed", 1), term).await.unwrap(), Renewed::Extended { .. }));
        for lacks in ["+evalsha ", "+eval ", "+info ", "+time ", "+mget ", "+publish "] {
            server.tell(&["SCRIPT", "FLUSH"]);
            grant("app", &rights.replace(lacks, ""));
            let error = permanent(as_user("app", "pw").check().await.unwrap_err());
            assert!(matches!(error.get_ref().downcast_ref(), Some(NotReady::NoRight { .. })), "{lacks}: {error}");
        }
        grant("app", &rights.replace("+set ", ""));
        let error = permanent(as_user("app", "pw").acquire(&claim("k", 1)).await.unwrap_err());
        assert!(matches!(error.get_ref().downcast_ref(), Some(NotReady::NoRight { .. })), "{error}");

        // What another program wrote: to this key alone, also in a batch.
        let claims = [claim("k", 1), claim("odd", 1)];
        assert!(storage.acquire_all(&claims).await.into_iter().all(|acquired| acquired.is_ok()));
        server.tell(&["SET", "lessor:{10}:k", "no record"]);
        for answer in [storage.acquire(&claims[0]).await.map(drop), storage.get(&claims[0].key).await.map(drop)] {
            let error = permanent(answer.unwrap_err());
            assert_eq!(error.get_ref().downcast_ref::<UnreadableRecord>().unwrap().key, "k");
        }
        let answers = storage.acquire_all(&claims).await;
        assert!(answers[0].is_err() && answers[1].is_ok(), "{answers:?}");
        storage.release(&claims[0].key, claims[0].session).await.unwrap();
        assert_eq!(server.ask::<String>(&["GET", "lessor:{10}:k"]), "no record");

        // A longer lease than the freeze, alone or beside others.
        let long = Claim { ttl: MINUTE + Duration::from_millis(1), ..claim("long", 1) };
        let expected = "ttl 60.001s is longer than the max_ttl 60s";
        for error in [
            storage.acquire(&long).await.unwrap_err(),
            storage.renew(&long, Term::FIRST).await.unwrap_err(),
            storage.acquire_all(&[claim("odd", 1), long.clone()]).await.pop().unwrap().unwrap_err(),
        ] {
            let error = permanent(error);
            let cause = error.get_ref().downcast_ref::<TtlTooLong>().unwrap();
            assert_eq!((cause.ttl, cause.max_ttl), (long.ttl, MINUTE));
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert_eq!(storage.get(&long.key).await.unwrap(), None);
        assert_eq!(RedisStorage::builder().max_ttl(Duration::ZERO).unwrap_err().field, "max_ttl");

        // Full: whether it may be written to changes with time. What it drops when it is full does not.
        server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
        let error = storage.acquire(&claim("new", 1)).await.unwrap_err();
        assert_eq!((error.kind(), &*refused(&error)), (ErrorKind::Transient, "OOM"));
        storage.check().await.unwrap();
        server.tell(&["CONFIG", "SET", "maxmemory", "1gb"]);
        for (policy, evicts) in [("allkeys-lru", true), ("allkeys-random", true), ("volatile-lru", false)] {
            server.tell(&["CONFIG", "SET", "maxmemory-policy", policy]);
            let checked = storage.check().await;
            let expected = evicts.then(|| NotReady::Evicts { policy: policy.into() });
            let seen = checked.err().and_then(|error| permanent(error).get_ref().downcast_ref().cloned());
            assert_eq!(seen, expected);
        }

        server.stop();
        assert_eq!(storage.check().await.unwrap_err().kind(), ErrorKind::Transient);
    });
}

/// Batches: as many calls as there are shards, or as 256 keys need; answers in order; a key once.
#[test]
fn batches() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let _ = storage.acquire_all(&[claim("warm", 1)]).await;
        for (keys, calls) in [(1, 1), (1000, 16), (5000, 32)] {
            let claims: Vec<_> = (0..keys).map(|number| claim(&format!("{keys}/{number}"), 1 + number)).collect();
            let count = || -> u64 { server.info("cmdstat_evalsha").split([',', '=']).nth(1).unwrap().parse().unwrap() };
            let before = count();
            let terms: Vec<_> = storage.acquire_all(&claims).await.into_iter().map(granted).collect();
            assert_eq!(count() - before, calls, "{keys} keys");
            let renewals: Vec<_> = claims.iter().cloned().zip(terms.iter().copied()).collect();
            let renewed = storage.renew_all(&renewals).await;
            assert!(renewed.into_iter().all(|renewed| matches!(renewed, Ok(Renewed::Extended { .. }))));
            let leases: Vec<_> = claims.iter().map(|claim| claim.key.clone()).collect();
            for (place, lease) in storage.get_all(&leases).await.into_iter().enumerate() {
                let lease = lease.unwrap().unwrap();
                assert_eq!((lease.holder, lease.term), (Some(claims[place].holder.clone()), terms[place]));
            }
            let releases: Vec<_> = claims.iter().map(|claim| (claim.key.clone(), claim.session)).collect();
            assert!(storage.release_all(&releases).await.into_iter().all(|released| released.is_ok()));
            let leases = storage.get_all(&leases).await;
            assert!(leases.into_iter().all(|lease| lease.unwrap().unwrap().holder.is_none()));
        }
        let answers = storage.acquire_all(&[claim("a", 1), claim("b", 1), claim("a", 1)]).await;
        assert!(answers[0].is_ok() && answers[1].is_ok());
        assert!(answers[2].as_ref().unwrap_err().get_ref().is::<DuplicateKey>());
    });
}

/// R5: sixteen at once on leases that end all the time: every grant has a term of its own, and they grow.
#[test]
fn contention() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        storage(&server).await;
        let until = now() + Duration::from_secs(4);
        let clients = (1..=16).map(|number| {
            let storage = RedisStorage::builder().wakeups(false).client(server.client());
            async move {
                let mut claim = Claim { ttl: Duration::from_millis(5), ..claim("k", number) };
                let mut terms = Vec::new();
                while now() < until {
                    match storage.acquire(&claim).await.unwrap() {
                        Acquired::Granted { term, .. } => {
                            terms.push(term);
                            claim.after = Some(term);
                        }
                        Acquired::Held { lease, .. } => claim.after = claim.after.max(lease.map(|lease| lease.term)),
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
        println!("{count} grants");
        assert!(count > 100, "{count}");
    });
}

/// Any text is a text, and a key has no end of its own.
#[test]
fn odd_names_and_texts() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        for prefix in ["a", "a:", "schéma *?[ %s '", "lessor", &"p".repeat(128)] {
            let storage = RedisStorage::builder().prefix(prefix).unwrap().client(server.client());
            storage.initialise().await.unwrap();
            storage.check().await.unwrap();
            let long = format!("{}\u{10ffff}", "é".repeat(126));
            for text in ["}:{1}:x", "%s %d \\n \" ' ☃", &long] {
                let holder: String = text.chars().take(60).collect();
                for value in [None, Some(""), Some(text), Some(&*"v".repeat(4096))] {
                    let odd = Claim {
                        key: Key::new(text).unwrap(),
                        holder: Holder::new(&holder).unwrap(),
                        value: value.map(|value| Value::new(value).unwrap()),
                        ..claim("k", u128::MAX)
                    };
                    let mut wakeups = storage.subscribe(&odd.key);
                    if value.is_none() && text == "}:{1}:x" {
                        woken(&mut wakeups).await;
                    }
                    let after = storage.get(&odd.key).await.unwrap().map(|lease| lease.term);
                    let term = granted(storage.acquire(&Claim { after, ..odd.clone() }).await);
                    woken(&mut wakeups).await;
                    assert!(matches!(storage.renew(&odd, term).await.unwrap(), Renewed::Extended { .. }));
                    let lease = storage.get(&odd.key).await.unwrap().unwrap();
                    assert_eq!((lease.holder, lease.value), (Some(odd.holder.clone()), odd.value.clone()));
                    storage.release(&odd.key, odd.session).await.unwrap();
                    woken(&mut wakeups).await;
                }
            }
        }
        let keys: Vec<String> = server.ask(&["KEYS", "*"]);
        assert_eq!(keys.len(), 5 * (16 + 3));
        for key in keys {
            assert_eq!(server.ask::<i64>(&["PTTL", &key]), -1, "{key}");
        }
    });
}

/// A server that was restarted does not know the scripts.
#[test]
fn scripts_are_sent_again() {
    let server = Server::start(Keeps::Nothing);
    block_on(async {
        let storage = storage(&server).await;
        let forget = || server.tell(&["SCRIPT", "FLUSH"]);
        forget();
        let term = granted(storage.acquire(&claim("k", 1)).await);
        forget();
        assert!(matches!(storage.renew(&claim("k", 1), term).await.unwrap(), Renewed::Extended { .. }));
        forget();
        assert!(storage.get(&claim("k", 1).key).await.unwrap().unwrap().is_live());
        forget();
        storage.release(&claim("k", 1).key, Session::from_bits(1)).await.unwrap();
        forget();
        storage.initialise().await.unwrap();
    });
}

async fn woken(wakeups: &mut Wakeups) {
    let limit = smol::Timer::after(Duration::from_secs(10));
    assert!(matches!(select(wakeups.next(), limit).await, Either::Left((Some(()), _))), "no wake-up");
}

/// R13: one connection listens for all keys, comes back by itself and then wakes everybody, and ends with the storage.
#[test]
fn wakeups_come_back() {
    let server = Server::start(Keeps::Everything);
    let listeners = || server.ask::<(String, i64)>(&["PUBSUB", "NUMSUB", "lessor"]).1;
    block_on(async {
        let storage = storage(&server).await;
        assert_eq!(listeners(), 0);
        let keys: Vec<_> = (0..20).map(|number| Key::new(format!("{number}")).unwrap()).collect();
        let mut all: Vec<_> = keys.iter().map(|key| storage.subscribe(key)).collect();
        for wakeups in &mut all {
            woken(wakeups).await;
        }
        assert_eq!(listeners(), 1);
        server.tell(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        for wakeups in &mut all {
            woken(wakeups).await;
        }
        assert_eq!(listeners(), 1);

        server.crash();
        for wakeups in &mut all {
            woken(wakeups).await;
        }

        // Another process is told by the server alone, and of its key alone.
        let other = self::storage(&server).await;
        let term = granted(other.acquire(&claim("7", 1)).await);
        woken(&mut all[7]).await;
        assert!(matches!(other.renew(&claim("7", 1), term).await.unwrap(), Renewed::Extended { .. }));
        assert_eq!(granted(other.acquire(&claim("7", 1)).await), term, "repeated");
        // The one after it is heard of: nothing came before.
        let _ = granted(other.acquire(&claim("8", 1)).await);
        woken(&mut all[8]).await;
        for wakeups in &mut all {
            assert!(wakeups.next().now_or_never().is_none());
        }

        drop(storage);
        let began = now();
        while listeners() > 0 {
            assert!(now() - began < Duration::from_secs(10), "it listens on, for nobody");
            smol::Timer::after(Duration::from_millis(10)).await;
        }
    });
}
