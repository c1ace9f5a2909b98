//! The server's version: older ones lose what they acknowledged.

use lessor_kit::error::AdapterError;

/// Before this one a server that was killed had lost writes that it had acknowledged.
const OLDEST: [u32; 3] = [2, 10, 23];

/// Refuses a server that is too old. What is no version is taken to be new.
pub(crate) fn check(version: &str) -> Result<(), AdapterError> {
    match parts(version) {
        Some(parts) if parts < OLDEST => {
            let [major, minor, patch] = OLDEST;
            let problem = "a server of this version that is killed loses writes that it acknowledged, and terms repeat";
            let remedy = format!("update all servers to {major}.{minor}.{patch} or later");
            Err(AdapterError::wrong_setup("version", version, problem, remedy))
        }
        _ => Ok(()),
    }
}

/// Of `2.11.0-RC.1`: 2, 11 and 0.
fn parts(version: &str) -> Option<[u32; 3]> {
    let numbers = version.trim_start_matches('v').split(['-', '+']).next()?;
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    let parts = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_ones() {
        for version in ["2.10.22", "2.10.9", "2.9.25", "v2.10.0", "1.4.1", "2.10.22-RC.3", "2.10.0+meta"] {
            let error = check(version).unwrap_err().to_string();
            assert!(error.contains(&format!("(version {version}): update all servers to 2.10.23 or later")), "{error}");
        }
    }

    #[test]
    fn new_ones() {
        for version in
            ["2.10.23", "2.10.23-RC.1", "2.10.100", "2.11.0-preview.2", "2.12.1", "3.0.0", "v2.15.1", "", "dev", "2.9"]
        {
            assert_eq!(check(version), Ok(()), "{version}");
        }
    }
}
