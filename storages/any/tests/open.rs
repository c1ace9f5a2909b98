//! What is opened, and what is said where nothing is.
#![allow(clippy::unwrap_used, clippy::panic)]

use lessor_any::{OpenError, open};
use smol::block_on;

fn error(url: &str) -> OpenError {
    match block_on(open(url)) {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error,
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
        "ftp://user:s3cret@host",
        "user:s3cret@host",
    ] {
        let error = error(url);
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        assert!(!matches!(error, OpenError::Storage(_)), "{url}: {error}");
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
