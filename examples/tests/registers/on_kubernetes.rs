//! Leases of Kubernetes: what people read of them, what others do to them, and what goes wrong.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lessor::storage::registers::{RegisterStorage, Registers, Swap};
use lessor::storage::{Acquired, Claim, ErrorKind, List, Record, Release, Renewal, Renewed, Session};
use lessor::{Id, Key, Storage, StorageError, StorageExt, Term};
use serde_json::json;
use smol::block_on;
use tempfile::tempdir;
use ureq::tls::RootCerts;

use crate::cluster::{Cluster, NAMESPACE, is_subdomain};
use crate::door::Door;
use crate::lease_name::lease_name;
use crate::leases::Leases;

/// Of the server at this URL, as behind `kubectl proxy`.
pub(crate) fn leases(url: &str) -> Leases {
    Leases::new(url, NAMESPACE, None, RootCerts::WebPki)
}

struct Setting {
    cluster: Arc<Cluster>,
    door: Door,
    storage: RegisterStorage<Leases>,
}

fn setting() -> Setting {
    let cluster = Arc::new(Cluster::new());
    let door = Door::open(cluster.clone());
    let storage = RegisterStorage::new(leases(&door.url()));
    Setting { cluster, door, storage }
}

fn key(key: &str) -> Key {
    Key::new(key).unwrap()
}

fn claim(key: &str, id: &str) -> Claim {
    Claim::new(self::key(key), Id::new(id).unwrap(), Session::from_bits(1), Duration::from_millis(10_500))
}

fn lead(storage: &RegisterStorage<Leases>, claim: Claim) -> Term {
    match block_on(storage.acquire(claim)).unwrap() {
        Acquired::Granted { term, .. } => term,
        refused => panic!("{refused:?}"),
    }
}

fn renewal(claim: Claim, term: Term) -> Renewal {
    Renewal::new(claim.key, claim.id, claim.session, term, claim.ttl)
}

#[test]
fn people_see_who_leads() {
    let Setting { cluster, storage, door: _door } = setting();
    lead(&storage, claim("nightly-report", "pod-a"));
    let lease = cluster.lease("nightly-report").unwrap();
    let spec = &lease["spec"];
    assert_eq!(spec["holderIdentity"], "pod-a");
    assert_eq!((&spec["leaseDurationSeconds"], &spec["leaseTransitions"]), (&json!(11), &json!(1)));
    assert_eq!(spec["acquireTime"], spec["renewTime"]);

    let renewal = renewal(claim("nightly-report", "pod-a"), Term::FIRST);
    assert!(matches!(block_on(storage.renew(renewal)).unwrap(), Renewed::Extended { .. }));
    let renewed = cluster.lease("nightly-report").unwrap();
    assert_eq!(renewed["spec"]["acquireTime"], spec["acquireTime"]);
    assert_ne!(renewed["metadata"]["resourceVersion"], lease["metadata"]["resourceVersion"]);

    block_on(storage.release(Release::new(key("nightly-report"), Session::from_bits(1)))).unwrap();
    assert!(cluster.lease("nightly-report").unwrap()["spec"]["holderIdentity"].is_null());
}

/// Somebody else's write moves the version, and takes nothing.
#[test]
fn a_stale_version_is_read_again() {
    let Setting { cluster, door, storage } = setting();
    let term = lead(&storage, claim("k", "pod-a"));
    cluster.edit("k", |lease| lease["metadata"]["labels"]["team"] = "reports".into());
    door.log();
    let renewed = block_on(storage.renew(renewal(claim("k", "pod-a"), term))).unwrap();
    assert!(matches!(renewed, Renewed::Extended { .. }), "{renewed:?}");
    assert_eq!(door.log(), ["PUT 409", "GET 200", "PUT 200"]);
}

/// Two have read that there is none: the second is told that it has moved.
#[test]
fn a_lease_is_created_once() {
    let Setting { cluster, door, storage } = setting();
    let record = Record::judge(None, &claim("k", "pod-a").into(), 0, Term::FIRST).write.unwrap();
    let create = Swap::new(key("k"), None, record.to_bytes());
    assert!(block_on(storage.registers().swap(&create)).unwrap().is_some());
    let lease = cluster.lease("k");
    assert_eq!(block_on(storage.registers().swap(&create)).unwrap(), None);
    assert_eq!(door.log(), ["POST 201", "POST 409"]);
    assert_eq!(cluster.lease("k"), lease);
}

/// Kubernetes would create it anew by an update: the uid holds it back.
#[test]
fn what_was_deleted_is_not_renewed_into_being() {
    let Setting { cluster, storage, door: _door } = setting();
    let term = lead(&storage, claim("k", "pod-a"));
    cluster.delete("k");
    let renewed = block_on(storage.renew(renewal(claim("k", "pod-a"), term))).unwrap();
    assert!(matches!(renewed, Renewed::Lost { lease: None, .. }), "{renewed:?}");
    assert_eq!(cluster.lease("k"), None);
}

/// client-go writes no record.
#[test]
fn the_lease_of_somebody_else_is_left_alone() {
    let Setting { cluster, storage, door: _door } = setting();
    cluster.edit("k", |lease| lease["spec"]["holderIdentity"] = "controller".into());
    let before = cluster.lease("k");
    let error = block_on(storage.acquire(claim("k", "pod-a"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert!(error.to_string().contains(r#"has for the key "k" cannot be used"#), "{error}");
    assert_eq!(cluster.lease("k"), before);
    assert_eq!(block_on(storage.list(List::new())).unwrap().entries, []);
    assert_eq!(cluster.listed.load(Ordering::SeqCst), 0, "the label selects");
}

#[test]
fn each_key_has_a_name_of_its_own() {
    for (key, name) in [
        ("nightly-report", "nightly-report"),
        ("jobs/nightly", "jobs.2fnightly"),
        ("jobs.2fnightly", "jobs.2e2fnightly"),
        ("a--b-", "a.2d.2db.2d"),
        ("K", "lessor.sha256-86be9a55762d316a3026c2836d044f5fc76e34da10e1b45feee5f18be7edb177"),
        ("lessor.sha256-0", "lessor.2esha256-0"),
    ] {
        assert_eq!(lease_name(&self::key(key)), name);
    }
    let letters = ["a", "A", "0", "-", ".", "/", "2f", "Ä", "\u{1F980}", " "];
    let mut keys: Vec<_> = letters.iter().map(|letter| (*letter).to_owned()).collect();
    for length in [2, 3] {
        let longer: Vec<_> = keys.iter().filter(|key| key.chars().count() >= length - 1).collect();
        let longer: Vec<_> = longer.iter().flat_map(|key| letters.map(|letter| format!("{key}{letter}"))).collect();
        keys.extend(longer);
    }
    keys.extend((1..=256).map(|length| "x".repeat(length)));
    keys.extend((1..=64).map(|length| "\u{1F980}".repeat(length)));
    let keys: BTreeSet<_> = keys.iter().map(|key| self::key(key)).collect();
    let names: BTreeSet<_> = keys.iter().map(lease_name).collect();
    assert_eq!(names.len(), keys.len());
    for name in names {
        assert!(is_subdomain(&name), "{name}");
    }
}

#[test]
fn check_leaves_nothing_behind() {
    let Setting { cluster, door, storage } = setting();
    block_on(storage.check()).unwrap();
    assert_eq!(door.log(), ["GET 404", "POST 201", "PUT 409"]);
    assert_eq!(cluster.names(), [""; 0]);
}

fn permanent(error: &StorageError, says: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
    for says in says {
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// R16: whoever lacks a right is told which.
#[test]
fn the_missing_right_is_named() {
    for missing in ["get", "create", "update"] {
        let Setting { cluster, storage, door: _door } = setting();
        cluster.verbs.lock().unwrap().retain(|verb| *verb != missing);
        let error = block_on(storage.check()).unwrap_err();
        permanent(
            &error,
            &[&format!("cannot {missing} resource \"leases\""), "(403): give the service account the Role"],
        );
    }
    let Setting { cluster, storage, door: _door } = setting();
    cluster.verbs.lock().unwrap().retain(|verb| *verb != "list");
    block_on(storage.check()).unwrap();
    lead(&storage, claim("k", "pod-a"));
    permanent(&block_on(storage.list(List::new())).unwrap_err(), &["cannot list resource \"leases\""]);
}

#[test]
fn a_wrong_address_is_told() {
    let Setting { door, .. } = setting();
    let of = |leases| block_on(RegisterStorage::new(leases).check()).unwrap_err();
    let elsewhere = of(Leases::new(&door.url(), "nowhere", None, RootCerts::WebPki));
    permanent(&elsewhere, &["namespaces \"nowhere\" not found (404): check the URL and the namespace"]);
    let no_api = of(Leases::new(&format!("{}/api", door.url()), NAMESPACE, None, RootCerts::WebPki));
    permanent(&no_api, &["nothing that an API server says (404): check the URL"]);
}

/// Kubernetes replaces the tokens of service accounts about once an hour.
#[test]
fn a_token_is_followed() {
    let Setting { cluster, door, .. } = setting();
    let folder = tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "first\n").unwrap();
    *cluster.token.lock().unwrap() = Some("first".into());
    let storage = RegisterStorage::new(Leases::new(&door.url(), NAMESPACE, Some(token.clone()), RootCerts::WebPki));
    block_on(storage.check()).unwrap();
    *cluster.token.lock().unwrap() = Some("second".into());
    let error = block_on(storage.check()).unwrap_err();
    permanent(&error, &["Unauthorized (401): check the token"]);
    assert!(!error.to_string().contains("first"), "{error}");
    fs::write(&token, "second\n").unwrap();
    block_on(storage.check()).unwrap();
    fs::remove_file(&token).unwrap();
    permanent(&block_on(storage.check()).unwrap_err(), &["token"]);
}
