//! A service account's grant: a short-lived statement, signed here with its key, that Google changes
//! for an access token (RFC 7523; <https://developers.google.com/identity/protocols/oauth2/service-account>).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use connector::Error;
use protocol::{Secret, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;

/// May edit spreadsheets, and delete files that it made itself.
const SCOPE: &str =
    "https://www.googleapis.com/auth/spreadsheets https://www.googleapis.com/auth/drive.file";
/// How long a grant may be used, in seconds: the most that Google takes.
const LIFETIME: i64 = 3600;

/// What the key file of a service account says.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ServiceAccount {
    pub(crate) client_email: String,
    private_key: Secret,
    private_key_id: Option<String>,
}

impl ServiceAccount {
    /// The signed grant, for the token endpoint at `audience`.
    pub(crate) fn grant(&self, audience: &str, now: Timestamp) -> Result<String, Error> {
        let issued = now.seconds_floor();
        let mut header = json!({"alg": "RS256", "typ": "JWT"});
        if let (Some(id), Some(header)) = (&self.private_key_id, header.as_object_mut()) {
            header.insert("kid".to_owned(), id.as_str().into());
        }
        let claims = json!({
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": audience,
            "iat": issued,
            "exp": issued.saturating_add(LIFETIME),
        });
        let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        let signed = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        let signature = self.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", encode(&signature)))
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
        let broken = || {
            Error::config("reading `private_key` of the service account: no RSA key in PKCS#8 form")
                .hint("use the JSON key file as Google gave it")
        };
        let pem = self.private_key.expose().as_bytes();
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| broken())?;
        let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| broken())?;
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
            .map_err(|_| Error::internal("signing the service account's grant"))?;
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_none_is_told_without_the_key() {
        let account: ServiceAccount =
            serde_json::from_value(json!({"client_email": "a@b", "private_key": "canary"}))
                .unwrap();
        let report = account.grant("https://x", Timestamp::from_seconds(1)).unwrap_err().report();
        assert!(report.contains("no RSA key") && !report.contains("canary"), "{report}");
    }
}
