//! The examples themselves, as two processes that share a server.

use std::sync::Arc;

use serde_json::json;
use tempfile::tempdir;

use crate::aws_signature::{ACCESS_KEY, REGION, SECRET};
use crate::cluster::Cluster;
use crate::door::Door;
use crate::dynamo::Dynamo;
use crate::program::{Program, until};

/// R3, R9: at SIGTERM the one that leads hands over.
#[test]
fn pods_hand_over() {
    let (folder, cluster) = (tempdir().unwrap(), Arc::new(Cluster::new()));
    let door = Door::open(cluster.clone());
    let start = |pod: &str| {
        let url = door.url();
        Program::start_with(folder.path(), "kubernetes", &[], &[("KUBERNETES_API", url.as_str()), ("HOSTNAME", pod)])
    };
    let holder = || cluster.lease("example").unwrap()["spec"]["holderIdentity"].clone();
    let mut first = start("pod-a");
    first.says("leads in term 1");
    assert_eq!(holder(), "pod-a");
    let mut second = start("pod-b");
    second.says("follows until it leads");
    first.terminate();
    second.says("leads in term 2");
    assert_eq!(holder(), "pod-b");
    let (status, lines) = first.end();
    assert!(status.success(), "{status}");
    assert_eq!(lines.last().map(String::as_str), Some("does not lead any more"), "{lines:#?}");
    second.terminate();
    assert!(second.end().0.success());
    assert!(holder().is_null(), "released");
}

/// R3, R9, R11: at SIGTERM the one that leads hands over, and what is written is of the newest term.
#[test]
fn processes_at_a_table_hand_over() {
    let (folder, dynamo) = (tempdir().unwrap(), Arc::new(Dynamo::new()));
    let door = Door::open(dynamo.clone());
    let start = || {
        let url = door.url();
        let variables = [
            ("AWS_ENDPOINT_URL_DYNAMODB", url.as_str()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ];
        Program::start_with(folder.path(), "dynamodb", &[], &variables)
    };
    let mut first = start();
    first.says("wrote report 1 in term 1");
    let mut second = start();
    second.says("follows until it leads");
    first.terminate();
    second.says("wrote report 1 in term 2");
    assert_eq!(dynamo.item("reports", "example").unwrap()["term"], json!({"N": "2"}));
    assert!(first.end().0.success());

    // The fence: a later term than its own is there.
    dynamo.edit("reports", "example", |report| report["term"] = json!({"N": "3"}));
    second.says("somebody else leads: a later term than 2 has written");
    assert_eq!(dynamo.item("reports", "example").unwrap()["term"], json!({"N": "3"}));
    second.terminate();
    until("the second has ended", || second.seen().iter().any(|line| line == "does not lead any more"));
    assert!(second.end().0.success());
}
