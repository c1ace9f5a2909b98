//! What is asked of types that may cross threads: `Send` (and `Sync`) natively, nothing on wasm and bare metal.

use alloc::boxed::Box;
use core::future::Future;
use core::pin::Pin;

macro_rules! alias {
    ($($(#[$doc:meta])* $name:ident: $($bound:ident),+;)*) => {$(
        $(#[$doc])*
        #[cfg(not(any(target_family = "wasm", target_os = "none")))]
        pub trait $name: $($bound +)+ {}
        #[cfg(not(any(target_family = "wasm", target_os = "none")))]
        impl<T: $($bound +)+ ?Sized> $name for T {}

        $(#[$doc])*
        #[cfg(any(target_family = "wasm", target_os = "none"))]
        pub trait $name {}
        #[cfg(any(target_family = "wasm", target_os = "none"))]
        impl<T: ?Sized> $name for T {}
    )*};
}

alias! {
    /// `Send` natively; any type on wasm and bare metal. Implemented automatically.
    MaybeSend: Send;
    /// `Send + Sync` natively; any type on wasm and bare metal. Implemented automatically.
    MaybeSendSync: Send, Sync;
}

/// A boxed future that is `Send` where [`MaybeSend`] asks for it.
#[cfg(not(any(target_family = "wasm", target_os = "none")))]
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A boxed future that is `Send` where [`MaybeSend`] asks for it.
#[cfg(any(target_family = "wasm", target_os = "none"))]
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;
