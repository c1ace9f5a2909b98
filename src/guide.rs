//! The guide: what to know before, while and after you let an election decide. It has no code of its own and exists in the
//! documentation only.
//!
//! | page | for the question |
//! |---|---|
//! | [`concepts`] | What is a key, a lease, a term, a deadline, and how do they fit together? |
//! | [`storages`] | Which storage, and how do I look into it? |
//! | [`timing`] | Which ttl, which intervals, and how long is nobody leading after a crash? |
//! | [`work`] | What does a leader do when its work ends, fails, panics or blocks? |
//! | [`fencing`] | How does a database, a bucket or a service refuse what an old leader still sends? |
//! | [`shutdown`] | How does a process end so that the next one leads at once, in a container too? |
//! | [`testing`] | How do I test my failover, without waiting? |
//! | [`observing`] | What do logs, metrics, probes and alerts look like? |
//! | [`telemetry`] | Which messages, spans and metrics are there? |
//! | [`trouble`] | Something is wrong: what does it look like, why, and what helps? |
//! | [`writing_a_storage`] | How do I write a storage, and prove it? |
//! | [`writing_a_timer`] | How do I bring my own clock and sleep? |
//! | [`many_keys`] | Thousands of keys in a process: what do they share, and what if the storage cannot keep up? |
//! | [`edge`] | How does an election go on where no loop survives? |
//! | [`rules`] | What exactly is promised? The rules R1 to R22 |
//! | [`proved`] | What is proved for any number of candidates, what is assumed, what is only tested? |
//! | [`tested`] | How are the promises tested? |
//! | [`costs`] | What does a storage cost, beside its bare driver? |
//! | [`compared`] | What do other systems do, and what changes for who comes from one? |
//!
//! All code in it compiles, and most of it runs, with each test of this crate.
// Without all features some of what is linked to is not there.
#![cfg_attr(
    not(all(feature = "system", feature = "tokio", feature = "conformance")),
    allow(rustdoc::broken_intra_doc_links)
)]

macro_rules! pages {
    ($($page:ident)*) => {$(
        pub mod $page {
            #![doc = include_str!(concat!("guide/", stringify!($page), ".md"))]
        }
    )*};
}

pages! {
    concepts storages timing work fencing shutdown testing observing telemetry trouble writing_a_storage writing_a_timer many_keys edge rules proved tested costs compared
}
