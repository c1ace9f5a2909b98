//! The clients of `examples/clients`: each leads while its command runs, one after the other, and stops in time.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use lessor_served::{CANDIDATE, READER, Server as _, until};

use crate::running::{Running, Setting};

const CLIENTS: [&str; 3] = ["curl.sh", "client.py", "client.mjs"];

/// In ms: several renewals within a test.
const TTL_MS: &str = "6000";

fn client(running: &Running, name: &str, id: &str, command: &str) -> Child {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/clients");
    // Whatever happens to it, it ends.
    Command::new("timeout")
        .args(["--kill-after=1", "100"])
        .arg(folder.join(name))
        .args(["led", "sh", "-c", command])
        .env("LESSOR_URL", running.url())
        .env("LESSOR_TOKEN", CANDIDATE)
        .env("LESSOR_ID", id)
        .env("LESSOR_TTL_MS", TTL_MS)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What it said, and its code.
fn ended(child: Child) -> (String, String, Option<i32>) {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().trim().to_owned();
    (text(output.stdout), text(output.stderr), output.status.code())
}

fn leader(running: &Running) -> Option<String> {
    let lease = running.call("GET", "/v1/keys/led", Some(READER), None).json()["lease"].clone();
    let is_live = lease["time_left_ms"].as_u64().is_some_and(|left| left > 0);
    lease["id"].as_str().filter(|_| is_live).map(str::to_owned)
}

/// A command that lasts longer than a ttl runs in one term; its code is that of the client; the next one leads at once.
#[test]
fn they_lead_in_turn() {
    let running = Running::start(Setting::default());
    for (number, name) in CLIENTS.into_iter().enumerate() {
        let child = client(&running, name, name, "echo $LESSOR_TERM; sleep 7; exit 7");
        until("it leads", || (leader(&running).as_deref() == Some(name)).then_some(()));
        let (said, errors, code) = ended(child);
        assert_eq!((said, code), ((number + 1).to_string(), Some(7)), "{name}: {errors}");
        assert_eq!(leader(&running), None, "{name} gave it back");
    }
    let history = running.call("GET", "/v1/keys/led/history", Some(READER), None).json();
    let changes: Vec<_> = history["history"].as_array().unwrap().iter().map(|entry| entry["change"].clone()).collect();
    assert_eq!(changes, ["released", "granted", "released", "granted", "released", "granted"]);
}

/// All at once: each runs, and no two at a time.
#[test]
fn one_at_a_time() {
    let running = Running::start(Setting::default());
    let folder = tempfile::tempdir().unwrap();
    let busy = folder.path().join("busy");
    // A folder can be made once.
    let command = format!("mkdir {0} && sleep 1 && rmdir {0}", busy.display());
    let children = CLIENTS.map(|name| client(&running, name, name, &command));
    let mut codes = children.map(|child| ended(child).2);
    codes.sort_unstable();
    assert_eq!(codes, [Some(0); 3]);
}

/// A service that is gone, and one that took the lease away: the command is ended before another's may begin.
#[test]
fn they_stop_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let begun = folder.path().join("begun");
    let work = format!("touch {}; exec sleep 60", begun.display());
    for name in CLIENTS {
        let running = Running::start(Setting::default());
        let child = client(&running, name, name, &work);
        until("it works", || fs::remove_file(&begun).ok());
        drop(running);
        let (_, errors, code) = ended(child);
        assert!(code == Some(75) && errors.contains("the term 1 is over"), "{name}: {code:?} {errors}");
    }
    let running = Running::start(Setting::default());
    for (number, name) in (1..).step_by(2).zip(CLIENTS) {
        let child = client(&running, name, name, &work);
        until("it works", || fs::remove_file(&begun).ok());
        let revoked = running.call("POST", "/v1/keys/led/revoke", Some(lessor_served::ADMIN), Some("{\"now\": true}"));
        assert_eq!(revoked.json()["revoked"]["lease"]["id"], name);
        let (_, errors, code) = ended(child);
        assert!(
            code == Some(75) && errors.contains(&format!("the term {number} is over")),
            "{name}: {code:?} {errors}"
        );
    }
}
