//! The secret of a candidate, on its way to the service.

use alloc::string::String;
use core::fmt;

use lessor::storage::Session;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A [`Session`] as 32 hexadecimal digits. Never in a reply: it is a secret that proves who holds the lease.
///
/// ```
/// use lessor::storage::Session;
/// use lessor_wire::WireSession;
///
/// let session: WireSession = serde_json::from_str(r#""00000000000000000000000000000abc""#)?;
/// assert_eq!(Session::from(session), Session::from_bits(0xabc));
/// assert_eq!(format!("{session:?}"), "Session(..)", "nothing prints it");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WireSession(Session);

impl From<Session> for WireSession {
    fn from(session: Session) -> Self {
        Self(session)
    }
}

impl From<WireSession> for Session {
    fn from(session: WireSession) -> Self {
        session.0
    }
}

impl fmt::Debug for WireSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for WireSession {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0.to_bits()))
    }
}

impl<'de> Deserialize<'de> for WireSession {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // `from_str_radix` also takes a sign. What was given is a secret: the error does not repeat it.
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = u128::from_str_radix(&text, 16).ok().filter(|_| digits);
        let bits = bits.ok_or_else(|| D::Error::custom("session has to be 32 hexadecimal digits"))?;
        // Whoever had it would hold what was revoked.
        if bits == Session::NOBODY.to_bits() {
            return Err(D::Error::custom("session is all zeros, which is nobody's: draw 128 random bits"));
        }
        Ok(Self(Session::from_bits(bits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn nobodys_session() {
        let error = serde_json::from_str::<WireSession>("\"00000000000000000000000000000000\"").unwrap_err();
        let text = format!("{error}");
        assert!(text.contains("draw 128 random bits"), "{text}");
    }

    /// A session is a secret: an error does not repeat it, and nothing but 32 digits is one.
    #[test]
    fn bad_sessions() {
        for bad in ["", "+0000000000000000000000000000abc", "secret", "0000000000000000000000000000000000"] {
            let error = serde_json::from_str::<WireSession>(&format!("\"{bad}\"")).unwrap_err();
            let text = format!("{error}");
            assert!(text.contains("32 hexadecimal digits"), "{text}");
            assert!(bad.is_empty() || !text.contains(bad), "{text}");
        }
    }
}
