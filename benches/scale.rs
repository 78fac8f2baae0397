//! Curves of time and memory over the number of runs, and wide sparse tables beside dense ones: `cargo bench --bench scale`.
//!
//! `cargo bench --bench scale -- 1000 10000` takes other sizes. Each size runs in processes of its own, with one thread and with
//! two, so that its peak of memory is its own. Nothing is asserted about time; `docs/performance.md` has a table.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)]

use polars::prelude::*;
use runframe::{Batch, Columns, Progress, Receipt, Result, Run, RunFrame, Source, Wanted, polars, sink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

mod runs;

/// As the program has it.
#[cfg(feature = "cli")]
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs that come at once, as many as servers give; making them is not timed.
const BATCH: usize = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["child", what, size, threads] = words[..] {
        return child(what, size.parse().expect("a number of runs"), threads.parse().expect("a number of threads"));
    }
    let mut sizes: Vec<usize> = words.iter().map(|word| word.parse().expect("a number of runs")).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 10_000, 100_000, 1_000_000];
    }
    println!("about 180 values a run; µs a run, and MB of resident memory at its peak");
    println!(
        "{:>9} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "runs", "threads", "flatten", "write", "filter", "group", "MB table", "MB peak"
    );
    for size in &sizes {
        (1..=2).for_each(|threads| again("scale", *size, threads));
    }
    println!("\n50,000 runs of 100 values each; ns a value, and MB");
    println!(
        "{:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "keys", "flatten", "values MB", "table MB", "1 column", "write", "filter 2", "MB peak"
    );
    [200, 5_000].into_iter().for_each(|keys| again("wide", keys, 1));
}

/// Runs a measurement in a process of its own.
fn again(what: &str, size: usize, threads: usize) {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command
        .args(["child", what, &size.to_string(), &threads.to_string()])
        .env("POLARS_MAX_THREADS", threads.to_string());
    assert!(command.status().expect("a process").success());
}

fn child(what: &str, size: usize, threads: usize) {
    let file = std::env::temp_dir().join(format!("runframe-scale-{}.parquet", std::process::id()));
    match what {
        "wide" => wide(size, &file),
        _ => scale(size, threads, &file),
    }
    std::fs::remove_file(&file).expect("the file that was written");
}

fn scale(size: usize, threads: usize, file: &Path) {
    let (columns, flatten) = flattened(size, threads, &runs::ordinary);
    let frame = RunFrame::from_columns(columns, Receipt::default()).expect("a frame");
    let table = memory("VmRSS");
    let write = timed(|| sink::write_runs(&frame, &[], file).expect("a file"));
    drop(frame);
    let stored = RunFrame::open(&file.to_string_lossy()).expect("the file");
    let filter = timed(|| {
        drop(
            stored
                .lazy()
                .filter(col("summary.k1").gt(lit(0.5)))
                .select([col("name"), col("config.k1")])
                .collect()
                .expect("runs"),
        )
    });
    let day = col("created_at").dt().date();
    let group = timed(|| {
        drop(
            stored.lazy().group_by([day]).agg([col("summary.k1").max(), col("runtime").sum()]).collect().expect("days"),
        )
    });
    let each = |time: Duration| time.as_secs_f64() * 1e6 / size as f64;
    println!(
        "{size:>9} {threads:>7} {:>9.2} {:>9.2} {:>9.3} {:>9.3} {table:>9} {:>9}",
        each(flatten),
        each(write),
        each(filter),
        each(group),
        memory("VmHWM")
    );
}

fn wide(keys: usize, file: &Path) {
    const RUNS: usize = 50_000;
    let before = memory("VmRSS");
    let (columns, flatten) = flattened(RUNS, 1, &|numbers| runs::floats(numbers, keys as u64));
    let frame = RunFrame::from_columns(columns, Receipt::default()).expect("a frame");
    let table = memory("VmRSS") - before;
    let one = timed(|| drop(frame.select(&["summary.metric_00003"]).expect("a column")));
    let write = timed(|| sink::write_runs(&frame, &[], file).expect("a file"));
    drop(frame);
    let filter = timed(|| {
        let stored = RunFrame::open(&file.to_string_lossy()).expect("the file");
        let both = col("summary.metric_00003").gt(lit(0.5)).or(col("summary.metric_00100").lt(lit(0.1)));
        stored.lazy().filter(both).select([col("name")]).collect().expect("runs");
    });
    let values = RUNS * 100;
    println!(
        "{keys:>9} {:>9.1} {:>9} {table:>9} {:>8.2}ms {:>9.1} {:>7.1}ms {:>9}",
        flatten.as_secs_f64() * 1e9 / values as f64,
        values * 8 / 1_000_000,
        one.as_secs_f64() * 1e3,
        write.as_secs_f64() * 1e9 / values as f64,
        filter.as_secs_f64() * 1e3,
        memory("VmHWM")
    );
}

/// Runs that are made up, batch by batch, by each thread that flattens them.
struct Made<'a> {
    size: usize,
    threads: usize,
    make: &'a (dyn Fn(std::ops::Range<usize>) -> Vec<Run> + Sync),
    /// The longest time that a thread took for all but making them.
    longest: Mutex<Duration>,
}

impl Source for Made<'_> {
    fn load(&self, _: Wanted, each: &(dyn Fn(Batch) -> Result<()> + Sync), progress: &Progress) -> Result<Receipt> {
        progress.expect(self.size as u64);
        let next = AtomicUsize::new(0);
        let work = || -> Result<()> {
            let mut time = Duration::ZERO;
            loop {
                let order = next.fetch_add(1, Ordering::Relaxed);
                let first = order * BATCH;
                if first >= self.size {
                    break;
                }
                let runs = (self.make)(first..(first + BATCH).min(self.size));
                let mut result = Ok(());
                time += timed(|| result = each(Batch { order, runs }));
                result?;
            }
            let mut longest = self.longest.lock().expect("a time");
            *longest = time.max(*longest);
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("a worker"))
        })?;
        Ok(Receipt::default())
    }
}

/// The runs as columns, as every load makes them, and the time that took by the clock without making the runs.
fn flattened(
    size: usize,
    threads: usize,
    make: &(dyn Fn(std::ops::Range<usize>) -> Vec<Run> + Sync),
) -> (Columns, Duration) {
    let source = Made { size, threads, make, longest: Mutex::default() };
    let wanted = Wanted { raw: false, ..Wanted::default() };
    let (columns, _) = runframe::read(&source, wanted, &Progress::default()).expect("columns");
    (columns, source.longest.into_inner().expect("a time"))
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// A line of what Linux says of this process, in MB.
fn memory(line: &str) -> usize {
    let status = std::fs::read_to_string(PathBuf::from("/proc/self/status")).unwrap_or_default();
    let found =
        status.lines().find_map(|text| text.strip_prefix(line)?.trim_start_matches(':').trim().strip_suffix(" kB"));
    found.and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or_default() / 1_000
}
