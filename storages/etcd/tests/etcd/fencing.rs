//! A write to the same cluster that only the newest leader can do, as it is documented.

use lessor::{Builder, Term};
use lessor_etcd::etcd_client::{Client, Compare, CompareOp, Error, Txn, TxnOp, TxnOpResponse};
use lessor_servers::etcd::Server;

use crate::storage;

/// Writes if no later term has written: one request, in which the newest term that wrote is kept beside.
///
/// Answers whether it was written.
async fn fenced_put(client: &mut Client, key: &str, value: &str, term: Term) -> Result<bool, Error> {
    let newest = format!("{key}.term");
    // As many digits each: etcd compares bytes.
    let digits = |term: u64| format!("{term:016}");
    let write = vec![TxnOp::put(newest.clone(), digits(term.get()), None), TxnOp::put(key, value, None)];
    let is_first = Txn::new().when([Compare::create_revision(newest.clone(), CompareOp::Equal, 0)]);
    let no_later = Txn::new().when([Compare::value(newest, CompareOp::Less, digits(term.get() + 1))]);
    let answer = client.txn(is_first.and_then(write.clone()).or_else([TxnOp::txn(no_later.and_then(write))])).await?;
    let inner = answer.op_responses().into_iter().next();
    Ok(answer.succeeded() || matches!(inner, Some(TxnOpResponse::Txn(inner)) if inner.succeeded()))
}

#[test]
fn an_old_leader_writes_nothing() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = Client::connect([server.endpoint()], None).await.unwrap();
        let reign = async || {
            let (candidate, driver) = Builder::new("k").build(storage(&server)).unwrap();
            let driver = tokio::spawn(driver.run());
            let term = candidate.elected().await.unwrap().term();
            candidate.shutdown().await.unwrap();
            driver.await.unwrap();
            term
        };
        let (old, new) = (reign().await, reign().await);
        assert!(new > old);
        assert!(fenced_put(&mut client, "report", "first", old).await.unwrap());
        assert!(fenced_put(&mut client, "report", "again", old).await.unwrap());
        assert!(fenced_put(&mut client, "report", "second", new).await.unwrap());
        assert!(!fenced_put(&mut client, "report", "late", old).await.unwrap());
        assert!(fenced_put(&mut client, "report", "third", new).await.unwrap());
        let ten = Term::new(10).unwrap();
        assert!(fenced_put(&mut client, "report", "tenth", ten).await.unwrap(), "10 comes after 2");
        assert!(!fenced_put(&mut client, "report", "late", new).await.unwrap());
        let kept = client.get("report", None).await.unwrap();
        assert_eq!(kept.kvs()[0].value(), b"tenth");
    });
}
