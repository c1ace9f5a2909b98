use super::*;

const NOW_MS: f64 = 1.8e12;

fn signed() -> Signed {
    let rule = r#"{"subject": "s:*", "role": "candidate", "name": "n"}"#;
    let issuer = |audience: &str| {
        format!(
            r#"{{"issuer": "https://i", "audience": "{audience}", "jwks_uri": "https://i/keys", "subjects": [{rule}]}}"#
        )
    };
    Signed::read(Some(&format!("[{}, {}]", issuer("a"), issuer("b")))).unwrap()
}

fn encoded(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<_> = text.bytes().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let letter = |six: &[u8]| {
        let value = (0..6).fold(0, |value, place| value << 1 | six.get(place).copied().unwrap_or_default());
        char::from(LETTERS[usize::from(value)])
    };
    bits.chunks(6).map(letter).collect()
}

fn token(header: &str, claims: &str) -> String {
    format!("{}.{}.c2lnbmVk", encoded(header), encoded(claims))
}

const HEADER: &str = r#"{"alg": "ES256", "kid": "k"}"#;
const CLAIMS: &str = r#"{"iss": "https://i", "aud": "b", "sub": "s:1", "exp": 1800000010}"#;

#[test]
fn base64url() {
    for text in ["", "f", "fo", "foo", "foob", "fooba", "foobar", "\u{fff}~?>"] {
        assert_eq!(decoded(&encoded(text)).as_deref(), Some(text.as_bytes()));
    }
    for bad in ["A", "AAAAA", "A=", "AA==", "A+", "A/", " AA", "\u{e9}"] {
        assert_eq!(decoded(bad), None, "{bad}");
    }
}

/// What is wrong is told, and no setting is.
#[test]
fn before_it_is_verified() {
    let signed = signed();
    let good = token(HEADER, CLAIMS);
    let unverified = signed.unverified(&good, NOW_MS).unwrap();
    assert_eq!((unverified.issuer, unverified.alg, unverified.kid.as_deref()), (1, "ES256", Some("k")));
    let header = |header: &str| token(header, CLAIMS);
    let claims = |from: &str, to: &str| {
        assert!(CLAIMS.contains(from));
        token(HEADER, &CLAIMS.replace(from, to))
    };
    for (token, says) in [
        ("secret-of-nobody-0123456789".into(), "not valid"),
        ("a.b".into(), "not valid"),
        ("a.b.c.d".into(), "not valid"),
        (good.replace('c', "+"), "not valid"),
        (format!("e30.{}.AA", "A".repeat(9_000)), "too long"),
        ("..".into(), "not JSON in base64url"),
        ("e30.W10.AA".into(), "not JSON in base64url"),
        ("_w.e30.AA".into(), "not JSON in base64url"),
        (header("{}"), "alg is not"),
        (header(r#"{"alg": "none"}"#), "alg is not"),
        (header(r#"{"alg": "HS256"}"#), "alg is not"),
        (header(r#"{"alg": ["ES256"]}"#), "alg is not"),
        (header(r#"{"alg": "es256"}"#), "alg is not"),
        (header(r#"{"alg": "ES256", "crit": ["b64"], "b64": false}"#), "what is not known here"),
        (header(r#"{"alg": "ES256", "kid": ["k"]}"#), "what is not known here"),
        (claims("https://i", "https://j"), "issuer is not known"),
        (claims(r#""https://i""#, r#"["https://i"]"#), "issuer is not known"),
        (claims(r#""b""#, r#""c""#), "another audience"),
        (claims(r#""aud": "b", "#, ""), "another audience"),
        (claims(r#""b""#, r#"["c", ["b"]]"#), "another audience"),
        (claims(r#", "exp": 1800000010"#, ""), "no exp"),
        (claims("1800000010", r#""1800000010""#), "no exp"),
        (claims("1800000010", "1800000000"), "has expired"),
        (claims("1800000010", "-1"), "has expired"),
        (claims("1800000010", r#"1800000010, "nbf": 1800000031"#), "not valid yet"),
        (claims("1800000010", r#"1800000010, "nbf": "0""#), "not valid yet"),
    ] {
        let problem = signed.unverified(&token, NOW_MS).unwrap_err();
        assert!(problem.status == 401 && problem.detail.contains(says), "{says}: {problem}");
        assert_eq!(signed.verified(&token, NOW_MS).unwrap_err().detail, problem.detail, "nor is it taken");
    }
    for good in [
        claims(r#""b""#, r#"["c", "b"]"#),
        claims("1800000010", r#"1800000010, "nbf": 1800000029"#),
        claims("1800000010", "1800000000.5"),
    ] {
        assert!(signed.unverified(&good, NOW_MS).is_ok(), "{good}");
    }
    let nobodys = Signed::read(None).unwrap();
    assert!(nobodys.unverified(&good, NOW_MS).unwrap_err().detail.contains("not valid"), "nobody may sign");
}

/// From when it was verified until it ends.
#[test]
fn known_for_a_while() {
    let signed = signed();
    let good = token(HEADER, CLAIMS);
    let known = |token: &str, now_ms| signed.known(&fingerprint(token), now_ms).map(|caller| caller.name.clone());
    assert_eq!(known(&good, NOW_MS), None);
    signed.verified(&good, NOW_MS).unwrap();
    assert_eq!(known(&good, NOW_MS + 9_999.0), Some("n".into()));
    assert_eq!(known(&good, NOW_MS + 10_000.0), None);
    let other = token(HEADER, &CLAIMS.replace("s:1", "t:1"));
    assert_eq!(signed.verified(&other, NOW_MS).unwrap_err().status, 403);
    assert_eq!(known(&other, NOW_MS), None);
}

/// Also in its last millisecond, where it ends within one: whoever is valid once he was verified is known, or he would be asked again.
#[test]
fn as_long_known_as_valid() {
    let signed = signed();
    let good = token(HEADER, &CLAIMS.replace("1800000010", "1800000010.0006"));
    let at = |ms: f64| NOW_MS + 10_000.0 + ms;
    signed.verified(&good, NOW_MS).unwrap();
    let known = |now_ms| signed.known(&fingerprint(&good), now_ms).is_some();
    for tenth in -20..20 {
        let now_ms = at(f64::from(tenth) / 10.0);
        assert_eq!(signed.unverified(&good, now_ms).is_ok(), known(now_ms), "{now_ms}");
    }
    assert!(known(at(-1.0)) && !known(at(1.0)));
}

/// There is room for new ones: those that have ended go, or all.
#[test]
fn not_endlessly_many() {
    let signed = signed();
    let number = |number: usize| token(HEADER, &CLAIMS.replace("1800000010", &(1_800_000_010 + number).to_string()));
    let count = || signed.known.borrow().len();
    for place in 0..KNOWN {
        signed.verified(&number(place), NOW_MS).unwrap();
    }
    assert_eq!(count(), KNOWN);
    signed.verified(&number(KNOWN), NOW_MS + 1_010_000.0).unwrap();
    assert_eq!(count(), KNOWN - 1_000, "1,001 had ended");
    for place in KNOWN + 1..=KNOWN + 1_001 {
        signed.verified(&number(place), NOW_MS).unwrap();
    }
    assert_eq!(count(), 1);
    let newest = fingerprint(&number(KNOWN + 1_001));
    assert!(signed.known(&newest, NOW_MS).is_some());
}
