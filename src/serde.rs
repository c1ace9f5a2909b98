//! How the vocabulary is written down (feature `serde`): texts and numbers as themselves, durations in whole ms.
//!
//! What is read is checked as everywhere else. A [`Session`](crate::storage::Session) is a secret and has no form here.

use alloc::string::String;
use core::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::lease::Lease;
use crate::storage::whole_ms;
use crate::term::{Term, Version};
use crate::text::{Id, InvalidText, Key, Value};

macro_rules! text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(text).map_err(|error: InvalidText| D::Error::custom(error))
            }
        }
    )*};
}

text!(Key, Id, Value);

impl Serialize for Term {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

impl<'de> Deserialize<'de> for Term {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        let refused = || D::Error::custom(format_args!("term is {number}, allowed is 1 to {}", Self::LAST));
        Self::new(number).ok_or_else(refused)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::new)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Lease")]
struct Written {
    id: Option<Id>,
    term: Term,
    version: Version,
    ttl_ms: u64,
    time_left_ms: u64,
    #[serde(default)]
    age_ms: Option<u64>,
    value: Option<Value>,
}

impl Serialize for Lease {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
            id: self.id.clone(),
            term: self.term,
            version: self.version,
            ttl_ms: whole_ms(self.ttl),
            time_left_ms: whole_ms(self.time_left),
            age_ms: self.age.map(whole_ms),
            value: self.value.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Lease {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { id, term, version, ttl_ms, time_left_ms, age_ms, value } = Written::deserialize(deserializer)?;
        Ok(Self {
            id,
            time_left: Duration::from_millis(time_left_ms),
            age: age_ms.map(Duration::from_millis),
            value,
            ..Self::new(term, version, Duration::from_millis(ttl_ms))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// A lease is written as it is shown, and read back the same.
    #[test]
    fn a_lease_there_and_back() {
        let lease = Lease {
            id: Some(Id::new("node-a").unwrap()),
            time_left: Duration::from_millis(7),
            age: Some(Duration::from_secs(60)),
            ..Lease::new(Term::FIRST, Version::new(3), Duration::from_secs(10))
        };
        let written = serde_json::to_string(&lease).unwrap();
        assert_eq!(
            written,
            "{\"id\":\"node-a\",\"term\":1,\"version\":3,\"ttl_ms\":10000,\"time_left_ms\":7,\"age_ms\":60000,\"value\":null}"
        );
        assert_eq!(serde_json::from_str::<Lease>(&written).unwrap(), lease);
    }

    /// What is read is checked as everywhere else.
    #[test]
    fn limits_hold() {
        assert!(serde_json::from_str::<Key>("\"\"").unwrap_err().to_string().contains("1 to 256 bytes"));
        assert!(serde_json::from_str::<Term>("0").unwrap_err().to_string().contains("term is 0"));
        assert!(serde_json::from_str::<Term>("9007199254740992").is_err());
    }
}
