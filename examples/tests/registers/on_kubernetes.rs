//! Leases of Kubernetes: what people read, what others do to them, and what goes wrong.
use crate::cluster::NAMESPACE;
use crate::leases::Leases;
use ureq::tls::RootCerts;
pub(crate) fn leases(url: &str) -> Leases {
    Leases::new(url, NAMESPACE, None, RootCerts::WebPki)
}
