//! Pages to columns and frames beside sonic-rs, which only parses, in one process and in turns. See benches/peers/flatten.sh.

#[path = "../../../data/pages.rs"]
mod pages;

use pages::{PAGE, Pages};
use runframe::{ApiSource, Columns, Wanted};
use sonic_rs::{JsonContainerTrait, JsonValueTrait};
use std::hint::black_box;

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
    let mut part = Columns::new(Wanted::default());
    for page in pages {
        part.clear();
        for run in ApiSource::runs_in(page).expect("runs") {
            part.push(&run);
        }
        whole.merge(&part);
    }
    whole
}

#[cfg(feature = "frame")]
fn frame(columns: Columns) -> runframe::polars::prelude::DataFrame {
    let frame = runframe::RunFrame::from_columns(columns, runframe::Receipt::default()).expect("a frame");
    frame.collect().expect("a frame")
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

fn main() {
    let number = |at: usize, usual: usize| std::env::args().nth(at).and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (runs, rounds) = (number(1, 10_000), number(2, 7));
    let made = Pages::new(false);
    let pages: Vec<Vec<u8>> = (0..runs.div_ceil(PAGE)).map(|at| made.page(at, PAGE)).collect();
    let bytes: usize = pages.iter().map(Vec::len).sum();
    println!("{runs} runs, {:.1} MB, {rounds} rounds: least, median, most", bytes as f64 / 1e6);
    let mut times: [Vec<f64>; 5] = Default::default();
    for _ in 0..rounds {
        let (theirs, _) = timed(|| black_box(sonic(&pages)));
        let owned = pages.clone();
        let (records, _) = timed(|| owned.into_iter().map(|page| ApiSource::runs_in(page).expect("runs").len()).sum::<usize>());
        let owned = pages.clone();
        let (ours, whole) = timed(|| columns(owned));
        times[0].push(theirs * 1e3);
        times[1].push(records * 1e3);
        times[2].push(ours * 1e3);
        times[3].push(ours / theirs);
        #[cfg(feature = "frame")]
        {
            let (made, table) = timed(|| frame(whole));
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
