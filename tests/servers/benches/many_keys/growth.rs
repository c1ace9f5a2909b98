//! What a key costs where there are more of them.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::keys;
use crate::server::Measured;
use crate::table::{figure, times};

const COUNTS: [usize; 3] = [1_000, 10_000, 100_000];

/// Each number of keys in a process of its own.
pub(crate) fn measure(program: impl Fn() -> Command) {
    let mut first = None;
    for count in COUNTS {
        let child = program().args(["growing", &count.to_string()]).stdout(Stdio::piped()).output().expect("it runs");
        let said = String::from_utf8_lossy(&child.stdout);
        let (rows, last) = said.trim_end().rsplit_once('\n').unwrap_or_default();
        println!("{rows}");
        let numbers: Vec<u64> = last.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [client, server, bytes] = numbers[..] else { continue };
        let of_first = *first.get_or_insert((client, server, bytes));
        let times = |what: &str, first, now| {
            let (first, now) = (Duration::from_nanos(first), Duration::from_nanos(now));
            times(&format!("{count} keys: {what} CPU of a renewal; with {}", COUNTS[0]), first, now);
        };
        times("client", of_first.0, client);
        times("server", of_first.1, server);
        let ratio = bytes as f64 / of_first.2 as f64;
        figure(&format!("{count} keys: memory a candidate, in that of {}", COUNTS[0]), format!("{ratio:.2}"));
    }
}

/// The last line is for [`measure`].
pub(crate) async fn of(count: usize, watched: Duration) {
    let mut server = Measured::start().await;
    let watched = watched.min(Duration::from_secs(20));
    let cost = keys::watch(&mut server, count, 2, watched, &format!("{count} keys")).await;
    match cost {
        Some(cost) => println!("{} {} {}", cost.client.as_nanos(), cost.server.as_nanos(), cost.bytes),
        None => println!("-"),
    }
}
