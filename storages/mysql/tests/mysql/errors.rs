//! An error says what is wrong, of which kind it is, and no secret.

use lessor::storage::{ErrorKind, List, Renewed};
use lessor::{Storage, StorageError, StorageExt, Term};
use lessor_mysql::sqlx::mysql::MySqlConnectOptions;
use lessor_mysql::{AdapterError, MySqlStorage};
use lessor_servers::mysql::{PASSWORD, Server};
use smol::block_on;

use crate::support::{claim, granted, key, renewal, requests, run, storage};

fn permanent(error: StorageError) -> StorageError {
    let shown = format!("{error} {error:?}");
    assert_eq!(error.kind(), ErrorKind::Permanent, "{shown}");
    assert!(!shown.contains(PASSWORD) && !shown.contains("wr0ng"), "{shown}");
    error
}

/// What the storage says of it.
fn said(error: StorageError) -> AdapterError {
    let error = permanent(error);
    AdapterError::of(&error).unwrap_or_else(|| panic!("{error}")).clone()
}

/// The number that the server says.
fn refused(error: StorageError) -> String {
    match said(error) {
        AdapterError::Refused { server: "MySQL", code, .. } => code,
        other => panic!("{other}"),
    }
}

/// What is set wrongly, and to what.
fn wrong_setup(error: StorageError) -> (&'static str, String) {
    match said(error) {
        AdapterError::WrongSetup { setting, found, .. } => (setting, found),
        other => panic!("{other}"),
    }
}

fn assert_read_only(error: StorageError) {
    assert!(matches!(said(error), AdapterError::ReadOnly { .. }));
}

fn assert_forbidden(error: StorageError) {
    assert!(matches!(said(error), AdapterError::NoRight { about, .. } if about.contains("lessor_leases")));
}

fn on(options: MySqlConnectOptions) -> MySqlStorage {
    MySqlStorage::new(options)
}

#[test]
fn what_is_missing() {
    let no_table = |error| match said(error) {
        AdapterError::NoTable { table, remedy, .. } => {
            assert!(remedy.contains("migrate()"), "{remedy}");
            table
        }
        other => panic!("{other}"),
    };
    let server = Server::start();
    block_on(async {
        let pool = server.pool(4);
        let missing = MySqlStorage::new(pool.clone());
        for error in [
            missing.check().await.unwrap_err(),
            missing.acquire(claim("k", 1)).await.unwrap_err(),
            missing.renew(renewal(&claim("k", 1), Term::FIRST)).await.unwrap_err(),
            missing.revoke(&key("k")).await.unwrap_err(),
            missing.list(List::new()).await.unwrap_err(),
        ] {
            assert_eq!(no_table(error), "`lessor_leases`");
        }
        let elsewhere = MySqlStorage::builder().database("none").unwrap().build(pool.clone());
        assert_eq!(no_table(elsewhere.check().await.unwrap_err()), "`none`.`lessor_leases`");
        assert_eq!(refused(on(server.options().password("wr0ng")).check().await.unwrap_err()), "1045");
        assert_eq!(refused(on(server.options().database("none")).check().await.unwrap_err()), "1049");

        missing.migrate().await.unwrap();
        run(&pool, "ALTER TABLE lessor_leases RENAME COLUMN value TO note").await;
        assert_eq!(refused(missing.check().await.unwrap_err()), "1054");
        run(&pool, "ALTER TABLE lessor_leases RENAME COLUMN note TO value, ENGINE = MyISAM").await;
        assert_eq!(wrong_setup(missing.check().await.unwrap_err()), ("engine", "MyISAM".into()));
        // A pool that is closed has told its options all the same.
        run(&pool, "ALTER TABLE lessor_leases ENGINE = InnoDB").await;
        pool.close().await;
        missing.check().await.unwrap();
    });
}

/// A text for many keys has to fit into a packet.
#[test]
fn small_packets() {
    let server = Server::start_with(&["--max-allowed-packet=1M"], None);
    block_on(async {
        let storage = on(server.options());
        storage.migrate().await.unwrap();
        let (setting, found) = wrong_setup(storage.check().await.unwrap_err());
        assert_eq!((setting, &*found), ("max_allowed_packet", "1048576"));
    });
}

#[test]
fn what_is_not_allowed() {
    let lacks = |error| match said(error) {
        AdapterError::NoRight { right: Some(right), about, .. } if about == "`lessor_leases`" => right,
        other => panic!("{other}"),
    };
    let server = Server::start();
    block_on(async {
        let (_, pool) = storage(&server).await;
        run(
            &pool,
            "CREATE USER app IDENTIFIED BY 'r'; GRANT SELECT, INSERT ON lessor.lessor_leases TO app;
             CREATE USER nobody IDENTIFIED BY 'r'; GRANT SELECT ON lessor.* TO nobody",
        )
        .await;
        let app = on(server.options().username("app").password("r"));
        let renewal = renewal(&claim("other", 1), Term::FIRST);
        assert_eq!(lacks(app.check().await.unwrap_err()), "UPDATE");
        assert_eq!(granted(app.acquire(claim("other", 1)).await), Term::FIRST);
        assert_forbidden(app.renew(renewal.clone()).await.unwrap_err());
        app.migrate().await.unwrap();
        let nobody = on(server.options().username("nobody").password("r"));
        assert_eq!(lacks(nobody.check().await.unwrap_err()), "INSERT");
        run(&pool, "GRANT UPDATE ON lessor.lessor_leases TO app").await;
        app.check().await.unwrap();
        assert!(matches!(app.renew(renewal.clone()).await.unwrap(), Renewed::Extended { .. }));

        run(&pool, "SET GLOBAL read_only = 1").await;
        for error in [
            app.check().await.unwrap_err(),
            app.acquire(claim("new", 1)).await.unwrap_err(),
            app.renew(renewal.clone()).await.unwrap_err(),
            app.revoke(&renewal.key).await.unwrap_err(),
        ] {
            assert_read_only(error);
        }
        run(&pool, "SET GLOBAL read_only = 0, GLOBAL tx_read_only = 1").await;
        let read_only = on(server.options());
        for error in
            [read_only.acquire(claim("new", 1)).await.unwrap_err(), read_only.renew(renewal.clone()).await.unwrap_err()]
        {
            assert_read_only(error);
        }
        // Another connection may lead to where it is not: each of these has ended its own.
        run(&pool, "SET SESSION tx_read_only = 0").await;
        run(&pool, "SET GLOBAL tx_read_only = 0").await;
        assert!(matches!(read_only.renew(renewal.clone()).await.unwrap(), Renewed::Extended { .. }));
        assert_eq!(granted(read_only.acquire(claim("new", 1)).await), Term::FIRST);

        run(&pool, "CREATE USER watcher IDENTIFIED BY 'r'; GRANT SELECT ON lessor.lessor_leases TO watcher").await;
        let watcher = on(server.options().username("watcher").password("r"));
        assert!(watcher.get(&renewal.key).await.unwrap().is_some(), "who only looks needs no other right");
        assert_forbidden(watcher.renew(renewal).await.unwrap_err());
    });
}

/// What another program wrote, and what the table does not take. Sessions stay out of both.
#[test]
fn what_is_written() {
    let server = Server::start();
    block_on(async {
        let (storage, pool) = storage(&server).await;
        let _ = granted(storage.acquire(claim("mine", 1)).await);
        run(&pool, "UPDATE lessor_leases SET id = ''").await;
        let unreadable = |error| match said(error) {
            AdapterError::Unreadable { key, field, .. } => (key, field),
            other => panic!("{other}"),
        };
        assert_eq!(unreadable(storage.get(&key("mine")).await.unwrap_err()), ("mine".into(), "id"));
        assert_eq!(unreadable(storage.list(List::new()).await.unwrap_err()), ("mine".into(), "id"));
        run(&pool, "UPDATE lessor_leases SET id = 'app', `key` = x'61ff62'").await;
        assert_eq!(unreadable(storage.list(List::new()).await.unwrap_err()), ("a\u{fffd}b".into(), "key"));
        assert_eq!(storage.list(List::new().prefix("b")).await.unwrap().entries, []);

        run(&pool, "DELETE FROM lessor_leases; ALTER TABLE lessor_leases ADD CHECK (session IS NULL)").await;
        let secret = 0x1122_3344_5566_7788;
        let mut both = storage.call_all(requests([claim("new", secret), claim("newer", secret)])).await;
        for error in [storage.acquire(claim("new", secret)).await.unwrap_err(), both.remove(0).unwrap_err()] {
            let shown = format!("{error} {error:?} {:?}", error.get_ref());
            assert!(shown.contains("4025") && !shown.contains("1122334455667788"), "{shown}");
            assert_eq!(refused(error), "4025");
        }
    });
}
