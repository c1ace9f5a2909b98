//! Headers of the program's own: for what stands before the service, and has to know who asks.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use lessor_kit::error::AdapterError;

/// Those that say how a request is sent, or who asks the service: they are for this crate to set.
const TAKEN: [&str; 5] = ["authorization", "host", "transfer-encoding", "upgrade", "user-agent"];
const TAKEN_BEGINNINGS: [&str; 3] = ["connection", "content-", "sec-websocket-"];

/// What was checked. Values are secrets.
#[derive(Clone, Default)]
pub(crate) struct Headers(Arc<[(HeaderName, HeaderValue)]>);

impl Headers {
    /// Nothing of a value is in an error; nor is a name, which may be a value in the wrong place.
    pub(crate) fn checked(given: &[(String, String)]) -> Result<Self, AdapterError> {
        let refused = |allowed| AdapterError::invalid_secret("header", allowed);
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::with_capacity(given.len());
        for (name, value) in given {
            let name = HeaderName::from_bytes(name.as_bytes());
            let name = name.map_err(|_| refused("a name of letters, digits and hyphens"))?;
            let beginning = |beginning: &&str| name.as_str().starts_with(beginning);
            if TAKEN.contains(&name.as_str()) || TAKEN_BEGINNINGS.iter().any(beginning) {
                let allowed = "any but authorization (the token is that), host, user-agent, connection, upgrade, transfer-encoding, \
                               content-.. and sec-websocket-..";
                return Err(AdapterError::invalid("header", name.as_str(), allowed));
            }
            let is_visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
            if value.trim() != value || value.is_empty() || !value.bytes().all(is_visible) {
                return Err(refused("a value of visible ASCII characters, without spaces around it"));
            }
            if headers.iter().any(|(other, _)| *other == name) {
                return Err(AdapterError::invalid("header", name.as_str(), "each name once"));
            }
            let mut value = HeaderValue::from_str(value).map_err(|_| refused("a value of visible ASCII characters"))?;
            value.set_sensitive(true);
            headers.push((name, value));
        }
        Ok(Self(headers.into()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, value: &str) -> Result<Headers, AdapterError> {
        Headers::checked(&[(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn what_may_be_sent() {
        let headers = checked("CF-Access-Client-Id", "a b.access").unwrap();
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("cf-access-client-id", "a b.access")]);
        for name in
            ["Authorization", "host", "Connection", "Upgrade", "content-type", "Sec-WebSocket-Key", "Transfer-Encoding"]
        {
            let error = checked(name, "s3cret").err().unwrap().to_string();
            assert!(error.contains(&name.to_lowercase()) && !error.contains("s3cret"), "{error}");
        }
        for (name, value) in [
            ("", "s3cret"),
            ("a b", "s3cret"),
            ("s3cret:", "x"),
            ("x", ""),
            ("x", "s3cret\r\ny: z"),
            ("x", "s3crét"),
            ("x", " s3cret"),
        ] {
            let error = checked(name, value).err().unwrap();
            assert!(matches!(error, AdapterError::InvalidSetting { field: "header", given: None, .. }), "{error}");
        }
        let twice = ["x", "X"].map(|name| (name.to_owned(), "s3cret".to_owned()));
        assert!(
            Headers::checked(&twice).err().unwrap().to_string().contains("header \"x\" is not allowed: each name once")
        );
    }
}
