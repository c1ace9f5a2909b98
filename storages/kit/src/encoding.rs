//! How sessions, durations and numbers are written in tables and messages.
//!
//! None of it may ever change: what one version writes another reads.

use core::time::Duration;

use lessor::storage::Session;

/// The longest ttl that is written, in ms: 285,000 years, which can be added to any time.
const LONGEST_TTL: u64 = (1 << 53) - 1;

/// The session as 16 bytes, the highest first: for binary columns.
///
/// It is a secret: it proves who holds the lease.
#[must_use]
pub const fn session_to_bytes(session: Session) -> [u8; 16] {
    session.to_bits().to_be_bytes()
}

/// The session of 16 bytes. `None`: they are not 16.
///
/// ```
/// use lessor::storage::Session;
/// use lessor_kit::encoding::{session_from_bytes, session_to_bytes};
///
/// let session = Session::from_bits(7);
/// assert_eq!(session_from_bytes(&session_to_bytes(session)), Some(session));
/// assert_eq!(session_from_bytes(&[7]), None);
/// ```
#[must_use]
pub fn session_from_bytes(bytes: &[u8]) -> Option<Session> {
    Some(Session::from_bits(u128::from_be_bytes(bytes.try_into().ok()?)))
}

/// The session as 32 hexadecimal digits in lower case: for texts.
///
/// It is a secret: it proves who holds the lease.
///
/// ```
/// use lessor::storage::Session;
/// use lessor_kit::encoding::{session_from_hex, session_to_hex};
///
/// let session = Session::from_bits(255);
/// assert_eq!(session_to_hex(session), "000000000000000000000000000000ff");
/// assert_eq!(session_from_hex("000000000000000000000000000000ff"), Some(session));
/// assert_eq!(session_from_hex("ff"), None);
/// ```
#[must_use]
pub fn session_to_hex(session: Session) -> String {
    format!("{:032x}", session.to_bits())
}

/// The session of 32 hexadecimal digits, in any case. `None`: it is anything else.
#[must_use]
pub fn session_from_hex(text: &str) -> Option<Session> {
    // The parser would take a sign.
    let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u128::from_str_radix(text, 16).ok().map(Session::from_bits))?
}

/// Whole milliseconds, rounded up: a lease is never shorter than what was asked for.
///
/// ```
/// use core::time::Duration;
/// use lessor_kit::encoding::whole_ms;
///
/// assert_eq!(whole_ms(Duration::from_micros(1_500)), 2);
/// ```
#[must_use]
pub fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// A ttl in whole milliseconds, rounded up: 1 at least, since no ttl at all would be no lease, and 2^53 - 1 at most,
/// which can be added to any time.
#[must_use]
pub fn ttl_ms(ttl: Duration) -> i64 {
    whole_ms(ttl).clamp(1, LONGEST_TTL).cast_signed()
}

/// The time of a reservation in whole milliseconds, rounded up: 2^53 - 1 at most, as for a [ttl](ttl_ms). None at all reserves
/// nothing.
#[must_use]
pub fn within_ms(within: Duration) -> i64 {
    whole_ms(within).min(LONGEST_TTL).cast_signed()
}

/// A number for a signed column: larger numbers become the largest that fits.
#[must_use]
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// FNV-1a, 64 bits: a number for a name on which processes of different versions agree. It does not protect against
/// names that are made to collide.
///
/// ```
/// assert_eq!(lessor_kit::encoding::fingerprint(b"foobar"), 0x8594_4171_f739_67e8);
/// ```
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Session = Session::from_bits(0x0102_0304_0506_0708_090a_0b0c_0d0e_0fff);

    #[test]
    fn sessions_as_bytes() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255];
        assert_eq!(session_to_bytes(SESSION), bytes);
        assert_eq!(session_from_bytes(&bytes), Some(SESSION));
        assert_eq!(session_from_bytes(&bytes[1..]), None);
        assert_eq!(session_from_bytes(&[0; 17]), None);
        assert_eq!(session_from_bytes(&[]), None);
    }

    #[test]
    fn sessions_as_text() {
        assert_eq!(session_to_hex(SESSION), "0102030405060708090a0b0c0d0e0fff");
        assert_eq!(session_from_hex("0102030405060708090A0b0c0d0e0fff"), Some(SESSION));
        assert_eq!(session_to_hex(Session::from_bits(0)).len(), 32);
        for text in ["", "ff", "+0000000000000000000000000000ff1", "0000000000000000000000000000000g", &"0".repeat(33)]
        {
            assert_eq!(session_from_hex(text), None, "{text:?}");
        }
    }

    #[test]
    fn milliseconds() {
        assert_eq!(whole_ms(Duration::from_nanos(1)), 1);
        assert_eq!(whole_ms(Duration::from_millis(5)), 5);
        assert_eq!(whole_ms(Duration::from_nanos(5_000_001)), 6);
        assert_eq!(whole_ms(Duration::MAX), u64::MAX);
        assert_eq!(ttl_ms(Duration::ZERO), 1);
        assert_eq!(ttl_ms(Duration::from_micros(1_001)), 2);
        assert_eq!(ttl_ms(Duration::MAX), (1 << 53) - 1);
        assert_eq!((within_ms(Duration::ZERO), within_ms(Duration::MAX)), (0, (1 << 53) - 1));
        assert_eq!((signed(7), signed(u64::MAX)), (7, i64::MAX));
    }

    #[test]
    fn fingerprints_are_as_published() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fingerprint(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
