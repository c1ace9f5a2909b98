//! Pages of other origins that may read the answers (the CORS protocol of the fetch standard). No page is let in by that: each request
//! carries its token.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue,
    ORIGIN, VARY,
};
use hyper::{Method, StatusCode, Uri};

use super::answer::{Answer, empty};

/// Whose pages.
#[derive(Debug, Default)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    /// As they are written on the command line: `https://app.example.com`, or `*`.
    pub(crate) fn read(written: &[String]) -> Result<Self, String> {
        for origin in written {
            if origin != "*" && !is_origin(origin) {
                return Err(format!(
                    "--origin is {origin:?}, allowed is an origin such as https://app.example.com, without a path, or *"
                ));
            }
        }
        Ok(Self(written.to_vec()))
    }

    /// The origin of this request, if its page may read the answer.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.0.iter().any(|allowed| allowed == "*" || origin == allowed.as_str()).then(|| origin.clone())
    }

    /// Whether a browser asks what a page may send.
    pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
        *method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// What a page may send; browsers ask again after as long as they like, two hours at most.
    pub(crate) fn preflight() -> Answer {
        let mut answer = empty(StatusCode::NO_CONTENT);
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
        answer
    }

    /// Lets a page of this origin read the answer.
    pub(crate) fn allow(answer: &mut Answer, origin: HeaderValue) {
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}

fn is_origin(text: &str) -> bool {
    let known = text.starts_with("https://") || text.starts_with("http://");
    let uri = text.parse::<Uri>().ok().filter(|uri| uri.path() == "/" && uri.query().is_none());
    known
        && !text.ends_with('/')
        && uri.and_then(|uri| uri.authority().cloned()).is_some_and(|host| !host.as_str().contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_origin() {
        for good in ["https://app.example.com", "http://localhost:3000", "*"] {
            assert!(Origins::read(&[good.into()]).is_ok(), "{good}");
        }
        for bad in
            ["", "app.example.com", "https://", "https://a/", "https://a/b", "https://a?b", "ftp://a", "https://u@a"]
        {
            assert!(Origins::read(&[bad.into()]).is_err(), "{bad}");
        }
    }
}
