//! One of any number of processes that elect a leader in an etcd cluster, and write only what the newest term may.
//!
//! `ETCD_ENDPOINTS=localhost:2379 cargo run --features etcd --example etcd`
//!
//! Run it in two terminals and end the one that leads with Ctrl-C: the other leads at once.

use std::env;
use std::error::Error;
use std::time::Duration;

use lessor::{Builder, Leadership, Storage, Term};
use lessor_etcd::EtcdStorage;
use lessor_etcd::etcd_client::{self, Client, Compare, CompareOp, Txn, TxnOp, TxnOpResponse};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoints =
        env::var("ETCD_ENDPOINTS").map_err(|_| "set ETCD_ENDPOINTS: localhost:2379, or host1:2379,host2:2379")?;
    let endpoints: Vec<&str> = endpoints.split(',').collect();
    let storage = EtcdStorage::new(endpoints.clone())?;
    storage.check().await?;
    let client = Client::connect(endpoints, None).await?;

    let (candidate, driver) = Builder::new("example").build(storage)?;
    let driver = tokio::spawn(driver.run_until(told_to_end()));
    println!("follows until it leads");
    let lead = candidate.lead(async |leadership| {
        println!("leads in term {}", leadership.term());
        // Hands over if the work fails; another one may succeed.
        work(client.clone(), &leadership).await.inspect_err(|error| println!("the work failed: {error}")).into()
    });
    lead.await?;
    println!("does not lead any more");
    driver.await?;
    Ok(())
}

/// Goes on until its term ends, or the cluster says that it has.
async fn work(mut client: Client, leadership: &Leadership) -> Result<(), Box<dyn Error>> {
    for number in 1.. {
        let (report, term) = (format!("report {number}"), leadership.term());
        if !write(&mut client, "example/report", &report, term).await? {
            return Err(format!("somebody else leads: a later term than {term} has written").into());
        }
        println!("wrote {report} in term {term}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// First the fence, then whatever is to be written: in one transaction, so that nothing comes between. The newest term that has
/// written is kept beside the key. Answers whether it was written.
async fn write(client: &mut Client, key: &str, value: &str, term: Term) -> Result<bool, etcd_client::Error> {
    let newest = format!("{key}.term");
    // As many digits each: etcd compares bytes.
    let digits = |term: u64| format!("{term:016}");
    let write = vec![TxnOp::put(newest.clone(), digits(term.get()), None), TxnOp::put(key, value, None)];
    let is_first = Txn::new().when([Compare::create_revision(newest.clone(), CompareOp::Equal, 0)]);
    let none_is_later = Txn::new().when([Compare::value(newest, CompareOp::Less, digits(term.get() + 1))]);
    let fenced = is_first.and_then(write.clone()).or_else([TxnOp::txn(none_is_later.and_then(write))]);
    let answer = client.txn(fenced).await?;
    let second = answer.op_responses().into_iter().next();
    Ok(answer.succeeded() || matches!(second, Some(TxnOpResponse::Txn(second)) if second.succeeded()))
}

/// What asks it to end: Ctrl-C, and SIGTERM where there is one.
async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
