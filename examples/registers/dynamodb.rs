//! One of any number of processes that elect a leader by an item of a table of DynamoDB, and write only what the newest term may. No AWS
//! account has run it yet: its tests have a small server that keeps the rules of condition expressions, and looks at signatures.
//!
//! ```console
//! $ for table in leases reports; do aws dynamodb create-table --table-name $table --billing-mode PAY_PER_REQUEST \
//!     --attribute-definitions AttributeName=key,AttributeType=S --key-schema AttributeName=key,KeyType=HASH; done
//! $ cargo run --features registers --example dynamodb
//! ```
//!
//! It takes `AWS_REGION`, `AWS_ACCESS_KEY_ID` and the like, which `aws configure export-credentials --format env` prints. Run it in two
//! terminals and end the one that leads with Ctrl-C: the other leads when it asks next, within two seconds. It needs this and no more, and
//! `dynamodb:Scan` only where somebody lists leases:
//!
//! ```json
//! {
//!   "Version": "2012-10-17",
//!   "Statement": [
//!     {
//!       "Effect": "Allow",
//!       "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
//!       "Resource": "arn:aws:dynamodb:REGION:ACCOUNT:table/leases"
//!     },
//!     {
//!       "Effect": "Allow",
//!       "Action": "dynamodb:PutItem",
//!       "Resource": "arn:aws:dynamodb:REGION:ACCOUNT:table/reports"
//!     }
//!   ]
//! }
//! ```

use std::env;
use std::error::Error;
use std::time::Duration;

use async_signal::{Signal, Signals};
use lessor::storage::registers::RegisterStorage;
use lessor::{Builder, Leadership, Storage, StorageError};
use serde_json::json;
use smol::stream::StreamExt;

use signature::Signer;
use table::Table;

mod http;
mod signature;
mod table;

/// What asks it to end: Ctrl-C, and SIGTERM where there is one.
const END: &[Signal] = if cfg!(unix) { &[Signal::Int, Signal::Term] } else { &[Signal::Int] };

fn main() -> Result<(), Box<dyn Error>> {
    let mut end = Signals::new(END)?;
    smol::block_on(async {
        let signer = Signer::from_env()?;
        let url = env::var("AWS_ENDPOINT_URL_DYNAMODB")
            .unwrap_or_else(|_| format!("https://dynamodb.{}.amazonaws.com", signer.region));
        let reports = Table::new(&url, signer.clone(), "reports");
        let storage = RegisterStorage::new(Table::new(&url, signer, "leases"));
        storage.check().await?;

        let (candidate, driver) = Builder::new("example").build(storage)?;
        let driver = smol::spawn(driver.run_until(async move { end.next().await }));
        println!("follows until it leads");
        let lead = candidate.lead(async |leadership| {
            println!("leads in term {}", leadership.term());
            // Hands over if the work fails; another one may succeed.
            work(&reports, &leadership).await.inspect_err(|error| println!("the work failed: {error}")).into()
        });
        lead.await?;
        println!("does not lead any more");
        driver.await;
        Ok(())
    })
}

/// Goes on until its term ends, or the table says that it has.
async fn work(reports: &Table, leadership: &Leadership) -> Result<(), Box<dyn Error>> {
    for number in 1.. {
        let (report, term) = (format!("report {number}"), leadership.term().get());
        if !write(reports, "example", &report, term).await? {
            return Err(format!("somebody else leads: a later term than {term} has written").into());
        }
        println!("wrote {report} in term {term}");
        smol::Timer::after(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// The fence is a condition on the item that is written: the newest term that has written it is in it. Answers whether it was written.
async fn write(reports: &Table, key: &str, report: &str, term: u64) -> Result<bool, StorageError> {
    let put = json!({
        "Item": {"key": {"S": key}, "report": {"S": report}, "term": {"N": term.to_string()}},
        "ConditionExpression": "attribute_not_exists(#term) OR #term <= :term",
        "ExpressionAttributeNames": {"#term": "term"},
        "ExpressionAttributeValues": {":term": {"N": term.to_string()}},
    });
    Ok(reports.send("PutItem", put).await?.is_some())
}
