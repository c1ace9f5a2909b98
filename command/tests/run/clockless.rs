//! Storages without a clock: etcd, as an example of it. A process that sees a lease there for the first time cannot tell a leader from one that is gone.

use std::process::Stdio;

use lessor_servers::etcd::Server;
use rustix::process::Signal;
use smol::process::Command;

use crate::process::{LESSOR, Running, end_of, err, out, within};

/// `run` on this server.
fn run(server: &Server, options: &[&str], script: &str) -> Command {
    let mut command = lessor(server, "run");
    command.args(["--key", "nightly", "--ttl", "3s"]).args(options).args(["--", "sh", "-c", script]);
    command
}

fn lessor(server: &Server, what: &str) -> Command {
    let mut command = Command::new(LESSOR);
    command.arg(what).env("LESSOR_STORAGE", server.endpoint().replace("http", "etcd"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// One that leads, and then is gone without a word.
async fn crashed(server: &Server, options: &[&str]) {
    let mut leader = Running::of(run(server, options, "echo $$; exec sleep 1000").spawn().unwrap());
    let command = leader.process().await;
    leader.signal(Signal::KILL);
    end_of(command).await;
}

/// As from cron: each time another process, which does not wait for leaders.
#[test]
fn a_leader_that_is_gone_refuses_nobody_for_ever() {
    smol::block_on(async {
        let server = Server::start();
        // Less than the ttl, for which such a lease has to be watched.
        for (term, options) in [["--wait", "0"], ["--wait", "2s"]].iter().enumerate() {
            crashed(&server, &[]).await;
            let output = within(run(&server, options, "echo begin $LESSOR_TERM").output()).await.unwrap();
            assert_eq!(
                (output.status.code(), out(&output)),
                (Some(0), &*format!("begin {}\n", 2 * term + 2)),
                "{output:?}"
            );
        }
        for _ in 0..2 {
            crashed(&server, &["--slots", "2"]).await;
        }
        let slots = ["--slots", "2", "--wait", "0"];
        let output = within(run(&server, &slots, "echo runs").output()).await.unwrap();
        assert_eq!((output.status.code(), out(&output)), (Some(0), "runs\n"), "{output:?}");
    });
}

/// Others are refused as soon as the leader has renewed.
#[test]
fn a_leader_that_lives_is_left_alone() {
    smol::block_on(async {
        let server = Server::start();
        let mut leader = Running::of(run(&server, &["--id", "node-a"], "echo ready; exec sleep 1000").spawn().unwrap());
        assert_eq!(leader.line().await, "ready");
        for options in [["--wait", "0"], ["--wait", "2s"]] {
            let output = within(run(&server, &options, "echo never").output()).await.unwrap();
            assert_eq!((output.status.code(), out(&output)), (Some(121), ""), "{output:?}");
            assert!(err(&output).contains("not elected: the leader is node-a, term 1, "), "{output:?}");
        }
        assert!(is_led(&server, &["--of", "node-a"]).await);
        leader.signal(Signal::TERM);
        assert_eq!(leader.code().await, Some(143));
        assert!(!is_led(&server, &[]).await);
    });
}

#[test]
fn whether_a_leader_is_gone_can_be_asked() {
    smol::block_on(async {
        let server = Server::start();
        crashed(&server, &["--id", "node-a"]).await;
        assert!(!is_led(&server, &[]).await);
    });
}

async fn is_led(server: &Server, options: &[&str]) -> bool {
    let mut status = lessor(server, "status");
    let output = within(status.args(["nightly", "--sure"]).args(options).output()).await.unwrap();
    let (code, shown) = (output.status.code(), out(&output));
    match code {
        Some(0) => assert!(shown.contains("state   led\n"), "{output:?}"),
        Some(1) => assert!(shown.contains("state   expired\n") || shown.contains("state   free\n"), "{output:?}"),
        _ => panic!("{output:?}"),
    }
    code == Some(0)
}
