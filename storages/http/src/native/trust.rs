//! Whose certificates are trusted: by requests and by the socket the same.

use std::sync::Arc;

use futures_rustls::pki_types::CertificateDer;
use futures_rustls::pki_types::pem::PemObject;
use futures_rustls::rustls::RootCertStore;
use lessor_kit::error::AdapterError;
use ureq::tls::{Certificate, RootCerts};
use webpki_roots::TLS_SERVER_ROOTS;

/// The program's own roots; without any they are those of Mozilla.
#[derive(Clone, Default)]
pub(crate) struct Trust(Option<Arc<[CertificateDer<'static>]>>);

impl Trust {
    /// Of these certificates, as PEM.
    pub(crate) fn of_pem(pem: &[u8]) -> Result<Self, AdapterError> {
        let refused = || AdapterError::invalid_secret("root_certificates", "one or more certificates, as PEM");
        let roots: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| refused())?;
        let trust = Self(Some(roots.into()));
        let usable = trust.of_socket().filter(|roots| !roots.is_empty());
        usable.map(|_| trust).ok_or_else(refused)
    }

    pub(super) fn is_own(&self) -> bool {
        self.0.is_some()
    }

    /// As requests have it.
    pub(super) fn of_requests(&self) -> RootCerts {
        let Some(roots) = &self.0 else { return RootCerts::WebPki };
        RootCerts::from(roots.iter().map(|root| Certificate::from_der(root).to_owned()))
    }

    /// As the socket has it. `None`: one of them is no certificate.
    pub(super) fn of_socket(&self) -> Option<RootCertStore> {
        let Some(own) = &self.0 else { return Some(RootCertStore { roots: TLS_SERVER_ROOTS.to_vec() }) };
        let mut roots = RootCertStore::empty();
        own.iter().try_for_each(|root| roots.add(root.clone())).ok()?;
        Some(roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "no pem", garbage, "-----BEGIN CERTIFICATE-----\nAAAA"] {
            let error = Trust::of_pem(pem.as_bytes()).err().unwrap().to_string();
            assert_eq!(error, "root_certificates is not allowed: one or more certificates, as PEM", "{pem}");
        }
    }
}
