//! Where it runs: orphans, readers that are gone, signals that are ignored, storages that are not up yet.

use std::os::unix::process::CommandExt;
use std::process::Stdio;

use lessor_servers::{free_port, postgres, redis};
use rustix::process::{Pid, Signal, kill_process};
use smol::process::Command;

use crate::process::{
    Files, LESSOR, Running, STUBBORN, end_of, err, has_ended, kill, line, lines, out, state, until, within,
};

/// D1. Whoever ends without a parent is let go at once, and not when the command has ended.
#[cfg(target_os = "linux")]
#[test]
fn orphans_are_let_go_at_once() {
    smol::block_on(async {
        let files = Files::new();
        let mut run = files.start(&[], "for i in $(seq 300); do ( true & ); done; echo ready; exec sleep 1000");
        assert_eq!(run.line().await, "ready");
        let id = run.child.id();
        until("none is left", || zombies_of(id) == 0).await;
        run.signal(Signal::TERM);
        assert_eq!(run.code().await, Some(143));
    });
}

/// Who waits for the end of a pause lets orphans go, too: those that left the group, and so live on.
#[cfg(target_os = "linux")]
#[test]
fn orphans_are_let_go_between_two_runs() {
    smol::block_on(async {
        let files = Files::new();
        let mut run =
            files.start(&["--restart", "--pause", "1h"], "setsid sh -c 'echo $$; exec sleep 1000' & sleep 1000");
        let orphan = run.process().await;
        run.signal(Signal::USR1);
        let id = run.child.id();
        until("it is an orphan", || children_of(id) == [orphan]).await;
        kill_process(orphan, Signal::KILL).unwrap();
        until("it is let go", || children_of(id).is_empty()).await;
    });
}

#[cfg(target_os = "linux")]
fn children_of(parent: u32) -> Vec<Pid> {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect()
}

#[cfg(target_os = "linux")]
fn zombies_of(parent: u32) -> usize {
    children_of(parent).into_iter().filter(|pid| has_ended(*pid)).count()
}

/// D2. Nobody reads what it says, nor what the command says: the job is done all the same.
#[test]
fn readers_that_are_gone_stop_nothing() {
    smol::block_on(async {
        for log in ["text", "json"] {
            let files = Files::new();
            let mut run = files.command(&["--log", log], "sleep 0.2; touch done; exit 7");
            let mut child = run.spawn().unwrap();
            drop((child.stderr.take(), child.stdout.take()));
            assert_eq!(within(child.status()).await.unwrap().code(), Some(7));
            assert!(files.folder.path().join("done").exists());
        }
    });
}

/// D2. A reader that stands still, with all that fits into its pipe unread: nothing waits for it, renewals least of all.
#[test]
fn a_reader_that_stands_still_stops_nothing() {
    smol::block_on(async {
        let files = Files::new();
        let filler = "head -c 200000 /dev/zero >&2 & sleep 0.1; touch full; exit 1";
        let mut run = files.command(&["--restart", "--pause", "10ms"], filler);
        let mut child = run.spawn().unwrap();
        let full = files.folder.path().join("full");
        for _ in 0..5 {
            until("the command has run", || full.exists()).await;
            std::fs::remove_file(&full).unwrap();
        }
        kill(&child, Signal::TERM);
        assert!(matches!(within(child.status()).await.unwrap().code(), Some(1 | 143)));
    });
}

/// D3. As `nohup` has it: neither this process nor its command ends with the terminal. Other signals are passed on.
#[cfg(target_os = "linux")]
#[test]
fn ignored_signals_stay_ignored() {
    smol::block_on(async {
        let files = Files::new();
        let script = "trap 'echo usr1' USR1; echo $$; while :; do sleep 0.02; done";
        let mut nohup = std::process::Command::new("sh");
        nohup.args(["-c", "trap '' HUP; exec \"$@\"", "sh", LESSOR, "run", "--key", "k", "--quiet", "--storage"]);
        nohup.args([&files.path("leases.db"), "--", "sh", "-c", script]).process_group(0);
        let mut nohup = Command::from(nohup);
        nohup.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut run = Running::of(nohup.spawn().unwrap());
        let command = run.process().await;
        for process in [Pid::from_raw(i32::try_from(run.child.id()).unwrap()).unwrap(), command] {
            kill_process(process, Signal::HUP).unwrap();
        }
        run.signal(Signal::USR1);
        assert_eq!(run.line().await, "usr1", "it is there, and so is its command");
        run.signal(Signal::TERM);
        assert_eq!(run.code().await, Some(143));
    });
}

/// D4. The patience is for the storage, too, whichever it is. Without one it goes on trying.
#[test]
fn a_storage_that_is_down_is_waited_for() {
    smol::block_on(async {
        let port = free_port();
        let token = "0123456789".repeat(2);
        for url in [
            format!("redis://127.0.0.1:{port}"),
            format!("postgres://a@127.0.0.1:{port}/a"),
            format!("http://{token}@127.0.0.1:{port}"),
        ] {
            let run = |options: &[&str]| {
                let mut run = Command::new(LESSOR);
                run.args(["run", "--key", "k", "--storage", &url]).args(options).args(["--", "true"]);
                run.kill_on_drop(true).stderr(Stdio::piped()).stdin(Stdio::null());
                run
            };
            let output = within(run(&["--wait", "1s"]).output()).await.unwrap();
            assert_eq!(output.status.code(), Some(123), "{output:?}");
            assert!(err(&output).contains("it was not opened within 1s: transient storage error"), "{output:?}");
            let output = within(run(&["--wait", "0"]).output()).await.unwrap();
            assert_eq!(output.status.code(), Some(123), "{output:?}");
            assert!(!err(&output).contains("was not opened"), "one try: {output:?}");
            let mut waiting = run(&[]).spawn().unwrap();
            let mut said = lines(waiting.stderr.take().unwrap());
            assert!(line(&mut said).await.contains("waits: transient storage error"));
            kill(&waiting, Signal::TERM);
            assert_eq!(within(waiting.status()).await.unwrap().code(), Some(143));
        }
    });
}

/// D4. A host that drops what is sent to it, or a server that hangs: that is said, and tried again.
#[test]
fn a_storage_that_says_nothing_is_told_of() {
    smol::block_on(async {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://a@{}/a", silent.local_addr().unwrap());
        let run = |options: &[&str]| {
            let mut run = Command::new(LESSOR);
            run.args(["run", "--key", "k", "--storage", &url]).args(options).args(["--", "true"]);
            run.kill_on_drop(true).stderr(Stdio::piped()).stdin(Stdio::null());
            run
        };
        let mut waiting = run(&[]).spawn().unwrap();
        let mut said = lines(waiting.stderr.take().unwrap());
        let output = within(run(&["--wait", "1s"]).output()).await.unwrap();
        assert_eq!(output.status.code(), Some(123), "{output:?}");
        assert!(err(&output).contains("it was not opened within 1s: it did not answer"), "{output:?}");
        assert!(line(&mut said).await.contains("waits: no answer after 5s"));
        assert!(line(&mut said).await.contains("waits: transient storage error: no answer within 10s"));
        kill(&waiting, Signal::TERM);
        assert_eq!(within(waiting.status()).await.unwrap().code(), Some(143));
    });
}

/// D4. A file that somebody has locked for himself.
#[test]
fn a_file_that_is_locked_is_waited_for() {
    smol::block_on(async {
        let files = Files::new();
        files.output(&[], "true").await;
        let blocked = files.block_storage();
        let output = files.output(&["--wait", "500ms"], "echo never").await;
        assert_eq!((output.status.code(), out(&output)), (Some(123), ""), "{output:?}");
        let mut waiting = files.start(&["--wait", "1m"], "echo begin $LESSOR_TERM");
        drop(blocked);
        assert_eq!(waiting.line().await, "begin 2");
        assert_eq!(waiting.code().await, Some(0));
    });
}

/// D4. It begins when the server is up.
#[test]
fn it_begins_when_the_server_is_up() {
    smol::block_on(async {
        let server = postgres::Server::start();
        server.stop();
        let mut run = Command::new(LESSOR);
        run.args(["run", "--key", "k", "--storage", &server.url(), "--", "sh", "-c", "echo begin $LESSOR_TERM"]);
        run.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = run.spawn().unwrap();
        let mut said = lines(run.stderr.take().unwrap());
        assert!(line(&mut said).await.contains("waits: transient storage error"));
        server.crash();
        let output = within(run.output()).await.unwrap();
        assert_eq!((output.status.code(), out(&output)), (Some(0), "begin 1\n"), "{output:?}");
    });
}

/// A password that is wrong stays so: nobody waits for that.
#[test]
fn what_somebody_has_to_change_is_not_waited_for() {
    smol::block_on(async {
        let server = redis::Server::start(redis::Keeps::Nothing);
        let url = format!("redis://:wrong@127.0.0.1:{}", server.port());
        let mut run = Command::new(LESSOR);
        run.args(["run", "--key", "k", "--storage", &url, "--wait", "1h", "--", "true"]).kill_on_drop(true);
        let output = within(run.output()).await.unwrap();
        assert_eq!(output.status.code(), Some(123), "{output:?}");
        assert!(err(&output).contains("permanent storage error") && !err(&output).contains("wrong@"), "{output:?}");
    });
}

/// A leash that somebody stops goes on; the command of one that somebody kills ends.
#[cfg(target_os = "linux")]
#[test]
fn no_command_runs_without_its_leash() {
    smol::block_on(async {
        let files = Files::new();
        let mut run = files.start(&[], STUBBORN);
        let processes = [run.process().await, run.process().await];
        // It leads the group.
        let leash = rustix::process::getpgid(Some(processes[0])).unwrap();
        // Who kills all that is called as the program leaves the leashes to do their work.
        let name = std::fs::read_to_string(format!("/proc/{}/comm", leash.as_raw_nonzero())).unwrap();
        assert_eq!(name, "leash\n");
        kill_process(leash, Signal::STOP).unwrap();
        until("it goes on", || state(leash) != Some('T')).await;
        for signal in [Signal::TERM, Signal::HUP, Signal::ALARM, Signal::TSTP] {
            kill_process(leash, signal).unwrap();
        }
        assert!(!has_ended(leash));
        kill_process(leash, Signal::KILL).unwrap();
        for process in processes {
            end_of(process).await;
        }
        assert_eq!(run.code().await, Some(125));
    });
}

/// One that gets no CPU time has not stopped yet when its parent is killed, and would when nobody is left who has it go on.
#[cfg(target_os = "linux")]
#[test]
fn a_leash_is_stopped_as_its_parent_is_killed() {
    let on_one_processor = |words: &[&str]| {
        let mut command = Command::new("taskset");
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        command
    };
    smol::block_on(async {
        let mut others = [(); 2].map(|()| {
            let script = "echo begun; while :; do :; done";
            Running::of(on_one_processor(&["-c", "0", "sh", "-c", script]).spawn().unwrap())
        });
        for other in &mut others {
            other.line().await;
        }
        for _ in 0..8 {
            let files = Files::new();
            let mut run = files.start(&[], STUBBORN);
            let processes = [run.process().await, run.process().await];
            let leash = rustix::process::getpgid(Some(processes[0])).unwrap();
            let id = leash.as_raw_nonzero().to_string();
            assert!(on_one_processor(&["-cp", "0", &id]).output().await.unwrap().status.success());
            let mut last = Command::new("chrt");
            assert!(last.args(["--idle", "--pid", "0", &id]).status().await.unwrap().success());
            kill_process(leash, Signal::STOP).unwrap();
            run.signal(Signal::KILL);
            for process in processes {
                within(end_of(process)).await;
            }
        }
    });
}
