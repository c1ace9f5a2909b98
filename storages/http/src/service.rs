//! One request to the service.

use lessor::StorageError;
use lessor_kit::error::AdapterError;
use lessor_wire::WireReply;
use serde::Deserialize;

use crate::answer::Failed;
use crate::platform::Http;

/// The service.
pub(crate) struct Service(pub(crate) Http);

/// What the service says about itself and the token.
#[derive(Deserialize)]
pub(crate) struct About {
    pub(crate) role: String,
}

impl Service {
    /// Sends a batch, an array of requests in JSON: as many replies.
    pub(crate) async fn batch(&self, body: String, count: usize) -> Result<Vec<WireReply>, Failed> {
        let replies: Vec<_> = self.0.send("/v1/batch", Some(body)).await?.read()?;
        if replies.len() == count { Ok(replies) } else { Err(Failed::Other(AdapterError::Unfit.into())) }
    }

    pub(crate) async fn about(&self) -> Result<About, StorageError> {
        self.0.send("/v1", None).await.map_err(Failed::into_error)?.read()
    }
}
