//! A long log that is read by stretches gives the table and the receipt that it gives when one reader takes all of it.
#![allow(clippy::unwrap_used)]

use super::super::query::HistoryQuery;
use super::super::store::Store;
use super::*;
use crate::frame::Table;
use crate::record::Limits;
use crate::source::log::writer::*;
use polars::prelude::DataFrame;
use proptest::prelude::*;
use std::path::Path;

const BLOCK: u64 = 32 * 1024;

/// The table, and what the load says.
fn read(file: &Path, query: &HistoryQuery, split: (u64, u64)) -> (DataFrame, Receipt) {
    let source = LogSource::open(&[file.to_owned()]).unwrap().split(split.0 * BLOCK, split.1 * BLOCK);
    let store = Store::new(query.axis(), Limits::default());
    let mut receipt = source.history(query, &store, &Progress::default()).unwrap();
    let (table, joined) = store.finish(query).unwrap();
    receipt.joined_rows += joined;
    let names: Vec<String> = table.schema().iter_names().map(|name| name.to_string()).collect();
    (table.read(&names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap(), receipt)
}

/// A row of its kind, with keys in an order that changes from row to row, as wandb-core writes them.
fn row(number: u64, step: i64) -> Vec<u8> {
    let value = |salt: u64| number.wrapping_mul(2_654_435_761).wrapping_add(salt * 40_503) % 1_000_003;
    let mut items = vec![
        nested(&["_step"], &step.to_string()),
        nested(&["_timestamp"], &format!("{:?}", 1.7e9 + number as f64 / 8.0)),
        nested(&["_runtime"], &format!("{}", number as f64 / 8.0)),
        nested(&["loss"], &format!("{:?}", value(1) as f64 / 1_000_003.0)),
        nested(&["a metric of a long name"], &value(2).to_string()),
        nested(&["a metric of a long game"], &format!("{}.5", value(3))),
        item("short", &(value(4) as i64 - 500_000).to_string()),
    ];
    match number % 97 {
        3 => items.push(nested(&["val", "deep"], "[1, 2]")),
        11 => items.push(nested(&["bad"], "{")),
        20 => items.push(nested(&["loss"], "NaN")),
        31 => items.push(nested(&["short"], "\"text\"")),
        40 => items.push(item("object", "{\"a\": 1, \"b\": null}")),
        55 => items.push(nested(&["only/here"], "1e400")),
        60 => items.truncate(1),
        _ => {}
    }
    let turn = (number % items.len() as u64) as usize;
    items.rotate_left(turn);
    history(&items)
}

fn check(records: &[Vec<u8>], splits: &[(u64, u64)]) -> (DataFrame, Receipt) {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("run-r0.wandb");
    std::fs::write(&file, LogWriter::numbered(records)).unwrap();
    let all = HistoryQuery::new();
    let whole = read(&file, &all, (1 << 30, 1));
    for query in [all.clone(), all.clone().keys(["loss", "val.*"]), all.clone().steps(100..900), all.clone().system()] {
        let whole = read(&file, &query, (1 << 30, 1));
        for split in splits {
            let (frame, receipt) = read(&file, &query, *split);
            assert!(frame.equals_missing(&whole.0), "{split:?} {query:?}: {frame} {}", whole.0);
            assert_eq!(receipt, whole.1, "{split:?} {query:?}");
        }
    }
    whole
}

fn begin() -> Vec<u8> {
    run("r0", 1_000, &[text(2, "me"), text(3, "p")])
}

#[test]
fn stretches_make_the_table_of_the_whole() {
    let mut records = vec![begin()];
    for number in 0..3_000u64 {
        records.push(row(number, number as i64));
        if number % 10 == 0 {
            records.push(message(7, &[time(2, 1_000 + number as i64), text(3, item("cpu", &number.to_string()))]));
        }
    }
    let (frame, receipt) = check(&records, &[(1, 1), (2, 3), (1, 7)]);
    assert_eq!((frame.height(), receipt.joined_rows, receipt.json_errors), (3_000, 0, 31));
    let sum = frame.column("_step").unwrap().as_materialized_series().sum::<i64>().unwrap();
    assert_eq!(sum, 2_999 * 3_000 / 2);
    let only_here = frame.column("only/here").unwrap();
    assert_eq!(only_here.len() - only_here.null_count(), 31, "{only_here:?}");
}

#[test]
fn steps_that_come_again_in_another_stretch_are_joined() {
    let steps = (0..1_500).chain(700..1_600).map(|step| row(step as u64, step));
    let (frame, receipt) = check(&[vec![begin()], steps.collect()].concat(), &[(1, 1), (3, 2)]);
    assert_eq!((frame.height(), receipt.joined_rows), (1_600, 800));
}

#[test]
fn a_value_that_another_stretch_says_otherwise_makes_no_column() {
    // Of every second step the first rows say a text for `short`, which later ones make a number.
    let said = |step: i64| row(if step % 2 == 0 { 31 } else { step as u64 % 31 + 100 }, step);
    let steps = (0..1_000).map(said).chain((0..1_000).map(|step| row(100, step)));
    let (frame, receipt) = check(&[vec![begin()], steps.collect()].concat(), &[(1, 1), (3, 2)]);
    assert_eq!((frame.height(), receipt.joined_rows), (1_000, 1_000));
    let mut short = frame.get_column_names();
    short.retain(|name| name.starts_with("short"));
    assert_eq!(short, ["short"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_steps_make_the_table_of_the_whole(
        steps in proptest::collection::vec((any::<u16>(), 0i64..2_000), 300..900),
        front in 1u64..3,
        stretch in 1u64..4,
    ) {
        let rows = steps.iter().map(|(number, step)| row(u64::from(*number), *step));
        check(&[begin()].into_iter().chain(rows).collect::<Vec<_>>(), &[(front, stretch)]);
    }
}
