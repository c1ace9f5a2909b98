//! The guide: what to know before, while and after you let an election decide. It has no code of its own and exists in the
//! documentation only.
//!
//! | page | for the question |
//! |---|---|
//! | [`concepts`] | What is a key, a lease, a term, a deadline, and how do they fit together? |
//! | [`timing`] | Which ttl, which intervals, and how long is nobody leading after a crash? |
//! | [`fencing`] | How does a database, a bucket or a service refuse what an old leader still sends? |
//! | [`shutdown`] | How does a process end so that the next one leads at once, in a container too? |
//! | [`testing`] | How do I test my failover, without waiting? |
//! | [`observing`] | What do logs, figures, probes and alerts look like? |
//! | [`trouble`] | Something is wrong: what does it look like, why, and what helps? |
//! | [`storage`] | How do I write a storage, and prove it? |
//! | [`timer`] | How do I bring my own clock and sleep? |
//! | [`edge`] | How does an election go on where no loop survives? |
//!
//! All code in it compiles, and most of it runs, with each test of this crate.
// Without all features some of what is linked to is not there.
#![cfg_attr(
    not(all(
        feature = "http",
        feature = "mysql",
        feature = "postgres",
        feature = "redis",
        feature = "sqlite",
        feature = "tokio",
        feature = "conformance"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

pub mod concepts {
    #![doc = include_str!("guide/concepts.md")]
}

pub mod timing {
    #![doc = include_str!("guide/timing.md")]
}

pub mod fencing {
    #![doc = include_str!("guide/fencing.md")]
}

pub mod shutdown {
    #![doc = include_str!("guide/shutdown.md")]
}

pub mod testing {
    #![doc = include_str!("guide/testing.md")]
}

pub mod observing {
    #![doc = include_str!("guide/observing.md")]
}

pub mod trouble {
    #![doc = include_str!("guide/trouble.md")]
}

pub mod storage {
    #![doc = include_str!("guide/storage.md")]
}

pub mod timer {
    #![doc = include_str!("guide/timer.md")]
}

pub mod edge {
    #![doc = include_str!("guide/edge.md")]
}
