//! From the bytes of pages to columns and to a frame, on one thread and on two: `cargo bench --bench flatten -- [RUNS [ROUNDS]]`.
//! Beside sonic-rs in one process: `benches/peers/flatten.sh`.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "data/pages.rs"]
mod pages;
#[path = "data/source.rs"]
mod source;

use pages::{PAGE, Pages};
use source::loaded;
use std::hint::black_box;
use std::time::Instant;

/// As the program has it.
#[cfg(feature = "cli")]
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn told(name: &str, values: &mut [f64]) {
    values.sort_by(f64::total_cmp);
    let (least, median, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    println!("{name:<40} {least:9.2} {median:9.2} {most:9.2}");
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (runs, rounds) = (numbers.first().copied().unwrap_or(10_000), numbers.get(1).copied().unwrap_or(5));
    let made = Pages::new(false);
    let pages: Vec<Vec<u8>> = (0..runs.div_ceil(PAGE)).map(|at| made.page(at, PAGE)).collect();
    let bytes: usize = pages.iter().map(Vec::len).sum();
    println!("{runs} runs, {:.1} MB, {rounds} rounds, milliseconds: least, median, most", bytes as f64 / 1e6);
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds {
        for threads in [1, 2] {
            let owned = pages.clone();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let began = Instant::now();
            let columns = loaded(owned, threads);
            times[threads - 1].push(began.elapsed().as_secs_f64() * 1e3);
            let frame = pool
                .install(|| runframe::RunFrame::from_columns(columns, Default::default()).expect("a frame").collect());
            times[threads + 1].push(began.elapsed().as_secs_f64() * 1e3);
            let _ = black_box(frame.expect("a frame"));
        }
    }
    let [one, two, framed, framed_by_two] = &mut times;
    let ratios = |one: &[f64], two: &[f64]| one.iter().zip(two).map(|(one, two)| one / two).collect::<Vec<f64>>();
    let (mut to_columns, mut to_frame) = (ratios(one, two), ratios(framed, framed_by_two));
    told("to columns, one thread", one);
    told("to columns, two threads", two);
    told("to a frame, one thread", framed);
    told("to a frame, two threads", framed_by_two);
    told("to columns, one thread / two", &mut to_columns);
    told("to a frame, one thread / two", &mut to_frame);
}
