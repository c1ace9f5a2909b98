use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use super::case::Stop;

/// What became of the cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a report proves nothing until it is looked at: call into_result"]
pub struct Report {
    passed: Vec<&'static str>,
    failed: Vec<Failure>,
    not_available: Vec<&'static str>,
}

/// A case that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The name of the case.
    pub case: &'static str,
    /// The rule that it proves.
    pub rule: &'static str,
    /// What the contract asks for.
    pub expected: String,
    /// What the storage did.
    pub seen: String,
}

/// The cases that failed: an error whose `Debug` is the readable list, for tests that return it or unwrap it.
#[derive(Clone, PartialEq, Eq)]
pub struct Failures {
    failed: Vec<Failure>,
    of: usize,
}

impl Report {
    /// The names of the cases that passed.
    #[must_use]
    pub fn passed(&self) -> &[&'static str] {
        &self.passed
    }

    /// The cases that failed.
    #[must_use]
    pub fn failed(&self) -> &[Failure] {
        &self.failed
    }

    /// The names of the cases that need what this storage or its harness does not have.
    #[must_use]
    pub fn not_available(&self) -> &[&'static str] {
        &self.not_available
    }

    /// The verdict of the whole, for a test to return.
    ///
    /// # Errors
    /// [`Failures`] lists the cases that failed: what was expected, and what was seen.
    pub fn into_result(self) -> Result<(), Failures> {
        let of = self.failed.len() + self.passed.len();
        if self.failed.is_empty() { Ok(()) } else { Err(Failures { failed: self.failed, of }) }
    }

    pub(super) fn add(&mut self, case: &'static str, rule: &'static str, result: Result<(), Stop>) {
        match result {
            Ok(()) => self.passed.push(case),
            Err(Stop::NotAvailable) => self.not_available.push(case),
            Err(Stop::Failed { expected, seen }) => self.failed.push(Failure { case, rule, expected, seen }),
        }
    }
}

impl fmt::Display for Report {
    /// One line a case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.passed {
            writeln!(f, "passed         {case}")?;
        }
        for case in &self.not_available {
            writeln!(f, "not available  {case}")?;
        }
        for failure in &self.failed {
            writeln!(f, "failed         {failure}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, rule, expected, seen } = self;
        write!(f, "{case} ({rule})\n    expected: {expected}\n    seen:     {seen}")
    }
}

impl Failures {
    /// The cases that failed, at least one.
    #[must_use]
    pub fn as_slice(&self) -> &[Failure] {
        &self.failed
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} conformance cases failed:", self.failed.len(), self.of)?;
        self.failed.iter().try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Failures {}
