//! What is written, and to whom.

use std::fmt;
use std::io::{self, Write};

/// For people, to the standard error. Where nobody reads that any more nothing is lost but the words.
pub(crate) fn say(what: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{what}");
}
