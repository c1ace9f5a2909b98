//! What reaches this process while a command runs: one owner for each.

use lessor::Events;

use super::children::Children;
use super::signals::Signals;

pub(super) struct Senses {
    pub(super) children: Children,
    pub(super) signals: Signals,
    pub(super) events: Events,
}
