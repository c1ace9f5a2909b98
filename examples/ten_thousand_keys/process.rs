//! One process: it shares the keys with the others, and says how that goes.

use std::io::{Write as _, stdout};
use std::time::Duration;

use lessor::{Builder, Event, Group, GroupEvent, Spread};

use crate::Result;
use crate::counted::Counted;
use crate::options::Options;
use crate::state::State;

/// How often it says how it is.
pub(crate) const INTERVAL: Duration = Duration::from_millis(250);

pub(crate) fn run(options: &Options) -> Result<()> {
    smol::block_on(async {
        let storage = lessor_any::open(&options.storage).await?;
        let (storage, counts) = Counted::new(storage);
        // A process that comes gets its share well within a minute.
        let spread = Spread::new("ten-thousand").ttl(options.ttl).moves_per_minute(options.keys.saturating_mul(4));
        let (group, driver) = Group::builder().id(&options.id).spread(spread).build(storage)?;
        let mut events = group.events();
        for key in 0..options.keys {
            group.add(Builder::new(format!("key/{key}")).ttl(options.ttl))?;
        }
        let driver = smol::spawn(driver.run());
        let mut state = State::default();
        loop {
            smol::Timer::after(INTERVAL).await;
            while let Some(Some(event)) = futures::FutureExt::now_or_never(events.next()) {
                match event {
                    GroupEvent::Of { event: Event::Elected { .. }, .. } => state.gained += 1,
                    GroupEvent::Of { event: Event::Lost { .. }, .. } => state.lost += 1,
                    _ => {}
                }
            }
            state.leads = group.status().leading as u64;
            state.processes = group.processes().len() as u64;
            (state.requests, state.bursts) = counts.get();
            // Whoever started it reads that. When nobody does any more, there is nothing to do.
            if writeln!(stdout(), "{state}").is_err() || driver.is_finished() {
                return Ok(());
            }
        }
    })
}
