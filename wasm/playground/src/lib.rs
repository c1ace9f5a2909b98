//! The simulator for a page: a run as JSON.
//!
//! All facts come from `lessor-simulation`, and the page in `page/` shows them: it computes none. Read in this order: `choice` (what a reader may
//! choose), `json`, `told` (a run as JSON).
// A panic ends the module.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod choice;
mod json;
mod told;

pub use choice::Choice;

/// The run of this choice as JSON.
///
/// # Errors
///
/// For what cannot be chosen, with what can.
pub fn play(protocol: &str, seed: &str, candidates: &str, without: &str) -> Result<String, String> {
    Ok(told::tell(&Choice::parse(protocol, seed, candidates, without)?))
}

/// `play` for JavaScript.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
#[wasm_bindgen::prelude::wasm_bindgen(js_name = play)]
#[allow(missing_docs, clippy::missing_errors_doc, reason = "only the page calls it")]
pub fn play_in_page(
    protocol: &str,
    seed: &str,
    candidates: &str,
    without: &str,
) -> Result<String, wasm_bindgen::JsError> {
    play(protocol, seed, candidates, without).map_err(|error| wasm_bindgen::JsError::new(&error))
}
