//! The paths of the API, and what each needs.

use crate::caller::Role;

/// What an operation on a key needs: a method, and a role.
pub(crate) fn needed(operation: Option<&str>) -> Option<(&'static str, Role)> {
    match operation {
        None | Some("history" | "waiting") => Some(("GET", Role::Read)),
        Some("acquire" | "renew" | "release") => Some(("POST", Role::Candidate)),
        Some("revoke" | "forget") => Some(("POST", Role::Admin)),
        Some(_) => None,
    }
}

/// The method that the API has at this path, for the header `Allow` of an answer with status 405. `None`: there is no such path.
///
/// ```
/// assert_eq!(lessor_service::method_of("/v1/keys/nightly/acquire"), Some("POST"));
/// assert_eq!(lessor_service::method_of("/v1/keys?limit=1"), Some("GET"));
/// assert_eq!(lessor_service::method_of("/v2"), None);
/// ```
#[must_use]
pub fn method_of(url: &str) -> Option<&'static str> {
    let (path, _) = path_of(url);
    if path == "/" {
        return Some("GET");
    }
    let mut parts =
        path.strip_prefix("/v1").filter(|rest| rest.is_empty() || rest.starts_with('/'))?.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (None | Some("" | "watch"), None, None, None) | (Some("keys"), None | Some(""), None, None) => Some("GET"),
        (Some("batch"), None, None, None) => Some("POST"),
        (Some("keys"), Some(_), operation, None) => needed(operation).map(|(method, _)| method),
        _ => None,
    }
}

/// The path, and the query.
pub(crate) fn path_of(url: &str) -> (&str, &str) {
    url.split_once('?').unwrap_or((url, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Asked, Service, Variables};

    /// What is said of a method is the same in the header and in the problem.
    #[test]
    fn methods() {
        let tokens = r#"[{"token": "admin-0123456789-abcdef", "role": "admin"}]"#;
        let service = Service::read(Variables { tokens: Some(tokens), ..Variables::default() }).unwrap();
        let paths = [
            "/",
            "/v1",
            "/v1/",
            "/v1?x=1",
            "/v1/batch",
            "/v1/watch",
            "/v1/keys",
            "/v1/keys/",
            "/v1/keys?limit=1",
            "/v1/keys/k",
        ];
        let operations = ["acquire", "renew", "release", "revoke", "forget", "history", "waiting"];
        let operations = operations.map(|operation| format!("/v1/keys/k/{operation}"));
        let asked = |url| {
            let authorization = Some("Bearer admin-0123456789-abcdef");
            service.admit(0.0, Asked { method: "PUT", url, authorization, ..Asked::default() }).unwrap_err()
        };
        for url in paths.into_iter().chain(operations.iter().map(String::as_str)) {
            let (problem, method) = (asked(url), method_of(url).unwrap_or_default());
            assert_eq!((problem.status, problem.detail), (405, format!("the method has to be {method}")), "{url}");
        }
        for url in
            ["", "/v", "/v2", "/v10", "/v1x", "/v1/key", "/v1/batch/x", "/v1/keys/k/x", "/v1/keys/k/acquire/x", "v1"]
        {
            assert_eq!((asked(url).status, method_of(url)), (404, None), "{url}");
        }
    }
}
