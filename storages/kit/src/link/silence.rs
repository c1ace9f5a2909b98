use core::fmt;
use std::sync::Arc;

use super::{Connection, Connector, Line, Link};

/// Gives a connection up that has been silent for as long as somebody was willing to wait.
///
/// It lives while an answer is awaited, and is dropped with that wait. If nothing came on the connection meanwhile, to nobody, it or its
/// server may be dead without a sign: then the next request goes to the next server. If others got answers it lives, and whoever gave
/// up gave up alone. One that is younger than what it took to come about is waited for.
pub struct SilenceWatch<'a, C: Connector> {
    link: &'a Link<C>,
    line: &'a Arc<Line<C::Connection>>,
    /// How many had come when the wait began.
    answers: u64,
}

impl<'a, C: Connector> SilenceWatch<'a, C> {
    /// Somebody waits from now on.
    pub fn new(link: &'a Link<C>, line: &'a Arc<Line<C::Connection>>) -> Self {
        Self { link, line, answers: line.answers() }
    }

    /// There is an answer, or it is known why not.
    pub fn ends(self) {
        core::mem::forget(self);
    }
}

impl<C: Connector> Drop for SilenceWatch<'_, C> {
    fn drop(&mut self) {
        if self.line.answers() == self.answers && !self.line.is_young() {
            self.link.leave(self.line, None);
        }
    }
}

impl<C: Connector> fmt::Debug for SilenceWatch<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SilenceWatch").field("answers", &self.answers).finish_non_exhaustive()
    }
}
