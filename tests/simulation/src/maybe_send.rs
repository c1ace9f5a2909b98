//! What the library asks of types that may cross threads: `Send` natively, nothing on WebAssembly. A run is on one thread.

use std::future::Future;
use std::pin::Pin;

/// `Send` natively, anything on WebAssembly.
#[cfg(not(target_family = "wasm"))]
pub trait MaybeSend: Send {}
#[cfg(not(target_family = "wasm"))]
impl<T: Send + ?Sized> MaybeSend for T {}

/// `Send` natively, anything on WebAssembly.
#[cfg(target_family = "wasm")]
pub trait MaybeSend {}
#[cfg(target_family = "wasm")]
impl<T: ?Sized> MaybeSend for T {}

#[cfg(not(target_family = "wasm"))]
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
#[cfg(target_family = "wasm")]
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// What a handle asks of a participant.
#[cfg(not(target_family = "wasm"))]
pub(crate) type BoxAnswer<Q, A> = Box<dyn Fn(Q) -> A + Send>;
#[cfg(target_family = "wasm")]
pub(crate) type BoxAnswer<Q, A> = Box<dyn Fn(Q) -> A>;
