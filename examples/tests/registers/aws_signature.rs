//! Whether a request is signed as AWS asks for it (Signature Version 4), worked out anew from what has arrived.

use std::fmt::Write;

use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};

use crate::door::Asked;

/// Whose signatures are known.
pub(crate) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "a secret of nobody";
pub(crate) const REGION: &str = "eu-central-1";

/// The kind of the error, and its message.
pub(crate) fn verify(asked: &Asked) -> Result<(), (&'static str, String)> {
    let header = asked.header("authorization").and_then(|header| header.strip_prefix("AWS4-HMAC-SHA256 "));
    let missing = || ("MissingAuthenticationTokenException", "Request is missing Authentication Token".to_owned());
    let header = header.ok_or_else(missing)?;
    let part = |name: &str| header.split(", ").find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let (Some(credential), Some(names), Some(signature)) =
        (part("Credential"), part("SignedHeaders"), part("Signature"))
    else {
        return Err(missing());
    };
    let (access_key, scope) = credential.split_once('/').unwrap_or_default();
    if access_key != ACCESS_KEY {
        return Err(("UnrecognizedClientException", "The security token included in the request is invalid.".into()));
    }
    let time = asked.header("x-amz-date").unwrap_or_default();
    let day = time.get(..8).unwrap_or_default();
    let wrong = |why: &str| Err(("InvalidSignatureException", format!("The request signature does not match: {why}")));
    if scope != format!("{day}/{REGION}/dynamodb/aws4_request") {
        return wrong("Credential should be scoped to a valid region and service.");
    }
    let signed: Vec<_> = names.split(';').collect();
    let has_to_be = |name: &str| name == "host" || name == "content-type" || name.starts_with("x-amz-");
    if let Some((left_out, _)) =
        asked.headers.iter().find(|(name, _)| has_to_be(name) && !signed.contains(&name.as_str()))
    {
        return wrong(&format!("{left_out} must be a signed header."));
    }
    let mut canonical = format!("{}\n{}\n\n", asked.method, asked.path);
    for name in &signed {
        let _ = writeln!(canonical, "{name}:{}", asked.header(name).unwrap_or_default());
    }
    let _ = write!(canonical, "\n{names}\n{}", hash(asked.body.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(canonical.as_bytes()));
    let secret = scope.split('/').fold(format!("AWS4{SECRET}").into_bytes(), |key, part| mac(&key, part));
    if signature != hex(&mac(&secret, &text)) { wrong("Check your AWS Secret Access Key.") } else { Ok(()) }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    sign(&Key::new(HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hash(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
