//! What a candidate costs where there are many: memory, and CPU for each request, beside bare tasks that wake as often
//! and do nothing, and beside one bare loop over a heap of deadlines.
//!
//! `cargo bench --bench at_scale` (on Linux). Each row is a process of its own: 100,000 tasks on one thread, leases in
//! memory, the default durations, no telemetry that anybody reads. `cargo bench --bench at_scale -- 10000` takes as many.

#[cfg(target_os = "linux")]
mod linux {
    use std::error::Error;
    use std::process::Command;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;
    use std::{env, fs};

    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use lessor::storage::{Acquired, Claim, Renewal, Reply, Request, Session, one_by_one};
    use lessor::{
        Builder, Group, Id, Key, MemoryStorage, Storage, StorageError, StorageExt, SystemTimer, Timer, TokioTimer,
        Wakeups, async_trait,
    };
    use rustix::time::{ClockId, clock_gettime};

    const COUNT: u32 = 100_000;
    /// From one renewal to the next, and from one claim of a follower that nobody wakes to the next.
    const INTERVAL: Duration = Duration::from_secs(2);
    /// So long all is left to come to rest.
    const SETTLING: Duration = Duration::from_secs(5);
    const WATCHED: Duration = Duration::from_secs(8);

    const ROWS: [(&str, &str); 8] = [
        ("heap tokio", "one loop over a heap of records in memory"),
        ("group tokio", "candidates of a group, a key each"),
        ("bare tokio", "tasks that sleep, tokio's timer"),
        ("bare system", "tasks that sleep, the system's timer"),
        ("own tokio", "candidates, a key each, tokio's timer"),
        ("own system", "candidates, a key each, the system's timer"),
        ("one tokio", "candidates of one key, tokio's timer"),
        ("one system", "candidates of one key, the system's timer"),
    ];

    /// Counts what it is asked.
    struct Counted {
        inner: MemoryStorage,
        calls: Arc<AtomicU64>,
    }

    #[async_trait]
    impl Storage for Counted {
        async fn call(&self, request: Request) -> Result<Reply, StorageError> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.inner.call(request).await
        }
        async fn call_all(&self, requests: Vec<Request>) -> Vec<Result<Reply, StorageError>> {
            one_by_one(self, requests).await
        }
        fn subscribe(&self, key: &Key) -> Wakeups {
            self.inner.subscribe(key)
        }
        async fn check(&self) -> Result<(), StorageError> {
            Ok(())
        }
    }

    pub(super) fn main() -> Result<(), Box<dyn Error>> {
        let arguments: Vec<_> = env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
        let count = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(COUNT);
        if let Some((row, _)) = ROWS.iter().find(|(row, _)| arguments.iter().any(|argument| argument == row)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            return runtime.block_on(async {
                if row.ends_with("tokio") {
                    measure(row, count, TokioTimer::new()).await
                } else {
                    measure(row, count, SystemTimer::new()).await
                }
            });
        }
        println!("{count} tasks                                  bytes each   wakes or requests/s   CPU for each");
        for (row, meaning) in ROWS {
            let measured = Command::new(env::current_exe()?).args([row, &count.to_string()]).output()?;
            let numbers = String::from_utf8(measured.stdout)?;
            println!("{meaning:45} {}", numbers.trim_end());
        }
        Ok(())
    }

    async fn measure<T>(row: &str, count: u32, timer: T) -> Result<(), Box<dyn Error>>
    where
        T: Timer<Sleep: Send> + Copy + Send + Sync + 'static,
    {
        let calls = Arc::new(AtomicU64::new(0));
        let memory = MemoryStorage::with_timer(timer);
        let mut candidates = Vec::with_capacity(count as usize);
        let before = resident()?;
        if row.starts_with("heap") {
            tokio::spawn(heap(timer, memory.clone(), calls.clone(), count));
        } else if row.starts_with("group") {
            let storage = Counted { inner: memory.clone(), calls: calls.clone() };
            let (group, driver) = Group::builder().id("node-a").build_on(storage, timer)?;
            tokio::spawn(driver.run());
            for number in 0..count {
                group.add(Builder::new(number.to_string()))?;
            }
            // For as long as the process runs.
            std::mem::forget(group);
        }
        let tasks = if row.starts_with("heap") || row.starts_with("group") { 0 } else { count };
        for number in 0..tasks {
            if row.starts_with("bare") {
                tokio::spawn(tick(timer, calls.clone(), f64::from(number) / f64::from(count)));
            } else {
                let storage = Counted { inner: memory.clone(), calls: calls.clone() };
                let key = if row.starts_with("one") { 0 } else { number }.to_string();
                let (candidate, driver) = Builder::new(key).id("node-a").build_on(storage, timer)?;
                candidates.push(candidate);
                tokio::spawn(driver.run());
            }
            // Not all at the same moment.
            if number % 1000 == 0 {
                timer.sleep(INTERVAL * 1000 / count.max(1000)).await;
            }
        }
        timer.sleep(SETTLING).await;
        let (calls_before, cpu_before) = (calls.load(Ordering::Relaxed), cpu());
        timer.sleep(WATCHED).await;
        let (calls, cpu) = (calls.load(Ordering::Relaxed) - calls_before, cpu() - cpu_before);
        let bytes = resident()?.saturating_sub(before) / u64::from(count);
        let rate = calls as f64 / WATCHED.as_secs_f64();
        println!("{bytes:10} {rate:21.0} {:11.2} us", cpu.as_secs_f64() * 1e6 / calls as f64);
        Ok(())
    }

    /// The least that renewing so many leases takes: the earliest deadline of a heap, and one call of the storage for it.
    async fn heap<T: Timer>(timer: T, storage: MemoryStorage, calls: Arc<AtomicU64>, count: u32) {
        let claim = |number: u32| {
            let (key, id) = (Key::new(number.to_string()).unwrap(), Id::new("node-a").unwrap());
            Claim::new(key, id, Session::from_bits(u128::from(number) + 1), Duration::from_secs(10))
        };
        let mut heap = BinaryHeap::new();
        let mut held = Vec::new();
        for number in 0..count {
            let claim = claim(number);
            let Ok(Acquired::Granted { term, .. }) = storage.acquire(claim.clone()).await else { return };
            let Claim { key, id, session, ttl, .. } = claim;
            held.push(Renewal::new(key, id, session, term, ttl));
            heap.push(Reverse((timer.now().saturating_add(INTERVAL), number)));
        }
        while let Some(Reverse((at, number))) = heap.pop() {
            let now = timer.now();
            if at > now {
                timer.sleep(at.saturating_duration_since(now)).await;
            }
            let _ = storage.renew(held[number as usize].clone()).await;
            calls.fetch_add(1, Ordering::Relaxed);
            heap.push(Reverse((at.saturating_add(INTERVAL), number)));
        }
    }

    /// As a candidate does: pauses that differ by up to a tenth, each another.
    async fn tick<T: Timer>(timer: T, calls: Arc<AtomicU64>, mut fraction: f64) {
        loop {
            timer.sleep(INTERVAL.mul_f64(0.9 + 0.2 * fraction)).await;
            fraction = (fraction + 0.618_033_988_749_895).fract();
            calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The memory of this process, in bytes.
    fn resident() -> Result<u64, Box<dyn Error>> {
        let status = fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// What this process has spent, all its threads together.
    fn cpu() -> Duration {
        let spent = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or_default())
    }
}

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("it reads /proc: on Linux only");
}
