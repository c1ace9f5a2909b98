//! Futures of a lane, which cross threads natively.

#[cfg(not(any(target_family = "wasm", target_os = "none")))]
pub(super) use futures::future::BoxFuture as Boxed;
#[cfg(any(target_family = "wasm", target_os = "none"))]
pub(super) use futures::future::LocalBoxFuture as Boxed;

/// As [`MaybeSend`](lessor::storage::MaybeSend) has it.
pub(super) type BoxFuture<T> = Boxed<'static, T>;
