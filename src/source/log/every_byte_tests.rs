//! Logs of real SDKs with each byte changed, at each length, and with parts in each other's place: runs and history rows are those
//! that were written, or what is missing is told.
#![allow(clippy::unwrap_used)]

use super::framing::{BLOCK, Buffers, End, Frame, Frames, HEAD, Start};
use super::history::Rows;
use super::stretches::tests::rows_of;
use super::tests::{ALL, load_with};
use super::writer::LogWriter;
use super::*;
use std::ops::Range;
use std::path::Path;

/// An older log without record numbers, and a newer one.
const LOGS: [&str; 2] = [
    "0.12.21/offline-run-20261123_142737-n0122100/run-n0122100.wandb",
    "0.31.0/offline-run-20261123_142658-n0310000/run-n0310000.wandb",
];

fn log(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sdk").join(name)).unwrap()
}

/// A record and where it begins.
type Record = (usize, Vec<u8>);

/// Records, damaged stretches, and the accounts.
fn read(bytes: &[u8]) -> (Vec<Record>, Vec<Range<usize>>, End) {
    let mut buffers = Buffers::default();
    let mut frames = Frames::new(bytes, &mut buffers);
    let (mut records, mut damages) = (Vec::new(), Vec::new());
    if frames.start().unwrap() == Start::Log {
        while let Some(frame) = frames.next().unwrap() {
            match frame {
                Frame::Record { offset, bytes } => records.push((offset as usize, bytes.to_vec())),
                Frame::Damage { offset, bytes, .. } => damages.push(offset as usize..(offset + bytes) as usize),
            }
        }
    }
    (records, damages, frames.end())
}

/// True if these are some of `good`, in order.
fn some_of<T: PartialEq>(these: &[T], good: &[T]) -> bool {
    let mut rest = good.iter();
    these.iter().all(|one| rest.any(|other| other == one))
}

#[test]
fn each_byte_of_a_log_is_in_the_damage_that_is_told() {
    for name in LOGS {
        let whole = log(name);
        let (good, none, _) = read(&whole);
        assert!(none.is_empty() && good.len() > 10, "{name}");
        for at in 7..whole.len() {
            for flip in [0x01, 0x90] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                let (records, damages, end) = read(&bytes);
                assert!(some_of(&records, &good), "{name}: byte {at} ^ {flip}");
                // A wrong length that ends exactly where a record begins passes over those before.
                assert!(records.len() < good.len(), "{name}: byte {at} ^ {flip}");
                let cut = (end.bytes - end.cut) as usize;
                let told = |at: usize| at >= cut || damages.iter().any(|range| range.contains(&at));
                assert!(told(at), "{name}: byte {at} ^ {flip}");
                let missing = good.iter().filter(|record| !records.contains(record));
                assert!(missing.into_iter().all(|(offset, _)| told(*offset)), "{name}: byte {at} ^ {flip}");
            }
        }
    }
}

/// What a load of a file gives: runs, rows, and whether anything is told to be missing.
#[derive(Debug)]
struct Loaded {
    runs: Vec<Run>,
    rows: Vec<String>,
    /// Losses of the runs and of the rows.
    told: [bool; 2],
}

/// A file of this name with these bytes, loaded; an error has told everything.
fn load(name: &str, bytes: &[u8]) -> Option<Loaded> {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join(Path::new(name).file_name().unwrap());
    std::fs::write(&file, bytes).unwrap();
    let (runs, receipt) = load_with(std::slice::from_ref(&file), ALL).ok()?;
    let source = LogSource::open(std::slice::from_ref(&file)).unwrap();
    let (rows, of_rows) = rows_of(&source, Rows::History).unwrap();
    let rows = rows.iter().filter_map(|row| Some(row.split_once(" step ")?.1.to_owned())).collect();
    let told = [&receipt, &of_rows].map(|receipt| {
        assert!(
            receipt
                .damages
                .iter()
                .all(|damage| damage.file == file && damage.offset + damage.bytes <= bytes.len() as u64)
        );
        receipt.lost_records + receipt.cut_records + receipt.refused_files + receipt.empty_files > 0
    });
    Some(Loaded { runs, rows, told })
}

#[test]
fn each_byte_of_a_log_changes_nothing_untold() {
    for name in LOGS {
        let whole = log(name);
        let good = load(name, &whole).unwrap();
        assert!(good.runs.len() == 1 && !good.rows.is_empty() && good.told == [false; 2], "{name}");
        // Of the smaller log every byte, of the other one every third.
        let step = if whole.len() < 4_000 { 1 } else { 3 };
        for at in (0..whole.len()).step_by(step) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            let Some(found) = load(name, &bytes) else {
                assert!(at < 7, "{name}: byte {at}");
                continue;
            };
            assert!(found.told == [true; 2], "{name}: byte {at}");
            assert!(some_of(&found.rows, &good.rows) && found.rows.len() + 1 >= good.rows.len(), "{name}: byte {at}");
            assert!(found.runs.len() <= 1, "{name}: byte {at}");
        }
    }
}

#[test]
fn each_length_of_a_log_gives_what_was_written_by_then() {
    let name = LOGS[1];
    let whole = log(name);
    let (good, ..) = read(&whole);
    let rows = load(name, &whole).unwrap().rows;
    let ends: Vec<usize> = good.iter().skip(1).map(|(offset, _)| *offset).chain([whole.len()]).collect();
    for length in 0..whole.len() {
        let (records, damages, end) = read(&whole[..length]);
        let complete = ends.iter().filter(|end| **end <= length).count();
        assert_eq!(records, good[..complete], "{length}");
        assert!(damages.is_empty(), "{length}");
        assert_eq!(end.cut == 0, length <= 7 || ends.contains(&length), "{length}");
        if length % 5 == 0 {
            let found = load(name, &whole[..length]).unwrap();
            assert!(rows.starts_with(&found.rows), "{length}");
        }
    }
}

#[test]
fn records_in_each_others_place_are_told() {
    let name = LOGS[1];
    let whole = log(name);
    let good = load(name, &whole).unwrap();
    let (records, ..) = read(&whole);
    let pieces: Vec<&[u8]> = records.iter().map(|(at, body)| &whole[*at..at + HEAD + body.len()]).collect();
    assert_eq!(pieces.concat(), whole[7..], "a log of one block");
    for a in 0..pieces.len() {
        for b in a + 1..pieces.len() {
            let mut swapped = pieces.clone();
            swapped.swap(a, b);
            let found = load(name, &[&whole[..7], &swapped.concat()].concat()).unwrap();
            assert_eq!(found.told, [true; 2], "records {a} and {b}");
            assert!(found.rows.iter().all(|row| good.rows.contains(row)) && found.rows.len() == good.rows.len());
        }
    }
}

#[test]
fn blocks_in_each_others_place_are_told() {
    // The beginning of a row may come before the end of another one. That shows by their lengths, and by letters that are no
    // protobuf; the framing itself has no checksum over a whole record.
    let rows: Vec<Vec<u8>> = (0..60i64)
        .map(|step| {
            let text = format!("\"{}\"", ["c", "d", "f", "g"][step as usize % 4].repeat(700 + 37 * step as usize));
            super::writer::history(&[
                super::writer::nested(&["_step"], &step.to_string()),
                super::writer::nested(&["t"], &text),
            ])
        })
        .collect();
    let records = [vec![super::writer::run("b1", 1_000, &[])], rows].concat();
    let whole = LogWriter::numbered(&records);
    let good = load("run-b1.wandb", &whole).unwrap();
    let blocks: Vec<&[u8]> = whole.chunks(BLOCK).collect();
    assert!(blocks.len() >= 4 && good.rows.len() == 60);
    for a in 1..blocks.len() {
        for b in a + 1..blocks.len() {
            let mut swapped = blocks.clone();
            swapped.swap(a, b);
            let found = load("run-b1.wandb", &swapped.concat()).unwrap();
            assert_eq!(found.told, [true; 2], "blocks {a} and {b}");
            assert!(found.rows.iter().all(|row| good.rows.contains(row)), "blocks {a} and {b}");
        }
    }
}
