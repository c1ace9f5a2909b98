//! Signatures of tokens (RFC 7518), and the public keys that they are verified with (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// The shortest RSA key, and the longest that ring takes, in bits.
const SHORTEST: usize = 2_048;
const LONGEST: usize = 8_192;

/// A key, as it is written down. What is not known of it is nobody's business here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Key {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Key {
    /// Keys of a set, and how many of those that are known here cannot be used; what is none of these is left out.
    pub(crate) fn set(keys: Vec<serde_json::Value>) -> (Vec<Self>, usize) {
        let keys = keys.into_iter().filter_map(|key| serde_json::from_value::<Self>(key).ok());
        let (usable, not): (Vec<_>, Vec<_>) = keys.partition(Self::is_usable);
        (usable, not.len())
    }

    /// Whether it is as long as it has to be.
    fn is_usable(&self) -> bool {
        let has = |text: &Option<String>, length| decoded(text).is_some_and(|bytes| bytes.len() == length);
        match &*self.kty {
            "RSA" => decoded(&self.n).is_some_and(|n| (SHORTEST..=LONGEST).contains(&bits(&n))) && self.e.is_some(),
            "EC" => has(&self.x, 32) && has(&self.y, 32),
            _ => has(&self.x, 32),
        }
    }

    /// Whether it is for this algorithm, and has this name if there is one.
    pub(crate) fn fits(&self, alg: &str, kid: Option<&str>) -> bool {
        let (kty, crv) = match alg {
            "RS256" => ("RSA", None),
            "ES256" => ("EC", Some("P-256")),
            _ => ("OKP", Some("Ed25519")),
        };
        let is = |said: &Option<String>, wanted: &str| said.as_deref().is_none_or(|said| said == wanted);
        self.kty == kty
            && self.crv.as_deref() == crv
            && is(&self.alg, alg)
            && is(&self.usage, "sig")
            && kid.is_none_or(|kid| self.kid.as_deref() == Some(kid))
    }

    /// Whether the last part of the token is the signature of what stands before it.
    pub(crate) fn has_signed(&self, alg: &str, token: &str) -> bool {
        self.verified(alg, token).is_some()
    }

    fn verified(&self, alg: &str, token: &str) -> Option<()> {
        let (message, signature) = token.rsplit_once('.')?;
        let (message, signature) = (message.as_bytes(), URL_SAFE_NO_PAD.decode(signature).ok()?);
        match alg {
            "RS256" => {
                let key = RsaPublicKeyComponents { n: decoded(&self.n)?, e: decoded(&self.e)? };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, &signature).ok()
            }
            "ES256" => {
                // An uncompressed point (SEC 1).
                let point = [vec![4], decoded(&self.x)?, decoded(&self.y)?].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature).ok()
            }
            "EdDSA" => UnparsedPublicKey::new(&ED25519, decoded(&self.x)?).verify(message, &signature).ok(),
            _ => None,
        }
    }
}

fn decoded(text: &Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.as_deref()?).ok()
}

fn bits(number: &[u8]) -> usize {
    let mut digits = number.iter().skip_while(|byte| **byte == 0);
    digits.next().map_or(0, |first| 8 - first.leading_zeros() as usize + 8 * digits.count())
}
