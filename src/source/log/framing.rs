//! The file layer: blocks and chunks of a `.wandb` file, put together into records; damage is passed over and reported.
//!
//! Blocks of 32 KiB at file offsets that are multiples of it; chunks with a 7-byte header (CRC-32, length, type) that never
//! cross a block edge; records of one FULL chunk, or FIRST, MIDDLE…, LAST. See the LevelDB log format for the idea.
//!
//! Every byte of a file ends up in exactly one account of [`End`]: records, padding, damage, or the cut end.

#[cfg(feature = "frame")]
mod stretch;

use crate::record::Limits;
use std::io::{self, Read};
#[cfg(feature = "frame")]
pub(super) use stretch::Place;

/// Size and alignment of a block.
pub(super) const BLOCK: usize = 32 * 1024;
/// Bytes held at once: whole blocks, small enough to stay in a core's cache.
const BUFFER: usize = 8 * BLOCK;
/// What every `.wandb` file begins with: `:W&B`, 0xBEE1, version 0.
pub(super) const MAGIC: [u8; 7] = *b":W&B\xe1\xbe\0";
/// Checksum (4), length (2), type (1).
pub(super) const HEAD: usize = 7;
/// Bytes that may be checksummed in vain in one block; what is left of the block then counts as lost. So hostile bytes cost
/// up to some 35 times what honest ones do, and not the square.
const SEARCH: usize = 1 << 20;
/// Bytes that are looked at together for zeros.
const ZEROS: usize = 64;
/// A record buffer larger than this is given back after the file.
const KEEP: usize = 8 << 20;

pub(super) const FULL: u8 = 1;
pub(super) const FIRST: u8 = 2;
#[cfg(any(test, feature = "frame"))]
pub(super) const MIDDLE: u8 = 3;
pub(super) const LAST: u8 = 4;

/// The memory that reading a file takes, to be used again for the next file.
#[derive(Debug)]
pub(super) struct Buffers {
    blocks: Vec<u8>,
    record: Vec<u8>,
    /// Bytes that a record may have.
    most: u64,
}

impl Buffers {
    pub(super) fn new(limits: Limits) -> Self {
        Buffers { blocks: Vec::new(), record: Vec::new(), most: limits.value_bytes }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Buffers::new(Limits::default())
    }
}

/// What a file turns out to be by its first bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// A log.
    Log,
    /// Nothing yet, or the beginning of the file header.
    Empty,
    /// Something else; says what.
    Foreign(String),
}

/// One step through a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A sound record.
    Record {
        /// Where its first chunk begins.
        offset: u64,
        /// Its payload.
        bytes: &'a [u8],
    },
    /// A stretch that could not be read.
    Damage {
        /// Where it begins.
        offset: u64,
        /// How long it is, up to the next sound record.
        bytes: u64,
        /// What is wrong.
        reason: &'static str,
    },
}

/// The accounts of a file that was read to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct End {
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// Bytes of the file header and of records, chunk headers included.
    pub(super) sound: u64,
    /// Bytes that only fill up.
    pub(super) padding: u64,
    /// Bytes of damage.
    pub(super) lost: u64,
    /// Bytes of a record whose end is not there; 0 if the file ends cleanly.
    pub(super) cut: u64,
}

/// Reads records from a `.wandb` file with bounded memory.
pub(super) struct Frames<'b, R> {
    input: R,
    buffers: &'b mut Buffers,
    /// File offset of the buffer's first byte; a multiple of the block size.
    base: u64,
    /// Bytes in the buffer.
    filled: usize,
    /// The next byte to look at.
    at: usize,
    /// Where to stop: before the first record that begins here or later.
    until: u64,
    /// True once the input has no more bytes than are in the buffer.
    ended: bool,
    /// Why the input ended before its time; told once the buffer is used up.
    failed: Option<io::Error>,
    /// Where the record begins that is being put together.
    partial: Option<u64>,
    /// Where the damage begins that is being passed over, and its reason.
    lost: Option<(u64, &'static str)>,
    /// Where the chunk begins whose end is not in the file.
    cut: Option<u64>,
    /// The block where something was checksummed in vain, and how many bytes of [`SEARCH`] are left for it.
    budget: (u64, usize),
    end: End,
}

/// What one look at the buffer gives; ranges instead of slices, so that the loop may go on.
enum Step {
    Again,
    Full { offset: u64, from: usize, to: usize },
    Assembled { offset: u64 },
    Damage { offset: u64, bytes: u64, reason: &'static str },
    End,
}

/// What stands at a place where a chunk may begin.
enum Chunk {
    Sound {
        kind: u8,
        length: usize,
    },
    /// Seven zeros: nothing was written here.
    Zeros,
    /// The payload goes on behind the end of the block, or of the file.
    Long {
        kind: u8,
        length: usize,
    },
    Bad {
        length: usize,
        /// Bytes that were checksummed to see it.
        summed: usize,
        reason: &'static str,
    },
}

impl<'b, R: Read> Frames<'b, R> {
    /// A reader at the start of `input`, which lends `buffers` for the time.
    pub(super) fn new(input: R, buffers: &'b mut Buffers) -> Self {
        buffers.blocks.resize(BUFFER, 0);
        if buffers.record.capacity() > KEEP {
            buffers.record = Vec::new();
        }
        Frames {
            input,
            buffers,
            base: 0,
            filled: 0,
            at: 0,
            until: u64::MAX,
            ended: false,
            failed: None,
            partial: None,
            lost: None,
            cut: None,
            budget: (0, SEARCH),
            end: End::default(),
        }
    }

    /// Reads the file header. To be called once, before [`Frames::next`].
    ///
    /// # Errors
    /// If the input fails.
    pub(super) fn start(&mut self) -> io::Result<Start> {
        if !self.fill()
            && let Some(error) = self.failed.take()
        {
            return Err(error);
        }
        let found = self.buffers.blocks.get(..self.filled.min(16)).unwrap_or_default();
        if found.starts_with(&MAGIC) {
            self.at = MAGIC.len();
            self.end.sound = MAGIC.len() as u64;
            return Ok(Start::Log);
        }
        if !MAGIC.starts_with(found) {
            return Ok(Start::Foreign(describe(found)));
        }
        self.end.sound = found.len() as u64;
        Ok(Start::Empty)
    }

    /// The next record or damage; `None` at the end, or where the reader is to stop.
    ///
    /// # Errors
    /// If the input fails; what came before stays good.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame<'_>>> {
        loop {
            match self.step()? {
                Step::Again => {}
                Step::Full { offset, from, to } => {
                    let bytes = self.buffers.blocks.get(from..to).unwrap_or_default();
                    return Ok(Some(Frame::Record { offset, bytes }));
                }
                Step::Assembled { offset } => return Ok(Some(Frame::Record { offset, bytes: &self.buffers.record })),
                Step::Damage { offset, bytes, reason } => {
                    self.end.lost += bytes;
                    return Ok(Some(Frame::Damage { offset, bytes, reason }));
                }
                Step::End => return Ok(None),
            }
        }
    }

    /// True if no record and no damage is in progress.
    #[inline]
    fn is_between(&self) -> bool {
        self.partial.is_none() && self.lost.is_none()
    }

    /// The accounts; complete once [`Frames::next`] gave `None`.
    pub(super) fn end(&self) -> End {
        End { bytes: self.base + self.filled as u64, ..self.end }
    }

    #[inline]
    fn step(&mut self) -> io::Result<Step> {
        if self.base + self.at as u64 >= self.until && self.is_between() {
            return Ok(Step::End);
        }
        if self.at >= self.filled && (self.ended || !self.fill()) {
            return self.failed.take().map_or_else(|| Ok(self.finish()), Err);
        }
        let block = self.at - self.at % BLOCK;
        let edge = (block + BLOCK).min(self.filled);
        let offset = self.base + self.at as u64;
        let rest = self.buffers.blocks.get(self.at..edge).unwrap_or_default();
        if rest.len() < HEAD {
            if edge < block + BLOCK && rest.iter().any(|byte| *byte != 0) {
                self.cut = Some(offset);
            } else {
                self.pad(rest.len());
            }
            self.at = edge;
            return Ok(Step::Again);
        }
        Ok(match chunk(rest) {
            Chunk::Sound { kind, length } => self.sound(kind, length, offset),
            Chunk::Zeros => {
                self.zeros(edge, offset);
                Step::Again
            }
            Chunk::Long { kind, length } => {
                self.long(kind, length, block, edge, offset);
                Step::Again
            }
            Chunk::Bad { length, summed, reason } => {
                self.lose(offset, reason);
                match self.spend(summed) {
                    true => self.search(length, edge),
                    false => self.at = edge,
                }
                Step::Again
            }
        })
    }

    /// Takes a sound chunk; damage before it is handed out first, and the chunk looked at again.
    #[inline]
    fn sound(&mut self, kind: u8, length: usize, offset: u64) -> Step {
        let from = self.at + HEAD;
        let to = from + length;
        if kind == FULL || kind == FIRST {
            if self.partial.is_some() {
                self.lose(offset, "a record has no end");
            }
            if let Some((start, reason)) = self.lost.take() {
                return Step::Damage { offset: start, bytes: offset - start, reason };
            }
        }
        self.at = to;
        let payload = self.buffers.blocks.get(from..to).unwrap_or_default();
        match (kind, self.partial) {
            (FULL, _) => {
                self.end.sound += (HEAD + length) as u64;
                return Step::Full { offset, from, to };
            }
            (FIRST, _) => {
                self.partial = Some(offset);
                self.buffers.record.clear();
                self.buffers.record.extend_from_slice(payload);
            }
            (_, Some(_)) if (self.buffers.record.len() + payload.len()) as u64 > self.buffers.most => {
                self.lose(offset, "a record larger than --max-value-bytes allows");
            }
            (_, Some(start)) => {
                self.buffers.record.extend_from_slice(payload);
                if kind == LAST {
                    self.partial = None;
                    self.end.sound += self.base + to as u64 - start;
                    return Step::Assembled { offset: start };
                }
            }
            (_, None) => self.lose(offset, "a record has no beginning"),
        }
        Step::Again
    }

    /// Passes over the rest of a block that was never written, or was wiped.
    fn zeros(&mut self, edge: usize, offset: u64) {
        let rest = self.buffers.blocks.get(self.at..edge).unwrap_or_default();
        // Many bytes at once, and no further than there are zeros.
        let piece = |piece: &[u8]| piece.iter().fold(0, |all, byte| all | byte) != 0;
        let wiped = rest.chunks(ZEROS).position(piece).map(|number| number * ZEROS);
        if self.partial.is_some() {
            self.lose(offset, "zeros inside a record");
        } else if wiped.is_some() {
            self.lose(offset, "zeros where a record should begin");
        }
        match wiped {
            Some(zeros) => {
                // The next chunk's type is no zero, but all of its head before that may be.
                self.at += zeros.saturating_sub(HEAD);
                self.search(0, edge);
            }
            None => {
                self.pad(edge - self.at);
                self.at = edge;
            }
        }
    }

    /// A chunk that does not end in its block: the end of a file that was cut, or a wrong length.
    fn long(&mut self, kind: u8, length: usize, block: usize, edge: usize, offset: u64) {
        // Only in the last block of a file, which is shorter than the others, can it fit and yet not end.
        let fits = self.at + HEAD + length <= block + BLOCK;
        let next = self.next_sound(edge);
        if fits && (FULL..=LAST).contains(&kind) && next.is_none() {
            self.cut = Some(offset);
        } else {
            self.lose(offset, "a length that does not fit its block");
        }
        self.at = next.unwrap_or(edge);
    }

    /// Moves to the next sound chunk in this block: first where the bad one says it ends, then anywhere; else to the edge.
    fn search(&mut self, length: usize, edge: usize) {
        let next = self.at + HEAD + length;
        let declared = self.buffers.blocks.get(next..edge).filter(|rest| length > 0 && rest.len() >= HEAD);
        self.at = match declared.map(chunk) {
            Some(Chunk::Sound { .. }) => next,
            Some(Chunk::Bad { summed, .. }) if !self.spend(summed) => edge,
            _ => self.next_sound(edge).unwrap_or(edge),
        };
    }

    /// Where the next sound chunk behind this byte begins, in this block.
    fn next_sound(&mut self, edge: usize) -> Option<usize> {
        for at in self.at + 1..edge.saturating_sub(HEAD - 1) {
            let rest = self.buffers.blocks.get(at..edge)?;
            let [_, _, _, _, low, high, kind, ..] = rest else { return None };
            let length = usize::from(u16::from_le_bytes([*low, *high]));
            if !(FULL..=LAST).contains(kind) || length + HEAD > rest.len() {
                continue;
            }
            if matches!(chunk(rest), Chunk::Sound { .. }) {
                return Some(at);
            }
            if !self.spend(length + 1) {
                return None;
            }
        }
        None
    }

    /// Notes that so many bytes were checksummed in vain in this block; false if that was too much.
    fn spend(&mut self, bytes: usize) -> bool {
        let block = (self.base + self.at as u64) / BLOCK as u64;
        if self.budget.0 != block {
            self.budget = (block, SEARCH);
        }
        let left = self.budget.1.checked_sub(bytes);
        self.budget.1 = left.unwrap_or(0);
        left.is_some()
    }

    /// Begins damage here, or where the record in progress began; goes on with damage that began before.
    fn lose(&mut self, offset: u64, reason: &'static str) {
        let from = self.partial.take().unwrap_or(offset);
        self.lost.get_or_insert((from, reason));
    }

    /// Counts padding, unless it lies inside something that is counted as a whole.
    fn pad(&mut self, bytes: usize) {
        if self.partial.is_none() && self.lost.is_none() {
            self.end.padding += bytes as u64;
        }
    }

    /// Closes the accounts.
    fn finish(&mut self) -> Step {
        let size = self.base + self.filled as u64;
        if let Some((offset, reason)) = self.lost.take() {
            self.cut = None;
            return Step::Damage { offset, bytes: size - offset, reason };
        }
        if let Some(offset) = self.partial.take().or(self.cut.take()) {
            self.end.cut = size - offset;
        }
        self.cut = None;
        Step::End
    }

    /// Fills the buffer with the next blocks; false if there are none.
    fn fill(&mut self) -> bool {
        self.base += self.filled as u64;
        self.filled = 0;
        self.at = 0;
        while let Some(room) = self.buffers.blocks.get_mut(self.filled..).filter(|room| !room.is_empty()) {
            match self.input.read(room) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(bytes) => self.filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    self.failed = Some(error);
                    break;
                }
            }
        }
        self.filled > 0
    }
}

/// Looks at the chunk that `rest` of a block begins with.
#[inline]
fn chunk(rest: &[u8]) -> Chunk {
    let [a, b, c, d, low, high, kind, ..] = *rest else {
        return Chunk::Bad { length: 0, summed: 0, reason: "a chunk header is cut" };
    };
    let sum = u32::from_le_bytes([a, b, c, d]);
    let length = usize::from(u16::from_le_bytes([low, high]));
    // The checksum covers the type and the payload, which stand side by side.
    let Some(summed) = rest.get(HEAD - 1..HEAD + length) else {
        return Chunk::Long { kind, length };
    };
    if (FULL..=LAST).contains(&kind) {
        return match crc32fast::hash(summed) == sum {
            true => Chunk::Sound { kind, length },
            false => Chunk::Bad { length, summed: length + 1, reason: "a wrong checksum" },
        };
    }
    match (sum, length, kind) {
        (0, 0, 0) => Chunk::Zeros,
        _ => Chunk::Bad { length, summed: 0, reason: "an unknown chunk type" },
    }
}

/// Says what a file that is no log begins with.
fn describe(found: &[u8]) -> String {
    if let Some([version, ..]) = found.strip_prefix(&MAGIC[..6]) {
        return format!("a W&B log of version {version}, which this program cannot read");
    }
    let printable = found.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    let shown = match printable {
        true => format!("{:?}", String::from_utf8_lossy(found)),
        false => found.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
    };
    format!("not a W&B log: it begins with {shown}")
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
