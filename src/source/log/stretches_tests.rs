//! Tests of reading by stretches: rows and accounts are those of one reader, however a file is split and whatever is wrong with it.
#![allow(clippy::unwrap_used)]

use super::super::LogSource;
use super::super::framing::HEAD;
use super::super::history::{Documents, Malformed, Pieces, Row, Rows, RunRows, Wanted};
use super::super::writer::*;
use super::*;
use crate::record::{RunKey, Timestamp};
use crate::source::Progress;
use proptest::prelude::*;

const BLOCK: u64 = super::BLOCK as u64;

/// Keeps the rows as text.
struct Taker<'a> {
    all: &'a Mutex<Vec<String>>,
    own: Texts,
    whole: bool,
}

#[derive(Default)]
struct Texts {
    rows: Vec<String>,
    documents: Documents,
    folder: String,
}

impl Texts {
    fn row(&mut self, row: &Row<'_>) -> std::result::Result<(), Malformed> {
        let text = row.document(&mut self.documents, |_| true)?;
        self.rows.push(format!("{} step {:?} {text}", self.folder, row.step()?));
        Ok(())
    }
}

struct Others(String);

impl Pieces for Others {
    type Taker = Texts;
    type Piece = Vec<String>;

    fn begin(&self, _: u32) -> Texts {
        Texts { folder: self.0.clone(), ..Texts::default() }
    }

    fn row(&self, taker: &mut Texts, row: &Row<'_>) -> std::result::Result<(), Malformed> {
        taker.row(row)
    }

    fn end(&self, taker: Texts) -> Vec<String> {
        taker.rows
    }
}

impl RunRows for Taker<'_> {
    type Pieces = Others;

    fn folder(&mut self, start: Option<Timestamp>, before: i64) {
        self.own.folder = format!("{:?} {before}", start.map(Timestamp::micros));
    }

    fn row(&mut self, row: &Row<'_>) -> std::result::Result<(), Malformed> {
        self.own.row(row)
    }

    fn pieces(&mut self) -> Option<Others> {
        (!self.whole).then(|| Others(self.own.folder.clone()))
    }

    fn piece(&mut self, piece: Vec<String>) {
        self.own.rows.extend(piece);
    }

    fn finish(self, run: RunKey, _: &mut Receipt) -> Result<()> {
        let mut all = self.all.lock().unwrap();
        all.push(run.path());
        all.extend(self.own.rows);
        Ok(())
    }
}

/// The runs and rows of a source as text, and the receipt.
pub(in super::super) fn rows_of(source: &LogSource, rows: Rows) -> Result<(Vec<String>, Receipt)> {
    let all = Mutex::new(Vec::new());
    let begin = |folders| Taker { all: &all, own: Texts::default(), whole: folders > 1 };
    let wanted = Wanted { rows, names: None, takes: &|_| true };
    let receipt = source.rows(wanted, &begin, &Progress::default())?;
    Ok((all.into_inner().unwrap(), receipt))
}

/// A file with these bytes, read by one reader and by stretches of these lengths: all the same. How many rows there are.
fn check(bytes: &[u8], splits: &[(u64, u64)]) -> usize {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("run-r0.wandb");
    std::fs::write(&file, bytes).unwrap();
    let read = |(front, stretch): (u64, u64)| {
        let source = LogSource::open(std::slice::from_ref(&file)).unwrap().split(front * BLOCK, stretch * BLOCK);
        [Rows::History, Rows::System].map(|rows| rows_of(&source, rows).map_err(|error| error.to_string()))
    };
    let whole = read((1 << 30, 1));
    for split in splits {
        // Both are too long to be shown.
        assert!(read(*split) == whole, "{split:?}");
    }
    whole[0].as_ref().map_or(0, |(rows, _)| rows.len())
}

/// Bytes of a text in a row.
fn row(step: i64, bytes: usize) -> Vec<u8> {
    let text = format!("\"{}\"", "x".repeat(bytes));
    history(&[nested(&["t"], &text), nested(&["loss"], "0.5"), nested(&["_step"], &step.to_string())])
}

fn begin() -> Vec<u8> {
    run("r0", 1_000, &[text(2, "me"), text(3, "p")])
}

const SPLITS: [(u64, u64); 4] = [(1, 1), (2, 1), (1, 2), (3, 3)];

#[test]
fn each_way_over_a_border_is_read_once() {
    // What is left in a block, and how long the record behind is.
    for left in (0..12).chain([100, 20_000]) {
        for long in [0, 1, 30, 1_000, 40_000, 70_000, 140_000] {
            let mut log = LogWriter::new();
            log.record(&begin());
            let mut rows = 0;
            let mut add = |log: &mut LogWriter, bytes| {
                log.record(&row(rows, bytes));
                rows += 1;
            };
            add(&mut log, 60_000);
            while !(left + 300..left + 12_000).contains(&log.left()) {
                add(&mut log, 500);
            }
            // Console output: a tag, two bytes of length, and so many more.
            let output = log.left() - left - HEAD - 3;
            log.record(&text(13, vec![0; output]));
            assert_eq!(log.left() % super::BLOCK, left);
            add(&mut log, long);
            (0..40).for_each(|_| add(&mut log, 5_000));
            // The run's path comes too.
            assert_eq!(check(&log.bytes, &SPLITS) as i64, rows + 1, "{left} left, {long} long");
        }
    }
}

/// A log of some hundred rows with what else there is: system statistics, later run records, a record over many blocks, and gaps in the
/// numbers.
fn full_log() -> Vec<u8> {
    let mut log = LogWriter::new();
    log.record(&[int(1, 1), begin()].concat());
    let mut num = 1;
    for step in 0..200 {
        num += 1 + i64::from(step % 50 == 49) * 3;
        log.record(&[int(1, num), row(step, 10 + (step as usize * 37) % 3_000)].concat());
        if step % 20 == 0 {
            num += 1;
            log.record(&[int(1, num), stats(1_000 + step)].concat());
        }
        if step == 100 {
            num += 1;
            log.record(&[int(1, num), row(1_000, 200_000)].concat());
        }
        if step == 120 || step == 160 {
            num += 1;
            log.record(&[int(1, num), run("r0", 2_000, &[text(3, format!("p{step}"))])].concat());
        }
        if step == 180 {
            // Two shorter than it says: no message.
            num += 1;
            log.record(&[int(1, num), text(2, [0x0a, 5, 1])].concat());
        }
    }
    log.record(&[int(1, num + 1), exit(0, 9)].concat());
    log.bytes
}

#[test]
fn what_else_is_in_a_log_is_found() {
    let bytes = full_log();
    assert!(bytes.len() as u64 > 12 * BLOCK);
    // One row is no message; the run's path comes too.
    assert_eq!(check(&bytes, &SPLITS), 202);
}

#[test]
fn damage_at_each_border_is_told_as_by_one_reader() {
    let whole = full_log();
    for border in (1..whole.len() / super::BLOCK).map(|number| number * super::BLOCK) {
        for (from, to) in [(-1, 0), (4, 6), (6, 7), (0, 32_768), (-3_000, 60_000)] {
            let at = |by: i64| (border as i64 + by).clamp(7, whole.len() as i64) as usize;
            for wiped in [true, false] {
                let mut bytes = whole.clone();
                bytes[at(from)..at(to)].iter_mut().for_each(|byte| *byte = if wiped { 0 } else { *byte ^ 0x55 });
                check(&bytes, &[(1, 1)]);
            }
        }
        check(&whole[..border], &[(1, 1)]);
        check(&whole[..border + 3], &[(1, 1)]);
        // A piece of another record in its place.
        let mut bytes = whole.clone();
        let other = whole[super::BLOCK..2 * super::BLOCK].to_vec();
        bytes[border..].iter_mut().zip(other).for_each(|(byte, other)| *byte = other);
        check(&bytes, &[(2, 3)]);
    }
}

#[test]
fn a_run_that_is_not_named_in_front_is_read_by_one() {
    let rows: Vec<Vec<u8>> = (0..100).map(|step| row(step, 3_000)).collect();
    let other = run("other", 1_000, &[]);
    let late = |at: usize, record: &[u8]| [&rows[..at], &[record.to_vec()], &rows[at..]].concat();
    for records in [rows.clone(), late(60, &begin()), late(60, &other), [vec![begin()], late(60, &other)].concat()] {
        check(&LogWriter::numbered(&records), &SPLITS);
        check(&LogWriter::of(&records), &SPLITS);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_log_with_any_damage_is_read_as_by_one(
        lengths in proptest::collection::vec(prop_oneof![4 => 0usize..3_000, 1 => 20_000usize..120_000], 20..90),
        front in 1u64..5,
        stretch in 1u64..6,
        damages in proptest::collection::vec((any::<prop::sample::Index>(), 1usize..70_000, any::<u8>()), 0..4),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let rows = lengths.iter().enumerate().map(|(step, bytes)| row(step as i64, *bytes));
        let mut bytes = LogWriter::numbered(&[begin()].into_iter().chain(rows).collect::<Vec<_>>());
        for (at, length, with) in damages {
            let at = at.index(bytes.len());
            bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = if with < 128 { with / 64 } else { *byte ^ with });
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        check(&bytes, &[(front, stretch)]);
    }
}
