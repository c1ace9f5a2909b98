//! The HTTP API in workerd: the contract of a storage, who may do what, and what nobody may.

use lessor_edge_tests::{Setting, Workerd};

lessor_served::service!(lessor_edge_tests::start);

/// Without a secret, or with one that cannot be read, nothing is served.
#[test]
fn without_tokens_nothing_is_served() {
    for tokens in [None, Some("[]"), Some("no json"), Some("[{\"token\": \"short\", \"role\": \"admin\"}]")] {
        let workerd =
            Workerd::start(&Setting { tokens: tokens.map(Into::into), vars: Vec::new(), ..Setting::default() });
        for path in ["/", "/v1", "/v1/keys/k"] {
            let answer = workerd.call("GET", path, Some("short"), None);
            assert_eq!(
                (answer.status, answer.json()["type"].as_str()),
                (503, Some("unconfigured")),
                "{tokens:?} {path}"
            );
        }
    }
}
