//! Looks at many keys.

use lessor::storage::{List, Reply};

use crate::address::Link;
use crate::error::Failure;
use crate::row;
use crate::server::Primary;

impl Primary {
    /// A page of the leases that there are. A row that cannot be read is an error, which names its key.
    pub(crate) async fn list(&self, link: &mut Link, list: &List) -> Result<Reply, Failure> {
        let mut leases = Vec::new();
        for row in self.fetch(link, &self.statements.list(list)).await? {
            let key = row::key(&row)?;
            let reading = row::reading(Some(&row), key.as_str())?.map_err(|error| Failure::Refused(error.into()))?;
            leases.extend(reading.record.map(|record| (key, record.lease(reading.now_ms))));
        }
        Ok(Reply::Listed(list.page(leases)))
    }
}
