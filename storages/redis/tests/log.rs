//! What an operator reads of wake-ups that do not come, in a process of its own: threads of the storage tell it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lessor::{Builder, Config};
use lessor_redis::RedisStorage;
use lessor_redis::redis::Client;
use lessor_servers::redis::{Keeps, Server};
use smol::block_on;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self, with: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(with)).map(|line| line.trim().to_owned()).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A user who may not listen: it is told once, whatever the number of tries, and hand-overs go on by asking.
#[test]
fn a_user_who_may_not_listen() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(move || writer.clone()).init();
    let server = Server::start(Keeps::Nothing);
    let rights = "reset on >pw ~lessor:* &lessor +evalsha +eval +info +time +mget +set +publish +ping";
    let command: Vec<_> = ["ACL", "SETUSER", "app"].into_iter().chain(rights.split(' ')).collect();
    server.tell(&command);
    let refusals = || -> u64 {
        let errors: String = server.ask(&["INFO", "errorstats"]);
        let count = errors.lines().find_map(|line| line.strip_prefix("errorstat_NOPERM:count="));
        count.map_or(0, |count| count.parse().unwrap())
    };
    block_on(async {
        let storage = RedisStorage::new(Client::open(format!("redis://app:pw@127.0.0.1:{}/", server.port())).unwrap());
        storage.initialise().await.unwrap();
        let candidate = |id: &str| {
            let ttl = Duration::from_secs(5);
            let builder = Builder::new("k").id(id).ttl(ttl).retry_interval(Config::MIN_TTL);
            builder.build(storage.clone()).unwrap()
        };
        let (first, driver) = candidate("first");
        let leading = smol::spawn(driver.run());
        let term = first.elected().await.unwrap().term();
        let (second, driver) = candidate("second");
        let _following = smol::spawn(driver.run());
        while refusals() < 3 {
            smol::Timer::after(Duration::from_millis(20)).await;
        }
        first.shutdown().await.unwrap();
        leading.await;
        assert!(second.elected().await.unwrap().term() > term, "by asking");
    });
    let told = log.lines("wake-ups");
    let [line] = told.as_slice() else { panic!("it is told once: {told:?}") };
    assert!(line.starts_with("WARN lessor: there are no wake-ups error=") && line.contains("subscribe"), "{line}");
    assert!(!line.contains("pw"), "{line}");
}
