//! Whose signed tokens are taken, and what their subjects may: the setting `LESSOR_ISSUERS`.

use serde::Deserialize;

use crate::caller::{Caller, Written, fingerprint, short};
use crate::json::{self, Json, Unread};

/// Who signs tokens. Where the keys are, or which, is for `tokens.js`.
#[derive(Debug)]
pub(crate) struct Issuer {
    /// As it stands in `iss`.
    pub(crate) issuer: String,
    /// As it stands in `aud`, or in the list there.
    pub(crate) audience: String,
    rules: Vec<Rule>,
}

/// Which subjects, and what they may.
#[derive(Debug)]
struct Rule {
    /// All of it, or its beginning.
    subject: String,
    is_beginning: bool,
    /// Names, and what stands there.
    claims: Vec<(String, String)>,
    /// What they do is counted for each by itself.
    each_subject: bool,
    caller: Caller,
}

impl Issuer {
    /// From the text of the setting, a JSON array. No part of it is a secret.
    pub(crate) fn read(setting: &str) -> Result<Vec<Self>, Unread> {
        let mut issuers: Vec<Self> = Vec::new();
        for (place, written) in json::parse(setting)?.list()?.into_iter().enumerate() {
            let number = |error: Unread| error.within(&format!("number {}", place + 1));
            let issuer = Self::of(written).map_err(number)?;
            if issuers.iter().any(|other| other.issuer == issuer.issuer && other.audience == issuer.audience) {
                return Err(number(Unread::because("an issuer and audience that were there before")));
            }
            issuers.push(issuer);
        }
        Ok(issuers)
    }

    fn of(mut written: Json) -> Result<Self, Unread> {
        let (issuer, audience) = (written.take_text("issuer")?, written.take_text("audience")?);
        match (written.take("jwks_uri"), written.take("jwks")) {
            (Some(Json::Text(uri)), None) if is_safe(&uri) => {}
            (Some(_), None) => {
                return Err(
                    Unread::because("allowed is https://, or on this machine http:// and a port").within("jwks_uri")
                );
            }
            (None, Some(keys)) => check_keys(keys).map_err(|error| error.within("jwks"))?,
            _ => return Err(Unread::because("one of jwks_uri and jwks is needed")),
        }
        let mut rules = Vec::new();
        for rule in written.take("subjects").map_or(Ok(Vec::new()), Json::list)? {
            rules.push(Rule::of(rule).map_err(|error| error.within("subjects"))?);
        }
        if rules.is_empty() {
            return Err(Unread::because("subjects: there are none, so nobody is let in"));
        }
        nothing_else(&written).map(|()| Self { issuer, audience, rules })
    }

    /// What the subject of these claims may: by the first rule that fits. `None`: nothing.
    pub(crate) fn caller(&self, claims: &Json) -> Option<Caller> {
        let subject = claims.get("sub").and_then(Json::text).unwrap_or_default();
        let rule = self.rules.iter().find(|rule| rule.fits(subject, claims))?;
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
    /// All but whom it is for is written as for a token of the secrets, and read by the same code.
    fn of(mut written: Json) -> Result<Self, Unread> {
        let subject = written.take_text("subject")?;
        let (beginning, is_beginning) = subject.strip_suffix('*').map_or((&*subject, false), |start| (start, true));
        // `repo:acme*` would let in whoever calls themselves acme-evil.
        let cuts = |byte: u8| is_beginning && byte.is_ascii_alphanumeric();
        if beginning.contains('*') || beginning.bytes().last().is_some_and(cuts) {
            let allowed = "allowed is a * at its end only, after what ends a name, such as : or /";
            return Err(Unread::because(allowed).within("subject"));
        }
        let mut claims = Vec::new();
        if let Some(written) = written.take("claims") {
            let Json::Object(fields) = written else {
                return Err(Unread::because("expected is an object").within("claims"));
            };
            for (name, value) in fields {
                let Json::Text(value) = value else {
                    return Err(Unread::because("expected is a string").within(&name).within("claims"));
                };
                claims.push((name, value));
            }
        }
        let each_subject = match written.take("each_subject") {
            None | Some(Json::Bool(false)) => false,
            Some(Json::Bool(true)) => true,
            Some(_) => return Err(Unread::because("expected is true or false").within("each_subject")),
        };
        let caller = Written::deserialize(written)?;
        if caller.token.is_some() || caller.name.is_none() {
            return Err(Unread::because("a name is needed, and no token"));
        }
        let caller = caller.caller(String::new).map_err(Unread::because)?;
        Ok(Self { subject: beginning.to_owned(), is_beginning, claims, each_subject, caller })
    }

    fn fits(&self, subject: &str, claims: &Json) -> bool {
        let right = if self.is_beginning { subject.starts_with(&self.subject) } else { subject == self.subject };
        right && self.claims.iter().all(|(name, value)| claims.get(name).is_some_and(|claim| claim.says(value)))
    }
}

/// What is left over is not known.
fn nothing_else(written: &Json) -> Result<(), Unread> {
    match written {
        Json::Object(fields) => {
            fields.first().map_or(Ok(()), |(name, _)| Err(Unread::because("it is not known").within(name)))
        }
        _ => Ok(()),
    }
}

/// Whether what is there comes as it was sent.
fn is_safe(uri: &str) -> bool {
    let local = ["http://localhost:", "http://127.0.0.1:", "http://[::1]:"];
    uri.starts_with("https://") || local.iter().any(|local| uri.starts_with(local)) && !uri.contains('@')
}

/// Keys as they are written down (RFC 7517), as far as they can be wrong here.
fn check_keys(mut set: Json) -> Result<(), Unread> {
    let keys = set.take("keys").map_or(Ok(Vec::new()), Json::list)?;
    if keys.is_empty() {
        return Err(Unread::because("there are no keys"));
    }
    // With a secret that both sides know whoever verifies can sign.
    let public = |key: &Json| ["RSA", "EC", "OKP"].iter().any(|kind| key.get("kty").is_some_and(|kty| kty.says(kind)));
    if !keys.iter().all(|key| public(key) && key.get("d").is_none()) {
        return Err(Unread::because("allowed are public keys only, of the kty RSA, EC or OKP and without d"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = r#"{"subject": "repo:acme/app:*", "role": "candidate", "name": "app"}"#;

    fn issuer(keys: &str, subjects: &str) -> String {
        format!(r#"[{{"issuer": "https://i", "audience": "lessor", {keys}, "subjects": [{subjects}]}}]"#)
    }

    fn rules(subjects: &str) -> Result<Vec<Issuer>, Unread> {
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
            ("[{}]".into(), "number 1.issuer: a string is needed"),
            (issuer(r#""key": 1"#, RULE), "one of jwks_uri and jwks is needed"),
            (issuer(&format!("{keys}, \"surprise\": 1"), RULE), "number 1.surprise: it is not known"),
            (issuer(keys, &rule(r#", "token": "secret-of-somebody-1234""#)), "a name is needed, and no token"),
            (issuer(keys, r#"{"subject": "s", "role": "read"}"#), "a name is needed, and no token"),
            (issuer(keys, ""), "number 1: subjects: there are none"),
            (issuer(r#""jwks": null"#, RULE), "number 1.jwks: there are no keys"),
            (issuer(&format!(r#"{keys}, "jwks": {{}}"#), RULE), "one of jwks_uri and jwks is needed"),
            (issuer(r#""jwks_uri": "http://i/keys""#, RULE), "number 1.jwks_uri: allowed is https://, or"),
            (issuer(r#""jwks_uri": "http://localhost.evil/""#, RULE), "jwks_uri: allowed is"),
            (issuer(r#""jwks_uri": "http://localhost:1@evil/""#, RULE), "jwks_uri: allowed is"),
            (issuer(r#""jwks_uri": ["https://i/keys"]"#, RULE), "jwks_uri: allowed is"),
            (issuer(r#""jwks": {"keys": []}"#, RULE), "number 1.jwks: there are no keys"),
            (issuer(r#""jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}"#, RULE), "jwks: allowed are public keys only"),
            (issuer(r#""jwks": {"keys": [{"kty": "EC", "d": "AAAA"}]}"#, RULE), "and without d"),
            (issuer(keys, &rule(r#", "surprise": 1"#)), "number 1.subjects: unknown field `surprise`"),
            (issuer(keys, &rule(r#", "prefixes": ["a\tb"]"#)), "a prefix has a tab"),
            (issuer(keys, &RULE.replace("candidate", "boss")), "subjects.role: unknown variant `boss`"),
            (issuer(keys, &RULE.replace("\"app\"", "\"a b\"")), "a name is not 1 to 64 letters"),
            (issuer(keys, &RULE.replace("app:*", "*:x")), "subjects.subject: allowed is a * at its end only"),
            (issuer(keys, &RULE.replace("acme/app:*", "acme*")), "after what ends a name, such as : or /"),
            (issuer(keys, &rule(r#", "each_subject": 1"#)), "each_subject: expected is true or false"),
            (issuer(keys, &rule(r#", "claims": {"ref": ["main"]}"#)), "claims.ref: expected is a string"),
            (
                issuer(keys, &RULE.replace("repo:acme/app:*", "")),
                "subjects.subject: a string is needed that is not empty",
            ),
        ] {
            let error = Issuer::read(&setting).unwrap_err().to_string();
            assert!(error.contains(says), "{setting}: {error}");
        }
        let one = issuer(keys, RULE);
        let twice = format!("[{0}, {0}]", one.trim_matches(['[', ']']));
        assert!(
            Issuer::read(&twice).unwrap_err().to_string().starts_with("number 2: an issuer and audience"),
            "{twice}"
        );
        for local in ["http://localhost:8/keys", "http://127.0.0.1:1", "http://[::1]:8/", "https://i"] {
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
            (r#"{"sub": "evil:repo:acme/app:ref:main"}"#, None),
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
