//! Whose signed tokens are taken, and how their keys are had.

use std::fs;

use lessor_served::issuer::{KeyServer, Pair, Way};
use lessor_served::tokens::{about, claims, issuers};
use lessor_served::{Config, READER};
use serde_json::json;

use crate::running::{Running, Setting, with};

/// Settings are read anew while the issuer does not answer: what was had of it stays known.
#[test]
fn keys_outlive_a_change_of_settings() {
    let (pair, folder) = (Pair::ec(), tempfile::tempdir().unwrap());
    let signer = KeyServer::start(&[pair.public("k")]);
    let [tokens, issued] =
        ["tokens.json", "issuers.json"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let write =
        |name: &str| fs::write(&tokens, json!([{"token": READER, "role": "read", "name": name}]).to_string()).unwrap();
    write("before");
    fs::write(&issued, issuers(json!({"jwks_uri": signer.uri()})).to_string()).unwrap();
    let config = Config { tokens: None, vars: Vec::new() };
    let running = Running::start(Setting { config, ..with(&["--tokens", &tokens, "--issuers", &issued]) });
    let fresh = || about(&running, &pair.sign("k", &claims(json!({}))));
    assert_eq!(fresh().status, 200);

    signer.answers(Way::Hang);
    write("after");
    running.signal("-HUP");
    running.says("the settings were read anew");
    assert_eq!(about(&running, READER).json()["name"], "after");
    let answer = fresh();
    assert_eq!((answer.status, signer.asked()), (200, 1), "{answer:?}");

    // Keys from elsewhere are other keys.
    let other = KeyServer::start(&[Pair::ec().public("k")]);
    fs::write(&issued, issuers(json!({"jwks_uri": other.uri()})).to_string()).unwrap();
    running.signal("-HUP");
    running.says("the settings were read anew");
    assert_eq!(fresh().status, 401);
}

/// A proxy for the way out is not asked for what is on this machine: it would answer with somebody else's keys.
#[test]
fn keys_of_this_machine_come_without_a_proxy() {
    let pair = Pair::ec();
    let (signer, proxy) = (KeyServer::start(&[pair.public("k")]), KeyServer::start(&[Pair::ec().public("k")]));
    let through = proxy.uri().trim_end_matches("/keys").to_owned();
    let mut setting = Setting::default();
    let issued = issuers(json!({"jwks_uri": signer.uri()})).to_string();
    setting.config.vars.extend([("LESSOR_ISSUERS", issued), ("HTTP_PROXY", through.clone()), ("http_proxy", through)]);
    let running = Running::start(setting);
    let answer = about(&running, &pair.sign("k", &claims(json!({}))));
    assert_eq!((answer.status, signer.asked(), proxy.asked()), (200, 1, 0), "{answer:?}");
}
