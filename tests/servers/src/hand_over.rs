//! One election handed over, with nothing but the executor that runs it.

use std::time::Duration;

use futures::future::join;
use lessor::{Builder, Storage};

/// The first of two candidates leads, and releases: the second, woken by the storage, leads in a later term.
///
/// # Panics
/// If it does not.
pub async fn hand_over(storage: impl Storage + Clone + 'static) {
    storage.check().await.expect("a storage that is ready");
    // Longer than the test: only a wake-up lets the second lead.
    let builder = |id: &str| Builder::new("k").id(id).ttl(Duration::from_secs(600));
    let (first, first_driver) = builder("first").build(storage.clone()).expect("a valid configuration");
    let (second, second_driver) = builder("second").build(storage).expect("a valid configuration");
    let scenario = async {
        let term = first.elected().await.expect("it runs").term();
        let handed_over = async {
            let mut events = second.events();
            while second.leader().is_none() {
                events.next().await;
            }
            first.shutdown().await.expect("it runs");
            assert!(second.elected().await.expect("it runs").term() > term);
            second.shutdown().await.expect("it runs");
        };
        join(second_driver.run(), handed_over).await;
    };
    join(first_driver.run(), scenario).await;
}
