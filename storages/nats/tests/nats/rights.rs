//! Which rights it takes, and what is said of one that is missing.

use lessor::storage::ErrorKind;
use lessor::{Storage, StorageExt};
use lessor_nats::{AdapterError, NatsStorage};
use lessor_servers::nats::Server;
use smol::block_on;

use crate::{claim, extended, granted, in_tokio, key, renewal, soon, told, woken};

/// As they are documented.
const ALL: [&str; 6] = [
    "$JS.API.STREAM.INFO.KV_lessor",
    "$JS.API.STREAM.MSG.GET.KV_lessor",
    "$KV.lessor.>",
    "$JS.API.CONSUMER.CREATE.KV_lessor.*",
    "$JS.API.CONSUMER.DELETE.KV_lessor.*",
    "$JS.API.STREAM.CREATE.KV_lessor",
];

fn settings(publish: &[&str], subscribe: &str) -> String {
    let publish = publish.join("\", \"");
    format!(
        "jetstream: enabled\nauthorization {{ users: [{{ user: admin, password: admin }}, {{ user: app, password: app, \
         permissions: {{ publish: [\"{publish}\"], subscribe: [\"{subscribe}\"] }} }}] }}"
    )
}

fn app(server: &Server) -> NatsStorage {
    NatsStorage::new([format!("nats://app:app@127.0.0.1:{}", server.port())]).unwrap()
}

#[test]
fn these_are_enough() {
    let server = Server::with(&settings(&ALL, "_INBOX.>"));
    block_on(async {
        let (storage, follower) = (app(&server), app(&server));
        storage.migrate().await.unwrap();
        storage.check().await.unwrap();
        let mut wakeups = follower.subscribe(&key("k"));
        woken(&mut wakeups).await;
        let claimed = claim("k", 1);
        let term = granted(storage.acquire(claimed.clone()).await);
        woken(&mut wakeups).await;
        extended(storage.renew(renewal(&claimed, term)).await);
        storage.list(lessor::storage::List::new()).await.unwrap();
        drop(wakeups);
        let gone = async {
            while server.consumers() > 0 {
                smol::Timer::after(std::time::Duration::from_millis(10)).await;
            }
        };
        soon(gone).await.expect("a consumer that is not needed is deleted");
    });
}

/// Nobody answers whoever may not ask: it is told all the same, and at once.
#[test]
fn each_that_is_missing_is_named() {
    let server = Server::with(&settings(&ALL, "_INBOX.>"));
    block_on(app(&server).migrate()).unwrap();
    for missing in &ALL[..3] {
        let rest: Vec<_> = ALL.into_iter().filter(|right| right != missing).collect();
        server.reload(&settings(&rest, "_INBOX.>"));
        let error = block_on(soon(app(&server).check())).expect("it is told").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
        let said = error.to_string();
        assert!(matches!(told(&error), AdapterError::NoRight { .. }), "{missing}: {said}");
        assert!(said.contains(missing.trim_end_matches('>')), "{missing}: {said}");
    }
    server.reload(&settings(&ALL, "other"));
    let error = block_on(soon(app(&server).check())).expect("it is told").unwrap_err();
    assert!(error.to_string().contains("Permissions Violation for Subscription to \"_INBOX."), "{error}");
    server.reload(&settings(&ALL, "_INBOX.>"));
    block_on(app(&server).check()).unwrap();
}

/// Who may make no consumer hears of nothing, and looks.
#[test]
fn without_wakeups() {
    let server = Server::with(&settings(&ALL[..3], "_INBOX.>"));
    in_tokio(async {
        let admin = NatsStorage::new([format!("nats://admin:admin@127.0.0.1:{}", server.port())]).unwrap();
        admin.migrate().await.unwrap();
        let (one, other) = (app(&server), app(&server));
        let build = |storage| {
            let builder = lessor::Builder::new("k").ttl(std::time::Duration::from_secs(1));
            builder.retry_interval(std::time::Duration::from_millis(100)).build(storage).unwrap()
        };
        let ((first, driver), (second, other_driver)) = (build(one), build(other));
        tokio::spawn(driver.run());
        first.elected().await.unwrap();
        tokio::spawn(other_driver.run());
        first.resign().await.unwrap();
        soon(second.elected()).await.expect("it looks").unwrap();
    });
}

/// A user that shows who it is by its key.
#[cfg(feature = "nkeys")]
#[test]
fn a_user_that_signs() {
    use lessor_nats::async_nats::ConnectOptions;
    // Those of NATS's documentation.
    let public = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    let server = Server::with(&format!("jetstream: enabled\nauthorization {{ users: [{{ nkey: {public} }}] }}"));
    let build = |seed: &str| {
        let options = ConnectOptions::with_nkey(seed.into());
        NatsStorage::builder().options(options).build([server.address()]).unwrap()
    };
    block_on(build(seed).migrate()).unwrap();
    let error = block_on(build("SUno-seed").check()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert!(error.to_string().contains("correct the user's key") && !error.to_string().contains("SUno"), "{error}");
}
