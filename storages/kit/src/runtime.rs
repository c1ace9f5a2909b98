//! tokio, for clients whose connections are tasks of it: on a thread of this crate's own, whatever executor a program has.
//!
//! So connections do not end with a runtime of the program's, and a program needs none.
//!
//! ```
//! use lessor_kit::runtime;
//!
//! # fn main() -> Result<(), lessor::StorageError> {
//! let asked = runtime::within(async {
//!     // A client would begin its tasks like this.
//!     tokio::spawn(async { 7 }).await
//! });
//! // Any executor will do.
//! assert_eq!(futures::executor::block_on(asked)?.ok(), Some(7));
//! # Ok(())
//! # }
//! ```

use core::future::poll_fn;
use core::pin::pin;
use std::sync::{Mutex, PoisonError};

use lessor::StorageError;
use tokio::runtime::{Builder, Handle, Runtime};

/// One for all storages of the process, from the first request on, and until the process ends. What connections there are ends
/// with their storages.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// Where tasks run: the one runtime of all storages of the process, with one thread. It is started when it is first asked for.
///
/// # Errors
/// The system gives no thread, or no more files: transient.
pub fn handle() -> Result<Handle, StorageError> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*runtime {
        return Ok(runtime.handle().clone());
    }
    let started = Builder::new_multi_thread().worker_threads(1).thread_name("lessor-tokio").enable_all().build();
    let started = started.map_err(StorageError::transient)?;
    Ok(runtime.insert(started).handle().clone())
}

/// Runs a future where it is, by whoever polls it, but as if within that runtime: the tasks, timers and sockets that it begins are
/// there.
///
/// # Errors
/// As [`handle`].
///
/// # Cancel safety
/// Dropped, it drops the future. The tasks that this has begun go on.
pub async fn within<F: Future>(future: F) -> Result<F::Output, StorageError> {
    let handle = handle()?;
    let mut future = pin!(future);
    let output = poll_fn(|cx| {
        let _entered = handle.enter();
        future.as_mut().poll(cx)
    });
    Ok(output.await)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn any_executor_will_do() {
        let task = within(async { tokio::spawn(tokio::time::sleep(Duration::from_millis(1))).await });
        futures::executor::block_on(task).unwrap().unwrap();
    }

    /// It goes on when a runtime of the program's has ended.
    #[test]
    fn tasks_outlive_the_runtime_of_the_program() {
        let program = Builder::new_current_thread().build().unwrap();
        let mut task = None;
        let begun = within(async { task = Some(tokio::spawn(tokio::time::sleep(Duration::from_millis(20)))) });
        program.block_on(begun).unwrap();
        drop(program);
        futures::executor::block_on(task.unwrap()).unwrap();
    }
}
