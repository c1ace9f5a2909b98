use std::time::{Duration, Instant};

use futures::future::join_all;
use lessor::storage::Acquired;
use lessor::{Builder, Storage, StorageExt};

use crate::claim;
use crate::rounds::median;

const TTL: Duration = Duration::from_secs(1);
const ELECTIONS: u128 = 20;

/// From the end of a lease that nobody renews to the moment at which the one that waits for it knows that it leads.
pub(crate) async fn measure<S: Storage + Clone + 'static>(name: &str, storage: &S) {
    let elections = (0..ELECTIONS).map(|number| async move {
        // Their ends are spread over a ttl.
        smol::Timer::after(TTL.mul_f64(number as f64 / ELECTIONS as f64)).await;
        let mut crashes = claim(&format!("crash {number}"), number + 100);
        crashes.ttl = TTL;
        let (candidate, driver) =
            Builder::new(crashes.key.as_str()).ttl(TTL).build(storage.clone()).expect("a candidate");
        let asked = Instant::now();
        assert!(matches!(storage.acquire(crashes.clone()).await, Ok(Acquired::Granted { .. })));
        let answered = Instant::now();
        let driver = smol::spawn(driver.run());
        candidate.elected().await.expect("it leads");
        let leads = Instant::now();
        drop(driver);
        assert!(leads >= asked + TTL, "before the lease ended");
        leads.saturating_duration_since(answered + TTL)
    });
    let lags: Vec<_> = join_all(elections).await;
    let last = lags.iter().max().copied().unwrap_or_default();
    println!(
        "| {name} | leads after a lease of 1 s ended, median (longest) | | {:.1?} ({last:.1?}) | |",
        median(&lags)
    );
}
