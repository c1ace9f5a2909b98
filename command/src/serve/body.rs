//! Bodies: read to their end, unless they are too long or too slow.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Bytes, Incoming};
use lessor_service::BODY;
use tokio::time::timeout;

/// The longest body that is read before it is known who asks.
const SHORT: u64 = 16 * 1024;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of it.
#[derive(Debug)]
pub(crate) enum Read {
    Text(String),
    TooLong,
    /// It did not come to its end in time.
    TooSlow,
    /// The client is gone.
    Gone,
}

/// Whether it is so short that anybody's is read.
pub(crate) fn is_short(body: &Incoming) -> bool {
    body.size_hint().exact().is_some_and(|length| length <= SHORT)
}

/// Reads what nobody will look at, so that its client hears the answer: but no more of it than could be meant.
pub(crate) async fn skip(mut body: Incoming) {
    let skip = async {
        let mut count = 0_usize;
        while let Some(Ok(frame)) = body.frame().await {
            count = count.saturating_add(frame.data_ref().map_or(0, Bytes::len));
            if count > 2 * BODY {
                return;
            }
        }
    };
    let _ = timeout(PATIENCE, skip).await;
}

/// The body; what is no text is no JSON either.
pub(crate) async fn read(mut body: Incoming) -> Read {
    let read = async {
        let (mut bytes, mut count) = (Vec::new(), 0_usize);
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Read::Gone };
            let Ok(data) = frame.into_data() else { continue };
            count = count.saturating_add(data.len());
            // What is a little too long is read to its end, or the client would be cut off before it hears why.
            if count > 16 * BODY {
                return Read::TooLong;
            }
            if count <= BODY {
                bytes.extend_from_slice(&data);
            }
        }
        if count > BODY {
            return Read::TooLong;
        }
        Read::Text(String::from_utf8(bytes).unwrap_or_else(|_| "\u{fffd}".to_owned()))
    };
    timeout(PATIENCE, read).await.unwrap_or(Read::TooSlow)
}
