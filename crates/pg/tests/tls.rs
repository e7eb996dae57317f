//! Each supported sslmode against a server that offers TLS with a certificate for `localhost`.
#![cfg(test)]

use std::io::Write as _;

use pg::{Error, Failure, Settings};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair};
use tempfile::NamedTempFile;
use testkit::postgres::Cluster;

/// Somebody who signs certificates, and the file that says so.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: NamedTempFile,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(authority, key).unwrap();
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), issuer.pem()).unwrap();
        Self { issuer, file }
    }

    /// A certificate for a name, and its key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut names = CertificateParams::new(vec![name.to_owned()]).unwrap();
        names.distinguished_name.push(DnType::CommonName, name);
        (names.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A server, and the authority that signed its certificate.
fn server() -> (Cluster, Authority) {
    let authority = Authority::new("ours");
    let (certificate, key) = authority.sign("localhost");
    (Cluster::start_with_tls(&certificate, &key), authority)
}

async fn is_encrypted(url: &str) -> Result<bool, Error> {
    let client = pg::connect(&Settings::from_url(url)?).await?;
    let asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    Ok(client.query_one(asked, &[]).await.unwrap().get(0))
}

/// What to do when the issuer is unknown, and when the name is another.
const REMEDIES: [&str; 2] =
    ["by `sslrootcert` in the URL", "by the name that the certificate is for"];

#[tokio::test]
async fn each_mode_encrypts_and_verifies_as_libpq_says() {
    let (cluster, authority) = server();
    let by_address = cluster.url("postgres");
    let by_name = by_address.replace("127.0.0.1", "localhost");
    let root = authority.file.path().display();
    for mode in ["disable", "allow"] {
        assert!(!is_encrypted(&format!("{by_address}?sslmode={mode}")).await.unwrap(), "{mode}");
    }
    for url in [
        by_address.clone(),
        format!("{by_address}?sslmode=prefer"),
        format!("{by_address}?sslmode=require"),
        format!("{by_address}?sslmode=require&sslrootcert={root}"),
        format!("{by_address}?sslmode=verify-ca&sslrootcert={root}"),
        format!("{by_name}?sslmode=verify-full&sslrootcert={root}"),
    ] {
        assert!(is_encrypted(&url).await.unwrap(), "{url}");
    }
    let other = Authority::new("theirs");
    let stranger = other.file.path().display();
    for (url, reason) in [
        (format!("{by_name}?sslmode=verify-full"), "UnknownIssuer"),
        (format!("{by_name}?sslmode=verify-ca"), "UnknownIssuer"),
        (format!("{by_name}?sslmode=verify-ca&sslrootcert={stranger}"), "UnknownIssuer"),
        (format!("{by_name}?sslmode=require&sslrootcert={stranger}"), "UnknownIssuer"),
        (format!("{by_address}?sslmode=verify-full&sslrootcert={root}"), "not valid for name"),
    ] {
        let error = is_encrypted(&url).await.unwrap_err();
        assert_eq!(error.failure(), Failure::Unreachable);
        let (text, remedy) = (error.to_string(), REMEDIES[usize::from(reason != "UnknownIssuer")]);
        assert!(text.contains(reason) && text.contains(remedy), "{url}: {text}");
    }
    let pem = std::fs::read_to_string(authority.file.path()).unwrap();
    let url = format!("{by_name}?sslmode=verify-full");
    let settings = Settings::from_url(&url).unwrap().with_root_certificates(&pem);
    pg::connect(&settings).await.unwrap();
    let settings = Settings::from_url(&url).unwrap().with_root_certificates("no certificate");
    let error = pg::connect(&settings).await.unwrap_err().to_string();
    assert!(error.contains("`ssl_ca_pem`"), "{error}");
}

#[tokio::test]
async fn allow_encrypts_where_the_server_refuses_anything_else() {
    let (mut cluster, _authority) = server();
    cluster.crash();
    let rules = cluster.data_folder().join("pg_hba.conf");
    std::fs::write(&rules, "hostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
    cluster.restart();
    let url = format!("{}?sslmode=allow", cluster.url("postgres"));
    assert!(is_encrypted(&url).await.unwrap());
    let pool = pg::Pool::new(&Settings::from_url(&url).unwrap(), 1).unwrap();
    drop(pool.get().await.unwrap());
    let error = is_encrypted(&url.replace("allow", "disable")).await.unwrap_err();
    assert!(error.to_string().contains("no encryption"), "{error}");
    let wrong = url.replace("@", "-wrong@");
    let error = is_encrypted(&wrong).await.unwrap_err();
    assert_eq!(error.failure(), Failure::Credentials, "{error}");
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let (mut cluster, authority) = server();
    cluster.crash();
    let data = cluster.data_folder();
    std::fs::copy(authority.file.path(), data.join("root.crt")).unwrap();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(data.join("root.crt"), readable).unwrap();
    let mut settings =
        std::fs::OpenOptions::new().append(true).open(data.join("postgresql.conf")).unwrap();
    settings.write_all(b"\nssl_ca_file = 'root.crt'\n").unwrap();
    let rule = "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n";
    std::fs::write(data.join("pg_hba.conf"), rule).unwrap();
    cluster.restart();
    let url = format!("{}?sslmode=require", cluster.url("postgres"));
    let error = is_encrypted(&url).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let (certificate, key) = authority.sign("ann");
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("client.crt"), folder.path().join("client.key"));
    std::fs::write(&one, certificate).unwrap();
    std::fs::write(&two, key).unwrap();
    let url = format!("{url}&sslcert={}&sslkey={}", one.display(), two.display());
    assert!(is_encrypted(&url).await.unwrap());
    let missing = url.replace("client.key", "no.key");
    let error = is_encrypted(&missing).await.unwrap_err().to_string();
    assert!(error.contains("reading `sslkey`") && error.contains("no.key"), "{error}");
}

#[tokio::test]
async fn a_root_certificate_that_cannot_be_read_is_named() {
    let url = "postgres://ann:pw@localhost/shop?sslmode=verify-full&sslrootcert=/no/such.pem";
    let error = is_encrypted(url).await.unwrap_err().to_string();
    assert!(error.contains("reading `sslrootcert` `/no/such.pem`"), "{error}");
}
