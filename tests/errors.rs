//! What a program shows of an error that its `main` answers is its `Debug`: what to do about it has to be there.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use lessor::{
    Builder, CheckError, Config, Fence, Id, Key, ManualTimer, MemoryStorage, Stopped, StorageError, Term, Value,
};

#[track_caller]
fn says_it(error: &(impl Error + ?Sized)) {
    let (debug, display) = (format!("{error:?}"), error.to_string());
    assert!(debug.contains(&display), "{debug}\n{display}");
}

#[test]
fn errors_say_in_debug_what_they_say_in_display() {
    let build = |builder: Builder| builder.build_with(MemoryStorage::new(), ManualTimer::new(), || 7).unwrap_err();
    says_it(&build(Builder::new("")));
    says_it(&build(Builder::new("k").ttl(Duration::from_millis(1))));
    says_it(&build(Builder::new("k").slots(0)));
    let stub = Builder::new("k").build_with(MemoryStorage::new(), ManualTimer::new(), || 0).unwrap_err();
    assert_eq!(stub.to_string(), "there is no randomness: it gave nothing but zeros");
    says_it(&stub);
    says_it(&Config::with_ttl(Duration::ZERO).validate().unwrap_err());
    says_it(&Key::new("").unwrap_err());
    says_it(&Id::new("a\0").unwrap_err());
    says_it(&Value::new("v".repeat(100_000)).unwrap_err());
    says_it(&Term::try_from(0_u64).unwrap_err());
    says_it(&Stopped::DriverDropped);
    let fence = Fence::new();
    fence.admit(Term::new(2).unwrap()).unwrap();
    says_it(&fence.admit(Term::FIRST).unwrap_err());

    let timer = ManualTimer::new();
    let (candidate, driver) =
        Builder::new("k").build_on(MemoryStorage::with_timer(timer.clone()), timer.clone()).unwrap();
    timer.spawn(driver.run());
    let leadership = timer.block_on(candidate.elected()).unwrap().unwrap();
    let too_short = leadership.check(Duration::from_secs(3600)).unwrap_err();
    assert!(matches!(too_short, CheckError::TooShort { .. }));
    says_it(&too_short);
    timer.block_on(candidate.shutdown()).unwrap().unwrap();
    says_it(&leadership.check(Duration::ZERO).unwrap_err());
    says_it(&leadership.guard().unwrap_err());
}

/// And what is behind it, which nobody else shows.
#[test]
fn a_storage_error_says_what_is_behind_it() {
    #[derive(Debug)]
    struct Refused(std::io::Error);

    impl fmt::Display for Refused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot connect: start the server")
        }
    }

    impl Error for Refused {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    let error = StorageError::transient(Refused(std::io::Error::other("connection refused")));
    says_it(&error);
    let debug = format!("{error:?}");
    assert_eq!(debug, "StorageError(transient storage error: cannot connect: start the server: connection refused)");
}
