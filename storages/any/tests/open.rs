//! What is opened, and what is said where nothing is.
#![allow(clippy::unwrap_used, clippy::panic)]

use lessor_any::{OpenError, open};
use smol::block_on;

fn error(url: &str) -> OpenError {
    match block_on(open(url)) {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => {
            // What a program shows whose `main` answers it.
            let debug = format!("{error:?}");
            assert!(debug.contains(&error.to_string()), "{debug}");
            error
        }
    }
}

/// Two handles on one file are two ways to the same leases.
#[cfg(feature = "sqlite")]
#[test]
fn a_file_is_made_and_shared() {
    use lessor::{Builder, Key, StorageExt};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leases.db").display().to_string();
    block_on(async {
        for url in [path.clone(), format!("sqlite:{path}"), format!("sqlite://{path}"), format!("file:{path}")] {
            let (candidate, driver) = Builder::new(&url).id("node-a").build(open(&url).await.unwrap()).unwrap();
            let driver = smol::spawn(driver.run());
            let term = candidate.elected().await.unwrap().term();
            let seen = open(&path).await.unwrap().get(&Key::new(&url).unwrap()).await.unwrap().unwrap();
            assert_eq!((seen.id.unwrap().as_str(), seen.term), ("node-a", term), "{url}");
            candidate.shutdown().await.unwrap();
            driver.await;
        }
    });
}

/// An unset variable behind the scheme, or memory: each process would lead.
#[cfg(feature = "sqlite")]
#[test]
fn what_no_other_process_sees_is_refused() {
    for url in ["sqlite:", "sqlite://", "file:", "file://", "sqlite:?mode=rw"] {
        let error = error(url);
        assert!(matches!(error, OpenError::InvalidUrl { .. }), "{url}: {error}");
        assert!(error.to_string().contains("sqlite:/var/lib/app/leases.db"), "it says what to write: {error}");
    }
    for url in [":memory:", "sqlite::memory:", "file::memory:?cache=shared", "sqlite:x?mode=memory"] {
        let error = error(url);
        assert!(error.to_string().contains("MemoryStorage"), "it says what to take: {error}");
    }
}

/// As sqlx and SQLite read it: the same file as its path.
/// What was meant for a server makes no file in which every machine leads by itself.
#[test]
fn what_is_hardly_a_path_is_refused() {
    for (given, advice) in [
        ("localhost:6379", "redis://host:port"),
        ("10.0.0.7:5432/app", "redis://host:port"),
        ("leases.db?mode=ro", "sqlite:leases.db?mode=rw"),
        ("postgresql", "postgres://"),
        ("redis", "postgres://"),
        ("", "sqlite:"),
        (" ", "sqlite:"),
    ] {
        let error = error(given);
        assert!(
            matches!(error, OpenError::InvalidUrl { .. }) && error.to_string().contains(advice),
            "{given}: {error}"
        );
    }
    #[cfg(not(windows))]
    assert!(error(r"C:\leases.db").to_string().contains("Windows"));
}

#[cfg(feature = "sqlite")]
#[test]
fn escapes_and_parameters_are_read() {
    use lessor::Key;
    use lessor::StorageExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b?.db").display().to_string();
    let escaped = path.replace(' ', "%20").replace('?', "%3F");
    block_on(async {
        let key = Key::new("k").unwrap();
        let there = |url: String| async move { open(&url).await.map(drop) };
        let error = there(format!("sqlite:{escaped}?mode=rw")).await.unwrap_err();
        assert!(matches!(error, OpenError::Storage(_)), "it is not there yet: {error}");
        open(&format!("sqlite:{escaped}")).await.unwrap().get(&key).await.unwrap();
        assert!(there(path.clone()).await.is_err(), "a plain path has no ?");
        for url in [
            format!("sqlite:{escaped}"),
            format!("sqlite://{escaped}"),
            format!("sqlite:{escaped}?mode=rw"),
            format!("sqlite://{escaped}?mode=rwc"),
            format!("file:{escaped}?mode=rw"),
            format!("file://{escaped}"),
        ] {
            there(url).await.unwrap();
        }
        let files =
            std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        assert_eq!(files.filter(|name| name.ends_with(".db")).collect::<Vec<_>>(), ["a b?.db"], "and no other");
    });
}

/// A slip of the pen must not connect without TLS. Nothing is sent: there is no such server.
#[test]
fn an_unknown_parameter_is_named() {
    for (url, feature, name) in [
        ("postgres://app@host.invalid/app?sslmod=require", cfg!(feature = "postgres"), "sslmode"),
        ("mysql://app@host.invalid/app?tls=required", cfg!(feature = "mysql"), "ssl-mode"),
        ("redis://host.invalid?ssl=true", cfg!(feature = "redis"), "rediss://"),
        ("etcd://host.invalid?tls=true", cfg!(feature = "etcd"), "etcds://"),
        ("s3://bucket/leases?ssl=true", cfg!(feature = "objects"), "endpoint"),
        ("sqlite:leases.db?mod=rw", cfg!(feature = "sqlite"), "mode"),
        ("file:leases.db?mod=rw", cfg!(feature = "sqlite"), "mode"),
    ] {
        let error = error(url);
        let (_, given) = url.split_once('?').unwrap();
        let (given, _) = given.split_once('=').unwrap();
        let says = format!("parameter {given:?} is unknown: did you mean {name:?}?");
        assert!(!feature || error.to_string().contains(&says), "{error}");
        assert!(matches!(error, OpenError::InvalidUrl { .. } | OpenError::MissingFeature { .. }), "{error}");
    }
    let error = error("https://t0ken@host.invalid?ttl=5");
    let says = "parameter \"ttl\" is unknown: there are token_file, cacert, headers_file";
    assert!(!cfg!(feature = "http") || error.to_string().contains(says), "{error}");
}

/// Certificates without a mode that uses them would be passed over by a server without TLS.
#[test]
fn certificates_without_tls_are_refused() {
    for (url, feature, advice) in [
        ("postgres://app@host.invalid/app?sslrootcert=/ca.pem", cfg!(feature = "postgres"), "sslmode=verify-full"),
        ("mysql://app@host.invalid/app?ssl-ca=/ca.pem", cfg!(feature = "mysql"), "ssl-mode=VERIFY_IDENTITY"),
    ] {
        let error = error(url);
        assert!(!feature || error.to_string().contains(advice), "{error}");
        assert!(matches!(error, OpenError::InvalidUrl { .. } | OpenError::MissingFeature { .. }), "{error}");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn a_file_that_cannot_be_made_is_an_error_of_the_storage() {
    let folder = tempfile::tempdir().unwrap();
    let error = error(&folder.path().join("no/folder/leases.db").display().to_string());
    assert!(matches!(error, OpenError::Storage(_)), "{error}");
}

/// What an engine's own driver says of a URL has no secret of it either.
#[test]
fn no_secret_is_shown() {
    for url in [
        "postgres://user:s3cret@host:port/database",
        "postgres://user:s3cret@host/database?sslmode=s0metimes",
        "mysql://user:s3cret@host:port/database",
        "mysql://user:s3cret@host/database?ssl-mode=s0metimes",
        "redis://user:s3cret@host:port",
        "redis://user:s3cret@host/no-number",
        "https://s3cret@ho st",
        "https://s3cret%FF@host",
        "mysql://user:pass?s3cret@host/database",
        "postgres://user@host/database?s3cret%20word=x",
        "ftp://user:s3cret@host",
        "user:s3cret@host",
    ] {
        let error = error(url);
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        assert!(!matches!(error, OpenError::Storage(_)), "{url}: {error}");
    }
}

/// A file that was not mounted is said at the start, and not waited for.
#[cfg(feature = "http")]
#[test]
fn a_token_file_that_is_missing() {
    let error = error("https://host.invalid?token_file=/nowhere/token");
    assert!(matches!(error, OpenError::InvalidUrl { .. }) && error.to_string().contains("/nowhere/token"), "{error}");
}

/// What a program's operators can set without its code; and all ways to write the address that the driver knows.
#[cfg(feature = "redis")]
#[test]
fn settings_of_redis() {
    for url in [
        "redis://user:s3cret@host.invalid/0?max_ttl=2m&prefix=leases&durable=true&protocol=resp3",
        "valkey://host.invalid",
        "unix:///run/redis.sock?db=1&max_ttl=90",
        "redis+unix:///run/redis.sock",
    ] {
        // Nothing is sent yet.
        let storage = block_on(lessor_any::connect(url)).unwrap_or_else(|error| panic!("{url}: {error}"));
        drop(storage);
        assert_eq!(lessor_any::engine(url), Ok("redis"));
    }
}

/// It says what to type.
#[cfg(not(feature = "redis"))]
#[test]
fn a_missing_feature_is_named() {
    let error = error("redis://host");
    assert!(matches!(error, OpenError::MissingFeature { feature: "redis", .. }));
    assert_eq!(
        error.to_string(),
        "this program was built without that storage: it needs lessor-any's feature \"redis\""
    );
}

/// Nothing is sent without it. The server is a port that is listened at: no driver gets as far as a word.
#[cfg(not(feature = "tls-rustls"))]
#[test]
fn tls_that_is_not_compiled_in_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (url, feature) in [
        (format!("postgres://app@127.0.0.1:{port}/app?sslmode=require"), cfg!(feature = "postgres")),
        (
            format!("postgres://app@127.0.0.1:{port}/app?sslmode=verify-full&sslrootcert=/ca.pem"),
            cfg!(feature = "postgres"),
        ),
        (format!("rediss://127.0.0.1:{port}"), cfg!(feature = "redis")),
    ] {
        let error = error(&url);
        let needed = matches!(error, OpenError::MissingFeature { feature: "tls-rustls", .. });
        assert!(needed || !feature && matches!(error, OpenError::MissingFeature { .. }), "{error}");
    }
}

/// Who only looks creates nothing.
#[cfg(feature = "sqlite")]
#[test]
fn a_look_creates_nothing() {
    use lessor::StorageExt;
    use lessor::storage::List;
    use lessor_any::{connect, engine, migrate, migration_sql};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leases.db").display().to_string();
    block_on(async {
        for url in
            [path.clone(), format!("sqlite:{path}"), format!("file:{path}"), format!("sqlite:{path}?cache=private")]
        {
            let looked = match connect(&url).await {
                Ok(storage) => storage.list(List::new()).await.map(drop).map_err(OpenError::from),
                Err(error) => Err(error),
            };
            assert!(matches!(looked, Err(OpenError::Storage(_))), "{url}: {looked:?}");
            assert!(!std::path::Path::new(&path).exists(), "{url} was created");
        }
        migrate(&path).await.unwrap();
        for url in [path.clone(), format!("file:{path}")] {
            assert!(connect(&url).await.unwrap().list(List::new()).await.unwrap().entries.is_empty(), "{url}");
        }
    });
    assert_eq!(engine(&path), Ok("sqlite"));
    assert!(migration_sql(&path).unwrap().unwrap().contains("CREATE TABLE"));
    assert_eq!(migration_sql("redis://localhost"), Ok(None));
}
