use alloc::collections::BTreeSet;
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
    not_available: Vec<NotAvailable>,
    no_storage: Option<NoStorage>,
}

/// A case that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotAvailable {
    /// The name of the case.
    pub case: &'static str,
    /// What it needs that the harness or its storage does not have, as the documentation names it: `Harness::restart`, say, or
    /// `Storage::subscribe`.
    pub needs: &'static str,
}

/// The harness gave no handle, and the run ended there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoStorage {
    /// What [`Harness::storage`](super::Harness::storage) answered.
    pub why: String,
    /// The names of the cases that did not run.
    pub cases: Vec<&'static str>,
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
    no_storage: Option<NoStorage>,
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

    /// The cases that need what this storage or its harness does not have, and what that is.
    #[must_use]
    pub fn not_available(&self) -> &[NotAvailable] {
        &self.not_available
    }

    /// What would have to be there for every case to run, each once: what [`not_available`](Self::not_available) needs. For a
    /// test that holds on to which powers its harness has.
    #[must_use]
    pub fn needs(&self) -> Vec<&'static str> {
        let needs: BTreeSet<_> = self.not_available.iter().map(|left_out| left_out.needs).collect();
        needs.into_iter().collect()
    }

    /// Which cases did not run since the harness gave no storage, if it came to that.
    #[must_use]
    pub fn no_storage(&self) -> Option<&NoStorage> {
        self.no_storage.as_ref()
    }

    /// The verdict of the whole, for a test to return.
    ///
    /// # Errors
    /// [`Failures`] lists the cases that failed: what was expected, and what was seen. And it says once if the harness gave no
    /// storage.
    pub fn into_result(self) -> Result<(), Failures> {
        let Self { passed, failed, no_storage, .. } = self;
        let of = failed.len() + passed.len();
        if failed.is_empty() && no_storage.is_none() { Ok(()) } else { Err(Failures { failed, of, no_storage }) }
    }

    pub(super) fn add(&mut self, case: &'static str, rule: &'static str, result: Result<(), Stop>) {
        match result {
            Ok(()) => self.passed.push(case),
            Err(Stop::Needs(needs)) => self.not_available.push(NotAvailable { case, needs }),
            Err(Stop::Failed { expected, seen }) => self.failed.push(Failure { case, rule, expected, seen }),
        }
    }

    pub(super) fn stopped(&mut self, why: String, cases: Vec<&'static str>) {
        self.no_storage = Some(NoStorage { why, cases });
    }
}

impl fmt::Display for Report {
    /// One line a case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.passed {
            writeln!(f, "passed         {case}")?;
        }
        for left_out in &self.not_available {
            writeln!(f, "not available  {left_out}")?;
        }
        for failure in &self.failed {
            writeln!(f, "failed         {failure}")?;
        }
        self.no_storage.iter().try_for_each(|none| writeln!(f, "did not run    {none}"))
    }
}

impl fmt::Display for NotAvailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} needs {}", self.case, self.needs)
    }
}

impl fmt::Display for NoStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.cases.len();
        let cases = if count == 1 { "case" } else { "cases" };
        write!(f, "the harness gives no storage: {}; {count} {cases} did not run", self.why)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, rule, expected, seen } = self;
        write!(f, "{case} ({rule})\n    expected: {expected}\n    seen:     {seen}")
    }
}

impl Failures {
    /// The cases that failed: at least one, unless there was [no storage](Self::no_storage).
    #[must_use]
    pub fn as_slice(&self) -> &[Failure] {
        &self.failed
    }

    /// As [`Report::no_storage`].
    #[must_use]
    pub fn no_storage(&self) -> Option<&NoStorage> {
        self.no_storage.as_ref()
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(none) = &self.no_storage {
            write!(f, "{none}")?;
        }
        if self.failed.is_empty() {
            return Ok(());
        }
        let line = if self.no_storage.is_some() { "\n" } else { "" };
        write!(f, "{line}{} of {} conformance cases failed:", self.failed.len(), self.of)?;
        self.failed.iter().try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Failures {}
