//! Leases in a Redis server: a storage for [lessor], for processes anywhere that reach one primary.
//!
//! [`RedisStorage`] keeps one small string for each key, and takes the [`redis`] client that your program already has:
//!
//! ```no_run
//! use lessor::Builder;
//! use lessor_redis::RedisStorage;
//! use lessor_redis::redis::Client;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = RedisStorage::new(Client::open("redis://:password@cache.example.com")?);
//! let (candidate, driver) = Builder::new("nightly-report").build(storage)?;
//! # let _ = (candidate, driver);
//! # Ok(())
//! # }
//! ```
//!
//! Redis 7.0 or later, tested with 7.0. (Older ones, from 5.0 on, run the scripts too, but word errors differently: a
//! primary that became a replica is then noticed only when the connection breaks.)
//!
//! **Redis is fast and may forget.** What it acknowledged can be gone after a crash, and after a failover. So this
//! storage never trusts a server process that it does not know: [after a loss](#what-survives) nothing is granted for
//! the longest ttl. If such a pause costs you more than a disk write at each renewal, take a database that keeps what
//! it acknowledged.
//!
//! # Executors and TLS
//! It works under every executor. For each connection redis-rs checks whether it is made within tokio: with feature
//! `tokio` it then uses tokio's sockets, in all other cases smol's, which need no runtime. A connection ends with the
//! tokio runtime that it was made in; the next operation makes a new one.
//!
//! Feature `tls-rustls` is for `rediss://`, on both kinds of sockets: rustls with ring, and the root certificates of
//! Mozilla. For other roots or a client certificate make the client with `redis::Client::build_with_tls`. A program
//! that links another rustls provider beside ring has to install one of them (`CryptoProvider::install_default`) before
//! it connects.
//!
//! # What survives
//! | the server | after a crash it has | what happens |
//! |---|---|---|
//! | `appendonly yes`, `appendfsync always`, no replica takes over, and [`durable`](RedisBuilder::durable) | everything | leases go on |
//! | the same, without `durable` | everything | a freeze: nothing shows that no data is missing |
//! | `appendfsync everysec` (Redis's default with `appendonly yes`) | all but the last second or two | a freeze |
//! | RDB files only (Redis's default) | what the last file has | a freeze |
//! | no persistence | nothing | a freeze |
//! | a replica takes over | what was copied; Redis copies after it answers | a freeze |
//!
//! A *freeze*: for [`max_ttl`](RedisBuilder::max_ttl), 60 s by default, claims are refused with the time until its end,
//! and renewals are lost. After it every lease that may have been forgotten has run out. It begins when the first claim
//! or renewal reaches a server process that is not the one that made the grants (another `run_id`) or whose keys are
//! gone (`FLUSHALL`). Each of the 16 shards has its own freeze. Terms go on growing: a new term is at least the
//! server's clock in ms since 1970. So is the first term of a key.
//!
//! So a **first deployment** waits for `max_ttl` too, unless an operator calls
//! [`initialise`](RedisStorage::initialise).
//!
//! What a freeze does not cover:
//!
//! * **Single keys that vanish.** Do not delete them, do not give them a ttl, and let the server evict nothing that has
//!   none: `maxmemory-policy noeviction` (Redis's default) or one of the `volatile` policies.
//!   [`check`](lessor::Storage::check) refuses the others where `maxmemory` is set. With `durable` it also refuses a
//!   server without an append-only file; it does not look at `appendfsync`.
//! * **Two primaries.** A primary that was cut off and does not know that a replica took its place goes on granting to
//!   candidates that still reach it. Let it stop by itself (`min-replicas-to-write 1`), and before the failover
//!   (`min-replicas-max-lag` below the time after which Sentinel or the cluster acts).
//! * **There and back.** A replica takes over, and then the process that was the primary before takes over again
//!   without a restart. Grants that were not copied may be gone, and if no claim or renewal of the shard reached the
//!   replica meanwhile, nothing shows it. Restart a server before it becomes primary again.
//! * **A proxy that moves a connection from one server to another.** The storage asks for the server's `run_id` once
//!   for each connection. A proxy that passes connections on as they are is fine.
//! * **A clock that steps.** The freeze is counted by the server's clock: a step forward ends it early, and the
//!   [take-over guard](lessor::Config::takeover_guard) does not help, since what it watches is gone. A step back by more than a freeze may
//!   take terms back.
//! * **Processes with different settings**: give all the same `max_ttl`.
//!
//! Replicas are never read. There is no quorum of several servers (Redlock): it needs bounds on delays and on the steps
//! of all their clocks, and gives no fencing token (Kleppmann, "How to do distributed locking", 2016). If one server
//! that may forget is not enough, take a consensus system or a database with synchronous replicas.
//!
//! # Time
//! Expiry is judged by the server's wall clock, in whole milliseconds, which stands still while a script runs. After
//! the clock steps back, a lease shows at most its ttl as time left, and a freeze lasts no longer than `max_ttl`; a
//! leader that is gone is replaced by a candidate that saw the version unchanged for the ttl and a margin on its own
//! clock. A step forward ends leases and freezes early, so that two may lead: where that can happen, set
//! [`takeover_guard`](lessor::Config::takeover_guard). A replica that takes over has another clock: if that is behind
//! by more than the freeze, a term may be granted twice, for keys whose last grants the replica never saw.
//!
//! # What it costs
//! Each operation is one `EVALSHA`: one round trip, on one connection for all keys of a storage and its clones. A
//! server that does not know a script (restarted, `SCRIPT FLUSH`) is sent it once. A batch is one call for each
//! operation and shard, sent together. A look and a refused claim write nothing, neither to memory nor to the
//! append-only file. A key takes about 200 bytes.
//!
//! A list is expensive: Redis keeps its keys in no order, so each page goes through all keys of the database, other
//! programs' too (`SCAN`, 1,000 keys a call, one call after the other), and then reads the leases that it shows. It
//! never blocks the server for long (`KEYS` is not used), but it is for people, not for a loop. A record that is there
//! all the time is found; a key that is granted for the first time meanwhile may be missing.
//!
//! No timeout of redis-rs applies: the candidate's [request timeout](lessor::Config::request_timeout) decides. A
//! connection that broke is replaced at once and the operation repeated, which is harmless; one that stays silent until
//! its caller gives up is replaced by the next operation. A revoke that names no term is not repeated: it might take the
//! lease of whoever was granted the key since. It is sent after a `PING`, and where its answer is lost the error says
//! that it is not known whether it was done ([`AdapterError::InDoubt`]). redis-rs may lose a request at the moment when its connection
//! breaks: then too only the timeout ends the wait. So set a timeout around requests that you make yourself.
//!
//! All who wait for a connection share the attempt, which goes on when they give up and ends after 5 s; and a failure,
//! which is told to all who ask in a pause of 50 ms to 1 s, 1 s where somebody has to change something first.
//!
//! # Wake-ups
//! Followers are woken when a key is granted, released or revoked (`PUBLISH` in the script that does it); renewals wake
//! nobody. One connection of its own listens for all keys of a storage and its clones, on a thread of its own: from the
//! first [`subscribe`](lessor::Storage::subscribe) on, until the last clone is gone. A lost connection is replaced
//! after a pause: 250 ms at first, up to 30 s. Each new one wakes all followers, since they may have missed a wake-up.
//! Where requests go to another server process by now, the old one's is left within 30 s of silence.
//! They are [complete](lessor::Wakeups::complete), so the default [retry interval](lessor::Config::retry_interval) is
//! the ttl. Nothing relies on them: a follower that is not woken, since that connection is down, asks at its retry
//! interval.
//!
//! # Rights
//! Candidates need `EVALSHA`, `EVAL`, `INFO`, `TIME`, `MGET` and `SET` on keys that begin with the prefix; with
//! wake-ups also `PUBLISH`, `SUBSCRIBE` and `PING`, on the channel named as the prefix; `SELECT` for a database other
//! than 0:
//!
//! ```text
//! ACL SETUSER app on >password ~lessor:* &lessor +evalsha +eval +info +time +mget +set +publish +subscribe +ping
//! ```
//!
//! Lists need `+scan` too, which shows the names of all keys, not only of these. [`check`](lessor::Storage::check) says
//! what is missing, except `SET`, which it cannot try without writing, and `SCAN`. Where a user may not listen all the same, followers
//! ask at their retry interval, and the log says once that there are no wake-ups (feature `tracing` of `lessor`).
//!
//! # Clusters
//! One primary is supported, reached by a name, a managed endpoint or a proxy of connections. All keys of a call are in
//! one hash slot (`{0}` to `{15}`), as a cluster requires, so a cluster of one primary works; a client that follows
//! slots from node to node is not supported. [`check`](lessor::Storage::check) asks for the slots of all 16 shards, and
//! refuses a node that has some of them only.
//!
//! # The keys
//! | key | holds |
//! |---|---|
//! | `lessor:{3}` | the marker of shard 3: the server's `run_id`, an epoch, and when its freeze ends (ms since 1970; 0: it has) |
//! | `lessor:{3}:some-key` | a record: term, version, ttl (ms), when it ends and when its term was granted (ms since 1970), epoch, session (a secret; empty: released), id, and the value if there is one. Of a reserved key ttl, end and id are those of the reservation |
//!
//! Each is a string of lines. The shard of a key is its FNV-1a hash (64 bits) modulo 16. Records are never deleted:
//! they keep the terms. You may read them; the term comes first:
//! `tonumber(string.match(redis.call('GET', record), '^%d+'))`.
//!
//! # Fencing
//! A write to the same server that only the newest leader can do is a script that keeps the newest term it has seen
//! beside what it writes, and refuses a lower one: see the example `redis` of this project. Do not compare with the
//! lease's record instead: the server may forget that, while the resource stays.
//!
//! # The scripts, and why they are safe
//! They mirror [`Record::judge`](lessor::storage::Record::judge). Redis runs a script as one step, with nothing in
//! between, so reading, judging and writing need no lock. Each script first reads the clock and all records it is
//! about:
//!
//! ```lua
//! local run, longest, durable, channel = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4]
//! local time = redis.call('TIME')
//! local now = time[1] * 1000 + math.floor(time[2] / 1000)
//! local stored = redis.call('MGET', unpack(KEYS))
//! local server, epoch, thaw = string.match(stored[1] or '', '^([^\n]*)\n(%d+)\n(%d+)$')
//! local lost = not server or (server ~= run and not durable)
//! local fields = '^(%d+)\n(%d+)\n(%d+)\n(%d+)\n(%d+)\n(%d+)\n(%x*)(\n.*)$'
//! local answers = {}
//! ```
//!
//! A claim and a renewal then handle the freeze:
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
//! * *Lost*: the marker is gone, or another server's. A new epoch begins, later than any before: a record of an older
//!   epoch counts as released, and keeps its term.
//! * A freeze that ends later than `max_ttl` from now was written before the clock stepped back.
//! * The first grant erases the end of the freeze, so that the freeze does not return when the clock steps back.
//!
//! A claim:
//!
//! ```lua
//! for i = 2, #KEYS do
//!     local at = i * 4 - 3
//!     local after, takeover = tonumber(ARGV[at + 2]), ARGV[at + 3]
//!     local term, version, ttl, expires, since, made, session, rest = string.match(stored[i] or '0\n0\n0\n0\n0\n0\n\n', fields)
//!     local granted
//!     if term then
//!         term = tonumber(term)
//!         if made ~= epoch then
//!             session, expires = '', 0
//!         end
//!         local left = math.min(expires - now, ttl)
//!         local reserved = session == '' and expires - now > 0 and expires - now <= tonumber(ttl)
//!             and string.match(rest, '^\n[^\n]*') ~= string.match(ARGV[at], '\n[^\n]*')
//!         local mine, known = session == string.sub(ARGV[at], 1, 32), after >= term
//!         local following = math.max(term, after) + 1
//!         following = following < 9007199254740992 and math.max(following, now) or nil
//!         if mine and left > 0 then
//!             if known then granted = following else granted = term end
//!         elseif known and not reserved and (session == '' or mine
//!                 or takeover == 'expired' and left <= 0
//!                 or takeover == version and (left <= 0 or expires - now > tonumber(ttl))) then
//!             granted = following
//!         end
//!         if granted then
//!             local span = math.max(ARGV[at + 1], mine and left or 0)
//!             redis.call('SET', KEYS[i], string.format('%.0f\n%.0f\n%.0f\n%.0f\n%.0f\n%s\n',
//!                 granted, version + 1, span, now + span, granted == term and since or now, epoch) .. ARGV[at])
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
//! * A key without a record counts as released, with term 0.
//! * *Reserved*: released in favour of another id, for a time that is not over.
//! * *Refused*: nothing is written, and the reply is made from the record.
//! * The new term is greater than the record's and than the newest that the claimant knows, and at least the clock. It
//!   stays the same only where an earlier try of the same claim was granted: that is repeated, and nobody is woken.
//! * Numbers stay below 2^53, so that Lua's doubles hold them exactly, and are written as whole numbers.
//!
//! A renewal:
//!
//! ```lua
//! for i = 2, #KEYS do
//!     local at = i * 3 - 1
//!     local term, version, ttl, expires, since, made, session = string.match(stored[i] or '', fields)
//!     local left = term and math.min(expires - now, ttl)
//!     if term == ARGV[at + 2] and made == epoch and session == string.sub(ARGV[at], 1, 32) and left > 0 then
//!         local span = math.max(ARGV[at + 1], left)
//!         redis.call('SET', KEYS[i], string.format('%s\n%.0f\n%.0f\n%.0f\n%s\n%s\n',
//!             term, version + 1, span, now + span, since, epoch) .. ARGV[at])
//!         answers[i - 1] = {1, version + 1}
//!     else
//!         answers[i - 1] = {0, now, stored[i], made == epoch and 1 or 0}
//!     end
//! end
//! return answers
//! ```
//!
//! A revoke:
//!
//! ```lua
//! for i = 2, #KEYS do
//!     local meant, nobody = ARGV[i * 2 + 1], string.rep('0', 32)
//!     local term, version, ttl, expires, _, made, session, rest = string.match(stored[i] or '', fields)
//!     local current = made == epoch and not lost
//!     local waits = ARGV[i * 2 + 2] == ''
//!     if current and session ~= '' and (meant == '0' or meant == term) and not (waits and session == nobody) then
//!         redis.call('SET', KEYS[i], string.format('%.0f\n%.0f\n%s\n%s\n%.0f\n%s\n',
//!             math.min(term + 1, 9007199254740991), version + 1, ttl, waits and expires or 0, now, made)
//!             .. (waits and nobody or '') .. rest)
//!         if channel ~= '' then
//!             redis.pcall('PUBLISH', channel, KEYS[i])
//!         end
//!     end
//!     answers[i - 1] = {0, now, stored[i], current and 1 or 0}
//! end
//! return answers
//! ```
//!
//! It ignores the freeze, since it grants nothing. While a freeze lasts there is nothing to revoke either: the records
//! are of an older epoch, so nobody holds their leases, and the reply says so. A revoke never begins a freeze. The
//! reply shows the record as it was before. A term of 0 means any. A session of
//! 32 zeros is nobody's: what was revoked has it until it ends. The last argument is empty, or `now` where that is at once.
//!
//! A release:
//!
//! ```lua
//! for i = 2, #KEYS do
//!     local at = i * 3 - 1
//!     local term, version, ttl, _, since, made, session, rest = string.match(stored[i] or '', fields)
//!     if term and session == ARGV[at] then
//!         local expires = 0
//!         if ARGV[at + 1] ~= '' then
//!             rest = '\n' .. ARGV[at + 1] .. string.match(rest, '^\n[^\n]*(.*)$')
//!             ttl = ARGV[at + 2]
//!             expires = now + ttl
//!         end
//!         redis.call('SET', KEYS[i], string.format('%s\n%.0f\n%s\n%.0f\n%s\n%s\n',
//!             term, version + 1, ttl, expires, since, made) .. rest)
//!         if channel ~= '' then
//!             redis.pcall('PUBLISH', channel, KEYS[i])
//!         end
//!     end
//!     answers[i - 1] = {1}
//! end
//! return answers
//! ```
//!
//! It writes the record without its session, whatever the epoch, and for whom it reserves the key: the id, and the ttl and end of the
//! reservation. A record of an older epoch reserves nothing. A look never begins a
//! freeze, and shows the leases of an older epoch as released.
#![cfg_attr(docsrs, feature(doc_cfg))]
// A library does not panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answer;
mod builder;
mod connection;
mod error;
mod layout;
mod link;
mod list;
mod record;
mod request;
mod scripts;
mod setup;
mod storage;
mod wakeups;

pub use builder::RedisBuilder;
pub use lessor_kit::error::AdapterError;
pub use redis;
pub use storage::RedisStorage;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
