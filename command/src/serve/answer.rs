//! Answers, as they are sent.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use lessor_service::{Kind, PAGE, method_of};
use lessor_wire::Problem;
use serde::Serialize;

pub(crate) type Answer = Response<Full<Bytes>>;

fn of(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

/// A reply, which is JSON.
pub(crate) fn json(body: String) -> Answer {
    of(StatusCode::OK, "application/json", body)
}

/// The same, of what is yet to be written.
pub(crate) fn written(value: &impl Serialize) -> Answer {
    match lessor_service::json::write(value, |what| Kind::Failed.because(what)) {
        Ok(text) => json(text),
        Err(unwritten) => problem(&unwritten),
    }
}

/// A few words, for those who look after the process.
pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    of(status, "text/plain; charset=utf-8", text)
}

/// There is nothing to do but to read.
pub(crate) fn only_to_read() -> Answer {
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "the method has to be GET or HEAD\n");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

/// Nothing, with this status.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

/// A problem; and in how many seconds to ask again, if that is known.
pub(crate) fn problem(problem: &Problem) -> Answer {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = of(status, "application/problem+json", serde_json::to_string(problem).unwrap_or_default());
    let headers = answer.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let wait_s = problem.retry_after_ms.map(|wait_ms| wait_ms.div_ceil(1_000));
    if let Some(wait_s) = wait_s.or_else(|| (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1)) {
        headers.insert(RETRY_AFTER, wait_s.into());
    }
    answer
}

/// The same, to a request for this path.
pub(crate) fn problem_at(of: &Problem, path: &str) -> Answer {
    let mut answer = problem(of);
    if answer.status() == StatusCode::METHOD_NOT_ALLOWED
        && let Some(method) = method_of(path)
    {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
    }
    answer
}

/// Too much is being done already: this was not begun.
pub(crate) fn overloaded(what: &str) -> Problem {
    Problem::new("overloaded", 503, what)
}

/// The status page, whose script and style nobody else's can be.
pub(crate) fn page() -> Answer {
    let Ok(random) = getrandom::u64() else { return problem(&overloaded("there is no randomness")) };
    let nonce = format!("{random:016x}");
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut answer = of(StatusCode::OK, "text/html; charset=utf-8", PAGE.replace("NONCE", &nonce));
    let headers = answer.headers_mut();
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(policy) = policy.parse() {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    answer
}
