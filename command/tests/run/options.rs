//! What can be asked for, and what is said of the rest.

use std::process::Command;

use crate::process::{LESSOR, err, out};

#[test]
fn wrong_options_are_explained() {
    let wrong = |args: &[&str], expected: &str| {
        let output = Command::new(LESSOR).arg("run").args(args).env_remove("LESSOR_STORAGE").output().unwrap();
        assert_eq!(output.status.code(), Some(120), "{args:?} {output:?}");
        assert!(err(&output).contains(expected), "{args:?} {output:?}");
    };
    let long = "k".repeat(257);
    for (option, given, allowed) in [
        ("--key", "", "1 to 256 bytes"),
        ("--key", &long, "1 to 256 bytes"),
        ("--id", "a\nb", "1 to 128 bytes"),
        ("--ttl", "10ms", "500ms to 24h"),
        ("--ttl", "soon", "500ms to 24h"),
        ("--ttl", "-1s", "500ms to 24h"),
        ("--wait", "ever", "any"),
        ("--timeout", "1x", "any"),
        ("--kill-after", "soon", "any"),
        ("--pause", "0", "10ms to 24h"),
        ("--min-hold", "2d", "0ns to 24h"),
        ("--hook-timeout", "x", "0ns to 24h"),
        ("--metrics", "localhost", "a port, as in `9187`"),
        ("--value", &"v".repeat(4097), "0 to 4096 bytes"),
    ] {
        wrong(&[&format!("{option}={given}")], &format!("invalid value '{given}' for '{option} <"));
        wrong(&[&format!("{option}={given}")], &format!("allowed is {allowed}"));
    }
    wrong(&["--slots", "0"], "0 is not in 1..=1000");
    wrong(&["--priority", "256"], "256 is not in 0..=255");
    wrong(&["--log", "xml"], "[possible values: text, json, off]");
    wrong(
        &["--ttl", "10s", "--grace", "5s", "--key", "k", "--storage", "s", "true"],
        "--grace is 5s, allowed is 0ns to 4s",
    );
    wrong(&["--key", "k", "--storage", "s"], "<COMMAND>...");
    wrong(&["--storage", "s", "true"], "--key <TEXT>");
    wrong(&["--key", "k", "true"], "--storage <URL>");
    wrong(
        &["--key", "k", "--storage", "oracle://user:s3cret@h", "true"],
        "no storage has URLs that begin with oracle://",
    );
    wrong(&["--key", "k", "--storage", "s", "--frob", "true"], "--frob");

    wrong(&["-E", "256"], "256 is not in 0..=255");

    let help = Command::new(LESSOR).args(["run", "--help"]).output().unwrap();
    assert!(help.status.success() && out(&help).contains("122  leadership was lost"), "{help:?}");
}

/// It would kill the group of whoever tries it out: this test, here.
#[test]
fn the_leash_is_not_for_people() {
    let output = Command::new(LESSOR).arg("leash-of-a-command").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).contains("is for `lessor run` itself"), "{output:?}");
}
