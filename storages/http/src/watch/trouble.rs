//! Why there is no connection.

use std::io;

/// Whether the next try may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It may work the next time.
    Passing,
    /// Somebody has to change something first: the token, say.
    Lasting,
}

/// Names and certificates that do not fit stay so until somebody changes something.
impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData { Self::Lasting } else { Self::Passing }
    }
}
