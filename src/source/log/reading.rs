//! Reading one log file into a fold, and counting what of it is lost.

use super::fold::Fold;
use super::framing::{Buffers, Frame, Frames, Start};
use super::messages::{Kind, Record, RunMessage};
use super::metadata::Metadata;
use super::metrics::Metrics;
use super::wire::Malformed;
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Damage, Limits, Receipt, Timestamp, Wanted};
use std::fs::File;
use std::path::Path;

/// What is wrong with a record whose bytes break the wire format.
const MALFORMED: &str = "a record that is no W&B message";
/// Gaps in record numbers are believed up to here.
const MOST_MISSING: u64 = u32::MAX as u64;
/// Records in which [`peek`] looks for the run; writers put it second.
pub(super) const PEEKED: usize = 1_000;

/// The memory of one thread: buffers and a fold.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) buffers: Buffers,
    pub(super) fold: Fold,
}

impl Scratch {
    /// Memory for reading within these limits.
    pub(super) fn new(limits: Limits) -> Self {
        Scratch { buffers: Buffers::new(limits), fold: Fold::new(limits) }
    }
}

/// Counts the records that are missing in a file: those that damage took, or that the numbers tell of.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// The first number and the last one; 0 for none.
    first: i64,
    last: i64,
    /// Numbers missing between them.
    gaps: u64,
    damaged: u64,
}

impl Missing {
    /// Takes the number of a sound record; 0 is none.
    fn number(&mut self, num: i64) {
        if num > 0 {
            self.then(&Missing { first: num, last: num, gaps: 0, damaged: 0 });
        }
    }

    /// Takes what was counted in the stretch behind.
    pub(super) fn then(&mut self, next: &Missing) {
        self.damaged += next.damaged;
        if next.first == 0 {
            return;
        }
        if self.first == 0 {
            self.first = next.first;
        } else {
            self.gaps = self.gaps.saturating_add(between(self.last, next.first));
        }
        self.gaps = self.gaps.saturating_add(next.gaps);
        self.last = next.last;
    }

    /// How many are missing in the file. Both ways see the same losses, so the larger count is the better one.
    pub(super) fn count(&self) -> u64 {
        let before = if self.first == 0 { 0 } else { between(0, self.first) };
        self.damaged.max(self.gaps.saturating_add(before).min(MOST_MISSING))
    }
}

/// How many numbers lie between two that follow each other.
fn between(last: i64, num: i64) -> u64 {
    (num - 1).saturating_sub(last).max(0).cast_unsigned()
}

/// Opens a log.
pub(super) fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| Error::io(path, error))
}

/// Reads a whole file as the next folder of the run that is being folded.
///
/// # Errors
/// If it cannot be opened or read, or is no W&B log. What was read before a reading error stays in the fold.
pub(super) fn read(path: &Path, scratch: &mut Scratch, wanted: Wanted, receipt: &mut Receipt) -> Result<()> {
    let Scratch { buffers, fold } = scratch;
    fold.begin_folder();
    let mut frames = Frames::new(open(path)?, buffers);
    let started = frames.start().map_err(|error| Error::io(path, error))?;
    if let Start::Foreign(found) = started {
        return Err(Error::new(ErrorKind::Format, found).file(path));
    }
    let read = match started {
        Start::Log => records(path, &mut frames, receipt, |record| fold.record(record, wanted).map(|()| true)),
        _ => Ok(()),
    };
    let end = frames.end();
    receipt.files += 1;
    receipt.bytes += end.bytes;
    receipt.cut_records += u64::from(end.cut > 0);
    receipt.empty_files += u64::from(read.is_ok() && !fold.folder.has_data);
    if fold.folder.has_data && !fold.folder.has_environment {
        fold.metadata(Metadata::beside(path));
    }
    if (wanted.summary || wanted.raw) && !fold.folder.has_summary && fold.folder.rows > 0 {
        // What is wrong with the file is counted already.
        let _ = summarize(path, scratch);
    }
    scratch.fold.end_folder();
    read
}

/// Hands out every sound record until `each` gives false, and counts what is lost between them.
fn records(
    path: &Path,
    frames: &mut Frames<'_, File>,
    receipt: &mut Receipt,
    each: impl FnMut(&Record<'_>) -> Result<bool, Malformed>,
) -> Result<()> {
    let mut missing = Missing::default();
    let read = pass(path, frames, &mut missing, receipt, each);
    receipt.lost_records += missing.count();
    read
}

/// The same, as far as the reader is to go; the receipt lacks the count of what is missing.
pub(super) fn pass(
    path: &Path,
    frames: &mut Frames<'_, File>,
    missing: &mut Missing,
    receipt: &mut Receipt,
    mut each: impl FnMut(&Record<'_>) -> Result<bool, Malformed>,
) -> Result<()> {
    let damage = |offset, bytes, reason: &str, receipt: &mut Receipt| {
        receipt.damage(Damage { file: path.into(), offset, bytes, reason: reason.to_owned() });
    };
    loop {
        match frames.next() {
            Ok(Some(Frame::Record { offset, bytes })) => {
                let record = Record::parse(bytes);
                match record.and_then(|record| each(&record).map(|on| (on, record.num))) {
                    Ok((false, _)) => break Ok(()),
                    Ok((true, num)) => missing.number(num),
                    Err(_) => {
                        missing.damaged += 1;
                        damage(offset, bytes.len() as u64, MALFORMED, receipt);
                    }
                }
            }
            Ok(Some(Frame::Damage { offset, bytes, reason })) => {
                missing.damaged += 1;
                damage(offset, bytes, reason, receipt);
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(Error::io(path, error).offset(frames.end().bytes)),
        }
    }
}

/// Reads a file again to make a summary from its history.
fn summarize(path: &Path, scratch: &mut Scratch) -> Result<()> {
    let mut frames = Frames::new(open(path)?, &mut scratch.buffers);
    let mut metrics = Metrics::default();
    frames.start().map_err(|error| Error::io(path, error))?;
    while let Ok(Some(frame)) = frames.next() {
        if let Frame::Record { bytes, .. } = frame
            && let Ok(record) = Record::parse(bytes)
        {
            // A row that is malformed gives what stands before the fault.
            let _ = metrics.record(&record, &mut scratch.fold.summary);
        }
    }
    Ok(())
}

/// What a run record says of where a log belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: Option<String>,
    pub(super) entity: Option<String>,
    pub(super) project: Option<String>,
    pub(super) start: Option<Timestamp>,
}

/// The identity in the first run record that has an id, else in the first one; empty if there is none, or the file cannot be
/// read.
pub(super) fn peek(path: &Path, buffers: &mut Buffers) -> Identity {
    let mut first = None;
    let Ok(file) = open(path) else { return Identity::default() };
    let mut frames = Frames::new(file, buffers);
    if !matches!(frames.start(), Ok(Start::Log)) {
        return Identity::default();
    }
    for _ in 0..PEEKED {
        let Ok(Some(frame)) = frames.next() else { break };
        if let Frame::Record { bytes, .. } = frame
            && let Ok(Record { kind: Some(Kind::Run), body, .. }) = Record::parse(bytes)
            && let Ok(run) = RunMessage::parse(body)
        {
            let text = |bytes| super::artifacts::owned(bytes, &mut 0);
            let (id, entity, project) = (text(run.id), text(run.entity), text(run.project));
            let identity = Identity { id, entity, project, start: run.start };
            if identity.id.is_some() {
                return identity;
            }
            first.get_or_insert(identity);
        }
    }
    first.unwrap_or_default()
}
