//! From bytes to frame, stage by stage: `cargo bench --bench reading`. Ratios against the SDK are in `benches/peers`.
#![allow(clippy::expect_used, missing_docs)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use runframe::{Columns, LogSource, Progress, Receipt, Run, RunFrame, Source, Wanted};
use std::hint::black_box;
use std::path::PathBuf;

mod runs;

/// As the program has it.
#[cfg(feature = "cli")]
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn bytes(runs: &[Run]) -> u64 {
    runs.iter().flat_map(|run| [&run.config, &run.summary]).flatten().map(|d| d.text().len() as u64).sum()
}

fn flattened(runs: &[Run]) -> Columns {
    let mut columns = Columns::new(Wanted::default());
    columns.push_all(runs);
    columns
}

fn flatten(criterion: &mut Criterion) {
    let runs = runs::ordinary(0..1_000);
    let mut group = criterion.benchmark_group("flatten");
    group.throughput(Throughput::Bytes(bytes(&runs)));
    group.bench_function("1,000 runs to columns", |b| b.iter(|| flattened(black_box(&runs))));
    group.bench_function("merge of two halves", |b| {
        let halves = || (flattened(&runs[..500]), flattened(&runs[500..]));
        b.iter_batched(halves, |(mut a, c)| a.merge(&c), BatchSize::LargeInput);
    });
    group.finish();
}

fn frame(criterion: &mut Criterion) {
    let runs = runs::ordinary(0..1_000);
    let frame = || RunFrame::from_columns(flattened(&runs), Receipt::default()).expect("a frame");
    let made = frame();
    let mut group = criterion.benchmark_group("frame");
    group.bench_function("all columns of 1,000 runs", |b| b.iter(|| black_box(made.collect().expect("a frame"))));
    group.bench_function("two columns of 1,000 runs", |b| {
        b.iter(|| black_box(made.select(&["name", "runtime"]).expect("two columns")))
    });
    group.finish();
}

fn logs(criterion: &mut Criterion) {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wandb"));
    let source = LogSource::open(&[folder]).expect("the bundled runs");
    let mut group = criterion.benchmark_group("log");
    let skim = Wanted { config: true, summary: false, artifacts: false, heartbeat: false, raw: false };
    for (name, wanted) in [("everything", Wanted::default()), ("config only", skim)] {
        group.bench_function(format!("bundled runs, {name}"), |b| {
            b.iter(|| {
                source
                    .load(
                        wanted,
                        &|batch| {
                            black_box(batch);
                            Ok(())
                        },
                        &Progress::default(),
                    )
                    .expect("runs")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, flatten, frame, logs);
criterion_main!(benches);
