//! A record, and what is read off it.

use std::time::Duration;

use lessor::storage::{Record, Session};

use super::{Clause, Number};

/// What the model knows of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// Who holds it. [`Session::NOBODY`]: it was revoked, and is waited for.
    pub owner: Option<Session>,
    /// Of who held it last, or for whom it is reserved.
    pub ident: &'a str,
    /// Its term.
    pub term: Number,
    /// Its version.
    pub version: Number,
    /// In ms, as all times.
    pub ttl: Number,
    /// By the storage's clock; in a register, what is left.
    pub expires: Number,
}

impl<'a> From<&'a Record> for Kept<'a> {
    fn from(record: &'a Record) -> Self {
        Self {
            owner: record.session,
            ident: record.id.as_str(),
            term: record.term.get().into(),
            version: record.version.get().into(),
            ttl: record.ttl_ms.into(),
            expires: record.expires_ms.into(),
        }
    }
}

impl<'a> Kept<'a> {
    pub(super) fn left(&self, now: Number) -> Number {
        (self.expires - now).max(0).min(self.ttl)
    }

    pub(super) fn is_live(&self, now: Number) -> bool {
        self.owner.is_some() && self.left(now) > 0
    }

    pub(super) fn is_ahead(&self, now: Number) -> bool {
        self.expires - now > self.ttl
    }

    pub(super) fn reserved(&self, now: Number) -> Number {
        if self.is_ahead(now) { 0 } else { (self.expires - now).max(0) }
    }

    /// At least for `ttl` from now: what its own session still has is not cut short.
    pub(super) fn extended(
        self,
        owner: Session,
        ttl: Number,
        ident: &'a str,
        now: Number,
        without: Option<Clause>,
    ) -> Self {
        let is_kept = self.owner == Some(owner) && without != Some(Clause::NeverShortened);
        let ttl = ttl.max(if is_kept { self.left(now) } else { 0 });
        let version = if without == Some(Clause::VersionMoves) { self.version } else { self.version + 1 };
        Self { ident, version, ttl, expires: now + ttl, ..self }
    }

    pub(super) fn freed(self) -> Self {
        Self { owner: None, version: self.version + 1, expires: 0, ..self }
    }

    /// As a register keeps it: its clock begins with the write.
    pub(crate) fn undated(self, now: Number) -> Self {
        Self { expires: (self.expires - now).max(0), ..self }
    }
}

/// Over registers, the end of a lease or of a reservation is taken for certain by who has watched it for all that was left of it, and
/// by nobody else. Answers the record after that.
pub(crate) fn mark(record: Kept<'_>, watched: Number) -> Option<Kept<'_>> {
    (record.expires > 0 && watched >= record.expires).then_some(Kept { expires: 0, ..record })
}

/// Rounded up, as the storage counts.
pub(super) fn ms(duration: Duration) -> Number {
    duration.as_nanos().div_ceil(1_000_000).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_marked_by_who_has_watched_all_of_it() {
        let held = Kept { owner: Some(Session::from_bits(1)), ident: "a", term: 2, version: 3, ttl: 10, expires: 10 };
        let marked = Some(Kept { expires: 0, ..held });
        assert_eq!([0, 9, 10, 11].map(|watched| mark(held, watched)), [None, None, marked, marked]);
        // A revoked lease has less left than its ttl.
        let revoked = Kept { owner: Some(Session::NOBODY), expires: 4, ..held };
        assert_eq!([3, 4].map(|watched| mark(revoked, watched).is_some()), [false, true]);
        assert_eq!(marked.and_then(|marked| mark(marked, 20)), None, "once");
    }
}
