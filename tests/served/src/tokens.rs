//! Signed tokens: which are believed, for how long, whose keys, and what those who present others can do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::issuer::{KeyServer, Pair, Way, encoded, now_s, pairs, set_of, short_rsa, with_secret};
use crate::{ADMIN, Answer, CANDIDATE, Config, HARDLY_NOTICED, Server, Socket, Start, median, pause, timed, until};

const ISSUER: &str = "https://token.example.com";
const SUBJECT: &str = "repo:acme/app:ref:refs/heads/main";

/// Those of a good token, but for this.
pub fn claims(change: Value) -> Value {
    let mut claims =
        json!({"iss": ISSUER, "aud": "lessor", "sub": SUBJECT, "ref": "main", "iat": now_s(), "exp": now_s() + 60.0});
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// An issuer with these keys, `jwks` or `jwks_uri`, and subjects of which those of `acme/app` may campaign.
pub fn issuers(keys: Value) -> Value {
    let mut issuer = json!({"issuer": ISSUER, "audience": "lessor", "subjects": [
        {"subject": "repo:acme/app:pull_request", "role": "read", "name": "requests", "prefixes": ["app/"]},
        {"subject": "repo:acme/app:*", "claims": {"ref": "main"}, "role": "candidate", "name": "app", "prefixes": ["app/"]},
    ]});
    for (name, value) in keys.as_object().unwrap() {
        issuer[name] = value.clone();
    }
    json!([issuer])
}

pub(crate) fn setting(issuers: &Value) -> Config {
    let mut setting = Config::default();
    setting.vars.push(("LESSOR_ISSUERS", issuers.to_string()));
    setting
}

/// What a token may.
pub fn about(server: &dyn Server, token: &str) -> Answer {
    server.call("GET", "/v1", Some(token), None)
}

pub(crate) fn is_refused(answer: &Answer, status: u16, says: &str) {
    let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert!(answer.status == status && detail.contains(says), "{status} {says}: {answer:?}");
}

/// With keys in the settings, and without any secret: each kind of key, on each way in.
pub fn good_tokens(start: &Start) {
    let keys: Vec<_> = pairs().iter().map(|pair| pair.public(pair.alg())).collect();
    let server = start(&Config { tokens: None, ..setting(&issuers(json!({"jwks": {"keys": keys}}))) });
    for pair in pairs() {
        let token = pair.sign(pair.alg(), &claims(json!({"aud": ["other", "lessor"], "nbf": now_s() + 5.0})));
        for _ in 0..2 {
            let told = about(&server, &token).json();
            assert_eq!(
                (&told["name"], &told["role"], &told["prefixes"]),
                (&json!("app"), &json!("candidate"), &json!(["app/"]))
            );
            assert!(told["time_left_ms"].as_u64().is_some_and(|left| (50_000..=60_000).contains(&left)), "{told}");
        }
        let claim = json!({"id": pair.alg(), "session": format!("{:032x}", 7), "ttl_ms": 60_000}).to_string();
        let acquire = |key: &str| server.call("POST", &format!("/v1/keys/{key}/acquire"), Some(&token), Some(&claim));
        assert!(acquire(&format!("app%2F{}", pair.alg())).json()["granted"].is_object());
        is_refused(&acquire("other"), 403, "not for this key");
        let revoke = server.call("POST", "/v1/keys/app%2Fx/revoke", Some(&token), Some("{}"));
        is_refused(&revoke, 403, "role is candidate, needed is admin");
        for (header, value) in [
            ("authorization", format!("Bearer {token}")),
            ("sec-websocket-protocol", format!("lessor.v1, lessor.bearer.{token}")),
            ("cf-access-jwt-assertion", token.clone()),
        ] {
            let mut socket = Socket::open(&server, header, &value);
            let heard = socket.ask(r#"{"watch": {"number": 1, "prefixes": ["app/"]}}"#);
            assert_eq!(heard.last().unwrap()["watched"]["number"], 1, "{header}: {heard:?}");
        }
    }
    for pair in pairs() {
        // There is one key of its kind.
        let nameless = pair.sign_parts(&json!({"alg": pair.alg()}).to_string(), &claims(json!({})).to_string());
        assert_eq!(about(&server, &nameless).status, 200);
    }
    let of_request = pairs()[1].sign("ES256", &claims(json!({"sub": "repo:acme/app:pull_request"})));
    assert_eq!(about(&server, &of_request).json()["role"], "read", "the first rule that fits");
}

/// A body that is long is read once it is known who asks.
pub fn long_bodies(start: &Start) {
    let pair = Pair::ec();
    let server = start(&setting(&issuers(json!({"jwks": {"keys": [pair.public("k")]}}))));
    let gets: Vec<_> =
        (0..250).map(|number| json!({"get": {"key": format!("app/{number}{}", "x".repeat(200))}})).collect();
    let body = Value::from(gets).to_string();
    assert!(body.len() > 50_000);
    let token = pair.sign("k", &claims(json!({})));
    let answer = server.call("POST", "/v1/batch", Some(&token), Some(&body));
    assert_eq!(answer.json().as_array().map(Vec::len), Some(250), "{answer:?}");
    is_refused(
        &server.call("POST", "/v1/batch", Some(&format!("{token}x")), Some(&body)),
        401,
        "signature is not right",
    );
}

/// Each is refused, and is told why.
pub fn bad_tokens(start: &Start) {
    let [rsa, ec, ed] = pairs();
    let good = claims(json!({})).to_string();
    let (other, (short, by_short)) = (Pair::ec(), short_rsa("short", &good));
    // Keys that are for something else.
    let for_else = |pair: &Pair, kid: &str, field: &str, value: &str| {
        let mut key = pair.public(kid);
        key[field] = value.into();
        key
    };
    let keys = [
        rsa.public("rsa"),
        ec.public("ec"),
        ed.public("ed"),
        short,
        for_else(rsa, "ps", "alg", "PS256"),
        for_else(ec, "enc", "use", "enc"),
        for_else(ec, "curve", "crv", "P-384"),
        other.public("other"),
    ];
    let server = start(&setting(&issuers(json!({"jwks": {"keys": keys}}))));
    assert_eq!(about(&server, &ec.sign("ec", &claims(json!({})))).status, 200);

    let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid}).to_string();
    let of = |change| ec.sign("ec", &claims(change));
    let public = keys[0].to_string();
    let modulus = keys[0]["n"].as_str().unwrap().as_bytes().to_vec();
    let mut parts: Vec<_> = of(json!({})).split('.').map(str::to_owned).collect();
    let signature = parts.pop().unwrap();
    let admin = encoded(claims(json!({"sub": "repo:acme/app:pull_request"})).to_string());
    for (status, says, token) in [
        (401, "alg is not", format!("{}.{}.", encoded(header("none", "ec")), encoded(&good))),
        (401, "alg is not", format!("{}.{}.{signature}", encoded(header("None", "ec")), encoded(&good))),
        (401, "alg is not", with_secret(public.as_bytes(), &header("HS256", "rsa"), &good)),
        (401, "alg is not", with_secret(&modulus, &header("HS256", "rsa"), &good)),
        (401, "key is not known", with_secret(&modulus, &header("RS256", "ec"), &good)),
        (401, "signature is not right", with_secret(&modulus, &header("RS256", "rsa"), &good)),
        (401, "signature is not right", ec.sign_parts(&header("EdDSA", "ed"), &good)),
        (401, "signature is not right", ed.sign_parts(&header("ES256", "ec"), &good)),
        (401, "signature is not right", other.sign("ec", &claims(json!({})))),
        (401, "signature is not right", format!("{}.{admin}.{signature}", parts[0])),
        (401, "signature is not right", format!("{}.", parts.join("."))),
        (401, "signature is not right", format!("{}.A", parts.join("."))),
        (401, "key is not known", by_short),
        (401, "key is not known", rsa.sign("ps", &claims(json!({})))),
        (401, "key is not known", ec.sign("enc", &claims(json!({})))),
        (401, "key is not known", ec.sign("curve", &claims(json!({})))),
        (401, "key is not known", ec.sign_parts(r#"{"alg": "ES256"}"#, &good)),
        (401, "key is not known", ec.sign("nobodys", &claims(json!({})))),
        (401, "not known here", ec.sign_parts(r#"{"alg": "ES256", "kid": "ec", "crit": ["exp"]}"#, &good)),
        (401, "not known here", ec.sign_parts(r#"{"alg": "ES256", "kid": 7}"#, &good)),
        // A key that comes along with the token is nobody's.
        (401, "key is not known", {
            let own = json!({"alg": "ES256", "kid": "own", "jwk": other.public("own"), "jku": "http://127.0.0.1:9/"});
            other.sign_parts(&own.to_string(), &good)
        }),
        (401, "issuer is not known", of(json!({"iss": "https://token.example.com/"}))),
        (401, "another audience", of(json!({"aud": "lessor2"}))),
        (401, "another audience", of(json!({"aud": ["a", "b"]}))),
        (401, "has expired", of(json!({"exp": now_s() - 1.0}))),
        (401, "not valid yet", of(json!({"nbf": now_s() + 60.0}))),
        (401, "no exp", of(json!({"exp": null}))),
        (403, "none that LESSOR_ISSUERS lets in", of(json!({"sub": "repo:evil/app:ref:refs/heads/main"}))),
        (403, "none that LESSOR_ISSUERS lets in", of(json!({"ref": "other"}))),
        (401, "too long", of(json!({"more": "x".repeat(9_000)}))),
        (401, "not JSON", "e30.!.".replace('!', &encoded("no json"))),
        (401, "not valid", "a.b.c.d".into()),
        (401, "not valid", "no-token-of-anybody-0123456789".into()),
    ] {
        is_refused(&about(&server, &token), status, says);
    }
    // Of two claims of one name the last one counts, as RFC 7519 says; for all that is decided.
    let twice = |first: &str, last: &str| {
        let subject = |subject: &str| format!("\"sub\": \"{subject}\",");
        let rest = good.trim_start_matches('{');
        let rest = rest.replace(&format!("\"sub\":\"{SUBJECT}\""), "\"x\":0");
        ec.sign_parts(&header("ES256", "ec"), &format!("{{{}{}{rest}", subject(first), subject(last)))
    };
    is_refused(&about(&server, &twice(SUBJECT, "repo:evil/app:x")), 403, "lets in");
    assert_eq!(about(&server, &twice("repo:evil/app:x", SUBJECT)).json()["name"], "app");
    // A token of the secrets is as good as before.
    assert_eq!(about(&server, ADMIN).json()["role"], "admin");
}

/// What Access sends along for a browser, whichever page asked for it, lets in pages of the service itself only.
pub fn pages_of_others_have_no_assertion(start: &Start) {
    let pair = Pair::ec();
    let server = start(&setting(&issuers(json!({"jwks": {"keys": [pair.public("k")]}}))));
    let token = pair.sign("k", &claims(json!({})));
    let ask = |headers: &[(&str, &str)]| {
        let mut request = ureq::http::Request::builder().uri(format!("{}/v1", server.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        agent.run(request.body(()).unwrap()).unwrap().status().as_u16()
    };
    let assertion = ("cf-access-jwt-assertion", &*token);
    let bearer = format!("Bearer {token}");
    assert_eq!(ask(&[assertion]), 200);
    assert_eq!(ask(&[assertion, ("origin", &server.url())]), 200);
    assert_eq!(ask(&[assertion, ("origin", "https://evil.example.com")]), 401);
    assert_eq!(ask(&[assertion, ("origin", "null")]), 401);
    assert_eq!(
        ask(&[("authorization", &bearer), ("origin", "https://evil.example.com")]),
        200,
        "who has a token says so"
    );
    assert_eq!(ask(&[("authorization", "Bearer nobodys"), assertion]), 401, "and is asked for that one");
    let nobodys = ("sec-websocket-protocol", "lessor.v1, lessor.bearer.nobodys");
    assert_eq!(ask(&[nobodys, assertion]), 401, "nor is a socket another's");
}

/// A key that is new is asked for, and not again and again because somebody names one that is none.
pub fn keys_rotate(start: &Start) {
    let (old, new) = (Pair::ec(), Pair::ed());
    let signer = KeyServer::start(&[old.public("old")]);
    let server = start(&setting(&issuers(json!({"jwks_uri": signer.uri()}))));
    for _ in 0..3 {
        assert_eq!(about(&server, &old.sign("old", &claims(json!({})))).status, 200);
    }
    assert_eq!(signer.asked(), 1, "they are kept");

    signer.answers(set_of(&[old.public("old"), new.public("new")]));
    let token = new.sign("new", &claims(json!({})));
    let first = until("the new key is known", || {
        let answer = about(&server, &token);
        if answer.status == 503 {
            assert_eq!((&answer.json()["type"], answer.header("retry-after")), (&json!("unverifiable"), Some("1")));
        }
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(first.json()["name"], "app");
    assert_eq!(signer.asked(), 2);
    assert_eq!(about(&server, &old.sign("old", &claims(json!({})))).status, 200);

    // At most once in three seconds, whatever comes.
    let before = (signer.asked(), now_s());
    let mut statuses = [0; 2];
    for number in 0..300 {
        let answer = about(&server, &new.sign(&format!("none-{number}"), &claims(json!({}))));
        statuses[usize::from(answer.status == 503)] += 1;
        assert!(matches!(answer.status, 401 | 503), "{answer:?}");
    }
    let (asked, took) = (signer.asked() - before.0, now_s() - before.1);
    assert!(asked as f64 <= took / 3.0 + 1.0 && statuses[0] <= asked, "{asked} times in {took} s, {statuses:?}");
}

/// An issuer that cannot be reached is nobody's fault who asks; and whoever has nothing to do with it notices nothing.
pub fn key_servers_that_fail(start: &Start) {
    let pair = Pair::ec();
    let good = json!({"keys": [pair.public("k")]}).to_string();
    let signer = KeyServer::start(&[]);
    for (way, says) in [
        (Way::Hang, "says nothing"),
        (Way::Stall, "does not go on"),
        (Way::Answer(500, good.clone()), "fails"),
        (Way::Answer(302, good.clone()), "is elsewhere"),
        (Way::Answer(200, "<html>".into()), "is something else"),
        (Way::Answer(200, format!("{{\"keys\": {}}}", "1".repeat(600_000))), "is endless"),
        (Way::Answer(200, json!({"keys": {"k": 1}}).to_string()), "answers with no list"),
    ] {
        let waits = matches!(way, Way::Hang | Way::Stall);
        signer.answers(way);
        let server = start(&setting(&issuers(json!({"jwks_uri": signer.uri()}))));
        let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        let others = thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    assert_eq!(about(&server, CANDIDATE).status, 200);
                    answered.fetch_add(1, Ordering::SeqCst);
                    pause(Duration::from_millis(20));
                }
            });
            for _ in 0..2 {
                let answer = about(&server, &pair.sign("k", &claims(json!({}))));
                is_refused(&answer, 503, "the token's key is not among those");
            }
            let others = answered.load(Ordering::SeqCst);
            if !waits {
                // What is refused at once may be over before the others have begun.
                until("another is answered", || (answered.load(Ordering::SeqCst) > 0).then_some(()));
            }
            over.store(true, Ordering::SeqCst);
            others
        });
        println!("while the server {says} {others} others were answered");
        assert!(!waits || others > 20, "{others} others were answered");
        // Once it answers again all is well, without anything being done.
        signer.answers(Way::Answer(200, good.clone()));
        until("the keys are there", || {
            (about(&server, &pair.sign("k", &claims(json!({})))).status == 200).then_some(())
        });
        // What is known stays known when it is gone.
        signer.answers(Way::Hang);
        assert_eq!(about(&server, &pair.sign("k", &claims(json!({})))).status, 200);
    }

    // Slowly, to many at once who all wait for the one answer.
    signer.answers(Way::Slow(Duration::from_secs(2), good));
    let server = start(&setting(&issuers(json!({"jwks_uri": signer.uri()}))));
    let before = signer.asked();
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(about(&server, &pair.sign("k", &claims(json!({})))).status, 200));
        }
    });
    assert_eq!(signer.asked() - before, 1);
}

/// A socket ends with its token, and not before.
pub fn sockets_end(start: &Start) {
    let pair = Pair::ec();
    let server = start(&setting(&issuers(json!({"jwks": {"keys": [pair.public("k")]}}))));
    let open = |left_s: f64| {
        let ends = now_s() + left_s;
        let token = pair.sign("k", &claims(json!({"exp": ends})));
        (Socket::of(&server, &token), ends)
    };
    // Those first that need not hurry.
    let mut plain = Socket::of(&server, CANDIDATE);
    let (mut long, mut short, mut shorter) = (open(600.0), open(7.0), open(5.0));
    let watch = r#"{"watch": {"number": 1, "keys": ["app/k"]}}"#;
    assert_eq!(shorter.0.ask(watch).len(), 2);
    for (socket, ends) in [&mut shorter, &mut short] {
        assert_eq!(socket.try_hear(), Err(4401));
        let late = now_s() - *ends;
        assert!(late > -0.01, "{late} s late");
    }
    assert_eq!(long.0.ask(watch).len(), 2, "the others stay");
    assert_eq!(plain.ask(watch).len(), 2);
}

/// One alarm after the other.
pub fn sockets_end_again_and_again(start: &Start) {
    let pair = Pair::ec();
    let server = start(&setting(&issuers(json!({"jwks": {"keys": [pair.public("k")]}}))));
    for _ in 0..3 {
        // On a slow machine a token may be over before it is looked at.
        let mut socket = until("a socket is open while its token lasts", || {
            let token = pair.sign("k", &claims(json!({"exp": now_s() + 1.5})));
            let opened = Socket::try_open(&server, "authorization", &format!("Bearer {token}"));
            opened.inspect_err(|status| assert_eq!(*status, 401)).ok()
        });
        assert_eq!(socket.try_hear(), Err(4401));
    }
}

/// What is used is counted under the name of the rule; or for each subject by itself.
pub fn limits(start: &Start) {
    let pair = Pair::ec();
    let mut issuers = issuers(json!({"jwks": {"keys": [pair.public("k")]}}));
    let rule = |subject: &str, each| json!({"subject": subject, "role": "candidate", "name": "ci", "each_subject": each, "limits": {"requests": 6, "keys": 1}});
    issuers[0]["subjects"] = json!([rule("together:*", false), rule("apart:*", true)]);
    let server = start(&setting(&issuers));
    let claim = json!({"id": "a", "session": format!("{:032x}", 7), "ttl_ms": 60_000}).to_string();
    let acquire = |subject: &str, key: &str| {
        // Each time another token.
        let token = pair.sign("k", &claims(json!({"sub": subject, "jti": now_s()})));
        server.call("POST", &format!("/v1/keys/{key}/acquire"), Some(&token), Some(&claim))
    };
    assert_eq!(acquire("together:1", "t1").status, 200);
    is_refused(&acquire("together:2", "t2"), 429, "1 keys, allowed are 1");
    assert_eq!(acquire("apart:1", "a1").status, 200);
    is_refused(&acquire("apart:1", "a1b"), 429, "1 keys, allowed are 1");
    assert_eq!(acquire("apart:2", "a2").status, 200, "it has keys of its own");
    for _ in 0..4 {
        assert_eq!(acquire("together:3", "t1").status, 200);
    }
    is_refused(&acquire("together:1", "t1"), 429, "requests are used up: 6 a minute");
    assert_eq!(acquire("apart:2", "a2").status, 200);
}

/// Whoever has no token asks and asks, and nobody who leads notices.
pub fn a_thousand_hostile_tokens(start: &Start) {
    let pair = Pair::ec();
    let signer = KeyServer::start(&[pair.public("k")]);
    let server = start(&setting(&issuers(json!({"jwks_uri": signer.uri()}))));
    let claim = |term: Option<u64>| {
        let mut claim = json!({"id": "a", "session": format!("{:032x}", 7), "ttl_ms": 10_000});
        term.inspect(|term| claim["term"] = (*term).into());
        claim.to_string()
    };
    let ask = |operation: &str, term| {
        let token = pair.sign("k", &claims(json!({})));
        server.call("POST", &format!("/v1/keys/app%2Fled/{operation}"), Some(&token), Some(&claim(term)))
    };
    let granted = ask("acquire", None).json();
    let term = granted["granted"]["term"].as_u64();
    assert!(term.is_some(), "{granted}");

    let hostile = |number: usize| match number % 8 {
        0 => Pair::ec().sign("k", &claims(json!({"sub": "repo:acme/app:admin"}))),
        1 => pair.sign(&format!("none-{number}"), &claims(json!({}))),
        2 => with_secret(b"k", r#"{"alg": "HS256", "kid": "k"}"#, &claims(json!({})).to_string()),
        3 => format!("{}.{}.{}", "A".repeat(number * 3), encoded("{}"), "B".repeat(100)),
        4 => pair.sign("k", &claims(json!({"exp": now_s() - 1.0, "number": number}))),
        5 => pair.sign("k", &claims(json!({"sub": "repo:evil/app:x", "number": number}))),
        6 => pair.sign_parts(r#"{"alg": "ES256", "kid": "k\n\"one\nkey/led\nforget"}"#, &claims(json!({})).to_string()),
        _ => format!("{}.{}.{}", encoded(r#"{"alg":"ES256","kid":"k"}"#), encoded(format!("[{number}")), encoded("x")),
    };
    let over = AtomicBool::new(false);
    let counts = thread::scope(|scope| {
        let attackers: Vec<_> = (0..4)
            .map(|of| {
                let (server, hostile) = (&server, &hostile);
                scope.spawn(move || {
                    let mut statuses = std::collections::BTreeMap::new();
                    for number in (of..1_000).step_by(4) {
                        let status = about(server, &hostile(number)).status;
                        assert!(matches!(status, 401 | 403 | 503), "number {number}: {status}");
                        *statuses.entry(status).or_insert(0) += 1;
                    }
                    statuses
                })
            })
            .collect();
        let leader = scope.spawn(|| {
            let mut renewals = Vec::new();
            loop {
                let (answer, took) = timed(|| ask("renew", term));
                assert!(answer.status == 200 && answer.json()["extended"].is_object(), "the term is lost: {answer:?}");
                renewals.push(took);
                if over.load(Ordering::SeqCst) {
                    return renewals;
                }
                pause(Duration::from_millis(300));
            }
        });
        let counts: Vec<_> = attackers.into_iter().map(|attacker| attacker.join().unwrap()).collect();
        over.store(true, Ordering::SeqCst);
        let took = median(leader.join().unwrap());
        assert!(took < HARDLY_NOTICED, "a renewal takes {took:?}");
        counts
    });
    println!("{counts:?}");
    assert!(ask("renew", term).json()["extended"].is_object());
}
