//! How busy a lane is.

/// What a lane has done so far, and what waits in it now.
///
/// The counts never fall and begin with the lane. Two of them with some time between tell how many requests travel
/// together; [`waiting`](Self::waiting) that keeps growing, and [`not_sent`](Self::not_sent) that grows at all, mean
/// that the server cannot keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Requests that wait for their turn.
    pub waiting: usize,
    /// Connections that were opened.
    pub connected: u64,
    /// Attempts to open one that failed.
    pub not_connected: u64,
    /// Flights that departed: each is one statement, or few.
    pub flights: u64,
    /// Requests that travelled in them.
    pub requests: u64,
    /// Requests that were sent a second time, since their connection was broken.
    pub repeated: u64,
    /// Requests that were answered by what was read for another, and not sent.
    pub shared: u64,
    /// Requests that could not be answered in time any more, and were not sent.
    pub not_sent: u64,
    /// Connections that did not answer in time.
    pub silent: u64,
}
