use std::time::{Duration, Instant};

const ROUNDS: usize = 201;
const CALLS: u32 = 5;

/// Times of several calls, each bare and ours, in rounds that alternate: what else the machine does meets all.
pub(crate) struct Rounds<const N: usize> {
    names: [&'static str; N],
    begun: usize,
    /// Per call: the bare one's, ours, the next bare one's..
    times: Vec<Vec<Duration>>,
}

impl<const N: usize> Rounds<N> {
    pub(crate) fn new(names: [&'static str; N]) -> Self {
        Self { names, begun: 0, times: vec![Vec::new(); 2 * N] }
    }

    /// The first round is not counted.
    pub(crate) fn go_on(&mut self) -> bool {
        if self.begun == 1 {
            self.times.iter_mut().for_each(Vec::clear);
        }
        self.begun += 1;
        self.begun <= ROUNDS + 1
    }

    pub(crate) async fn time(&mut self, place: usize, mut call: impl AsyncFnMut()) {
        for _ in 0..CALLS {
            let began = Instant::now();
            call().await;
            self.times[place].push(began.elapsed());
        }
    }

    pub(crate) fn print(self, storage: &str) {
        for (name, times) in self.names.iter().zip(self.times.chunks(2)) {
            row(storage, name, &times[0], &times[1]);
        }
    }
}

/// A line of the table.
pub(crate) fn row(storage: &str, name: &str, bare: &[Duration], ours: &[Duration]) {
    let (bare, ours) = (median(bare), median(ours));
    println!("| {storage} | {name} | {bare:.0?} | {ours:.0?} | {:.2} |", ours.as_secs_f64() / bare.as_secs_f64());
}

pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}
