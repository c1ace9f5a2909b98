//! The examples with real servers, built and run as a user does it.

use std::process::Command;

use futures::executor::block_on;
use lessor_redis::RedisStorage;
use lessor_servers::example::{built, two_processes_hand_over};
use lessor_servers::redis::Keeps;
use lessor_servers::{etcd, mysql, nats, postgres, redis, seaweed};

/// Who is told to end hands over, and the next one leads in a later term at once.
#[test]
fn postgres_hands_over() {
    let server = postgres::Server::start();
    let terms = two_processes_hand_over(&built("postgres"), ("DATABASE_URL", &server.url()));
    assert_eq!(terms, (1, 2));
}

#[test]
fn mysql_hands_over() {
    let server = mysql::Server::start();
    let terms = two_processes_hand_over(&built("mysql"), ("DATABASE_URL", &server.url()));
    assert_eq!(terms, (1, 2));
}

#[test]
fn redis_hands_over() {
    let server = redis::Server::start(Keeps::Nothing);
    let (program, variable) = (built("redis"), ("REDIS_URL", &*server.url()));
    let initialised = Command::new(&program).arg("initialise").env(variable.0, variable.1).status();
    assert!(initialised.unwrap().success());
    let (old, new) = two_processes_hand_over(&program, variable);
    assert!(new > old, "{new} follows {old}");
}

#[test]
fn etcd_hands_over() {
    let server = etcd::Server::start();
    let terms = two_processes_hand_over(&built("etcd"), ("ETCD_ENDPOINTS", &server.endpoint()));
    assert_eq!(terms, (1, 2));
}

#[test]
fn nats_hands_over() {
    let server = nats::Server::start();
    let terms = two_processes_hand_over(&built("nats"), ("NATS_URL", &server.address()));
    assert_eq!(terms, (1, 2));
}

/// Processes of this machine are killed, resign and are frozen; the server judges. Its password is shown nowhere.
fn survives_failovers(url: &str, password: &str) {
    survives_failovers_with(&[], url, password);
}

fn survives_failovers_with(environment: &[(&str, &str)], url: &str, password: &str) {
    let mut command = Command::new(built("failover"));
    command.envs(environment.iter().copied());
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
fn failover_with_postgres() {
    let server = postgres::Server::start();
    survives_failovers(&server.url(), postgres::PASSWORD);
}

#[test]
fn failover_with_mysql() {
    let server = mysql::Server::start();
    survives_failovers(&server.url(), mysql::PASSWORD);
}

#[test]
fn failover_with_redis() {
    let server = redis::Server::start(Keeps::Nothing);
    block_on(RedisStorage::new(server.client()).initialise()).unwrap();
    survives_failovers(&server.url(), redis::PASSWORD);
}

/// As a user, under a prefix of its own.
#[test]
fn failover_with_etcd() {
    let server = etcd::Server::start();
    server.enable_auth();
    let url = format!("etcd://root:{}@127.0.0.1:{}/of/its/own", etcd::ROOT, server.port());
    survives_failovers(&url, etcd::ROOT);
    assert!(server.ctl(&["get", "--prefix", "--keys-only", ""]).starts_with("of/its/own/"));
}

#[test]
fn failover_with_nats() {
    let server = nats::Server::with("jetstream: enabled\nauthorization { user: app, password: s3cret-of-the-tests }");
    survives_failovers(&format!("nats://app:s3cret-of-the-tests@127.0.0.1:{}/leases", server.port()), "s3cret-of");
}

/// With keys that are in the environment. (The server takes any.)
#[test]
fn failover_with_objects() {
    let server = seaweed::Server::start();
    let url = format!("s3://leases/of/its/own?endpoint=http://127.0.0.1:{}", server.port());
    let keys = [("AWS_ACCESS_KEY_ID", "app"), ("AWS_SECRET_ACCESS_KEY", "s3cret-of-the-tests")];
    survives_failovers_with(&keys, &url, "s3cret-of");
}
