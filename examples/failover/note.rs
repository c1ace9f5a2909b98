//! What a process notes down, one line each: in a file of its own, and for most of it on its standard output.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Note {
    /// Asked between these two readings of the clock, the library said that it leads and that its reign holds.
    Leads { term: i64, before: Duration, after: Duration },
    /// As above, but one of the two answers was no: a hand-over, or an end between the two questions.
    Half { term: i64, before: Duration, after: Duration },
    /// Asked at this time or a little earlier, the library said that it does not lead any more.
    Over { term: i64, at: Duration },
    /// It may write, and is about to.
    Works { term: i64 },
    /// The fence let the write pass.
    Wrote { term: i64 },
    /// The fence refused the write.
    Refused { term: i64 },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leads { term, before, after } => {
                write!(f, "leads {term} {} {}", before.as_nanos(), after.as_nanos())
            }
            Self::Half { term, before, after } => {
                write!(f, "half {term} {} {}", before.as_nanos(), after.as_nanos())
            }
            Self::Over { term, at } => write!(f, "over {term} {}", at.as_nanos()),
            Self::Works { term } => write!(f, "works {term}"),
            Self::Wrote { term } => write!(f, "wrote {term}"),
            Self::Refused { term } => write!(f, "refused {term}"),
        }
    }
}

impl Note {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let what = words.next()?;
        let term = words.next()?.parse().ok()?;
        let mut instant = || words.next()?.parse().ok().map(Duration::from_nanos);
        Some(match what {
            "leads" => Self::Leads { term, before: instant()?, after: instant()? },
            "half" => Self::Half { term, before: instant()?, after: instant()? },
            "over" => Self::Over { term, at: instant()? },
            "works" => Self::Works { term },
            "wrote" => Self::Wrote { term },
            "refused" => Self::Refused { term },
            _ => return None,
        })
    }
}

/// Where a process writes its notes. Each is one system call, so a killed process loses none that it has made.
#[derive(Clone, Copy)]
pub(crate) struct Notebook<'a>(&'a File);

impl<'a> Notebook<'a> {
    pub(crate) fn create(folder: &Path, name: &str) -> io::Result<File> {
        OpenOptions::new().create_new(true).append(true).open(path(folder, name))
    }

    pub(crate) fn new(file: &'a File) -> Self {
        Self(file)
    }

    pub(crate) fn keep(self, note: Note) -> io::Result<()> {
        let mut file = self.0;
        file.write_all(format!("{note}\n").as_bytes())
    }

    /// Keeps the note and tells it to the parent.
    pub(crate) fn tell(self, note: Note) -> io::Result<()> {
        self.keep(note)?;
        let mut out = io::stdout().lock();
        out.write_all(format!("{note}\n").as_bytes())?;
        out.flush()
    }
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.notes"))
}

/// The notes of a process, in order.
pub(crate) fn read(folder: &Path, name: &str) -> crate::Result<Vec<Note>> {
    let text = std::fs::read_to_string(path(folder, name))?;
    // A process may be killed amidst its last line.
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    let note =
        |line: &str| Note::parse(line).ok_or_else(|| format!("{name} noted {line:?}, which nobody understands").into());
    complete.lines().map(note).collect()
}
