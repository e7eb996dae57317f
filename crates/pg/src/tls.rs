//! TLS by rustls with the system's roots.

use std::{path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    Error,
    settings::{Roots, Tls, Verify},
};

/// Builds what tokio-postgres needs to speak TLS, should the server or the mode ask for it.
pub(crate) fn connector(tls: &Tls) -> Result<MakeRustlsConnect, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|source| failed(source.to_string()))?;
    let builder = match tls.verify {
        Verify::Nothing => {
            let any = Arc::new(AnyCertificate { provider });
            builder.dangerous().with_custom_certificate_verifier(any)
        }
        Verify::Chain => {
            let chain =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots(&tls.roots)?), provider);
            let chain = chain.build().map_err(|source| failed(source.to_string()))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyName { chain }))
        }
        Verify::ChainAndName => builder.with_root_certificates(roots(&tls.roots)?),
    };
    let config = match &tls.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates("sslcert", certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|source| {
                failed(format!("reading `sslkey` `{}`: {source}", key.display()))
            })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|source| failed(format!("using `sslcert` and `sslkey`: {source}")))?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

fn failed(reason: String) -> Error {
    Error::Tls { reason }
}

fn roots(roots: &Roots) -> Result<RootCertStore, Error> {
    let (certificates, place) = match roots {
        Roots::File(path) => (certificates("sslrootcert", path)?, format!("`{}`", path.display())),
        Roots::Pem(text) => (pem(text)?, "`ssl_ca_pem`".to_owned()),
        Roots::System => (rustls_native_certs::load_native_certs().certs, "the system".to_owned()),
    };
    let mut store = RootCertStore::empty();
    let (added, _unusable) = store.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(failed(format!(
            "no usable root certificate from {place}; give one by `sslrootcert` or `ssl_ca_pem`"
        )));
    }
    Ok(store)
}

fn certificates(name: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|source| failed(format!("reading `{name}` `{}`: {source}", path.display())))
}

fn pem(text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|source| failed(format!("reading `ssl_ca_pem`: {source}")))
}

/// What `verify-ca` means to libpq: a certificate signed by somebody we believe, for any host.
#[derive(Debug)]
struct AnyName {
    chain: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let (chain, end) = (&self.chain, end_entity);
        // The chain is checked before the name.
        match chain.verify_server_cert(end, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// What `prefer` and `require` mean to libpq: encrypted, to whoever answers.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
