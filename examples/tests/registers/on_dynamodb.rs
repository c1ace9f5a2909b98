//! Items of DynamoDB: what people read, what others do to them, and what goes wrong.
use crate::aws_signature::{ACCESS_KEY, REGION, SECRET};
use crate::signature::Signer;
use crate::table::Table;
use aws_credential_types::Credentials;
pub(crate) fn table(url: &str) -> Table {
    let credentials = Credentials::new(ACCESS_KEY, SECRET, None, None, "tests");
    Table::new(url, Signer { credentials, region: REGION.into() }, "leases")
}
