//! The work whose instructions are counted: `runframe-counts TASK`. See benches/counts.sh.

#[path = "../../data/pages.rs"]
mod pages;

use pages::{PAGE, Pages};
use runframe::{ApiSource, Columns, Document, Flattener, LogSource, Progress, Root, Source, Wanted};
use std::hint::black_box;
use std::path::PathBuf;

const SOME: usize = 3;

fn some_pages() -> Vec<Vec<u8>> {
    let made = Pages::new(false);
    (0..SOME).map(|at| made.page(at, PAGE)).collect()
}

fn flattened(pages: Vec<Vec<u8>>) -> Vec<Columns> {
    let part = |page| {
        let mut columns = Columns::new(Wanted::default());
        columns.push_all(&ApiSource::runs_in(page).expect("runs"));
        columns
    };
    pages.into_iter().map(part).collect()
}

/// Only what is called from here is counted.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    work()
}

fn main() {
    // What is shared out among threads is done by this one, and so counted.
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global().expect("no threads yet");
    let task = std::env::args().nth(1).unwrap_or_default();
    match task.as_str() {
        "records" => {
            let pages = some_pages();
            counted(|| pages.into_iter().for_each(|page| drop(black_box(ApiSource::runs_in(page).expect("runs")))));
        }
        "flatten" => {
            let pages = some_pages();
            black_box(counted(|| flattened(pages)));
        }
        "merge" => {
            let parts = flattened(some_pages());
            black_box(counted(|| {
                let mut whole = Columns::new(Wanted::default());
                parts.iter().for_each(|part| whole.merge(part));
                whole
            }));
        }
        "flatten-carefully" => {
            // The key that comes twice keeps the swift walk away.
            let runs: Vec<_> = some_pages().into_iter().flat_map(|page| ApiSource::runs_in(page).expect("runs")).collect();
            let texts = runs.iter().filter_map(|run| run.summary.as_ref());
            let twice = |text: &str| Document::plain(format!("{{\"twice\":1,\"twice\":2,{}", &text[1..]));
            let documents: Vec<Document> = texts.map(|document| twice(&document.text())).collect();
            let mut flattener = Flattener::default();
            counted(|| {
                for document in &documents {
                    let read = flattener.document(Root::Summary, document, |id, leaf| drop(black_box((id, leaf))));
                    read.expect("a document");
                }
            });
        }
        "log" => {
            let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/wandb"));
            let source = LogSource::open(&[folder]).expect("the bundled runs");
            counted(|| {
                let each = |batch| {
                    black_box(batch);
                    Ok(())
                };
                source.load(Wanted::default(), &each, &Progress::default()).expect("runs")
            });
        }
        other => panic!("no task {other:?}"),
    }
}
