//! The signals that are the command's.

use async_signal::{Signal as Caught, Signals as Stream};
use rustix::process::Signal;
use smol::stream::StreamExt;

const PASSED_ON: [Caught; 6] = [Caught::Int, Caught::Term, Caught::Hup, Caught::Quit, Caught::Usr1, Caught::Usr2];

/// From its making on, none of them ends this process.
pub(crate) struct Signals(Stream);

impl Signals {
    pub(crate) fn catch() -> std::io::Result<Self> {
        Stream::new(PASSED_ON).map(Self)
    }

    /// # Cancel safety
    /// Dropping the future loses no signal.
    pub(crate) async fn next(&mut self) -> Signal {
        loop {
            match self.0.next().await {
                Some(Ok(caught)) => {
                    if let Some(signal) = Signal::from_named_raw(caught as i32) {
                        return signal;
                    }
                }
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// The next one that asks for an end.
    pub(crate) async fn next_end(&mut self) -> Signal {
        loop {
            let signal = self.next().await;
            if asks_for_an_end(signal) {
                return signal;
            }
        }
    }
}

pub(crate) fn asks_for_an_end(signal: Signal) -> bool {
    signal != Signal::USR1 && signal != Signal::USR2
}
