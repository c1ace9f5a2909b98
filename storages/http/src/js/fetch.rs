//! Requests over HTTP: each is a `fetch`.

use core::time::Duration;
use std::borrow::Cow;

use futures::future::{Either, select};
use lessor::StorageError;
use lessor::storage::ErrorKind;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::global::{AbortController, Chunk, Response, fetch, object, origin, said};
use super::sleep;
use crate::answer::{Answer, Failed, LONGEST, no_service};
use crate::headers::Headers;
use crate::setup::Setup;
use crate::token::Authorization;

/// Where the service is.
pub(crate) struct Http {
    /// Without a slash at its end.
    url: String,
    timeout: Duration,
    headers: Headers,
}

/// Ends a request that nobody waits for any more.
struct Abort(AbortController);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Http {
    pub(crate) fn new(setup: &Setup) -> Self {
        let url = setup.uri.to_string().trim_end_matches('/').to_owned();
        Self { url, timeout: setup.timeout, headers: setup.headers.clone() }
    }

    /// Sends a body of JSON there; or asks for what is there.
    pub(crate) async fn send(
        &self,
        path: Cow<'static, str>,
        authorization: Authorization,
        body: Option<String>,
    ) -> Result<Answer, Failed> {
        let asked = Box::pin(self.ask(&path, &authorization, body));
        match select(asked, sleep(self.timeout)).await {
            Either::Left((answered, _)) => answered,
            Either::Right(_) => Err(Failed::Other(StorageError::timed_out(self.timeout))),
        }
    }

    async fn ask(&self, path: &str, authorization: &str, body: Option<String>) -> Result<Answer, Failed> {
        let abort = Abort(AbortController::new());
        let url = format!("{}{path}", self.url);
        let own = self.headers.iter().chain([("authorization", authorization)]);
        let mut headers: Vec<_> = own.map(|(name, value)| (name, JsValue::from(value))).collect();
        // Nothing else: Workers refuse options that they do not know.
        let ways = [("redirect", "manual".into()), ("signal", abort.0.signal())];
        let options = match body {
            Some(body) => {
                headers.push(("content-type", "application/json".into()));
                let [redirect, signal] = ways;
                object([
                    ("method", "POST".into()),
                    ("headers", object(headers).into()),
                    ("body", body.into()),
                    redirect,
                    signal,
                ])
            }
            None => {
                let [redirect, signal] = ways;
                object([("headers", object(headers).into()), redirect, signal])
            }
        };
        let response = fetch(&url, &options).map_err(|error| unsent(&error))?;
        let response: Response = JsFuture::from(response).await.map_err(|error| unsent(&error))?.unchecked_into();
        let status = response.status();
        if status == 0 {
            // That is all that a page hears of it.
            let message = "the service is elsewhere: make the URL where it is the url";
            return Err(Failed::Other(no_service("a redirect", message, ErrorKind::Permanent)));
        }
        let header = |name| response.headers().get(name).unwrap_or_default();
        let (kind, location) = (header("content-type"), header("location"));
        Ok(Answer { status, kind, location, body: read(&response).await? })
    }
}

/// The body, which is not endless.
async fn read(response: &Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    let Some(stream) = response.body() else { return Ok(body) };
    let reader = stream.reader();
    loop {
        let chunk: Chunk = JsFuture::from(reader.read()).await.map_err(|error| unsent(&error))?.unchecked_into();
        if chunk.done() {
            return Ok(body);
        }
        body.extend(chunk.value().to_vec());
        if body.len() > LONGEST {
            let message = "an answer that is longer than any of a lease service: check the url";
            return Err(Failed::Other(no_service("too long", message, ErrorKind::Permanent)));
        }
    }
}

/// JavaScript does not say what went wrong: a connection that was closed while it was idle, perhaps.
fn unsent(error: &JsValue) -> Failed {
    let problem = said(error);
    // Only pages have to be allowed.
    let hint = origin().map(|origin| format!(" (the service's LESSOR_ORIGINS has to name {origin})"));
    Failed::Broken(StorageError::transient(format!(
        "the service was not reached: {problem}{}",
        hint.unwrap_or_default()
    )))
}
