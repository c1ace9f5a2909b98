//! Why there is no connection.

use core::fmt;

/// Whether the next try may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It may work the next time.
    Passing,
    /// Somebody has to change something first: the token, say.
    Lasting,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passing => {
                "the lease service cannot be reached by WebSocket (a proxy in between may let none through)"
            }
            Self::Lasting => {
                "the server at the url refuses the WebSocket: the url, the token, its certificate, or a proxy"
            }
        })
    }
}
