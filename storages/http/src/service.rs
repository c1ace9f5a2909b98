//! One request to the service.

use std::borrow::Cow;
use std::sync::Arc;

use lessor::StorageError;
use lessor_kit::error::AdapterError;
use lessor_wire::WireReply;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::answer::{Answer, Failed};
use crate::platform::Http;
use crate::token::Token;

/// The service, and what it knows the storage by.
pub(crate) struct Service {
    pub(crate) http: Http,
    pub(crate) token: Arc<Token>,
}

/// What the service says about itself and the token.
#[derive(Deserialize)]
pub(crate) struct About {
    pub(crate) role: String,
}

/// Whoever asks is not known: the token has ended, say. Nothing was done.
const UNAUTHENTICATED: u16 = 401;

impl Service {
    /// Sends a batch, an array of requests in JSON: as many replies.
    pub(crate) async fn batch(&self, body: String, count: usize) -> Result<Vec<WireReply>, Failed> {
        let replies: Vec<_> = self.send("/v1/batch".into(), Some(body)).await?.read()?;
        if replies.len() == count { Ok(replies) } else { Err(Failed::Other(AdapterError::Unfit.into())) }
    }

    pub(crate) async fn about(&self) -> Result<About, StorageError> {
        self.send("/v1".into(), None).await.map_err(Failed::into_error)?.read()
    }

    /// What there is at this path.
    pub(crate) async fn look<A: DeserializeOwned>(&self, path: String) -> Result<A, StorageError> {
        self.send(path.into(), None).await.map_err(Failed::into_error)?.read()
    }

    /// Once more with another token, if there is one.
    async fn send(&self, path: Cow<'static, str>, body: Option<String>) -> Result<Answer, Failed> {
        let given = self.token.current().await?;
        if !self.token.changes() {
            return self.http.send(path, given, body).await;
        }
        let answer = self.http.send(path.clone(), given.clone(), body.clone()).await?;
        if answer.status != UNAUTHENTICATED {
            return Ok(answer);
        }
        let other = self.token.other_than(Some(&given)).await?;
        // The same one would be refused again.
        if other == given { Ok(answer) } else { self.http.send(path, other, body).await }
    }
}
