//! The clock of the platform.

/// Ms since 1970. It stands still between two events that come from outside: read it once for each.
pub(crate) fn now_ms() -> u64 {
    worker::Date::now().as_millis()
}
