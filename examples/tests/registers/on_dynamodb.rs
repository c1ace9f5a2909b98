//! Items of DynamoDB: what people read of them, what others do to them, and what goes wrong.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use lessor::storage::registers::RegisterStorage;
use lessor::storage::{Acquired, Claim, ErrorKind, Get, List, Release, Renewal, Renewed, Reply, Session};
use lessor::{Id, Key, Storage, StorageError, StorageExt, Term};
use serde_json::json;
use smol::block_on;

use crate::aws_signature::{ACCESS_KEY, REGION, SECRET};
use crate::door::Door;
use crate::dynamo::Dynamo;
use crate::signature::Signer;
use crate::table::Table;

/// Of the server at this URL, signed by somebody who is known there.
pub(crate) fn table(url: &str) -> Table {
    signed(url, "leases", ACCESS_KEY, SECRET, REGION)
}

fn signed(url: &str, name: &str, access_key: &str, secret: &str, region: &str) -> Table {
    let credentials = Credentials::new(access_key, secret, Some("a session of nobody".into()), None, "tests");
    Table::new(url, Signer { credentials, region: region.into() }, name)
}

struct Setting {
    dynamo: Arc<Dynamo>,
    door: Door,
    storage: RegisterStorage<Table>,
}

fn setting() -> Setting {
    let dynamo = Arc::new(Dynamo::new());
    let door = Door::open(dynamo.clone());
    let storage = RegisterStorage::new(table(&door.url()));
    Setting { dynamo, door, storage }
}

fn claim(id: &str) -> Claim {
    Claim::new(Key::new("k").unwrap(), Id::new(id).unwrap(), Session::from_bits(1), Duration::from_secs(10))
}

fn lead(storage: &RegisterStorage<Table>, claim: Claim) -> Term {
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
    let Setting { dynamo, storage, door: _door } = setting();
    lead(&storage, claim("node-a"));
    let item = dynamo.item("leases", "k").unwrap();
    assert_eq!((&item["holder"], &item["term"]), (&json!({"S": "node-a"}), &json!({"N": "1"})));
    block_on(storage.release(Release::new(Key::new("k").unwrap(), Session::from_bits(1)))).unwrap();
    let item = dynamo.item("leases", "k").unwrap();
    assert_eq!((item.get("holder"), &item["version"]), (None, &json!({"N": "2"})));
}

/// Somebody else's write moves the version, and takes nothing.
#[test]
fn a_condition_that_failed_is_read_again() {
    let Setting { dynamo, door, storage } = setting();
    let term = lead(&storage, claim("node-a"));
    dynamo.edit("leases", "k", |item| item["version"] = json!({"N": "7"}));
    door.log();
    let renewed = block_on(storage.renew(renewal(claim("node-a"), term))).unwrap();
    assert!(matches!(renewed, Renewed::Extended { .. }), "{renewed:?}");
    assert_eq!(door.log(), ["PutItem 400", "GetItem 200", "PutItem 200"]);
    assert_eq!(dynamo.item("leases", "k").unwrap()["version"], json!({"N": "8"}));
}

#[test]
fn the_item_of_somebody_else_is_left_alone() {
    let Setting { dynamo, storage, door: _door } = setting();
    for version in [None, Some("1")] {
        dynamo.edit("leases", "k", |item| {
            item["colour"] = json!({"S": "green"});
            if let Some(version) = version {
                item["version"] = json!({"N": version});
            }
        });
        let before = dynamo.item("leases", "k");
        let error = block_on(storage.acquire(claim("node-a"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
        assert_eq!(dynamo.item("leases", "k"), before);
    }
}

/// There is no version after it that would be another one.
#[test]
fn the_last_version_stays() {
    let Setting { dynamo, storage, door: _door } = setting();
    let term = lead(&storage, claim("node-a"));
    dynamo.edit("leases", "k", |item| item["version"] = json!({"N": u64::MAX.to_string()}));
    let before = dynamo.item("leases", "k");
    permanent(&block_on(storage.renew(renewal(claim("node-a"), term))).unwrap_err(), &["its version is the last"]);
    assert_eq!(dynamo.item("leases", "k"), before);
}

#[test]
fn check_leaves_nothing_behind() {
    let Setting { dynamo, door, storage } = setting();
    block_on(storage.check()).unwrap();
    assert_eq!(door.log(), ["GetItem 200", "PutItem 400"]);
    assert_eq!(dynamo.item("leases", "lessor-check"), None);
}

fn permanent(error: &StorageError, says: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
    for says in says {
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(!error.to_string().contains(SECRET), "{error}");
}

/// R16: whoever lacks a right is told which.
#[test]
fn the_missing_right_is_named() {
    for missing in ["GetItem", "PutItem"] {
        let Setting { dynamo, storage, door: _door } = setting();
        dynamo.actions.lock().unwrap().retain(|action| *action != missing);
        let error = block_on(storage.check()).unwrap_err();
        permanent(
            &error,
            &[&format!("not authorized to perform: dynamodb:{missing} on"), "give the user or the role the policy"],
        );
    }
    let Setting { dynamo, storage, door: _door } = setting();
    dynamo.actions.lock().unwrap().retain(|action| *action != "Scan");
    block_on(storage.check()).unwrap();
    lead(&storage, claim("node-a"));
    permanent(&block_on(storage.list(List::new())).unwrap_err(), &["dynamodb:Scan"]);
}

#[test]
fn what_is_wrong_is_told() {
    let Setting { door, .. } = setting();
    let of = |table| block_on(RegisterStorage::new(table).check()).unwrap_err();
    let no_table = of(signed(&door.url(), "nowhere", ACCESS_KEY, SECRET, REGION));
    permanent(&no_table, &["Requested resource not found (ResourceNotFoundException 400): create the table"]);
    for (access_key, secret, region, kind) in [
        ("AKIDNOBODY", SECRET, REGION, "UnrecognizedClientException"),
        (ACCESS_KEY, "another secret", REGION, "InvalidSignatureException"),
        (ACCESS_KEY, SECRET, "us-east-1", "InvalidSignatureException"),
    ] {
        let error = of(signed(&door.url(), "leases", access_key, secret, region));
        permanent(&error, &[kind, "check the credentials, the region and this machine's clock"]);
        assert!(!error.to_string().contains("another secret"), "{error}");
    }
}

/// It may pass by itself, and the next request is served.
#[test]
fn throttling_may_pass() {
    let Setting { dynamo, storage, door: _door } = setting();
    *dynamo.throttled.lock().unwrap() = 1;
    let get = || block_on(storage.call(Get::new(Key::new("k").unwrap()).into()));
    let error = get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    assert!(error.to_string().contains("Rate of requests exceeds"), "{error}");
    assert!(matches!(get(), Ok(Reply::Got(None))));
}
