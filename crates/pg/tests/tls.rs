//! Each supported sslmode against a server that offers TLS with a certificate for `localhost`.
#![cfg(test)]

use pg::{Error, Failure, Settings};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use tempfile::NamedTempFile;
use testkit::postgres::Cluster;

/// A server, and the file with the authority that signed its certificate.
fn server() -> (Cluster, NamedTempFile) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &authority).unwrap();
    let cluster = Cluster::start_with_tls(&certificate.pem(), &key.serialize_pem());
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    (cluster, file)
}

async fn is_encrypted(url: &str) -> Result<bool, Error> {
    let client = pg::connect(&Settings::from_url(url)?).await?;
    let asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    Ok(client.query_one(asked, &[]).await.unwrap().get(0))
}

#[tokio::test]
async fn each_mode_encrypts_and_verifies_as_libpq_says() {
    let (cluster, authority) = server();
    let by_address = cluster.url("postgres");
    let by_name = by_address.replace("127.0.0.1", "localhost");
    let root = authority.path().display();
    assert!(!is_encrypted(&format!("{by_address}?sslmode=disable")).await.unwrap());
    for url in [
        by_address.clone(),
        format!("{by_address}?sslmode=prefer"),
        format!("{by_address}?sslmode=require"),
        format!("{by_name}?sslmode=verify-full&sslrootcert={root}"),
    ] {
        assert!(is_encrypted(&url).await.unwrap(), "{url}");
    }
    for (url, reason) in [
        (format!("{by_name}?sslmode=verify-full"), "UnknownIssuer"),
        (format!("{by_address}?sslmode=verify-full&sslrootcert={root}"), "not valid for name"),
    ] {
        let error = is_encrypted(&url).await.unwrap_err();
        assert_eq!(error.failure(), Failure::Unreachable);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_root_certificate_that_cannot_be_read_is_named() {
    let url = "postgres://ann:pw@localhost/shop?sslmode=verify-full&sslrootcert=/no/such.pem";
    let error = is_encrypted(url).await.unwrap_err().to_string();
    assert!(error.contains("reading `sslrootcert` `/no/such.pem`"), "{error}");
}
