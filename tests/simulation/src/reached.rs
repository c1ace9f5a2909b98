//! What runs got into: a search that never meets a situation says nothing about it.

macro_rules! situations {
    ($($(#[doc = $text:literal])* $name:ident,)*) => {
        /// A situation in which the protocol has to get something right.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Situation {
            $($(#[doc = $text])* $name,)*
        }

        impl Situation {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What it is.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($text),*).trim_ascii(),)*
                }
            }
        }
    };
}

situations! {
    /// a released key was granted to another candidate
    HandOver,
    /// a key that was released in favour of a candidate was granted to it
    ReservedTaken,
    /// a key that was released in favour of a candidate was refused to another
    ReservedRefused,
    /// a key was granted that its successor had not asked for in time
    ReservationOver,
    /// an expired lease was taken over
    TakeOver,
    /// a lease that seemed to end later than its ttl, since the storage's clock had stepped back, was taken over
    TakeOverBehindTheClock,
    /// a repeated claim was granted the same term: its first reply had been lost
    LostReplyHealed,
    /// a candidate claimed anew on its own live lease and got a new term
    OwnLeaseNewTerm,
    /// a claim was refused since others had led meanwhile
    OutdatedClaim,
    /// a renewal was refused
    RenewalRefused,
    /// a request arrived more than a ttl after it was sent
    RequestVeryLate,
    /// a release arrived while somebody else led
    ReleaseTooLate,
    /// an expired lease was left alone until it had been watched for long enough
    TakeOverPutOff,
    /// a storage that had lost data refused a claim until no earlier lease could be left
    Frozen,
    /// a follower was answered by what another had heard
    RefusalShared,
    /// a candidate went on from a slot that was held to the next
    NextSlot,
    /// a candidate saw a free key, and let others go first
    OthersGoFirst,
    /// a term was lost by time
    LostByTime,
    /// a term was lost since the storage said so
    LostSuperseded,
    /// a term was given up after too many failures in a row
    LostByFailures,
    /// a term was resigned
    LostResigned,
    /// a term was ended by a stop
    LostStopped,
    /// a term was ended with its driver
    LostDriver,
    /// renewals failed, and the next one came in time
    Recovered,
    /// a request took longer than its timeout, or failed
    RequestFailed,
    /// an ending term was released as soon as its work had ended
    Drained,
    /// an ending term was released although its work went on: the drain timeout had passed
    DrainedOut,
    /// the next instance of a candidate went on with a ticket
    TicketTaken,
    /// a batch was applied in part
    BatchInPart,
    /// a wake-up was lost
    WakeUpLost,
    /// a value was published by a renewal
    ValuePublished,
    /// a leader's process crashed
    LeaderCrashed,
    /// a leader's process stood still
    LeaderPaused,
    /// a leader's machine slept
    LeaderSuspended,
    /// a leader's machine stood still with its clocks
    LeaderFrozen,
    /// a leader was cut off from the storage
    LeaderCutOff,
    /// a thread of a leader stood still right where it read the clock
    LeaderStalled,
    /// the storage went down while somebody led
    StorageDownUnderLeader,
    /// the storage lost data while somebody led
    StorageForgotLeader,
    /// an operator revoked a live lease, and the key was free at once
    Revoked,
    /// an operator revoked a live lease, and the key was nobody's until that would have ended
    RevokedSoftly,
    /// the holder of a revoked lease led on beside the next leader, until its deadline or its next renewal
    RevokedLedOn,
    /// a candidate began to lead in a term that had been revoked while its grant was on its way
    RevokedBeforeItLed,
    /// an operator saw all leases, on several pages
    ListedInPages,
    /// a lease of a group was renewed while the requests for another key failed
    OtherKeyFailed,
    /// a group gave a key up since the storage could not keep up
    GivenUp,
    /// a process that shares its keys let another go first, which was to lead
    OthersGoFirstInSpread,
    /// a process that shares its keys lost its place
    PlaceLost,
    /// a key was handed over to a process that had asked for it
    HandedToWhoAsked,
    /// a key came to the process that had asked for it
    KeyMoved,
    /// a key was not moved while its work went on
    WorkKeptItsKey,
    /// registers: the lease of a leader that had stood still for its ttl was taken
    EndTaken,
    /// registers: it was marked as ended, for all to see
    EndMarked,
    /// registers: a lease that was marked as ended was taken
    MarkedTaken,
    /// registers: who took a lease had come late, and had to see all of its ttl
    LateObserver,
    /// registers: a renewal got through after the ttl of the one before, since nobody had taken the end
    RenewedLate,
    /// registers: a swap was too late, and its asker looked again
    LostRace,
    /// registers: a swap got through, and its answer was lost
    SwapInDoubt,
    /// registers: a swap got through after its asker had given up
    LingeringSwapApplied,
    /// registers: a swap arrived after its asker had given up, and was refused by its revision
    LingeringSwapRefused,
    /// registers: a read showed an older state
    StaleRead,
    /// registers: a follower was refused by what its process knew
    RefusedByWhatIsKnown,
    /// registers: a watch was lost
    WatchLost,
    /// registers: a watch said nothing for a while, and nobody knew
    WatchSilent,
    /// registers: a watch told of several writes as of one
    ItemsTogether,
    /// registers: a watch told of a write after a newer one had been read
    ItemOvertaken,
    /// a write of an earlier reign was refused
    StaleWriteRefused,
}

/// How often each was met.
#[derive(Clone, Debug)]
pub struct Reached([u64; Situation::ALL.len()]);

impl Default for Reached {
    fn default() -> Self {
        Self([0; Situation::ALL.len()])
    }
}

impl Reached {
    pub(crate) fn count(&mut self, situation: Situation) {
        self.0[situation as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }

    /// Each situation with its count.
    pub fn counts(&self) -> impl Iterator<Item = (Situation, u64)> + '_ {
        Situation::ALL.iter().copied().zip(self.0)
    }
}
