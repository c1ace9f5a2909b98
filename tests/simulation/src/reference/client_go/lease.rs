//! The API server's part: a Lease, which is replaced by its resource version.

/// What goes to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Reads the Lease.
    Get,
    /// Writes a Lease if there is none.
    Create(ElectionRecord),
    /// Replaces the Lease if it still has this version.
    Update(u64, ElectionRecord),
}

/// What the API server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The Lease as it is.
    Found(Lease),
    /// There is no Lease.
    NotFound,
    /// The Lease as it was written.
    Written(Lease),
    /// Nothing was written: another version is there, or none.
    Conflict,
}

/// The row of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub(super) resource_version: u64,
    pub(super) record: ElectionRecord,
}

/// What a Lease says, as far as it matters. Two records are the same to those who read them if both of these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectionRecord {
    pub(super) holder: u64,
    /// In seconds: no finer is the text by which records are compared.
    pub(super) renewed_s: i64,
}

/// One request, carried out as one step.
pub(super) fn apply(row: &mut Option<Lease>, request: &Request, storage_ms: u64) -> Answer {
    let lease = match (*row, request) {
        (None, Request::Get) => return Answer::NotFound,
        (Some(lease), Request::Get) => return Answer::Found(lease),
        // No version of one Lease is a version of the next: they count the writes of the whole cluster.
        (None, Request::Create(record)) => Lease { resource_version: storage_ms, record: *record },
        (Some(lease), Request::Update(version, record)) if lease.resource_version == *version => {
            Lease { resource_version: version + 1, record: *record }
        }
        (_, Request::Create(_) | Request::Update(..)) => return Answer::Conflict,
    };
    *row = Some(lease);
    Answer::Written(lease)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: ElectionRecord = ElectionRecord { holder: 1, renewed_s: 0 };

    #[test]
    fn of_two_writes_by_one_version_one_succeeds() {
        let mut row = Some(Lease { resource_version: 7, record: RECORD });
        let update = |holder| Request::Update(7, ElectionRecord { holder, ..RECORD });
        assert!(matches!(apply(&mut row, &update(2), 0), Answer::Written(Lease { resource_version: 8, .. })));
        assert_eq!(apply(&mut row, &update(3), 0), Answer::Conflict);
        assert_eq!(apply(&mut row, &Request::Create(RECORD), 0), Answer::Conflict);
        assert_eq!(row.map(|lease| lease.record.holder), Some(2));
    }

    #[test]
    fn a_lease_that_was_lost_is_created_and_not_updated() {
        let mut row = None;
        let update = Request::Update(7, RECORD);
        assert_eq!(apply(&mut row, &update, 100), Answer::Conflict);
        assert_eq!(apply(&mut row, &Request::Get, 100), Answer::NotFound);
        assert!(matches!(apply(&mut row, &Request::Create(RECORD), 100), Answer::Written(_)));
        assert_eq!(apply(&mut row, &update, 100), Answer::Conflict);
    }
}
