//! `lessor run` as a process, and the file that it shares with others.

use core::time::Duration;
use std::process::Output;

use lessor_sqlite::rusqlite::Connection;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use smol::future::or;
use smol::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use smol::process::{Child, ChildStdout, Command, Stdio};
use smol::stream::StreamExt;
use tempfile::TempDir;

/// The program.
pub(crate) const LESSOR: &str = env!("CARGO_BIN_EXE_lessor");

/// Nothing here takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of a lease that nobody's end depends on.
const TTL: &str = "3s";

/// Of one that is lost: what has to be done before its end may take a second and more, on a machine that is busy with other things.
pub(crate) const LOST: [&str; 2] = ["--ttl", "10s"];

/// Says which process it is, and goes on for as long as it is let.
pub(crate) const STUBBORN: &str = "trap '' TERM; echo $$; sleep 1000 & echo $!; while :; do sleep 1000; done";

pub(crate) struct Files {
    pub(crate) folder: TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Of the program: `run` with these options and a script.
    pub(crate) fn arguments(&self, options: &[&str], script: &str) -> Vec<String> {
        let storage = self.path("leases.db");
        let mut all = vec!["run", "--key", "nightly", "--storage", &storage];
        all.extend(options);
        if !options.contains(&"--ttl") {
            all.extend(["--ttl", TTL]);
        }
        all.extend(["--", "sh", "-c", script]);
        all.into_iter().map(str::to_owned).collect()
    }

    /// `run` with these options and a script.
    pub(crate) fn command(&self, options: &[&str], script: &str) -> Command {
        let mut command = Command::new(LESSOR);
        command.args(self.arguments(options, script)).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    pub(crate) async fn output(&self, options: &[&str], script: &str) -> Output {
        within(async { self.command(options, script).output().await.unwrap() }).await
    }

    /// Of a script that says something.
    pub(crate) fn start(&self, options: &[&str], script: &str) -> Running {
        Running::of(self.command(options, script).stderr(Stdio::inherit()).spawn().unwrap())
    }

    /// Nobody else gets to the leases for as long as this lives.
    pub(crate) fn block_storage(&self) -> Blocked {
        let connection = Connection::open(self.path("leases.db")).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
        Blocked(connection)
    }
}

pub(crate) struct Blocked(Connection);

impl Blocked {
    /// How much is left of the lease, in ms.
    pub(crate) fn left(&self) -> f64 {
        left(&self.0)
    }
}

/// How much is left of the lease, in ms.
pub(crate) fn left(connection: &Connection) -> f64 {
    let sql = "SELECT expires - 1000.0 * unixepoch('subsec') FROM lessor_leases WHERE key = 'nightly'";
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn of(mut child: Child) -> Self {
        let lines = lines(child.stdout.take().unwrap());
        Self { child, lines }
    }

    pub(crate) async fn line(&mut self) -> String {
        line(&mut self.lines).await
    }

    /// The process that the command names next.
    pub(crate) async fn process(&mut self) -> Pid {
        Pid::from_raw(self.line().await.parse().unwrap()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(&self.child, signal);
    }

    pub(crate) async fn code(&mut self) -> Option<i32> {
        within(async { self.child.status().await.unwrap().code() }).await
    }

    pub(crate) async fn says_nothing_more(&mut self) {
        let more = within(self.lines.next()).await;
        assert!(more.is_none(), "{more:?}");
    }
}

pub(crate) fn kill(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

pub(crate) async fn within<R>(what: impl Future<Output = R>) -> R {
    let late = async {
        smol::Timer::after(PATIENCE).await;
        panic!("it has not ended after {PATIENCE:?}")
    };
    or(what, late).await
}

/// Gone, or about to be: whoever inherits it may take its time to notice.
pub(crate) fn has_ended(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    test_kill_process(process) == Err(Errno::SRCH) || stat.is_ok_and(|stat| stat.contains(") Z "))
}

/// As the kernel writes it.
#[cfg(target_os = "linux")]
pub(crate) fn state(process: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

pub(crate) async fn end_of(process: Pid) {
    within(async {
        while !has_ended(process) {
            smol::Timer::after(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub(crate) fn out(output: &Output) -> &str {
    core::str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn err(output: &Output) -> &str {
    core::str::from_utf8(&output.stderr).unwrap()
}

pub(crate) fn lines<R: AsyncRead + Unpin>(said: R) -> Lines<BufReader<R>> {
    BufReader::new(said).lines()
}

pub(crate) async fn line<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>) -> String {
    within(async { lines.next().await.expect("it ended").unwrap() }).await
}

/// Asks until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let asked = async {
        while !is_so() {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
        true
    };
    let late = async {
        smol::Timer::after(PATIENCE).await;
        false
    };
    assert!(or(asked, late).await, "waited in vain until {what}");
}
