//! What people ask of a service with the program itself.

use std::process::{Command, Stdio};

use lessor_served::{ADMIN, CANDIDATE, Config, READER, Server as _};
use serde_json::{Value, json};

use crate::running::start;

const HOLDER: &str = r#"{"id": "a", "session": "000102030405060708090a0b0c0d0e0f", "ttl_ms": 30000}"#;
const OTHER: &str = r#"{"id": "b", "session": "100102030405060708090a0b0c0d0e0f", "ttl_ms": 30000, "after": 1}"#;

#[test]
fn its_history_and_its_leases() {
    let server = start(&Config::default());
    let post =
        |what: &str, body: &str| server.call("POST", &format!("/v1/keys/k/{what}"), Some(CANDIDATE), Some(body)).json();
    assert_eq!(post("acquire", HOLDER)["granted"]["term"], 1);
    assert!(post("acquire", OTHER)["refused"].is_object());
    let ask = |token: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lessor"));
        command.args(arguments).args(["--output", "json"]).stdin(Stdio::null());
        let output =
            command.env("LESSOR_STORAGE", server.url().replace("://", &format!("://{token}@"))).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (serde_json::from_str::<Value>(&said).unwrap_or(Value::String(said)), output.status.code())
    };
    let (told, code) = ask(READER, &["history", "k"]);
    assert_eq!(code, Some(0), "{told}");
    let change = &told["history"][0];
    assert_eq!(
        (&change["change"], &change["id"], &change["term"]),
        (&json!("granted"), &json!("a"), &json!(1)),
        "{told}"
    );
    assert_eq!((&told["waiting"][0]["id"], told["waiting"][0]["ago_ms"].is_u64()), (&json!("b"), true), "{told}");
    assert_eq!(ask(READER, &["list"]).0["keys"][0]["lease"]["id"], "a");
    // Who may only look takes nothing.
    let (told, code) = ask(READER, &["revoke", "k", "--yes"]);
    assert!(code == Some(123) && told.to_string().contains("forbidden"), "{told}");
    assert_eq!(ask(ADMIN, &["resign", "k", "--of", "a"]).0["term"], 2);
    assert_eq!(ask(READER, &["status", "k"]).0["state"], "held_back");
}
