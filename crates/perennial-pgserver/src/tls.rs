//! TLS from files. What cannot be read stops the start: there is no way back to plaintext.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pgwire::api::auth::sasl::scram::ScramServerAuth;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::error::{Error, Result};

/// The protocol name of TLS without a preceding SSLRequest.
pub(crate) const ALPN: &[u8] = b"postgresql";

/// The files of a TLS set-up, all PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain, the server's own first.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Authorities of client certificates; with it, a client that shows a certificate must show a good one.
    pub client_ca: Option<PathBuf>,
}

/// What a TLS connection needs.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// SCRAM bound to the certificate; without a usable digest of it, plain SCRAM.
    pub(crate) scram: ScramServerAuth,
}

impl Tls {
    pub(crate) fn try_new(files: &TlsFiles) -> Result<Self> {
        let refused = |path: &Path| {
            let path = path.to_owned();
            move |reason: String| Error::TlsFile { path, reason }
        };
        let chain = certificates(&files.cert)?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| refused(&files.key)(error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let setup = |error: rustls::Error| Error::TlsSetup {
            reason: error.to_string(),
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .map_err(setup)?;
        let builder = match &files.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots
                        .add(certificate)
                        .map_err(|error| refused(path)(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| refused(path)(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(setup)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        let mut scram = ScramServerAuth::new();
        let pem = std::fs::read(&files.cert).map_err(|error| refused(&files.cert)(error.to_string()))?;
        if scram.configure_certificate(&pem).is_err() {
            tracing::warn!(
                "the certificate's signature has no digest for channel binding; it is not offered"
            );
        }
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            scram,
        })
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let refused = |reason: String| Error::TlsFile {
        path: path.to_owned(),
        reason,
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| refused(error.to_string()))?;
    if certificates.is_empty() {
        return Err(refused("it holds no certificate".to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_files_stop_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let garbage = write(
            "garbage.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        );
        let empty = write("empty.pem", "");
        let missing = folder.path().join("missing.pem");
        for (cert, key) in [
            (&missing, &missing),
            (&empty, &empty),
            (&garbage, &empty),
            (&garbage, &garbage),
        ] {
            let files = TlsFiles {
                cert: cert.clone(),
                key: key.clone(),
                client_ca: None,
            };
            let error = Tls::try_new(&files).unwrap_err();
            assert!(
                matches!(error, Error::TlsFile { .. } | Error::TlsSetup { .. }),
                "{error}"
            );
        }
    }
}
