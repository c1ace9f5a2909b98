//! tokio, which the client's connections are tasks of: on a thread of this crate's own, whatever executor a program has.
//!
//! So connections do not end with a runtime of the program's, and a program needs none.

use core::future::poll_fn;
use core::pin::pin;
use std::sync::{Mutex, PoisonError};

use lessor::StorageError;
use tokio::runtime::{Builder, Handle, Runtime};

/// One for all storages of the process, from the first request on. What connections there are ends with their storages.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// Where tasks run.
///
/// # Errors
/// The system gives no thread, or no more files.
pub(crate) fn handle() -> Result<Handle, StorageError> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*runtime {
        return Ok(runtime.handle().clone());
    }
    let started = Builder::new_multi_thread().worker_threads(1).thread_name("lessor-etcd").enable_all().build();
    let started = started.map_err(StorageError::transient)?;
    Ok(runtime.insert(started).handle().clone())
}

/// Runs a future where it is, but as if within that runtime: what it begins runs there.
///
/// # Errors
/// As [`handle`].
pub(crate) async fn within<F: Future>(future: F) -> Result<F::Output, StorageError> {
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
        let (sender, done) = futures::channel::oneshot::channel();
        let begin = within(async {
            tokio::spawn(async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let _ = sender.send(());
            });
        });
        program.block_on(begin).unwrap();
        drop(program);
        futures::executor::block_on(done).unwrap();
    }
}
