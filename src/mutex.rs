//! A mutex for short critical sections: the standard library's where there is one, else a spin lock.

#[cfg(feature = "std")]
mod imp {
    use std::sync::{self, PoisonError};

    pub(crate) use sync::MutexGuard;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(sync::Mutex::new(value))
        }

        /// What is behind a lock is never left half-changed here, so a panic elsewhere does not spoil it.
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            // Who gives it back and takes it again lets others come in between, to be seen by a test.
            #[cfg(all(test, not(lessor_loom)))]
            std::thread::yield_now();
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    pub(crate) use spin::mutex::SpinMutexGuard as MutexGuard;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(spin::mutex::SpinMutex<T>);

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(spin::mutex::SpinMutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock()
        }
    }
}

pub(crate) use imp::{Mutex, MutexGuard};
