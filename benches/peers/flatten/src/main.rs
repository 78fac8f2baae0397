//! Pages to columns and frames beside sonic-rs, which only parses, in one process and in turns. See benches/peers/flatten.sh.

#[path = "../../../data/pages.rs"]
mod pages;
#[cfg(feature = "frame")]
#[path = "../../../data/source.rs"]
mod source;

use pages::{PAGE, Pages};
use runframe::{ApiSource, Columns, Wanted};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use std::hint::black_box;

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seconds that this process has had on the processors.
fn busy() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the struct and nothing else.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Both levels as sonic-rs's trees.
fn sonic(pages: &[Vec<u8>]) -> usize {
    let mut keys = 0;
    for page in pages {
        let tree: sonic_rs::Value = sonic_rs::from_slice(page).expect("JSON");
        let edges = tree.pointer(["data", "project", "runs", "edges"]).expect("edges");
        for edge in edges.as_array().expect("a list") {
            for name in ["config", "summaryMetrics"] {
                let text = edge.pointer(["node", name]).and_then(|value| value.as_str()).expect("a document");
                let inner: sonic_rs::Value = sonic_rs::from_str(text).expect("JSON");
                keys += black_box(&inner).as_object().map_or(0, |object| object.len());
            }
        }
        black_box(&tree);
    }
    keys
}

fn columns(pages: Vec<Vec<u8>>) -> Columns {
    let mut whole = Columns::new(Wanted::default());
    // As a load does with what the server says.
    whole.expect((pages.len() * PAGE) as u64);
    pages.into_iter().for_each(|page| whole.push_all(&ApiSource::runs_in(page).expect("runs")));
    whole
}

/// The frame, and what it was made from.
#[cfg(feature = "frame")]
fn frame(columns: Columns) -> (runframe::RunFrame, runframe::polars::prelude::DataFrame) {
    let runs = runframe::RunFrame::from_columns(columns, runframe::Receipt::default()).expect("a frame");
    let frame = runs.collect().expect("a frame");
    (runs, frame)
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = busy();
    let done = work();
    (busy() - began, done)
}

fn told(name: &str, values: &mut [f64], unit: &str) {
    values.sort_by(f64::total_cmp);
    let (least, median, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    println!("{name:<44} {least:8.3} {median:8.3} {most:8.3} {unit}");
}

/// Writes pages into a folder.
fn write(folder: &str, runs: usize, clean: bool) {
    let made = Pages::new(clean);
    for at in 0..runs.div_ceil(PAGE) {
        std::fs::write(format!("{folder}/page-{at:05}.json"), made.page(at, PAGE)).expect("a file");
    }
}

/// Reads pages, tells the seconds from their bytes to the frame, and writes row count and sums if told where.
#[cfg(feature = "frame")]
fn once(folder: &str, threads: usize, sums: Option<String>) {
    use runframe::polars::prelude::*;
    let mut names: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    names.sort();
    let pages: Vec<Vec<u8>> = names.iter().map(|path| std::fs::read(path).expect("a page")).collect();
    let began = std::time::Instant::now();
    // As with the peers, what a table was made from is freed behind the clock.
    let (_runs, table) = frame(source::loaded(pages, threads));
    println!("{}", began.elapsed().as_secs_f64());
    if let Some(path) = sums {
        let numbers = table.columns().iter().filter(|column| column.dtype().is_primitive_numeric());
        let finite = |column: &Column| -> f64 {
            let values = column.as_materialized_series().cast(&DataType::Float64).expect("floats");
            values.f64().expect("floats").iter().flatten().filter(|value| value.is_finite()).sum()
        };
        let sums: serde_json::Map<String, serde_json::Value> =
            numbers.map(|column| (column.name().to_string(), finite(column).into())).collect();
        let told = serde_json::json!({"rows": table.height(), "sums": sums});
        std::fs::write(path, told.to_string()).expect("a file");
    }
}

fn main() {
    let argument = |at: usize| std::env::args().nth(at);
    let number = |at: usize, usual: usize| argument(at).and_then(|n| n.parse().ok()).unwrap_or(usual);
    let folder = || argument(2).expect("a folder");
    match argument(1).as_deref() {
        Some("write") => write(&folder(), number(3, 10_000), argument(4).as_deref() == Some("clean")),
        #[cfg(feature = "frame")]
        Some("once") => once(&folder(), number(3, 1), argument(4)),
        _ => beside_sonic(number(2, 10_000), number(3, 7)),
    }
}

/// Ours and sonic-rs in turns.
fn beside_sonic(runs: usize, rounds: usize) {
    let made = Pages::new(false);
    let pages: Vec<Vec<u8>> = (0..runs.div_ceil(PAGE)).map(|at| made.page(at, PAGE)).collect();
    let bytes: usize = pages.iter().map(Vec::len).sum();
    println!("{runs} runs, {:.1} MB, {rounds} rounds: least, median, most", bytes as f64 / 1e6);
    let mut times: [Vec<f64>; 5] = Default::default();
    for _ in 0..rounds {
        let (theirs, _) = timed(|| black_box(sonic(&pages)));
        let owned = pages.clone();
        let (records, _) =
            timed(|| owned.into_iter().map(|page| ApiSource::runs_in(page).expect("runs").len()).sum::<usize>());
        let owned = pages.clone();
        let (ours, whole) = timed(|| columns(owned));
        times[0].push(theirs * 1e3);
        times[1].push(records * 1e3);
        times[2].push(ours * 1e3);
        times[3].push(ours / theirs);
        #[cfg(feature = "frame")]
        {
            // sonic-rs frees its trees, too.
            let (made, table) = timed(|| frame(whole).1);
            times[4].push((ours + made) / theirs);
            black_box(&table);
        }
        #[cfg(not(feature = "frame"))]
        drop(black_box(whole));
    }
    let [theirs, records, ours, ratio, framed] = &mut times;
    told("sonic-rs, trees of both levels", theirs, "ms");
    told("ours, pages to records", records, "ms");
    told("ours, pages to columns", ours, "ms");
    told("ours to columns / sonic-rs", ratio, "x");
    if !framed.is_empty() {
        told("ours to a frame / sonic-rs", framed, "x");
    }
}
