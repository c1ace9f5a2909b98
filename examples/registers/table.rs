//! Registers that are the items of a table of DynamoDB. No AWS account has run it yet: only the server of its tests has, which
//! keeps the documented rules of condition expressions.
//!
//! ```console
//! $ aws dynamodb scan --table-name leases --attributes-to-get key holder term written
//! ```
//!
//! What decides is the attribute `record`, and `version`, which each write moves; the others are for people. Nothing but candidates may
//! write these items, nobody may delete them, and no time to live may be set: they keep the terms. A session is a secret, so whoever can
//! read the table can act for a leader.
//!
//! A global table of the kind that is consistent only in the end takes writes in two regions at once: two would lead.

use chrono::{SecondsFormat, Utc};
use lessor::storage::registers::{Registers, Stored, Swap};
use lessor::storage::{List, Record};
use lessor::{Key, StorageError, async_trait};
use serde_json::{Value, json};
use ureq::tls::RootCerts;

use crate::http::Client;
use crate::signature::Signer;

/// A table whose partition key is `key`, a string.
#[derive(Debug)]
pub(crate) struct Table {
    client: Client,
    url: String,
    signer: Signer,
    table: String,
    /// As errors have it.
    name: String,
}

impl Table {
    /// Of this name, at DynamoDB's endpoint.
    pub(crate) fn new(url: &str, signer: Signer, table: &str) -> Self {
        let client = Client::new(url, RootCerts::WebPki);
        Self { client, url: url.into(), signer, table: table.into(), name: format!("the table {table}") }
    }

    /// What DynamoDB answers to this. `None`: the condition of the write did not hold.
    pub(crate) async fn send(&self, action: &str, mut body: Value) -> Result<Option<Value>, StorageError> {
        body["TableName"] = self.table.as_str().into();
        let request = self.signer.signed(&self.url, action, body.to_string())?;
        match self.client.send(request.map(Some)).await? {
            (200, said) if said.is_object() => Ok(Some(said)),
            (400, said) if kind(&said) == "ConditionalCheckFailedException" => Ok(None),
            (status, said) => Err(refused(status, &said)),
        }
    }
}

#[async_trait]
impl Registers for Table {
    type Revision = u64;

    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, key: &Key) -> Result<Option<Stored<u64>>, StorageError> {
        let get = json!({"Key": {"key": {"S": key.as_str()}}, "ConsistentRead": true});
        let said = self.send("GetItem", get).await?.unwrap_or_default();
        said.get("Item").map(stored).transpose()
    }

    async fn swap(&self, swap: &Swap<u64>) -> Result<Option<u64>, StorageError> {
        let version = swap.expected.unwrap_or_default().checked_add(1);
        let version =
            version.ok_or_else(|| StorageError::permanent("this item is no candidate's: its version is the last"))?;
        let put = put(item(swap, version)?, swap.expected);
        Ok(self.send("PutItem", put).await?.map(|_| version))
    }

    /// All of the table, which comes in pieces and in no order: it is for people, not for a loop.
    async fn list(&self, list: &List) -> Result<Vec<(Key, Stored<u64>)>, StorageError> {
        let (mut listed, mut scan) = (Vec::new(), json!({"ConsistentRead": true}));
        loop {
            let said = self.send("Scan", scan.clone()).await?.unwrap_or_default();
            for item in said["Items"].as_array().into_iter().flatten() {
                let key = item["key"]["S"].as_str().and_then(|key| Key::new(key).ok());
                if let Some(key) = key.filter(|key| key.as_str().starts_with(&list.prefix)) {
                    listed.push((key, stored(item)?));
                }
            }
            let Some(last) = said.get("LastEvaluatedKey") else { break };
            scan["ExclusiveStartKey"] = last.clone();
        }
        listed.sort_unstable_by(|(one, _), (another, _)| one.cmp(another));
        Ok(listed)
    }

    /// Asks for what candidates do, and leaves nothing behind: for an item, and for a write on a condition that cannot hold.
    async fn check(&self) -> Result<(), StorageError> {
        let probe = Key::new("lessor-check").map_err(StorageError::permanent)?;
        self.read(&probe).await?;
        // Versions begin with 1.
        let put = put(json!({"key": {"S": probe.as_str()}}), Some(0));
        match self.send("PutItem", put).await? {
            None => Ok(()),
            Some(_) => Err(StorageError::permanent("this server keeps no conditions: two would lead")),
        }
    }
}

/// To be written if the item is still of this version. `None`: if there is none.
fn put(item: Value, expected: Option<u64>) -> Value {
    match expected {
        None => json!({
            "Item": item,
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": "key"},
        }),
        Some(version) => json!({
            "Item": item,
            "ConditionExpression": "#version = :version",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":version": {"N": version.to_string()}},
        }),
    }
}

/// What is written, for people and for candidates.
fn item(swap: &Swap<u64>, version: u64) -> Result<Value, StorageError> {
    let record = Record::from_bytes(&swap.bytes).map_err(StorageError::permanent)?;
    let mut item = json!({
        "key": {"S": swap.key.as_str()},
        "version": {"N": version.to_string()},
        "record": {"S": String::from_utf8_lossy(&swap.bytes)},
        "term": {"N": record.term.to_string()},
        "written": {"S": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)},
    });
    if record.session.is_some() && record.expires_ms > 0 {
        item["holder"] = json!({"S": record.id.as_str()});
    }
    Ok(item)
}

/// What is in an item. One of somebody else has no record: that is not a record's text, and nothing is written over it.
fn stored(item: &Value) -> Result<Stored<u64>, StorageError> {
    let version = item["version"]["N"].as_str().and_then(|version| version.parse().ok());
    let version = version.ok_or_else(|| StorageError::permanent("this item is no candidate's: it has no version"))?;
    Ok(Stored::new(item["record"]["S"].as_str().unwrap_or_default().into(), version))
}

/// Which error it is.
fn kind(said: &Value) -> &str {
    said["__type"].as_str().and_then(|kind| kind.rsplit('#').next()).unwrap_or_default()
}

/// What DynamoDB said, and what to do about it.
fn refused(status: u16, said: &Value) -> StorageError {
    let message = said["message"].as_str().or_else(|| said["Message"].as_str());
    let (kind, message) = (kind(said), message.unwrap_or("nothing that DynamoDB says"));
    let advice = match kind {
        "ResourceNotFoundException" => ": create the table, as dynamodb.rs shows it",
        "AccessDeniedException" => ": give the user or the role the policy that is shown in dynamodb.rs",
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "ExpiredTokenException" => ": check the credentials, the region and this machine's clock",
        _ => "",
    };
    let may_pass = ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"];
    let error = format!("DynamoDB says: {message} ({kind} {status}){advice}");
    if status >= 500 || may_pass.contains(&kind) || kind == "TransactionConflictException" {
        StorageError::transient(error)
    } else {
        StorageError::permanent(error)
    }
}
