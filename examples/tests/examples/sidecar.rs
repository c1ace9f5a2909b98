//! Sidecars that share a file.

use tempfile::tempdir;

use crate::http::{address, get};
use crate::program::Program;

/// R3, R16: after the leader's death the other one answers with its own address.
#[test]
fn sidecar_answers_who_leads() {
    let folder = tempdir().unwrap();
    let mut first = Program::start(folder.path(), "sidecar", &["node-a"]);
    let first_address = address(&mut first);
    first.says(r#""leads":true"#);
    let mut second = Program::start(folder.path(), "sidecar", &["node \"b\""]);
    let second_address = address(&mut second);
    second.says(r#""leader":"node-a""#);
    let answer = |address: &str| {
        let (status, body) = get(address, "/");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<serde_json::Value>(&body).unwrap()
    };
    let expected = serde_json::json!({"leader": "node-a", "address": first_address, "term": 1, "leads": false});
    assert_eq!(answer(&second_address), expected);
    assert_eq!(get(&second_address, "/elsewhere").0, 404);

    first.kill();
    second.says(r#""leads":true"#);
    let expected = serde_json::json!({"leader": "node \"b\"", "address": second_address, "term": 2, "leads": true});
    assert_eq!(answer(&second_address), expected);
}
