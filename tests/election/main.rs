//! The candidate's half of the protocol, rule by rule: time and replies in, requests and events out.

mod bench;
mod claiming;
mod delaying;
mod ending;
mod following;
mod leading;
mod observing;
mod slotting;
mod transfer;
