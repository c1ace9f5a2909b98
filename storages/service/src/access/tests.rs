use lessor::Key;

use super::*;
use crate::caller::{Limits, Owner, Role};

const SECRET: &str = r#"[
    {"token": "reader-0123456789-abcdef", "role": "read"},
    {"token": "worker-0123456789-abcdef", "role": "candidate", "prefixes": ["team-a/", "team-b/"]}
]"#;

fn tokens() -> Tokens {
    Tokens::read([Some(SECRET), None], None).expect("they are valid")
}

fn asker<'a>(tokens: &'a Tokens, authorization: &'a str) -> Asker<'a> {
    match tokens.given(Some(authorization), 0.0) {
        Ok(Given::Known(asker)) => asker,
        other => panic!("{other:?}"),
    }
}

fn status<T>(result: Result<T, Problem>) -> u16 {
    result.err().map_or(200, |problem| problem.status)
}

#[test]
fn a_token_says_who_asks() {
    let tokens = tokens();
    assert_eq!(asker(&tokens, "Bearer reader-0123456789-abcdef").caller().role, Role::Read);
    assert_eq!(asker(&tokens, "bearer worker-0123456789-abcdef").caller().role, Role::Candidate);
    for bad in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some("Basic reader-0123456789-abcdef"),
        Some("Bearer reader"),
        Some("Bearer e30.e30.AAAA"),
    ] {
        assert_eq!(status(tokens.given(bad, 0.0)), 401, "{bad:?}");
    }
}

#[test]
fn roles_and_prefixes_limit() {
    let [a, b] = ["team-a/x", "team-c/x"].map(|key| Key::new(key).unwrap());
    let tokens = tokens();
    let [reader, worker] = ["reader", "worker"].map(|name| format!("Bearer {name}-0123456789-abcdef"));
    let (reader, worker) = (asker(&tokens, &reader), asker(&tokens, &worker));
    let (reader, worker) = (reader.caller(), worker.caller());
    assert_eq!([status(reader.may(Role::Read, &b)), status(reader.may(Role::Candidate, &b))], [200, 403]);
    assert_eq!([status(worker.may(Role::Candidate, &a)), status(worker.may(Role::Read, &b))], [200, 403]);
    assert_eq!(status(worker.may(Role::Admin, &a)), 403);
}

#[test]
fn without_tokens_nothing_is_served() {
    let short = "[{\"token\": \"short\", \"role\": \"admin\"}]";
    for secrets in [[None, None], [Some("[]"), None], [Some("{}"), None], [Some(SECRET), Some(short)]] {
        for issuers in [None, Some("[]")] {
            assert!(Tokens::read(secrets, issuers).unwrap_err().starts_with("LESSOR_TOKENS"), "{secrets:?}");
        }
    }
    let error = Tokens::read([Some(SECRET), None], Some("[{}]")).unwrap_err();
    assert_eq!(error, "LESSOR_ISSUERS: number 1.issuer: a string is needed that is not empty");
}

/// What is wrong is named, with its place and what is allowed; what may be a secret is not.
#[test]
fn complaints() {
    let good = r#"{"token": "reader-0123456789-abcdef", "role": "read"}"#;
    for (second, says) in [
        (
            r#"{"token": "s3cret-0123456789-abcdef", "roles": "read"}"#,
            "unknown field `roles`, expected one of `token`, `role`",
        ),
        (r#"{"s3cret-0123456789-abcdef": "token"}"#, "unknown field, expected one of `token`, `role`"),
        (r#"{"s3cret`, expected x": "token"}"#, "unknown field, expected one of `token`, `role`"),
        (r#"{"token": "x", "role": "s3cret-0123456789-abcdef"}"#, ".role: unknown variant, expected one of `read`"),
        (r#"{"token": "x", "role": "boss"}"#, ".role: unknown variant `boss`, expected one of `read`"),
        (r#"{"token": "s3cret-0123456789-abcdef"}"#, ": missing field `role`"),
        (r#"{"token": "s3cret", "role": "read"}"#, ".token: a token has less than 20 characters"),
        (
            r#"{"token": "s3cret-0123456789-abcdef", "role": "read", "limits": {"keys": "x"}}"#,
            ".limits.keys: it is a string",
        ),
        (r#"{"token": "s3cret-0123456789-abcdef", "role": "read", "name": "a b"}"#, ": a name is not 1 to 64 letters"),
        (good, ": it is the token of number 1, and each is allowed once"),
    ] {
        for (place, name) in [(0, "LESSOR_TOKENS"), (1, "LESSOR_TOKENS_NEXT")] {
            let secret = format!("[{good}, {second}]");
            let mut secrets = [None, None];
            secrets[place] = Some(&*secret);
            let error = Tokens::read(secrets, None).unwrap_err();
            assert!(error.starts_with(&format!("{name}: number 2")) && error.contains(says), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
    assert!(Tokens::read([Some(&format!("[{good}]")), Some(&format!("[{good}]"))], None).is_ok(), "it moves over");
}

/// The name outlives the token; without one it is the token's own.
#[test]
fn names_and_limits() {
    let read = |more: &str| {
        let secret = format!(r#"[{{"token": "reader-0123456789-abcdef", "role": "read"{more}}}]"#);
        Tokens::read([Some(&secret), None], None)
    };
    let caller = |more| read(more).map(|tokens| tokens.tokens.into_iter().next().unwrap().caller);
    assert_eq!(caller("").unwrap().name.len(), 16);
    assert_eq!(caller("").unwrap().limits, Limits::default());
    let named = caller(r#", "name": "ci", "limits": {"keys": 3}"#).unwrap();
    let owner = Owner { name: "ci", keys: Some(3), ahead: Some(1_000_000) };
    assert_eq!((Owner::read(&named.owner()), named.limits.sockets), (owner, 1_000));
    assert_eq!(Owner::read(""), Owner::default());
    for bad in [r#", "name": """#, r#", "name": "a b""#, r#", "limits": {"key": 3}"#, r#", "limits": {"keys": -3}"#] {
        assert!(caller(bad).is_err(), "{bad}");
    }
}

#[test]
fn requests_are_counted() {
    let tokens = tokens();
    let asker = asker(&tokens, "Bearer reader-0123456789-abcdef");
    assert!(asker.spend(60_000, 1e12).is_ok());
    let problem = asker.spend(1, 1e12).unwrap_err();
    assert_eq!((problem.status, problem.retry_after_ms), (429, Some(1)));
    assert!(asker.spend(1, 1e12 + 1.0).is_ok());
}

/// A browser's socket carries the token among its sub-protocols.
#[test]
fn a_token_of_a_socket() {
    assert_eq!(token_of("lessor.v1, lessor.bearer.a%2Fb"), Some("Bearer a/b".into()));
    assert_eq!(token_of("lessor.v1"), None);
}
