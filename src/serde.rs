//! How the vocabulary is written down (feature `serde`): texts and numbers as themselves, durations in whole ms.
//!
//! What is read is checked as everywhere else. A [`Session`](crate::Session) is a secret and has no form here.

use alloc::string::String;
use core::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::lease::{Holder, InvalidText, Key, Lease, Term, Value, Version};
use crate::record::whole_ms;

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

text!(Key, Holder, Value);

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
    id: Option<Holder>,
    term: Term,
    version: Version,
    ttl_ms: u64,
    time_left_ms: u64,
    value: Option<Value>,
}

impl Serialize for Lease {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
            id: self.holder.clone(),
            term: self.term,
            version: self.version,
            ttl_ms: whole_ms(self.ttl),
            time_left_ms: whole_ms(self.time_left),
            value: self.value.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Lease {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { id, term, version, ttl_ms, time_left_ms, value } = Written::deserialize(deserializer)?;
        let [ttl, time_left] = [ttl_ms, time_left_ms].map(Duration::from_millis);
        Ok(Self { holder: id, term, version, ttl, time_left, value })
    }
}

#[cfg(all(test, feature = "wire"))]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// A lease is written as it is shown, and read back the same.
    #[test]
    fn a_lease_there_and_back() {
        let lease = Lease {
            holder: Some(Holder::new("node-a").unwrap()),
            term: Term::FIRST,
            version: Version::new(3),
            ttl: Duration::from_secs(10),
            time_left: Duration::from_millis(7),
            value: None,
        };
        let written = serde_json::to_string(&lease).unwrap();
        assert_eq!(
            written,
            "{\"id\":\"node-a\",\"term\":1,\"version\":3,\"ttl_ms\":10000,\"time_left_ms\":7,\"value\":null}"
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
