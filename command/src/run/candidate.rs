//! The candidate that the arguments describe.

use std::sync::Arc;

use lessor::{BuildError, Builder, Candidate, Config, Driver, Storage};

use super::arguments::Arguments;
use super::waiting::look_interval;

pub(super) fn build(
    arguments: &Arguments,
    storage: Arc<dyn Storage>,
) -> Result<(Candidate, Driver<Arc<dyn Storage>>), BuildError> {
    let mut builder = Builder::new(&arguments.key).id(arguments.id()).ttl(arguments.ttl).rank(arguments.priority);
    if let Some(value) = &arguments.value {
        builder = builder.value(value);
    }
    if let Some(slots) = arguments.slots {
        builder = builder.slots(slots);
    }
    if let Some(interval) = look_interval(arguments) {
        // Priorities are counted in the cool-off, which would follow, and is to be the same for all that compete.
        builder = builder.retry_interval(interval).cool_off(Config::with_ttl(arguments.ttl).cool_off);
    }
    builder.build(storage)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use lessor::MemoryStorage;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn config(wait: &[&str]) -> Config {
        let line =
            [&["run", "--key", "k", "--storage", "s", "--priority", "2", "--ttl", "10s"], wait, &["true"]].concat();
        let (candidate, _driver) = build(&Line::parse_from(line).arguments, Arc::new(MemoryStorage::new())).unwrap();
        candidate.config().clone()
    }

    /// Who waits briefly looks more often, and lets others go first for as long as all do.
    #[test]
    fn priorities_do_not_depend_on_the_time_to_wait() {
        let (long, mut brief) = (config(&[]), config(&["--wait", "0"]));
        assert!(brief.retry_interval < long.retry_interval, "{brief:?}");
        brief.retry_interval = long.retry_interval;
        assert_eq!(brief, long);
    }
}
