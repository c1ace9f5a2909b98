//! Copies of a web service that share a file.

use tempfile::tempdir;

use crate::http::{address, get};
use crate::program::{Program, until};

/// R9, R16: both answer and are ready, whoever leads; SIGTERM hands over at once.
#[test]
fn web_service_hands_over_at_sigterm() {
    let folder = tempdir().unwrap();
    let mut first = Program::start(folder.path(), "web_service", &[]);
    let first_address = address(&mut first);
    first.says("leads in term 1");
    let mut second = Program::start(folder.path(), "web_service", &[]);
    let second_address = address(&mut second);
    until("the second has asked the storage", || get(&second_address, "/health/ready").0 == 200);
    for address in [&first_address, &second_address] {
        assert_eq!(get(address, "/health/live").0, 200);
        assert_eq!(get(address, "/health/ready").0, 200);
        assert_eq!(get(address, "/").1, format!("http://{first_address} leads in term 1\n"));
    }

    first.terminate();
    second.says("leads in term 2");
    assert_eq!(get(&second_address, "/").1, format!("http://{second_address} leads in term 2\n"));
    let (status, lines) = first.end();
    assert!(status.success(), "{status}");
    assert_eq!(lines.last().map(String::as_str), Some("has handed over and ended"), "{lines:#?}");
}

#[test]
fn web_service_explains_its_port() {
    let output = super::run("web_service", &["eighty"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("allowed is a number from 0 to 65535"), "{output:?}");
}
