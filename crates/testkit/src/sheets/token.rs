//! The token endpoint: who asks, with what proof, and until when a token is good.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

use super::api::Refusal;
use crate::failure::{fail, loud};

/// Made for these tests; it opens nothing.
const KEY: &str = include_str!("key.pem");
const EMAIL: &str = "sync@tests.iam.gserviceaccount.com";
const CLIENT: [(&str, &str); 3] = [
    ("client_id", "client"),
    ("client_secret", "canary-client-secret-0123"),
    ("refresh_token", "canary-refresh-token-0123"),
];
const JWT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The key file of the service account that may edit everything here.
pub(super) fn service_account() -> Value {
    json!({
        "type": "service_account", "client_email": EMAIL, "private_key_id": "1", "private_key": KEY,
    })
}

/// OAuth client and refresh token of the person who may.
pub(super) fn refresh() -> Value {
    CLIENT.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

/// Whether a form earns a token. `now` is unix seconds, `audience` this endpoint's own address.
pub(super) fn check(form: &[(String, String)], audience: &str, now: i64) -> Result<(), Refusal> {
    let value = |name: &str| {
        let found = form.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    match value("grant_type") {
        JWT => grant(value("assertion"), audience, now),
        "refresh_token" if CLIENT.iter().all(|(name, known)| value(name) == *known) => Ok(()),
        "refresh_token" => Err(Refusal::grant("Bad Request")),
        _ => Err(Refusal::grant("unsupported grant type")),
    }
}

fn grant(assertion: &str, audience: &str, now: i64) -> Result<(), Refusal> {
    let refuse = |why: &str| Refusal::grant(why);
    let Some((signed, signature)) = assertion.rsplit_once('.') else {
        return Err(refuse("not a JWT"));
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| refuse("not base64"))?;
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key());
    public.verify(signed.as_bytes(), &signature).map_err(|_| refuse("Invalid JWT Signature."))?;
    let claims = signed.rsplit_once('.').map(|(_, claims)| claims).unwrap_or_default();
    let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| refuse("not base64"))?;
    let claims: Value = serde_json::from_slice(&claims).map_err(|_| refuse("not JSON"))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let time = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (issued, expires) = (time("iat"), time("exp"));
    if text("iss") != EMAIL || text("aud") != audience {
        return Err(refuse("Invalid issuer or audience."));
    }
    if !text("scope").contains("/auth/spreadsheets") {
        return Err(refuse("Invalid OAuth scope."));
    }
    let is_short = expires > issued && expires.saturating_sub(issued) <= 3600;
    if !is_short || expires <= now || issued > now.saturating_add(300) {
        return Err(refuse("Token must be a short-lived token and in a reasonable timeframe."));
    }
    Ok(())
}

fn public_key() -> Vec<u8> {
    key_pair().public_key().as_ref().to_vec()
}

pub(super) fn key_pair() -> RsaKeyPair {
    let lines = KEY.lines().filter(|line| !line.starts_with('-'));
    let der = loud("reading the test key", STANDARD.decode(lines.collect::<String>()));
    match RsaKeyPair::from_pkcs8(&der) {
        Ok(pair) => pair,
        Err(error) => fail(&format!("reading the test key: {error}")),
    }
}
