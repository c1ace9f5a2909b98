//! What the commands write down, each as it begins: with a lock that it holds until its last process has ended.

use rustix::process::{Pid, Signal, kill_process};

/// The lock goes with the open file, which all processes of the command inherit. So whoever gets it is the only one, orphans
/// included; and whoever does not says so. Half of them do not heed SIGTERM.
pub(crate) const COMMAND: &str = "exec 9>>lock; flock -n 9 || echo overlap $LESSOR_TERM $LESSOR_ID $$ >>ledger; \
    echo begin $LESSOR_TERM $LESSOR_ID $$ >>ledger; [ $(($LESSOR_TERM % 2)) = 0 ] && trap '' TERM; sleep 1000 & while :; do sleep 0.05; done";

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) term: u64,
    pub(crate) id: String,
    pub(crate) command: Pid,
}

impl Entry {
    /// Unless it has ended, and its number is another's.
    pub(crate) fn kill(&self) {
        let started = std::fs::read_to_string(format!("/proc/{}/cmdline", self.command.as_raw_nonzero()));
        if started.is_ok_and(|started| started.contains("flock -n 9")) {
            let _ = kill_process(self.command, Signal::KILL);
        }
    }
}

/// In the order in which they began. Each term is one candidate's, and no older one comes after it.
pub(crate) fn entries(written: &str) -> Vec<Entry> {
    let whole = written.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let entries: Vec<_> = whole.lines().map(entry).collect();
    for pair in entries.windows(2) {
        let [one, next] = pair else { continue };
        let in_order = next.term > one.term || next.term == one.term && next.id == one.id;
        assert!(in_order, "{one:?} before {next:?}");
    }
    entries
}

fn entry(line: &str) -> Entry {
    let words: Vec<_> = line.split(' ').collect();
    let ["begin", term, id, command] = words[..] else { panic!("two at a time: {line}") };
    Entry { term: term.parse().unwrap(), id: id.into(), command: Pid::from_raw(command.parse().unwrap()).unwrap() }
}
