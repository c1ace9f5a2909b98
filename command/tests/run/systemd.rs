//! What systemd is told, by a socket such as its own.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::process::Signal;
use smol::Async;

use crate::process::{Files, LESSOR, Running, kill, within};

struct Systemd(Async<UnixDatagram>);

impl Systemd {
    fn at(path: &Path) -> Self {
        Self(Async::new(UnixDatagram::bind(path).unwrap()).unwrap())
    }

    #[cfg(target_os = "linux")]
    fn abstractly(name: &str) -> Self {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
        Self(Async::new(UnixDatagram::bind_addr(&address).unwrap()).unwrap())
    }

    async fn hears(&self) -> String {
        let mut bytes = [0; 4096];
        let count = within(self.0.recv(&mut bytes)).await.unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    async fn hears_all(&self, expected: &[&str]) {
        for expected in expected {
            let heard = self.hears().await;
            assert!(heard.starts_with(expected), "{heard:?} instead of {expected:?}");
        }
    }
}

/// Ready is who campaigns, whoever leads. The command hears nothing of systemd.
#[test]
fn systemd_hears_who_leads() {
    smol::block_on(async {
        let files = Files::new();
        let socket = files.folder.path().join("notify");
        let systemd = Systemd::at(&socket);
        let mut leader = files.start(&["--id", "a"], "echo ready; exec sleep 1000");
        assert_eq!(leader.line().await, "ready");

        let mut run =
            files.command(&["--id", "b"], "echo ${NOTIFY_SOCKET-none} ${WATCHDOG_USEC-none}; exec sleep 1000");
        let run = run.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "3600000000").spawn().unwrap();
        let mut run = Running::of(run);
        let mut heard = vec![systemd.hears().await, systemd.hears().await, systemd.hears().await];
        heard.sort();
        assert_eq!(heard[0], "READY=1");
        assert!(heard[1].starts_with("STATUS=waits: the leader is a, term 1, "), "{heard:?}");
        assert_eq!(heard[2], "WATCHDOG=1");
        leader.signal(Signal::TERM);
        systemd.hears_all(&["STATUS=leads in term 2 as b"]).await;
        assert_eq!(run.line().await, "none none");
        run.signal(Signal::TERM);
        systemd.hears_all(&["STOPPING=1"]).await;
        assert_eq!(run.code().await, Some(143));
    });
}

/// Its watchdog is fed, also by who waits for a storage. The socket may have an abstract
/// name.
#[cfg(target_os = "linux")]
#[test]
fn the_watchdog_is_fed() {
    smol::block_on(async {
        let name = format!("lessor-test-{}", std::process::id());
        let systemd = Systemd::abstractly(&name);
        let mut run = std::process::Command::new(LESSOR);
        let url = format!("redis://127.0.0.1:{}", lessor_servers::free_port());
        run.args(["run", "--key", "k", "--storage", &url, "--quiet", "--", "true"]);
        run.env("NOTIFY_SOCKET", format!("@{name}")).env("WATCHDOG_USEC", "100000");
        let mut run = smol::process::Command::from(run).kill_on_drop(true).spawn().unwrap();
        let mut told = (0, false, false);
        while told.0 < 5 || !told.1 || !told.2 {
            let heard = systemd.hears().await;
            told.0 += usize::from(heard == "WATCHDOG=1");
            told.1 |= heard == "READY=1";
            told.2 |= heard.starts_with("STATUS=waits: transient storage error");
        }
        kill(&run, Signal::TERM);
        assert_eq!(within(run.status()).await.unwrap().code(), Some(143));
    });
}
