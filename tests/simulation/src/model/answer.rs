//! What is answered, as far as the model says it.

use lessor::storage::{Acquired, Renewed, Reply};

use super::Number;

/// The kind; with a grant its term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The claim is granted.
    Granted(Number),
    /// It is not.
    Refused,
    /// The lease is renewed.
    Extended,
    /// It is not.
    Lost,
    /// Whether or not there was something to release.
    Released,
    /// The lease was taken from its holder.
    Revoked,
    /// There was nothing to revoke.
    Nothing,
    /// The record was shown.
    Shown,
}

impl From<&Reply> for Answer {
    fn from(reply: &Reply) -> Self {
        match reply {
            Reply::Acquired(Acquired::Granted { term, .. }) => Self::Granted(term.get().into()),
            Reply::Acquired(_) => Self::Refused,
            Reply::Renewed(Renewed::Extended { .. }) => Self::Extended,
            Reply::Renewed(_) => Self::Lost,
            Reply::Released => Self::Released,
            Reply::Revoked(Some(_)) => Self::Revoked,
            Reply::Revoked(None) => Self::Nothing,
            _ => Self::Shown,
        }
    }
}
