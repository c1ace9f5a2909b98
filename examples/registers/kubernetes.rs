//! One of any number of pods that elect a leader by a Lease of Kubernetes. No real cluster has run it yet: its tests have a small
//! server that keeps the rules of `resourceVersion` and of `uid`.
//!
//! `kubectl proxy` in one terminal, and in others
//! `KUBERNETES_API=http://127.0.0.1:8001 cargo run --features registers --example kubernetes`. In a pod it finds the API server, the
//! namespace and the token by itself. End the one that leads with Ctrl-C: another one leads when it asks next, within two seconds.
//!
//! The service account needs this, in the namespace, and `list` only where somebody lists leases:
//!
//! ```yaml
//! apiVersion: rbac.authorization.k8s.io/v1
//! kind: Role
//! metadata: {name: lessor}
//! rules:
//!   - apiGroups: [coordination.k8s.io]
//!     resources: [leases]
//!     verbs: [get, create, update]
//! ```
//!
//! Kubernetes cannot refuse what a former leader still writes: that takes a resource that knows the term (the guide's page on
//! fencing), such as the table of the example `dynamodb`.

use std::env;
use std::error::Error;
use std::future::pending;

use async_signal::{Signal, Signals};
use lessor::storage::registers::RegisterStorage;
use lessor::{Builder, Storage, Then};
use smol::stream::StreamExt;
use ureq::tls::RootCerts;

use leases::Leases;

mod http;
mod lease;
mod lease_name;
mod leases;

/// What asks it to end: Ctrl-C, and SIGTERM where there is one.
const END: &[Signal] = if cfg!(unix) { &[Signal::Int, Signal::Term] } else { &[Signal::Int] };

fn main() -> Result<(), Box<dyn Error>> {
    let mut end = Signals::new(END)?;
    smol::block_on(async {
        let leases = match env::var("KUBERNETES_API") {
            Ok(api) => {
                let namespace = env::var("KUBERNETES_NAMESPACE").unwrap_or_else(|_| "default".into());
                Leases::new(&api, &namespace, None, RootCerts::WebPki)
            }
            Err(_) => Leases::in_cluster()?,
        };
        let storage = RegisterStorage::new(leases);
        storage.check().await?;
        let builder = Builder::new("example");
        // The name of the pod: `kubectl get lease` shows who leads.
        let builder = match env::var("HOSTNAME") {
            Ok(pod) => builder.id(pod),
            Err(_) => builder,
        };
        let (candidate, driver) = builder.build(storage)?;
        let driver = smol::spawn(driver.run_until(async move { end.next().await }));
        println!("follows until it leads");
        let lead = candidate.lead(async |leadership| {
            println!("leads in term {}", leadership.term());
            // The work: dropped when the term ends.
            pending::<Then>().await
        });
        lead.await?;
        println!("does not lead any more");
        driver.await;
        Ok(())
    })
}
