//! The example of a failover, with its leases in Durable Objects.

use std::process::Command;

use lessor_edge_tests::{CANDIDATE, READER, Setting, Workerd, root};

fn failover(url: &str, token: Option<&str>) -> (bool, String) {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--example", "failover", "--", "--rounds", "1", "--storage", url]);
    command.current_dir(root()).env_remove("LESSOR_TOKEN").envs(token.map(|token| ("LESSOR_TOKEN", token)));
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
    for expected in [&format!("the processes share {}", workerd.url()), "killed", "resigned", "frozen", "refused"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

/// What is missing is named.
#[test]
fn errors_name_what_is_missing() {
    let workerd = Workerd::start(&Setting::default());
    for (url, token, says) in [
        (workerd.url(), None, "LESSOR_TOKEN is not set"),
        (workerd.url(), Some(READER), "candidate"),
        ("http://example.com".into(), Some(CANDIDATE), "this machine"),
        ("postgres://x".into(), Some(CANDIDATE), "https://"),
    ] {
        let (success, said) = failover(&url, token);
        assert!(!success && said.contains(says), "{url}: {said}");
    }
}
