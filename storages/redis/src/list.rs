//! Lists: the names of the records first, then the records.

use std::collections::BTreeSet;

use lessor::storage::{Entry, Get, List, Page, Reply, Request};
use lessor::{Key, Storage, StorageError};
use lessor_kit::error::AdapterError;
use redis::{Value, cmd, from_redis_value};

use crate::layout::Layout;
use crate::storage::RedisStorage;

/// How many names the server looks at in one call: it does nothing else meanwhile.
const LOOK_AT: usize = 1_000;

impl RedisStorage {
    /// The server knows its names in no order, so all of them are looked at, whatever the page.
    pub(crate) async fn page(&self, list: &List) -> Result<Page, StorageError> {
        let mut keys = self.first_keys(list).await?;
        let next = if keys.len() > list.page_size() { keys.pop_last() } else { None };
        let gets: Vec<Request> = keys.iter().map(|key| Get::new(key.clone()).into()).collect();
        let mut entries = Vec::with_capacity(keys.len());
        for (key, reply) in keys.into_iter().zip(self.call_all(gets).await) {
            match reply? {
                Reply::Got(Some(lease)) => entries.push(Entry::new(key, lease)),
                // Somebody deleted it, or it is no string: no record.
                Reply::Got(None) => {}
                _ => return Err(AdapterError::Unfit.into()),
            }
        }
        Ok(Page::new(entries, next))
    }

    /// The keys of the page in their order, and the one after them.
    async fn first_keys(&self, list: &List) -> Result<BTreeSet<Key>, StorageError> {
        let pattern = self.0.layout.pattern(&list.prefix);
        let mut keys = BTreeSet::new();
        let (mut cursor, mut server) = (0, None);
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(LOOK_AT);
            let answered = self.0.link.send(&scan).await?;
            let run_id = answered.connection.run_id();
            if server.get_or_insert_with(|| run_id.to_string()) != run_id {
                // A cursor means nothing to another process.
                (cursor, server) = (0, None);
                keys.clear();
                continue;
            }
            let (next, names) = scanned(answered.value)?;
            for key in names.iter().filter_map(|name| wanted(list, &self.0.layout, name)) {
                keys.insert(key);
                if keys.len() > list.page_size() + 1 {
                    keys.pop_last();
                }
            }
            if next == 0 {
                return Ok(keys);
            }
            cursor = next;
        }
    }
}

/// The next cursor, and some names.
fn scanned(value: Value) -> Result<(u64, Vec<Vec<u8>>), AdapterError> {
    from_redis_value(value).map_err(|_| AdapterError::Unfit)
}

/// The key of a name, if the list asks for it.
fn wanted(list: &List, layout: &Layout, name: &[u8]) -> Option<Key> {
    let key = layout.key(str::from_utf8(name).ok()?)?;
    let wanted = key.as_str().starts_with(&list.prefix) && list.start.as_ref().is_none_or(|from| key >= *from);
    wanted.then_some(key)
}
