//! Signed tokens in real workerd: which are believed, for how long, whose keys, and what those who present others can do.

mod clients;

use lessor_edge_tests::{ADMIN, Setting, Workerd, until};
use lessor_served::issuer::{KeyServer, Pair, Way, now_s, set_of};
use lessor_served::tokens::{about, claims, issuers};
use serde_json::{Value, json};

lessor_served::tokens!(lessor_edge_tests::start);

fn setting(issuers: &Value) -> Setting {
    let mut setting = Setting::default();
    setting.vars.push(("LESSOR_ISSUERS", issuers.to_string()));
    setting
}

/// A service whose settings say what cannot be meant serves nobody, whoever has a token.
#[test]
fn broken_settings() {
    let keys = json!({"jwks": {"keys": [Pair::ec().public("k")]}});
    let mut wide = issuers(keys.clone());
    wide[0]["subjects"][0]["subject"] = "repo:acme*".into();
    let mut unsafe_uri = issuers(json!({"jwks_uri": "http://keys.example.com"}));
    unsafe_uri[0]["audience"] = "lessor".into();
    for broken in [wide, unsafe_uri, json!([{}]), json!("no array")] {
        let workerd = Workerd::start(&setting(&broken));
        for path in ["/v1", "/"] {
            let answer = workerd.call("GET", path, Some(ADMIN), None);
            assert_eq!((answer.status, &answer.json()["type"]), (503, &json!("unconfigured")), "{broken}: {answer:?}");
        }
    }
}

/// Keys are asked for anew by themselves; those of an issuer that does not answer are used for a day; what it takes back is not. The times are shorter here.
#[test]
fn keys_grow_old() {
    let (old, new) = (Pair::ec(), Pair::ed());
    let server = KeyServer::start(&[old.public("old")]);
    let start = |fresh, lasting| {
        let mut setting = setting(&issuers(json!({"jwks_uri": server.uri()})));
        setting.changed = vec![
            ("FRESH_MS = 600_000", fresh),
            ("LASTING_MS = 86_400_000", lasting),
            ("PAUSE_MS = 3_000", "PAUSE_MS = 100"),
        ];
        Workerd::start(&setting)
    };
    let by = |workerd: &Workerd, pair: &Pair, kid: &str| {
        about(workerd, &pair.sign(kid, &claims(json!({"jti": now_s()})))).status
    };

    let workerd = start("FRESH_MS = 200", "LASTING_MS = 86_400_000");
    assert_eq!(by(&workerd, &old, "old"), 200);
    for way in [Way::Hang, Way::Answer(500, String::new()), Way::Answer(200, "{}".into())] {
        let asked = server.asked();
        server.answers(way);
        until("it was asked anew, and in vain", || {
            assert_eq!(by(&workerd, &old, "old"), 200, "the old keys do");
            (server.asked() > asked).then_some(())
        });
        assert_eq!(by(&workerd, &old, "old"), 200);
    }
    server.answers(set_of(&[new.public("new")]));
    until("the old key is taken back", || (by(&workerd, &old, "old") == 401).then_some(()));
    assert_eq!(by(&workerd, &new, "new"), 200);

    let workerd = start("FRESH_MS = 200", "LASTING_MS = 1_500");
    assert_eq!(by(&workerd, &new, "new"), 200);
    server.answers(Way::Answer(500, String::new()));
    assert_eq!(by(&workerd, &new, "new"), 200);
    until("they are too old", || (by(&workerd, &new, "new") == 503).then_some(()));
}
