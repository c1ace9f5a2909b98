//! Leases in a Redis server: for processes anywhere that reach one primary.
//!
//! [`RedisStorage`] keeps one small string for each key, and takes the [`redis`] client that your program has anyway:
//!
//! ```no_run
//! use lessor::storage::redis::redis::Client;
//! use lessor::{Builder, RedisStorage};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = RedisStorage::new(Client::open("redis://:password@cache.example.com")?);
//! let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
//! # let _ = (candidate, driver);
//! # Ok(())
//! # }
//! ```
//!
//! Redis 7.0 or later, tested with 7.0. (Older ones, from 5.0 on, run the scripts too, but word errors in them otherwise: that
//! a primary became a replica is then noticed only when the connection breaks.)
//!
//! **Redis is fast and may forget.** What it acknowledged can be gone after a crash, and after a failover. So this storage
//! never trusts a server that it does not know: [after a loss](#what-survives) nothing is granted for the longest ttl. Where
//! seconds without a leader matter more than a moment's work of a disk, take a database that keeps what it says.
//!
//! # Executors and TLS
//! It works under every executor. redis-rs looks at each connection whether it is made within tokio: with feature `tokio`
//! it then uses tokio's sockets, otherwise and everywhere else those of smol, which need nobody to run them. A connection
//! ends with the tokio runtime that it was made in; the next operation makes a new one. TLS is a feature of redis-rs that your program
//! sets: `redis = { version = "1.8", default-features = false, features = ["smol-rustls-comp", "tls-rustls-webpki-roots"] }`,
//! and `tokio-rustls-comp` beside feature `tokio`.
//!
//! # What survives
//! | the server | after a crash | what happens |
//! |---|---|---|
//! | `appendonly yes`, `appendfsync always`, no replica takes over, and [`durable`](RedisBuilder::durable) | everything | leases go on |
//! | the same, without `durable` | everything | a freeze: it cannot be told that nothing is missing |
//! | `appendfsync everysec` (Redis's default with `appendonly yes`) | all but the last second or two | a freeze |
//! | RDB files only (Redis's default) | what the last file has | a freeze |
//! | no persistence | nothing | a freeze |
//! | a replica takes over | what was copied; Redis copies after it answers | a freeze |
//!
//! A *freeze*: for [`max_ttl`](RedisBuilder::max_ttl), 60 s by default, claims are answered with when it ends, and renewals with
//! "lost". Then every lease that may have been forgotten has run out. It begins when the first claim or renewal
//! reaches a server process that is not the one that made the grants (another `run_id`) or whose keys are gone (`FLUSHALL`), and
//! it is a shard's own: there are 16. Terms go on growing: a new one is at least the server's clock in ms. That is also what the
//! first term of a key is.
//!
//! So a **first deployment** waits for `max_ttl` too. [`initialise`](RedisStorage::initialise) spares it that, once.
//!
//! What a freeze does not cover:
//!
//! * **Single keys that vanish.** Do not delete them, do not give them a ttl, and let the server evict nothing that has none:
//!   `maxmemory-policy noeviction` (Redis's default) or one of the `volatile` policies. [`check`](Storage::check) refuses
//!   the others where `maxmemory` is set. With `durable` it also refuses a server without an append-only file; `appendfsync` it
//!   does not look at.
//! * **Two primaries.** One that was cut off and does not know that a replica took its place goes on granting to those who
//!   still reach it. Let it stop by itself (`min-replicas-to-write 1`), and before the failover
//!   (`min-replicas-max-lag` below the time after which Sentinel or the cluster acts).
//! * **There and back.** A replica takes over and is replaced again by the process that was the primary before, which has
//!   not been restarted: what was granted in between is gone, and if no claim or renewal of the shard came in between, nothing
//!   shows it. Restart a server before it becomes primary again.
//! * **A proxy that moves a connection from one server to another.** Who the server is, is asked once a connection. What passes
//!   connections on as they are is fine.
//! * **Processes of different settings**: give all the same `max_ttl`.
//!
//! Replicas are never read. There is no quorum of several servers (Redlock): it needs bounds on delays and on the steps of
//! all their clocks, and gives no number to fence with (Kleppmann, "How to do distributed locking", 2016). If one
//! server that may forget is not enough, a consensus system or a database with synchronous replicas is.
//!
//! # Time
//! Expiry is judged by the server's wall clock, in whole milliseconds, which stands still while a script runs. After a step back
//! a lease shows no more than its ttl, and a freeze lasts no longer than `max_ttl`; a leader that is gone is replaced by a
//! candidate that saw its version unchanged for a ttl and margin on its own clock. A step forward ends leases and freezes
//! early, so that two may lead: where that can happen, set [`takeover_guard`](crate::Config::takeover_guard). A replica that takes over
//! has another clock: one that is behind by more than the freeze may give terms again that were given before, to keys whose
//! last grants it never saw.
//!
//! # What it costs
//! Each operation is one `EVALSHA`: one round trip, on one connection for all keys of a storage and its clones. A server that does not
//! know a script (restarted, `SCRIPT FLUSH`) is sent it once. A batch is one call a shard, up to 16, sent together.
//! A look and a refused claim write nothing, neither to memory nor to the log. A key takes about 200 bytes.
//!
//! No timeout of redis-rs applies: it is the candidate's [request timeout](crate::Config::request_timeout) that decides. A connection
//! that broke is replaced at once and the operation repeated, which is harmless; one that stays silent until somebody gives up is
//! replaced by the next operation. redis-rs may lose a request in the moment in which its connection breaks: then too it is
//! the timeout that ends the wait. So give one to what you ask outside of a candidate.
//!
//! # Wake-ups
//! Followers are woken when a key is granted or released (`PUBLISH` in the script that does it); renewals wake nobody.
//! One connection of its own listens for all keys of a storage and its clones, on a thread of its own: from
//! the first [`subscribe`](Storage::subscribe) on, until the last clone is gone. A lost connection is made anew, after
//! 250 ms at first and 30 s at last. Whenever it begins to listen, all followers are woken: something may have passed
//! meanwhile. Nothing relies on wake-ups: a follower that is not woken asks at its
//! [retry interval](crate::Config::retry_interval).
//!
//! # Rights
//! `EVALSHA`, `EVAL`, `INFO`, `TIME`, `MGET`, `SET`, and with wake-ups `PUBLISH` and `SUBSCRIBE`, on keys that begin with the prefix and
//! the channel of its name; `SELECT` for a database other than 0: `ACL SETUSER app on >password ~lessor:* &lessor +evalsha +eval +info +time +mget +set +publish
//! +subscribe +ping`. [`check`](Storage::check) says what is missing, but for the rights that only a grant needs.
//!
//! # Clusters
//! One primary is supported, with what leads to it (a name, a managed endpoint, a proxy of connections). All keys of a call are in one hash slot
//! (`{0}` to `{15}`), as a cluster wants it, so a cluster of one primary works; the client that follows slots from node
//! to node is not part of this.
//!
//! # The keys
//! | key | holds |
//! |---|---|
//! | `lessor:{3}` | the marker of shard 3: the server's `run_id`, an epoch, and when its freeze ends (ms since 1970; 0: it has) |
//! | `lessor:{3}:some-key` | a record: term, version, ttl (ms), when it ends (ms since 1970), epoch, session (a secret; empty: released), holder, and the value if there is one |
//!
//! Each is a string of lines. The shard of a key is its FNV-1a hash (64 bits) modulo 16. Records are never deleted: they keep the
//! terms. You may read them; the term comes first: `tonumber(string.match(redis.call('GET', record), '^%d+'))`.
//!
//! # Fencing
//! A write to the same server that only the newest leader can do is a script that keeps the newest term it has seen beside
//! what it writes, and refuses a lower one; `examples/redis.rs` has it. The lease's record is not the place to ask: what it
//! forgot, the resource must not.
//!
//! # The scripts, and why they are safe
//! They mirror [`Record`](crate::Record). Redis runs a script as one step, with nothing in between, so reading, judging and
//! writing need no lock. Each begins with a look at the clock and at everything it is about:
//!
//! ```lua
//! local run, longest, durable, channel = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4]
//! local time = redis.call('TIME')
//! local now = time[1] * 1000 + math.floor(time[2] / 1000)
//! local stored = redis.call('MGET', unpack(KEYS))
//! local server, epoch, thaw = string.match(stored[1] or '', '^([^\n]*)\n(%d+)\n(%d+)$')
//! local lost = not server or (server ~= run and not durable)
//! local fields = '^(%d+)\n(%d+)\n(%d+)\n(%d+)\n(%d+)\n(%x*)(\n.*)$'
//! local answers = {}
//! ```
//!
//! A claim and a renewal then see to the freeze:
//!
//! ```lua
//! local frozen = tonumber(thaw or 0)
//! if lost or frozen > now + longest then
//!     frozen = now + longest
//!     if lost then
//!         epoch = string.format('%.0f', math.max(now, (epoch or 0) + 1))
//!     end
//!     redis.call('SET', KEYS[1], string.format('%s\n%s\n%.0f', run, epoch, frozen))
//! end
//! if frozen > now then
//!     for i = 2, #KEYS do
//!         answers[i - 1] = {2, frozen - now}
//!     end
//!     return answers
//! end
//! ```
//!
//! * *Lost*: the marker is gone, or another server's. A new epoch begins, later than any before, so that whatever a record
//!   of an older one says of a holder is over: it counts as released, and keeps its term.
//! * A freeze that ends later than `max_ttl` from now was written before the clock stepped back.
//! * The end of a freeze is struck out by the first grant, so that a step back does not bring it back.
//!
//! A claim:
//!
//! ```lua
//! for i = 2, #KEYS do
//!     local at = i * 4 - 3
//!     local after, takeover = tonumber(ARGV[at + 2]), ARGV[at + 3]
//!     local term, version, ttl, expires, made, session = string.match(stored[i] or '0\n0\n0\n0\n0\n\n', fields)
//!     local granted
//!     if term then
//!         term = tonumber(term)
//!         if made ~= epoch then
//!             session = ''
//!         end
//!         local left = math.min(expires - now, ttl)
//!         local mine, known = session == string.sub(ARGV[at], 1, 32), after >= term
//!         local following = math.max(term, after) + 1
//!         following = following < 9007199254740992 and math.max(following, now) or nil
//!         if mine and left > 0 then
//!             if known then granted = following else granted = term end
//!         elseif known and (session == '' or mine
//!                 or takeover == 'expired' and left <= 0
//!                 or takeover == version and (left <= 0 or expires - now > tonumber(ttl))) then
//!             granted = following
//!         end
//!         if granted then
//!             local span = math.max(ARGV[at + 1], mine and left or 0)
//!             redis.call('SET', KEYS[i],
//!                 string.format('%.0f\n%.0f\n%.0f\n%.0f\n', granted, version + 1, span, now + span) .. epoch .. '\n' .. ARGV[at])
//!             answers[i - 1] = {1, granted, version + 1}
//!             if channel ~= '' and granted ~= term then
//!                 redis.pcall('PUBLISH', channel, KEYS[i])
//!             end
//!             if frozen > 0 then
//!                 frozen = 0
//!                 redis.call('SET', KEYS[1], server .. '\n' .. epoch .. '\n0')
//!             end
//!         end
//!     end
//!     if not granted then
//!         answers[i - 1] = {0, now, stored[i], made == epoch and 1 or 0}
//!     end
//! end
//! return answers
//! ```
//!
//! * A key without a record is a released one of term 0.
//! * *Refused*: nothing is written, and the answer is made from the record.
//! * The new term is beyond the record's and what the claimant knows of, and at least the clock. Only where an earlier try of the same
//!   claim was granted is the term the same: that is repeated, and nobody is woken.
//! * Numbers stay below 2^53, which Lua's doubles hold exactly, and are written as whole ones.
//!
//! A renewal:
//!
//! ```lua
//! for i = 2, #KEYS do
//!     local at = i * 3 - 1
//!     local term, version, ttl, expires, made, session = string.match(stored[i] or '', fields)
//!     local left = term and math.min(expires - now, ttl)
//!     if term == ARGV[at + 2] and made == epoch and session == string.sub(ARGV[at], 1, 32) and left > 0 then
//!         local span = math.max(ARGV[at + 1], left)
//!         redis.call('SET', KEYS[i],
//!             term .. string.format('\n%.0f\n%.0f\n%.0f\n', version + 1, span, now + span) .. epoch .. '\n' .. ARGV[at])
//!         answers[i - 1] = {1, version + 1}
//!     else
//!         answers[i - 1] = {0, now, stored[i], made == epoch and 1 or 0}
//!     end
//! end
//! return answers
//! ```
//!
//! A release writes the record without its session, whatever the epoch; it needs no clock. A look is never the beginning of a
//! freeze, but does not show what is before one as held.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

pub use ::redis;
use ::redis::{Cmd, Value};
use async_trait::async_trait;
use futures::future::join_all;

use super::listener::Listener;
use super::{Distinct, Storage, StorageError, Wakeups, by_requests};
use crate::lease::{Key, Lease, Session, Term};
use crate::record::{Acquired, Claim, Renewed, whole_ms};

mod builder;
mod error;
mod layout;
mod link;
mod record;
mod request;
mod scripts;
mod setup;
mod watch;

pub use builder::RedisBuilder;
pub use error::{InvalidSetting, NotReady, Refused, TtlTooLong, UnreadableRecord};

use layout::{Layout, shard};
use link::Link;
use record::Told;
use request::Request;
use scripts::Scripts;
use watch::PubSub;

/// The most keys of one call: the server does nothing else meanwhile.
const MOST: usize = 256;

/// Leases in a Redis server, through your own client.
///
/// The [module](self) says what it runs and what survives. Clones share the connections; these end with the last clone.
#[derive(Clone)]
pub struct RedisStorage(Arc<Shared>);

struct Shared {
    link: Link,
    layout: Layout,
    scripts: Scripts,
    max_ttl: Duration,
    durable: bool,
    /// `None`: there are no wake-ups.
    watch: Option<Listener<PubSub>>,
}

impl Shared {
    /// What every script is told.
    fn settings(&self, command: &mut Cmd, run_id: &str) {
        let channel = if self.watch.is_some() { self.layout.channel() } else { "" };
        command.arg(run_id).arg(whole_ms(self.max_ttl)).arg(u8::from(self.durable)).arg(channel);
    }
}

impl RedisStorage {
    /// Uses your client's settings, and keys that begin with `lessor`. Nothing is sent yet.
    #[must_use]
    pub fn new(client: redis::Client) -> Self {
        Self::builder().client(client)
    }

    /// The prefix `lessor`, a longest ttl of 60 s, no durability and wake-ups, to be changed.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::new()
    }

    /// Answers in order, a key that occurs again with an error in its place.
    async fn ask_all<R: Request>(&self, requests: &[R]) -> Vec<Result<R::Answer, StorageError>> {
        let mut distinct = Distinct::default();
        let mut answers = Vec::with_capacity(requests.len());
        let mut shards: BTreeMap<u64, Vec<(usize, &R)>> = BTreeMap::new();
        for (place, request) in requests.iter().enumerate() {
            let unanswered = || Err(StorageError::transient("the server's answer does not fit the script"));
            answers.push(match distinct.admit(request.key()).and_then(|()| self.admit(request)) {
                Ok(()) => {
                    shards.entry(shard(request.key())).or_default().push((place, request));
                    unanswered()
                }
                Err(error) => Err(error),
            });
        }
        let calls = shards.iter().flat_map(|(shard, group)| group.chunks(MOST).map(|some| (*shard, some)));
        // All at once: they follow each other on the one connection without a pause.
        let calls = calls.map(async |(shard, some)| {
            let requests: Vec<_> = some.iter().map(|(_, request)| *request).collect();
            match self.call(shard, &requests).await {
                Ok(told) => some.iter().map(|(place, _)| *place).zip(told).collect(),
                // An error in one call is no verdict on what the others asked.
                Err(error) => some.iter().map(|(place, _)| (*place, Err(error.clone()))).collect::<Vec<_>>(),
            }
        });
        for (place, answer) in join_all(calls).await.into_iter().flatten() {
            if let Some(open) = answers.get_mut(place) {
                *open = answer;
            }
        }
        answers
    }

    /// A lease may not outlast the freeze.
    fn admit<R: Request>(&self, request: &R) -> Result<(), StorageError> {
        let max_ttl = self.0.max_ttl;
        match request.ttl() {
            Some(ttl) if ttl > max_ttl => Err(StorageError::permanent(TtlTooLong { ttl, max_ttl })),
            _ => Ok(()),
        }
    }

    /// One script, on keys of one shard.
    async fn call<R: Request>(
        &self,
        shard: u64,
        requests: &[&R],
    ) -> Result<Vec<Result<R::Answer, StorageError>>, StorageError> {
        let Shared { link, layout, scripts, .. } = &*self.0;
        let told = link.run(R::script(scripts), |command, run_id| {
            command.arg(requests.len() + 1).arg(layout.marker(shard));
            for request in requests {
                command.arg(layout.record(request.key()));
            }
            self.0.settings(command, run_id);
            for request in requests {
                request.arguments(command);
            }
        });
        let told = match told.await? {
            Value::Array(told) => told,
            _ => Vec::new(),
        };
        let unanswered = || StorageError::transient("the server's answer does not fit the script");
        let answers = requests.iter().enumerate().map(|(place, request)| {
            let told = told.get(place).and_then(|told| Told::of(told, request.key())).ok_or_else(unanswered)?;
            request.answer(told.map_err(StorageError::permanent)?).ok_or_else(unanswered)
        });
        Ok(answers.collect())
    }

    async fn ask<R: Request>(&self, request: &R) -> Result<R::Answer, StorageError> {
        let unanswered = || Err(StorageError::transient("the script was not answered"));
        self.admit(request)?;
        self.call(shard(request.key()), &[request]).await?.pop().unwrap_or_else(unanswered)
    }
}

by_requests! {
    RedisStorage,

    fn subscribe(&self, key: &Key) -> Wakeups {
        self.0.watch.as_ref().map_or(Wakeups::never(), |watch| watch.subscribe(key))
    }

    /// Whether the server is a primary that keeps what it is given, and this user may run scripts and tell followers.
    /// Writes nothing. A storage that is frozen passes.
    async fn check(&self) -> Result<(), StorageError> {
        self.look_over().await
    }
}

impl fmt::Debug for RedisStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { layout, max_ttl, durable, .. } = &*self.0;
        f.debug_struct("RedisStorage")
            .field("prefix", &layout.prefix())
            .field("max_ttl", max_ttl)
            .field("durable", durable)
            .finish_non_exhaustive()
    }
}
