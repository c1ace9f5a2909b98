//! Where unpredictable numbers come from: an argument of whoever builds.

use alloc::boxed::Box;

/// Draws one number.
#[cfg(not(any(target_family = "wasm", target_os = "none")))]
pub(crate) type Entropy = Box<dyn FnMut() -> u64 + Send>;
/// Draws one number.
#[cfg(any(target_family = "wasm", target_os = "none"))]
pub(crate) type Entropy = Box<dyn FnMut() -> u64>;
