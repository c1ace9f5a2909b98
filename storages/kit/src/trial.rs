//! A claim that `check` makes and takes back.

use core::time::Duration;

use lessor::storage::{Claim, Session};
use lessor::{Id, InvalidText, Key, Value};

/// A claim for a key that nobody else has: as long as they come, to see whether the table takes it.
///
/// To be made in a transaction that is rolled back. Its id and value are as long as they come, too.
///
/// ```
/// let one = lessor_kit::trial::claim()?;
/// let other = lessor_kit::trial::claim()?;
/// assert_eq!((one.key.as_str().len(), one.id.as_str().len()), (256, 128));
/// assert_ne!(one.key, other.key);
/// # Ok::<(), lessor::InvalidText>(())
/// ```
///
/// # Errors
/// None: all of it is as long as it may be.
pub fn claim() -> Result<Claim, InvalidText> {
    // Without randomness two checks may wait for one another, no more.
    let number = getrandom::u64().unwrap_or_default();
    let name = format!("lessor trial {number:016x} ");
    let key = Key::new(format!("{name:-<256}"))?;
    let id = Id::new(format!("{name:-<128}"))?;
    let session = Session::from_bits(u128::from(number));
    let value = Value::new(format!("{name:-<4096}"))?;
    Ok(Claim::new(key, id, session, Duration::from_secs(60)).value(Some(value)))
}
