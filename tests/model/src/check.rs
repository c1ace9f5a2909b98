//! One run of the checker and what it found.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::describe;
use crate::fault::Fault;
use crate::model::ElectionModel;
use crate::scope::Scope;
use crate::seat::SetUpError;

/// In which order states are visited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Search {
    /// Finds the shortest paths, with one thread; remembers all that is still to be visited.
    #[default]
    BreadthFirst,
    /// Remembers little.
    DepthFirst,
}

/// What to check.
#[derive(Clone, Debug)]
pub struct Check {
    /// How much may happen.
    pub scope: Scope,
    /// Which rule is taken away.
    pub fault: Option<Fault>,
    /// In which order.
    pub search: Search,
    /// How many threads.
    pub threads: usize,
    /// Ends after so many generated states.
    pub most_states: Option<usize>,
    /// Ends after so long.
    pub most_time: Option<Duration>,
    /// Ends at a violation of this property only.
    pub property: Option<String>,
}

impl Check {
    /// All of a scope, breadth first, with one thread.
    #[must_use]
    pub const fn new(scope: Scope) -> Self {
        Self {
            scope,
            fault: None,
            search: Search::BreadthFirst,
            threads: 1,
            most_states: None,
            most_time: None,
            property: None,
        }
    }

    /// Checks it.
    ///
    /// # Errors
    /// [`SetUpError`] if the library refuses the scope's durations.
    pub fn run(&self) -> Result<Report, SetUpError> {
        let model = ElectionModel::new(self.scope.clone(), self.fault)?;
        let wanted = model.properties().into_iter().map(|property| property.name);
        let wanted: BTreeSet<_> = wanted.filter(|name| self.property.as_deref() == Some(name)).collect();
        let finish_when = if wanted.is_empty() { HasDiscoveries::AnyFailures } else { HasDiscoveries::AnyOf(wanted) };
        let cut = model.cut.clone();
        let mut builder = model.checker().threads(self.threads).finish_when(finish_when);
        if let Some(most) = self.most_states {
            builder = builder.target_state_count(most);
        }
        let begun = now();
        let (done, waits) = mpsc::channel::<()>();
        let most_time = self.most_time;
        let watch = thread::spawn(move || {
            // Stateright's own time-out needs a second thread.
            let ended = most_time.map(|most| waits.recv_timeout(most));
            let timed_out = ended == Some(Err(RecvTimeoutError::Timeout));
            cut.store(timed_out, Ordering::Relaxed);
            timed_out
        });
        let mut report = match self.search {
            Search::BreadthFirst => Report::new(builder.spawn_bfs().join()),
            Search::DepthFirst => Report::new(builder.spawn_dfs().join()),
        };
        report.elapsed = now().duration_since(begun);
        drop(done);
        let timed_out = watch.join().unwrap_or(true);
        let cut = timed_out || self.most_states.is_some_and(|most| report.generated >= most);
        report.exhausted = !cut && !report.is_violated();
        Ok(report)
    }
}

#[expect(clippy::disallowed_methods, reason = "only measures how long the checker took")]
fn now() -> Instant {
    Instant::now()
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// States generated, repeats included.
    pub generated: usize,
    /// UniqueKeys states.
    pub unique: usize,
    /// The most actions in a row, and one.
    pub depth: usize,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether every state within the scope was visited.
    pub exhausted: bool,
    /// What became of each property.
    pub findings: Vec<Finding>,
}

/// What became of a property.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its name.
    pub property: &'static str,
    /// Whether it has to hold in every state, else in one.
    pub always: bool,
    /// How a state that violates it, or is an example of it, is reached.
    pub path: Option<String>,
    /// How many actions that takes.
    pub actions: usize,
}

impl Report {
    fn new(checker: impl Checker<ElectionModel>) -> Self {
        // Paths are followed once more.
        checker.model().cut.store(false, Ordering::Relaxed);
        let mut discoveries = checker.discoveries();
        let findings = checker.model().properties().into_iter().map(|property| {
            let path = discoveries.remove(property.name);
            Finding {
                property: property.name,
                always: property.expectation == Expectation::Always,
                actions: path.as_ref().map_or(0, |path| path.clone().into_actions().len()),
                path: path.map(|path| describe::path(checker.model(), path)),
            }
        });
        Self {
            generated: checker.state_count(),
            unique: checker.unique_state_count(),
            depth: checker.max_depth(),
            elapsed: Duration::ZERO,
            exhausted: false,
            findings: findings.collect(),
        }
    }

    /// Whether an "always" property does not hold.
    #[must_use]
    pub fn is_violated(&self) -> bool {
        self.findings.iter().any(|finding| finding.always && finding.path.is_some())
    }

    /// The "sometimes" properties without an example.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> {
        self.findings.iter().filter(|finding| !finding.always && finding.path.is_none()).map(|finding| finding.property)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generated, unique, depth, elapsed, exhausted, findings } = self;
        let all = if *exhausted { "all visited" } else { "not all visited" };
        writeln!(
            f,
            "{generated} states generated, {unique} unique, depth {depth}, {:.1} s, {all}",
            elapsed.as_secs_f64()
        )?;
        for finding in findings {
            let result = match (finding.always, &finding.path) {
                (true, None) => "holds".into(),
                (true, Some(_)) => format!("VIOLATED after {} actions", finding.actions),
                (false, None) => "NEVER".into(),
                (false, Some(_)) => format!("happens after {} actions", finding.actions),
            };
            writeln!(f, "{:<45} {result}", finding.property)?;
        }
        let violations = findings.iter().filter(|finding| finding.always);
        for (name, path) in violations.filter_map(|finding| Some((finding.property, finding.path.as_ref()?))) {
            write!(f, "\n{name}:\n{path}")?;
        }
        Ok(())
    }
}
