//! Stored run tables as a source: joined, rewritten by pandas, damaged, or no run tables at all.

use crate::cli::runframe;
use crate::log::Log;
use runframe::{ErrorKind, RunFrame};
use std::path::Path;

fn write(source: &str, more: &[&str], path: &Path) {
    let args = [&["query", source, "-q", "-o", path.to_str().unwrap()], more].concat();
    let (code, _, stderr) = runframe(&args);
    assert_eq!(code, 0, "{stderr}");
}

fn open(sources: &[&Path]) -> runframe::Result<RunFrame> {
    let mut loader = RunFrame::loader();
    for source in sources {
        loader = loader.source(source.to_str().unwrap())?;
    }
    loader.load()
}

#[test]
fn a_filtered_table_joined_with_itself_stays_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one.parquet");
    write("examples/wandb", &["-w", "state = 'crashed'"], &path);
    let (once, twice) = (open(&[&path]).unwrap(), open(&[&path, &path]).unwrap());
    assert_eq!(twice.schema(), once.schema());
    assert!(twice.collect().unwrap().equals_missing(&once.collect().unwrap()));
    assert_eq!(twice.receipt().duplicates, 1);
}

#[test]
fn halves_joined_are_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.parquet"), dir.path().join("b.parquet"));
    write("examples/wandb", &["-w", "state = 'finished' and project = 'mnist'"], &a);
    write("examples/wandb", &["-w", "not (state = 'finished' and project = 'mnist')"], &b);
    let (whole, joined) = (crate::bundled::examples(), open(&[&a, &b]).unwrap());
    assert_eq!(joined.schema(), whole.schema());
    let sorted = |frame: &RunFrame| {
        frame.lazy().sort(["name"], polars::prelude::SortMultipleOptions::default()).collect().unwrap()
    };
    assert!(sorted(&joined).equals_missing(&sorted(&whole)));
}

#[test]
fn logs_named_after_a_stored_table_are_newer() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b, table) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("p.parquet"));
    Log::of_run("other001").exit(0, 1).write(&a, "other001");
    Log::started("again001", 1_700_000_500).config("j", "0").exit(1, 1).write(&b, "again001");
    write(b.to_str().unwrap(), &[], &table);
    Log::started("again001", 1_700_000_500).config("j", "2").history(1, "1700000600").exit(0, 1).write(&b, "again001");
    let frame = open(&[&a, &table, &b]).unwrap();
    let again = frame.lazy().filter(polars::prelude::col("name").eq(polars::prelude::lit("again001")));
    let row = again.collect().unwrap();
    assert_eq!(row.column("state").unwrap().str().unwrap().get(0), Some("finished"));
    assert_eq!(row.column("config.j").unwrap().i64().unwrap().get(0), Some(2));
}

/// Rewritten by pandas 3: null columns and null struct fields without a type, integers widened to floats.
#[test]
fn a_table_that_pandas_rewrote_is_joined() {
    let rewritten = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pandas/rewritten.parquet");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/wandb");
    let frame = open(&[&rewritten, &examples]).unwrap();
    assert_eq!((frame.height(), frame.receipt().duplicates), (41, 41));
    let reversed = open(&[&examples, &rewritten]).unwrap();
    let artifacts = |frame: &RunFrame| frame.select(&["logged_artifacts"]).unwrap();
    assert_eq!(artifacts(&reversed).schema(), artifacts(&crate::bundled::examples()).schema());
}

#[test]
fn columns_of_other_types_are_left_out_and_told() {
    let decimal = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pandas/decimal.parquet");
    let frame = open(&[&decimal]).unwrap();
    assert_eq!(frame.schema().iter_names().collect::<Vec<_>>(), ["name"]);
    let skipped = &frame.receipt().skipped_columns;
    assert!(skipped.len() == 2 && skipped[0].contains("config.d") && skipped[1].contains("config.h"), "{skipped:?}");
    assert!(frame.receipt().has_losses());
    frame.collect().unwrap();
}

/// Written by pandas and by Polars for Python: categories, with and without an order, plain and in lists.
#[test]
fn categories_are_read_as_texts() {
    use polars::prelude::{col, lit};
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let (pandas, polars) = (data.join("pandas/categorical.parquet"), data.join("polars/categories.parquet"));
    let texts = |frame: &RunFrame, column: &str| -> Vec<Option<String>> {
        let frame = frame.select(&[column]).unwrap();
        frame.column(column).unwrap().str().unwrap().iter().map(|text| text.map(str::to_owned)).collect()
    };
    let text = |text: &str| Some(text.to_owned());
    let frame = open(&[&polars]).unwrap();
    assert_eq!(texts(&frame, "summary.cat"), [text("x"), None, text("y")]);
    assert_eq!(texts(&frame, "summary.en"), [text("q"), text("r"), text("q")]);
    let found = frame.lazy().filter(col("summary.en").eq(lit("q"))).collect().unwrap();
    assert_eq!(found.height(), 2);
    let last = found.column("l").unwrap().list().unwrap().get_as_series(1).unwrap();
    assert_eq!(last.str().unwrap().iter().collect::<Vec<_>>(), [Some("y"), Some("x")]);
    assert!(frame.receipt().skipped_columns.is_empty());
    assert_eq!(texts(&open(&[&pandas]).unwrap(), "config.c"), [text("a"), text("b")]);
    // Joined with other runs they are texts as well.
    let both = open(&[&polars, Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/wandb").as_path()]).unwrap();
    assert_eq!(texts(&both, "summary.en").into_iter().flatten().collect::<Vec<_>>(), ["q", "r", "q"]);
}

#[test]
fn what_is_no_run_table_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let nameless = dir.path().join("nameless.parquet");
    write("examples/wandb", &["-s", "state,config.*"], &nameless);
    assert_eq!(open(&[&nameless]).unwrap().height(), 41);
    let error = open(&[&nameless, &nameless]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Format);
    assert!(error.to_string().contains("it has no column name"), "{error}");
    let csv = dir.path().join("text.parquet");
    std::fs::write(&csv, "name,state\na,b\n").unwrap();
    assert_eq!(open(&[&csv]).unwrap_err().kind(), ErrorKind::Format);
}

/// Every byte of the footer and some of the data, flipped: an error or an answer, never a panic or a hang.
#[test]
fn a_damaged_table_is_an_error_or_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (path, damaged) = (dir.path().join("small.parquet"), dir.path().join("damaged.parquet"));
    write("examples/wandb", &["-s", "name,config.learning_rate,tags", "-n", "3"], &path);
    let bytes = std::fs::read(&path).unwrap();
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut errors = 0;
    for at in (0..bytes.len()).step_by(3) {
        let mut copy = bytes.clone();
        copy[at] ^= 0x5A;
        std::fs::write(&damaged, copy).unwrap();
        errors += usize::from(open(&[&damaged]).and_then(|frame| frame.collect()).is_err());
    }
    std::panic::set_hook(quiet);
    assert!(errors > 50, "{errors}");
}
