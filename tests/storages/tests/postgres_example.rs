//! The example, built and run as a user does it.

use lessor_storage_tests::example::two_processes_hand_over;
use lessor_storage_tests::postgres::Server;

/// R9: who is told to end hands over, and the next one leads in a later term at once.
#[test]
fn two_processes() {
    two_processes_hand_over("postgres", &Server::start().url());
}
