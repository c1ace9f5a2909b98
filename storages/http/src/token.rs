//! The token: one that stays as it is, or one that is asked for.

use core::error::Error;
use core::time::Duration;
use std::sync::Arc;

use futures::future::{Either, select};
use futures::lock::Mutex;
use lessor::StorageError;
use lessor::storage::MaybeSendSync;
use lessor_kit::error::AdapterError;

use crate::platform::{Boxed, sleep};

type Asked = Result<String, Box<dyn Error + Send + Sync>>;

/// Where tokens are had from.
#[derive(Clone)]
pub(crate) enum Source {
    Fixed(String),
    Asked(Arc<dyn Ask>),
}

/// As a closure has it.
pub(crate) trait Ask: MaybeSendSync {
    fn ask(&self) -> Boxed<Asked>;
}

impl<F: Fn() -> Boxed<Asked> + MaybeSendSync> Ask for F {
    fn ask(&self) -> Boxed<Asked> {
        self()
    }
}

/// The whole header: a secret.
pub(crate) type Authorization = Arc<str>;

/// What says who asks, shared by requests and the socket.
pub(crate) struct Token {
    source: Source,
    /// The one that was had last.
    last: Mutex<Option<Authorization>>,
    /// How long it may take to ask.
    timeout: Duration,
}

impl Token {
    /// # Errors
    /// One that stays is not allowed.
    pub(crate) fn new(source: Source, timeout: Duration) -> Result<Self, AdapterError> {
        let fixed = match &source {
            Source::Fixed(token) => Some(header(token)?),
            Source::Asked(_) => None,
        };
        Ok(Self { source, last: Mutex::new(fixed), timeout })
    }

    /// Whether there may be another one.
    pub(crate) const fn changes(&self) -> bool {
        matches!(self.source, Source::Asked(_))
    }

    /// The one that was had last, or the first one.
    pub(crate) async fn current(&self) -> Result<Authorization, StorageError> {
        self.other_than(None).await
    }

    /// Another one than this, which was refused. Of many who ask at a time one is asked for.
    pub(crate) async fn other_than(&self, refused: Option<&Authorization>) -> Result<Authorization, StorageError> {
        let mut last = self.last.lock().await;
        match &*last {
            Some(last) if refused != Some(last) => Ok(last.clone()),
            _ => self.ask(&mut last).await,
        }
    }

    /// One that was asked for just now.
    pub(crate) async fn newest(&self) -> Result<Authorization, StorageError> {
        self.ask(&mut *self.last.lock().await).await
    }

    async fn ask(&self, last: &mut Option<Authorization>) -> Result<Authorization, StorageError> {
        let asked = match (&self.source, &*last) {
            (Source::Asked(source), _) => source.ask(),
            (Source::Fixed(_), Some(last)) => return Ok(last.clone()),
            (Source::Fixed(_), None) => return Err(AdapterError::missing("token").into()),
        };
        let Either::Left((token, _)) = select(asked, sleep(self.timeout)).await else {
            return Err(StorageError::timed_out(self.timeout));
        };
        let token = token.map_err(|error| StorageError::transient(format!("there is no token: {error}")))?;
        Ok(last.insert(header(&token)?).clone())
    }
}

fn header(token: &str) -> Result<Authorization, AdapterError> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AdapterError::invalid_secret("token", "one or more visible ASCII characters without spaces"));
    }
    Ok(format!("Bearer {token}").into())
}

#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use futures::executor::block_on;
    use futures::future::{join_all, pending};
    use lessor::storage::ErrorKind;

    use super::*;

    fn asked(source: impl Ask + 'static, timeout: Duration) -> Token {
        Token::new(Source::Asked(Arc::new(source)), timeout).unwrap()
    }

    /// One that counts.
    fn counting() -> Token {
        let count = AtomicUsize::new(0);
        let next = move || -> Boxed<Asked> {
            let number = count.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move { Ok(format!("t{number}")) })
        };
        asked(next, Duration::MAX)
    }

    /// It is asked for once, and anew when it was refused: by as many requests as were under way.
    #[test]
    fn asked_for_when_needed() {
        let token = counting();
        block_on(async {
            let first = token.current().await.unwrap();
            assert_eq!((&*first, &*token.current().await.unwrap()), ("Bearer t0", "Bearer t0"));
            let others = join_all((0..50).map(|_| token.other_than(Some(&first)))).await;
            assert!(others.iter().all(|other| &**other.as_ref().unwrap() == "Bearer t1"), "{others:?}");
            assert_eq!(&*token.newest().await.unwrap(), "Bearer t2");
            assert_eq!(&*token.current().await.unwrap(), "Bearer t2");
        });
    }

    #[test]
    fn fixed() {
        let token = Token::new(Source::Fixed("t".into()), Duration::MAX).unwrap();
        block_on(async {
            let first = token.current().await.unwrap();
            assert!(token.other_than(Some(&first)).await.unwrap() == first, "there is no other");
            assert!(token.newest().await.unwrap() == first && !token.changes());
        });
    }

    /// What the source says passes by; what is no token does not, and is not shown.
    #[test]
    fn sources_that_fail() {
        let failing = || -> Boxed<Asked> { Box::pin(async { Err("the vault is sealed".into()) }) };
        let error = block_on(asked(failing, Duration::MAX).current()).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().contains("there is no token: the vault is sealed")),
            (ErrorKind::Transient, true),
            "{error}"
        );
        let spaced = || -> Boxed<Asked> { Box::pin(async { Ok("s3cret token".into()) }) };
        let error = block_on(asked(spaced, Duration::MAX).current()).unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("s3cret")), (ErrorKind::Permanent, false), "{error}");
        let silent = || -> Boxed<Asked> { Box::pin(pending()) };
        let error = block_on(asked(silent, Duration::from_millis(10)).current()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    }
}
