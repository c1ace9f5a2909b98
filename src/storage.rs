//! The seam: what a candidate asks of shared storage.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use async_trait::async_trait;

use crate::lease::{Key, Lease, Session, Term};
use crate::record::{Acquired, Claim, Renewed};
use crate::send::MaybeSendSync;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "http")]
pub mod http;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod listener;
mod memory;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "std")]
mod open;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod wakeups;

pub use memory::MemoryStorage;
#[cfg(feature = "std")]
pub use open::{OpenError, open};
pub use wakeups::{Topics, Wakeups};

/// Shared storage for leases.
///
/// Each operation on a key is one atomic step, judged by the storage's one clock: durations travel, never dates. The
/// functions of [`Record`](crate::Record) say what each does; an adapter either runs them under a lock or mirrors
/// them, and proves it with the conformance suite (feature `conformance`).
///
/// Any error leaves open whether the operation was applied, is going to be, or never will: the callers allow for it.
///
/// Natively a storage is `Send + Sync`; on wasm and bare metal nothing is asked. An adapter for both repeats the pair
/// of attributes that this trait carries:
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Mutex;
/// use lessor::{
///     Acquired, Claim, Key, Lease, Record, Renewed, Session, Storage, StorageError, SystemTimer, Term, Timer, async_trait,
/// };
///
/// #[derive(Default)]
/// struct Mine(Mutex<BTreeMap<Key, Record>>);
///
/// impl Mine {
///     /// One atomic step: reads the record and then the clock, under a lock; writes what the verdict says.
///     fn step<A>(&self, key: &Key, judge: impl FnOnce(Option<&Record>, u64) -> (A, Option<Record>)) -> Result<A, StorageError> {
///         let mut records = self.0.lock().map_err(|_| StorageError::permanent("a panic left the records behind"))?;
///         let now_ms = SystemTimer::new().now().since_origin().as_millis() as u64;
///         let (answer, write) = judge(records.get(key), now_ms);
///         records.extend(write.map(|record| (key.clone(), record)));
///         Ok(answer)
///     }
/// }
///
/// #[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
/// #[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
/// impl Storage for Mine {
///     async fn acquire(&self, claim: &Claim) -> Result<Acquired, StorageError> {
///         self.step(&claim.key, |record, now_ms| {
///             let verdict = Record::acquire(record, claim, now_ms, Term::FIRST);
///             (verdict.answer, verdict.write)
///         })
///     }
///
///     async fn renew(&self, claim: &Claim, term: Term) -> Result<Renewed, StorageError> {
///         self.step(&claim.key, |record, now_ms| {
///             let verdict = Record::renew(record, claim, term, now_ms);
///             (verdict.answer, verdict.write)
///         })
///     }
///
///     async fn release(&self, key: &Key, session: Session) -> Result<(), StorageError> {
///         self.step(key, |record, _| ((), Record::release(record, session)))
///     }
///
///     async fn get(&self, key: &Key) -> Result<Option<Lease>, StorageError> {
///         self.step(key, |record, now_ms| (record.map(|record| record.lease(now_ms)), None))
///     }
///
///     async fn check(&self) -> Result<(), StorageError> {
///         Ok(())
///     }
/// }
///
/// # smol::block_on(async {
/// let (candidate, driver) = lessor::Builder::new("k").build(Mine::default())?;
/// smol::spawn(driver.run()).detach();
/// assert_eq!(candidate.elected().await?.term(), Term::FIRST);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Cancel safety
/// A dropped operation may or may not have been applied, like one that failed.
#[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
#[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
pub trait Storage: MaybeSendSync {
    /// Asks for the key. A refused claim neither writes nor locks.
    ///
    /// # Errors
    /// [`StorageError`]; whether the claim was applied is then open.
    #[doc(alias = "SetNX")]
    async fn acquire(&self, claim: &Claim) -> Result<Acquired, StorageError>;

    /// Extends a live lease of this session and term; never revives an expired one.
    ///
    /// # Errors
    /// [`StorageError`]; whether the renewal was applied is then open.
    #[doc(alias = "Renew")]
    async fn renew(&self, claim: &Claim, term: Term) -> Result<Renewed, StorageError>;

    /// Gives up what this session holds; does nothing if it holds nothing.
    ///
    /// # Errors
    /// [`StorageError`]; whether the release was applied is then open.
    async fn release(&self, key: &Key, session: Session) -> Result<(), StorageError>;

    /// What can be seen of a key, for observers. Candidates learn it from [`acquire`](Self::acquire).
    ///
    /// # Errors
    /// [`StorageError`].
    #[doc(alias = "Get")]
    async fn get(&self, key: &Key) -> Result<Option<Lease>, StorageError>;

    /// [`acquire`](Self::acquire) for many keys: answers in the order of the claims, each key atomic by itself, no
    /// promise across keys.
    ///
    /// A key that occurs a second time is an error in its place. By default one after the other.
    async fn acquire_all(&self, claims: &[Claim]) -> Vec<Result<Acquired, StorageError>> {
        let mut distinct = Distinct::default();
        let mut answers = Vec::with_capacity(claims.len());
        for claim in claims {
            answers.push(match distinct.admit(&claim.key) {
                Ok(()) => self.acquire(claim).await,
                Err(error) => Err(error),
            });
        }
        answers
    }

    /// [`renew`](Self::renew) for many keys, as [`acquire_all`](Self::acquire_all).
    async fn renew_all(&self, renewals: &[(Claim, Term)]) -> Vec<Result<Renewed, StorageError>> {
        let mut distinct = Distinct::default();
        let mut answers = Vec::with_capacity(renewals.len());
        for (claim, term) in renewals {
            answers.push(match distinct.admit(&claim.key) {
                Ok(()) => self.renew(claim, *term).await,
                Err(error) => Err(error),
            });
        }
        answers
    }

    /// [`release`](Self::release) for many keys, as [`acquire_all`](Self::acquire_all).
    async fn release_all(&self, releases: &[(Key, Session)]) -> Vec<Result<(), StorageError>> {
        let mut distinct = Distinct::default();
        let mut answers = Vec::with_capacity(releases.len());
        for (key, session) in releases {
            answers.push(match distinct.admit(key) {
                Ok(()) => self.release(key, *session).await,
                Err(error) => Err(error),
            });
        }
        answers
    }

    /// [`get`](Self::get) for many keys, as [`acquire_all`](Self::acquire_all).
    async fn get_all(&self, keys: &[Key]) -> Vec<Result<Option<Lease>, StorageError>> {
        let mut distinct = Distinct::default();
        let mut answers = Vec::with_capacity(keys.len());
        for key in keys {
            answers.push(match distinct.admit(key) {
                Ok(()) => self.get(key).await,
                Err(error) => Err(error),
            });
        }
        answers
    }

    /// Wake-ups for a key: a hint that asking now is worth it, never relied upon.
    ///
    /// They come when the key was released or granted to another, not at renewals, and after a lost connection to the
    /// storage was made anew, if that may have been missed. They coalesce, and one is kept while nobody polls. By default there are none.
    ///
    /// Subscribe, then ask: a subscription may take effect only when an operation that was asked after it is answered.
    fn subscribe(&self, key: &Key) -> Wakeups {
        let _ = key;
        Wakeups::never()
    }

    /// Whether the storage can be reached, may be used and has what it needs (its table, say): for programs that want
    /// to fail at their start. A candidate needs no check; it tries for ever.
    ///
    /// # Errors
    /// [`StorageError`] says what is missing.
    async fn check(&self) -> Result<(), StorageError>;
}

macro_rules! delegate {
    ($($pointer:ty),*) => {$(
        #[cfg_attr(not(any(target_family = "wasm", target_os = "none")), async_trait)]
        #[cfg_attr(any(target_family = "wasm", target_os = "none"), async_trait(?Send))]
        impl<S: Storage + ?Sized> Storage for $pointer {
            async fn acquire(&self, claim: &Claim) -> Result<Acquired, StorageError> {
                (**self).acquire(claim).await
            }
            async fn renew(&self, claim: &Claim, term: Term) -> Result<Renewed, StorageError> {
                (**self).renew(claim, term).await
            }
            async fn release(&self, key: &Key, session: Session) -> Result<(), StorageError> {
                (**self).release(key, session).await
            }
            async fn get(&self, key: &Key) -> Result<Option<Lease>, StorageError> {
                (**self).get(key).await
            }
            async fn acquire_all(&self, claims: &[Claim]) -> Vec<Result<Acquired, StorageError>> {
                (**self).acquire_all(claims).await
            }
            async fn renew_all(&self, renewals: &[(Claim, Term)]) -> Vec<Result<Renewed, StorageError>> {
                (**self).renew_all(renewals).await
            }
            async fn release_all(&self, releases: &[(Key, Session)]) -> Vec<Result<(), StorageError>> {
                (**self).release_all(releases).await
            }
            async fn get_all(&self, keys: &[Key]) -> Vec<Result<Option<Lease>, StorageError>> {
                (**self).get_all(keys).await
            }
            fn subscribe(&self, key: &Key) -> Wakeups {
                (**self).subscribe(key)
            }
            async fn check(&self) -> Result<(), StorageError> {
                (**self).check().await
            }
        }
    )*};
}

delegate!(&S, Box<S>, Arc<S>);

/// An adapter whose operations are all requests to it: `ask` answers one, `ask_all` many, each key once.
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
macro_rules! by_requests {
    ($adapter:ty, $($rest:tt)*) => {
        #[async_trait]
        impl Storage for $adapter {
            async fn acquire(&self, claim: &Claim) -> Result<Acquired, StorageError> {
                self.ask(claim).await
            }
            async fn renew(&self, claim: &Claim, term: Term) -> Result<Renewed, StorageError> {
                self.ask(&(claim.clone(), term)).await
            }
            async fn release(&self, key: &Key, session: Session) -> Result<(), StorageError> {
                self.ask(&(key.clone(), session)).await
            }
            async fn get(&self, key: &Key) -> Result<Option<Lease>, StorageError> {
                self.ask(key).await
            }
            async fn acquire_all(&self, claims: &[Claim]) -> Vec<Result<Acquired, StorageError>> {
                self.ask_all(claims).await
            }
            async fn renew_all(&self, renewals: &[(Claim, Term)]) -> Vec<Result<Renewed, StorageError>> {
                self.ask_all(renewals).await
            }
            async fn release_all(&self, releases: &[(Key, Session)]) -> Vec<Result<(), StorageError>> {
                self.ask_all(releases).await
            }
            async fn get_all(&self, keys: &[Key]) -> Vec<Result<Option<Lease>, StorageError>> {
                self.ask_all(keys).await
            }
            $($rest)*
        }
    };
}
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
use by_requests;

/// Admits each key of a batch once: for adapters with batches of their own.
///
/// ```
/// use lessor::{ErrorKind, Key};
/// use lessor::storage::Distinct;
///
/// let keys = [Key::new("a")?, Key::new("a")?];
/// let mut distinct = Distinct::default();
/// assert!(distinct.admit(&keys[0]).is_ok());
/// assert_eq!(distinct.admit(&keys[1]).unwrap_err().kind(), ErrorKind::Permanent);
/// # Ok::<(), lessor::InvalidText>(())
/// ```
#[derive(Debug, Default)]
pub struct Distinct<'a>(BTreeSet<&'a Key>);

impl<'a> Distinct<'a> {
    /// Admits a key the first time.
    ///
    /// # Errors
    /// What to answer where the key occurs again: a permanent error caused by [`DuplicateKey`].
    pub fn admit(&mut self, key: &'a Key) -> Result<(), StorageError> {
        if self.0.insert(key) { Ok(()) } else { Err(StorageError::permanent(DuplicateKey(key.clone()))) }
    }
}

/// A key that occurs more than once in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateKey(pub Key);

impl fmt::Display for DuplicateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {:?} occurs more than once in the batch", self.0.as_str())
    }
}

impl Error for DuplicateKey {}

/// Whether trying again may help by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A connection, a timeout, a busy server: it may work the next time.
    Transient,
    /// A missing table, a wrong password, a bad argument: somebody has to change something first. Candidates try on
    /// all the same.
    Permanent,
}

/// An operation failed. Whether it was applied is open.
///
/// Two errors are equal if they are of one kind and say the same.
///
/// ```
/// use lessor::{ErrorKind, StorageError};
///
/// let error = StorageError::transient(std::io::Error::other("connection reset"));
/// assert_eq!(error.kind(), ErrorKind::Transient);
/// assert_eq!(error.to_string(), "transient storage error: connection reset");
/// assert!(error.get_ref().is::<std::io::Error>());
/// ```
#[derive(Clone)]
pub struct StorageError {
    kind: ErrorKind,
    cause: Arc<dyn Error + Send + Sync>,
}

impl StorageError {
    /// An error that may pass by itself.
    pub fn transient(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: ErrorKind::Transient, cause: Arc::from(cause.into()) }
    }

    /// An error that stays until somebody changes something.
    pub fn permanent(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: ErrorKind::Permanent, cause: Arc::from(cause.into()) }
    }

    /// The operation did not answer within this time.
    #[must_use]
    pub fn timed_out(after: Duration) -> Self {
        Self::transient(TimedOut(after))
    }

    /// Whether trying again may help by itself.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The adapter's own error.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.cause
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ErrorKind::Transient => "transient",
            ErrorKind::Permanent => "permanent",
        };
        write!(f, "{kind} storage error: {}", self.cause)
    }
}

impl fmt::Debug for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageError").field("kind", &self.kind).field("cause", &self.cause).finish()
    }
}

impl Error for StorageError {
    /// The cause of the cause: the cause itself is part of the message.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

impl PartialEq for StorageError {
    fn eq(&self, other: &Self) -> bool {
        let text = |error: &Self| -> String { alloc::format!("{}", error.cause) };
        self.kind == other.kind && text(self) == text(other)
    }
}

impl Eq for StorageError {}

#[derive(Debug)]
struct TimedOut(Duration);

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within {:?}", self.0)
    }
}

impl Error for TimedOut {}
