//! The example of a failover, with its leases in Durable Objects.

use std::process::Command;

use lessor_edge_tests::{CANDIDATE, READER, Setting, Workerd, root};

fn failover(url: &str, token: Option<&str>) -> (bool, String) {
    let url = token.map_or_else(|| url.into(), |token| url.replace("://", &format!("://{token}@")));
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "run",
        "--quiet",
        "-p",
        "lessor-examples",
        "--features",
        "http",
        "--example",
        "failover",
        "--",
        "--rounds",
        "1",
        "--storage",
        &url,
    ]);
    command.current_dir(root());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// Processes of this machine are killed, resign and are frozen; the service judges.
#[test]
fn with_a_lease_service() {
    let workerd = Workerd::start(&Setting::default());
    let (success, said) = failover(&workerd.url(), Some(CANDIDATE));
    println!("{said}");
    assert!(success, "{said}");
    let host = workerd.url().replace("http://", "the processes share ");
    for expected in [&host, "killed", "resigned", "frozen", "refused"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

/// What is missing is named.
#[test]
fn errors_name_what_is_missing() {
    let workerd = Workerd::start(&Setting::default());
    for (url, token, says) in [
        (workerd.url(), None, "https://token@host"),
        (workerd.url(), Some(READER), "candidate"),
        ("http://example.com".into(), Some(CANDIDATE), "this machine"),
        ("oracle://x".into(), Some(CANDIDATE), "oracle://"),
    ] {
        let (success, said) = failover(&url, token);
        assert!(!success && said.contains(says) && !said.contains(CANDIDATE), "{url}: {said}");
    }
}
