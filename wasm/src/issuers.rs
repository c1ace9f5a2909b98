//! Whose signed tokens are taken, and what their subjects may: the setting `LESSOR_ISSUERS`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::caller::{Caller, Limits, Role, fingerprint, short};
use crate::json::{self, Json};

/// Who signs tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    /// As it stands in `iss`.
    pub(crate) issuer: String,
    /// As it stands in `aud`, or in the list there.
    pub(crate) audience: String,
    /// Where its keys are, which `tokens.js` asks for.
    #[serde(default)]
    jwks_uri: Option<String>,
    #[serde(default)]
    jwks: Option<KeySet>,
    subjects: Vec<Rule>,
}

/// Keys as they are written down (RFC 7517), as far as they can be wrong.
#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug, Deserialize)]
struct Key {
    kty: String,
    #[serde(default)]
    d: Option<String>,
}

/// Which subjects, and what they may.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
struct Rule {
    /// All of it, or its beginning.
    subject: String,
    is_beginning: bool,
    claims: BTreeMap<String, String>,
    each_subject: bool,
    caller: Caller,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    subject: String,
    #[serde(default)]
    claims: BTreeMap<String, String>,
    role: Role,
    #[serde(default)]
    prefixes: Option<Vec<String>>,
    /// What is counted for its subjects is counted under this name.
    name: String,
    /// Each by itself.
    #[serde(default)]
    each_subject: bool,
    #[serde(default)]
    limits: Limits,
}

impl TryFrom<Written> for Rule {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { subject, claims, role, prefixes, name, each_subject, limits } = written;
        let unfit = |allowed| Err(format!("subject {subject:?} is not allowed: {allowed}"));
        let (beginning, is_beginning) = subject.strip_suffix('*').map_or((&*subject, false), |start| (start, true));
        if beginning.contains('*') {
            return unfit("a * stands at its end only");
        }
        // `repo:acme*` would let in whoever calls themselves acme-evil.
        if is_beginning && beginning.ends_with(char::is_alphanumeric) {
            return unfit("before a * stands what ends a name, such as : or /");
        }
        if beginning.is_empty() && !is_beginning {
            return unfit("it is the whole of sub, or its beginning and a *, or * for all");
        }
        let caller = Caller::new(name, role, prefixes, limits)?;
        Ok(Self { subject: beginning.to_owned(), is_beginning, claims, each_subject, caller })
    }
}

impl Issuer {
    /// From the text of the setting, a JSON array. No part of it is a secret.
    pub(crate) fn read(setting: &str) -> Result<Vec<Self>, String> {
        let read = json::read_each::<Self>(setting).map_err(|error| error.to_string())?;
        let mut issuers: Vec<Self> = Vec::with_capacity(read.len());
        for (place, issuer) in read.into_iter().enumerate() {
            let issuer = issuer.map_err(|error| error.to_string()).and_then(|issuer| match issuer.wrong() {
                None => Ok(issuer),
                Some(wrong) => Err(wrong),
            });
            let issuer = issuer.map_err(|error| format!("number {}: {error}", place + 1))?;
            let alike = |other: &Self| other.issuer == issuer.issuer && other.audience == issuer.audience;
            if issuers.iter().any(alike) {
                return Err(format!("number {}: an issuer and audience that were there before", place + 1));
            }
            issuers.push(issuer);
        }
        Ok(issuers)
    }

    fn wrong(&self) -> Option<String> {
        let Self { issuer, audience, jwks_uri, jwks, subjects } = self;
        for (field, text) in [("issuer", issuer), ("audience", audience)] {
            if text.is_empty() {
                return Some(format!("{field} is empty"));
            }
        }
        if subjects.is_empty() {
            return Some("subjects is empty: nobody is let in".into());
        }
        match (jwks_uri, jwks) {
            (Some(uri), None) if !is_safe(uri) => {
                Some(format!("jwks_uri {uri:?} is not allowed: https://HOST/PATH, or on this machine http://"))
            }
            (Some(_), None) => None,
            (None, Some(KeySet { keys })) => wrong_keys(keys).map(Into::into),
            _ => Some("one of jwks_uri and jwks is needed".into()),
        }
    }

    /// What the subject of these claims may: by the first rule that fits. `None`: nothing.
    pub(crate) fn caller(&self, claims: &Json) -> Option<Caller> {
        let subject = claims.get("sub").and_then(Json::text).unwrap_or_default();
        let rule = self.subjects.iter().find(|rule| rule.fits(subject, claims))?;
        let mut caller = rule.caller.clone();
        if rule.each_subject {
            // No issuer has a line feed in its name.
            let own = fingerprint(&format!("{}\n{subject}", self.issuer));
            caller.name = format!("{}.{}", caller.name, short(&own));
        }
        Some(caller)
    }
}

impl Rule {
    fn fits(&self, subject: &str, claims: &Json) -> bool {
        let right = if self.is_beginning { subject.starts_with(&self.subject) } else { subject == self.subject };
        right && self.claims.iter().all(|(name, value)| claims.get(name).is_some_and(|claim| claim.says(value)))
    }
}

/// Whether what is there comes as it was sent.
fn is_safe(uri: &str) -> bool {
    let authority = |rest: &str| rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    if let Some(rest) = uri.strip_prefix("https://") {
        return !authority(rest).is_empty();
    }
    let Some(host) = uri.strip_prefix("http://").map(authority) else { return false };
    let local = |name| host.strip_prefix(name).is_some_and(|port: &str| port.is_empty() || port.starts_with(':'));
    ["localhost", "127.0.0.1", "[::1]"].into_iter().any(local) && !host.contains('@')
}

fn wrong_keys(keys: &[Key]) -> Option<&'static str> {
    if keys.is_empty() {
        return Some("jwks.keys is empty");
    }
    // With a secret that both sides know whoever verifies can sign.
    if keys.iter().any(|key| !["RSA", "EC", "OKP"].contains(&&*key.kty)) {
        return Some("jwks.keys: a kty is not allowed: RSA, EC, OKP");
    }
    keys.iter().any(|key| key.d.is_some()).then_some("jwks.keys: a private key has no place here: leave out d")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = r#"{"subject": "repo:acme/app:*", "role": "candidate", "name": "app"}"#;

    fn issuer(keys: &str, subjects: &str) -> String {
        format!(r#"[{{"issuer": "https://i", "audience": "lessor", {keys}, "subjects": [{subjects}]}}]"#)
    }

    fn rules(subjects: &str) -> Result<Vec<Issuer>, String> {
        Issuer::read(&issuer(r#""jwks_uri": "https://i/keys""#, subjects))
    }

    /// Whom the rules take this for.
    fn caller(subjects: &str, claims: &str) -> Option<Caller> {
        rules(subjects).unwrap()[0].caller(&json::parse(claims).unwrap())
    }

    /// What is wrong is named.
    #[test]
    fn complaints() {
        let keys = r#""jwks_uri": "https://i/keys""#;
        let rule = |more: &str| format!(r#"{{"subject": "s", "role": "read", "name": "n"{more}}}"#);
        for (setting, says) in [
            ("no json".into(), "it is no JSON"),
            ("{}".into(), "expected is an array"),
            ("[{}]".into(), "number 1: missing field `issuer`"),
            (issuer(r#""key": 1"#, RULE), "unknown field `key`"),
            (issuer(keys, ""), "number 1: subjects is empty"),
            (issuer(r#""jwks": null"#, RULE), "one of jwks_uri and jwks is needed"),
            (
                issuer(r#""jwks_uri": "http://i/keys""#, RULE),
                r#"jwks_uri "http://i/keys" is not allowed: https://HOST"#,
            ),
            (issuer(r#""jwks_uri": "http://localhost.evil/""#, RULE), "is not allowed"),
            (issuer(r#""jwks_uri": "http://localhost:1@evil/""#, RULE), "is not allowed"),
            (issuer(r#""jwks_uri": "https:///keys""#, RULE), "is not allowed"),
            (issuer(r#""jwks": {"keys": []}"#, RULE), "jwks.keys is empty"),
            (issuer(r#""jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}"#, RULE), "allowed: RSA, EC, OKP"),
            (issuer(r#""jwks": {"keys": [{"kty": "EC", "d": "AAAA"}]}"#, RULE), "a private key has no place here"),
            (issuer(keys, &rule(r#", "surprise": 1"#)), "subjects: unknown field `surprise`"),
            (issuer(keys, &rule(r#", "prefixes": ["a\tb"]"#)), "a prefix has a tab"),
            (issuer(keys, &RULE.replace("candidate", "boss")), "subjects.role: unknown variant `boss`"),
            (issuer(keys, &RULE.replace("\"app\"", "\"a b\"")), "a name is not 1 to 64 letters"),
            (issuer(keys, &RULE.replace("app:*", "*:x")), "a * stands at its end only"),
            (issuer(keys, &RULE.replace("acme/app:*", "acme*")), "stands what ends a name, such as : or /"),
            (issuer(keys, &RULE.replace("repo:acme/app:*", "")), r#"subject "" is not allowed"#),
        ] {
            let error = Issuer::read(&setting).unwrap_err();
            assert!(error.contains(says), "{setting}: {error}");
        }
        let one = issuer(keys, RULE);
        let twice = format!("[{0}, {0}]", one.trim_matches(['[', ']']));
        assert!(Issuer::read(&twice).unwrap_err().starts_with("number 2: an issuer and audience"), "{twice}");
        for local in ["http://localhost:8/keys", "http://127.0.0.1", "http://[::1]:8/", "https://i"] {
            assert!(Issuer::read(&issuer(&format!(r#""jwks_uri": {local:?}"#), RULE)).is_ok(), "{local}");
        }
    }

    /// Nobody is let in whom no rule is for, and the first that fits decides.
    #[test]
    fn who_is_let_in() {
        let two = format!(r#"{{"subject": "repo:acme/app:ref:main", "role": "admin", "name": "main"}}, {RULE}"#);
        for (claims, name) in [
            (r#"{"sub": "repo:acme/app:ref:main"}"#, Some("main")),
            (r#"{"sub": "repo:acme/app:ref:other"}"#, Some("app")),
            (r#"{"sub": "repo:acme/app"}"#, None),
            (r#"{"sub": "repo:acme/app2:ref:main"}"#, None),
            (r#"{"sub": ["repo:acme/app:x"]}"#, None),
            (r#"{"sub": "REPO:acme/app:x"}"#, None),
            ("{}", None),
        ] {
            assert_eq!(caller(&two, claims).as_ref().map(|caller| &*caller.name), name, "{claims}");
        }
    }

    #[test]
    fn other_claims() {
        let rule = r#"{"subject": "*", "claims": {"ref": "main", "groups": "ops"}, "role": "read", "name": "n"}"#;
        for (claims, fits) in [
            (r#"{"ref": "main", "groups": "ops"}"#, true),
            (r#"{"sub": "x", "ref": "main", "groups": ["dev", "ops"]}"#, true),
            (r#"{"ref": "main", "groups": ["dev"]}"#, false),
            (r#"{"ref": "main", "groups": {"ops": true}}"#, false),
            (r#"{"ref": "main2", "groups": "ops"}"#, false),
            (r#"{"groups": "ops"}"#, false),
        ] {
            assert_eq!(caller(rule, claims).is_some(), fits, "{claims}");
        }
    }

    /// Together, or each by itself.
    #[test]
    fn names() {
        let name =
            |rule: &str, subject: &str| caller(rule, &format!(r#"{{"sub": "repo:acme/app:{subject}"}}"#)).unwrap().name;
        assert_eq!([name(RULE, "a"), name(RULE, "b")], ["app", "app"]);
        let each = RULE.replace('}', r#", "each_subject": true}"#);
        let (a, b) = (name(&each, "a"), name(&each, "b"));
        assert!(a != b && a == name(&each, "a") && a.starts_with("app.") && a.len() == 20, "{a} {b}");
    }
}
