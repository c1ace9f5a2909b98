//! What the storage's half rests on. A model without one of these says something else than the code.

/// Named as in `tests/proof/record.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    /// A claim that has not seen the record's term is refused.
    Outdated,
    /// A grant has a term beyond the record's, and beyond what its claim has seen.
    NewTerm,
    /// A claim that has seen its own live lease's term gets a new one.
    OwnLiveLeaseEnds,
    /// An own lease that has expired goes on in a new term.
    OwnExpiredLeaseEnds,
    /// What lives is taken only if the clock is behind it.
    AheadOfTheClock,
    /// What is reserved for another is refused.
    Reservation,
    /// What was seen unchanged is taken at that version alone.
    Version,
    /// Another's live lease is refused.
    Live,
    /// An own lease is not cut short.
    NeverShortened,
    /// Each extension has a version of its own.
    VersionMoves,
    /// Who renews is the holder.
    Session,
    /// What is renewed is the record's term.
    Term,
    /// What has expired is not renewed.
    NeverRevives,
    /// Who releases is the holder.
    OwnRelease,
    /// A revoke has a term of its own.
    RevokedTerm,
}

impl Clause {
    /// All there are.
    pub const ALL: [Self; 15] = [
        Self::Outdated,
        Self::NewTerm,
        Self::OwnLiveLeaseEnds,
        Self::OwnExpiredLeaseEnds,
        Self::AheadOfTheClock,
        Self::Reservation,
        Self::Version,
        Self::Live,
        Self::NeverShortened,
        Self::VersionMoves,
        Self::Session,
        Self::Term,
        Self::NeverRevives,
        Self::OwnRelease,
        Self::RevokedTerm,
    ];
}
