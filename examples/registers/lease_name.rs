//! What the Lease of a key is called.

use std::fmt::Write;

use lessor::Key;
use ring::digest::{SHA256, digest};

/// The longest name that Kubernetes takes.
const LONGEST: usize = 253;

/// A name for each key, and no two the same: small letters, digits and dashes within words stand for themselves, other bytes are a
/// dot and two digits. So `nightly-report` is called that, and `jobs/nightly` is `jobs.2fnightly`.
///
/// What would begin with a dot or be too long is called after its hash, behind a dot that is followed by no digits.
pub(crate) fn lease_name(key: &Key) -> String {
    let bytes = key.as_str().as_bytes();
    let in_a_word = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at)).is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let mut name = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        let joins = *byte == b'-' && in_a_word(at.checked_sub(1)) && in_a_word(Some(at + 1));
        if joins || in_a_word(Some(at)) { name.push(char::from(*byte)) } else { push(&mut name, '.', &[*byte]) }
    }
    if name.starts_with('.') || name.len() > LONGEST {
        name = "lessor.sha256".into();
        push(&mut name, '-', digest(&SHA256, bytes).as_ref());
    }
    name
}

fn push(name: &mut String, mark: char, bytes: &[u8]) {
    name.push(mark);
    for byte in bytes {
        // A string takes all that is written to it.
        let _ = write!(name, "{byte:02x}");
    }
}
