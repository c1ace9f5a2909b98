//! Requests that nobody should send.

lessor_served::hostile!(lessor_edge_tests::start);
