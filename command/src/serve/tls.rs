//! TLS by files, which a signal has read anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Where the certificates and their key are.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) certificates: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    pub(crate) fn read(&self) -> Result<TlsAcceptor, String> {
        let wrong = |file: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let of_certificates = |error: &dyn std::fmt::Display| wrong(&self.certificates, error);
        let certificates =
            CertificateDer::pem_file_iter(&self.certificates).map_err(|error| of_certificates(&error))?;
        let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|error| of_certificates(&error))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| wrong(&self.key, &error))?;
        let versions =
            ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
        let config = versions.map_err(|error| error.to_string())?.with_no_client_auth();
        let mut config = config.with_single_cert(certificates, key).map_err(|error| of_certificates(&error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
