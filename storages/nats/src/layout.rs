//! How a bucket and its keys are named in NATS.

use core::fmt::{self, Write};

use lessor::Key;
use lessor_kit::error::AdapterError;
use lessor_kit::name::checked;

/// The longest name of a bucket.
const MAX_BUCKET: usize = 128;

/// The names of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    bucket: String,
    /// What all subjects of its keys begin with.
    prefix: String,
    /// What all that JetStream is asked begins with.
    api: String,
    /// Where it is, if not with the servers that are connected to.
    domain: Option<String>,
}

impl Layout {
    pub(crate) fn standard() -> Self {
        Self::of("lessor".into())
    }

    pub(crate) fn with_bucket(bucket: &str) -> Result<Self, AdapterError> {
        let allowed = "1 to 128 of A to Z, a to z, 0 to 9, - and _";
        let rule = |bucket: &str| (1..=MAX_BUCKET).contains(&bucket.len()) && bucket.bytes().all(is_plain);
        checked("bucket", bucket, rule, allowed).map(Self::of)
    }

    fn of(bucket: String) -> Self {
        let prefix = format!("$KV.{bucket}.");
        Self { bucket, prefix, api: "$JS.API.".into(), domain: None }
    }

    pub(crate) fn in_domain(self, domain: &str) -> Result<Self, AdapterError> {
        let allowed = "1 to 128 of A to Z, a to z, 0 to 9, - and _";
        let rule = |domain: &str| (1..=MAX_BUCKET).contains(&domain.len()) && domain.bytes().all(is_plain);
        let domain = checked("domain", domain, rule, allowed)?;
        Ok(Self { api: format!("$JS.{domain}.API."), domain: Some(domain), ..self })
    }

    /// The same bucket in another's domain.
    pub(crate) fn named(self, bucket: &str) -> Result<Self, AdapterError> {
        let Self { bucket, prefix, .. } = Self::with_bucket(bucket)?;
        Ok(Self { bucket, prefix, ..self })
    }

    pub(crate) fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// Where JetStream is asked for this.
    pub(crate) fn api(&self, what: impl fmt::Display) -> String {
        format!("{}{what}", self.api)
    }

    /// Where to send what is to be written under this subject: those of another domain are known by its API alone.
    pub(crate) fn entry(&self, subject: &str) -> String {
        if self.domain.is_some() { self.api(subject) } else { subject.to_owned() }
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The stream that a bucket is.
    pub(crate) fn stream(&self) -> String {
        format!("KV_{}", self.bucket)
    }

    /// Of all its keys.
    pub(crate) fn subjects(&self) -> String {
        format!("{}>", self.prefix)
    }

    /// Of one key. It may never change: a key under another name would be granted beside its own live lease.
    ///
    /// One token: letters, digits, `-` and `_` as they are, each other byte as `=` and two hexadecimal digits.
    pub(crate) fn subject(&self, key: &Key) -> String {
        let mut subject = String::with_capacity(self.prefix.len() + 3 * key.as_str().len());
        subject.push_str(&self.prefix);
        for byte in key.as_str().bytes() {
            if is_plain(byte) {
                subject.push(char::from(byte));
            } else {
                let _ = write!(subject, "={byte:02X}");
            }
        }
        subject
    }

    /// A subject of the bucket that is no key's: nothing is ever written there.
    pub(crate) fn trial(&self) -> String {
        format!("{}=", self.prefix)
    }

    /// The key of a subject. `None`: another program wrote it.
    pub(crate) fn key(&self, subject: &str) -> Option<Key> {
        let mut parts = subject.strip_prefix(&self.prefix)?.split('=');
        let mut bytes = parts.next()?.as_bytes().to_vec();
        for part in parts {
            let (digits, plain) = part.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            bytes.extend(plain.bytes());
        }
        let key = Key::new(String::from_utf8(bytes).ok()?).ok()?;
        // Each key has one name only.
        (self.subject(&key) == subject).then_some(key)
    }
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_breaks_a_limit_is_refused() {
        for bucket in ["a", "A-b_9", &"b".repeat(128)] {
            assert_eq!(Layout::with_bucket(bucket).unwrap().bucket(), bucket);
        }
        for bucket in ["", "a.b", "a b", "é", "a*", "a/b", &"b".repeat(129)] {
            let error = Layout::with_bucket(bucket).unwrap_err();
            assert!(matches!(error, AdapterError::InvalidSetting { field: "bucket", .. }), "{bucket:?}");
            assert!(error.to_string().contains("1 to 128 of A to Z"), "{error}");
        }
    }

    #[test]
    fn names() {
        let layout = Layout::standard();
        assert_eq!((&*layout.stream(), &*layout.subjects()), ("KV_lessor", "$KV.lessor.>"));
        for (key, subject) in [
            ("nightly-report_7", "$KV.lessor.nightly-report_7"),
            ("a.b/c d", "$KV.lessor.a=2Eb=2Fc=20d"),
            ("=41", "$KV.lessor.=3D41"),
            ("é*>", "$KV.lessor.=C3=A9=2A=3E"),
        ] {
            let key = Key::new(key).unwrap();
            assert_eq!(layout.subject(&key), subject);
            assert_eq!(layout.key(subject), Some(key));
        }
        let longest = Key::new("*".repeat(256)).unwrap();
        assert_eq!(layout.key(&layout.subject(&longest)), Some(longest));
    }

    /// What this does not write is no key's name, so that no key has two.
    #[test]
    fn other_names() {
        let layout = Layout::standard();
        for subject in [
            "$KV.lessor.",
            "$KV.lessor.=",
            "$KV.lessor.=4",
            "$KV.lessor.=2e",
            "$KV.lessor.=41",
            "$KV.lessor.=é",
            "$KV.lessor.+1",
            "$KV.lessor.=+1",
            "$KV.lessor.a.b",
            "$KV.lessor.=FF",
            "$KV.lessor.=0A",
            "$KV.other.a",
            "lessor",
        ] {
            assert_eq!(layout.key(subject), None, "{subject}");
        }
    }
}
