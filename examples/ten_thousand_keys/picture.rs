//! How it is, as a picture that is drawn over and over, or in lines.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::time::Instant;

use crate::cluster::{Cluster, Member};
use crate::process::INTERVAL;

/// How wide all keys together are.
const WIDTH: usize = 60;

pub(crate) struct Picture {
    is_live: bool,
    began: Instant,
    /// How many lines are to be drawn over.
    drawn: usize,
    /// In lines: what was said last, and how often it was not said since.
    last: String,
}

impl Picture {
    pub(crate) fn new(plain: bool) -> Self {
        Self { is_live: !plain && stdout().is_terminal(), began: Instant::now(), drawn: 0, last: String::new() }
    }

    /// Something happened. What was drawn stays above it.
    pub(crate) fn say(&mut self, text: &str) {
        self.drawn = 0;
        self.print(&format!("{:6.1} s  {text}\n", self.began.elapsed().as_secs_f64()));
    }

    pub(crate) fn draw(&mut self, cluster: &Cluster) {
        if !self.is_live {
            return self.draw_line(cluster);
        }
        let keys = u64::from(cluster.options.keys);
        let mut text = String::new();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.drawn));
        }
        for member in &cluster.members {
            text.push_str(&format!("\x1b[2K  {}\n", row(member, keys)));
        }
        let free = keys.saturating_sub(cluster.led());
        text.push_str(&format!(
            "\x1b[2K  led {:>6} of {keys}{}\n",
            cluster.led(),
            if free > 0 { format!(", {free} by nobody") } else { String::new() }
        ));
        self.drawn = cluster.members.len() + 1;
        self.print(&text);
    }

    /// Only what is new.
    fn draw_line(&mut self, cluster: &Cluster) {
        let leads: Vec<_> =
            cluster.members.iter().map(|member| format!("{} {}", member.id, member.state.leads)).collect();
        let line = format!("{}, together {}", leads.join(", "), cluster.led());
        if line != self.last {
            self.print(&format!("          {line}\n"));
            self.last = line;
        }
    }

    fn print(&self, text: &str) {
        // Nobody may be looking any more.
        let _ = stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush());
    }
}

fn row(member: &Member, keys: u64) -> String {
    let Member { id, state, before, killed, .. } = member;
    if let Some(killed) = killed {
        return format!("{id}  killed {:.0} s ago", killed.elapsed().as_secs_f64());
    }
    let wide = (state.leads * WIDTH as u64 / keys.max(1)) as usize;
    let bar: String = "█".repeat(wide) + &"·".repeat(WIDTH - wide);
    let each_second = |now: u64, before: u64| (now.saturating_sub(before) as f64 / INTERVAL.as_secs_f64()) as u64;
    format!(
        "{id} {bar} {:>6} keys {:>7} requests/s in {:>3} bursts/s  +{} -{}",
        state.leads,
        each_second(state.requests, before.requests),
        each_second(state.bursts, before.bursts),
        state.gained,
        state.lost,
    )
}
