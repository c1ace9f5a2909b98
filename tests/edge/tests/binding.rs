//! Within Workers: the contract of a storage over the binding.

use lessor_edge_tests::{Setting, TESTS, Workerd};

/// Every case of the contract, from a Worker through the binding.
#[test]
fn keeps_the_contract() {
    let workerd = Workerd::start(&Setting::of(TESTS));
    let answer = workerd.call("GET", "/conformance", None, None);
    println!("{}", answer.text);
    assert_eq!(answer.status, 200);
}
