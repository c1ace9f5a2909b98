//! The example of a failover, with its leases on real servers.

use std::path::Path;
use std::process::Command;

use futures::executor::block_on;
use lessor::RedisStorage;
use lessor_storage_tests::redis::Keeps;
use lessor_storage_tests::{example, mysql, postgres, redis};

/// Processes of this machine are killed, resign and are frozen; the server judges. Its password is shown nowhere.
fn survives(example: &Path, url: &str, password: &str) {
    let mut command = Command::new(example);
    command.args(["--rounds", "1", "--ttl", "1s", "--storage", url]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "{said}");
    for expected in ["killed", "resigned", "frozen", "refused"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains(password), "{said}");
}

#[test]
fn with_postgres() {
    let server = postgres::Server::start();
    survives(&example::built("failover"), &server.url(), postgres::PASSWORD);
}

#[test]
fn with_mysql() {
    let server = mysql::Server::start();
    survives(&example::built("failover"), &server.url(), mysql::PASSWORD);
}

#[test]
fn with_redis() {
    let server = redis::Server::start(Keeps::Nothing);
    block_on(RedisStorage::new(server.client()).initialise()).unwrap();
    survives(&example::built("failover"), &server.url(), redis::PASSWORD);
}
