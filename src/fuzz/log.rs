//! Logs: the framing against a walk over one chunk at a time, and records against protobuf read as its specification says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::fold::Fold;
use super::framing::{BLOCK, Buffers, End, FIRST, FULL, Frame, Frames, HEAD, LAST, MAGIC, Start};
use super::items::{row, row_time};
use super::messages::{Kind, Record};
use super::wire::{Fields, Malformed, Value};
use crate::json::validate;
use crate::record::{Receipt, Timestamp, Wanted};
use std::io::{self, Read};

/// Hands out a few bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.1.min(self.0.len()).min(out.len());
        out[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

#[derive(Debug, PartialEq)]
enum Seen {
    Record(u64, Vec<u8>),
    Damage(u64, u64, &'static str),
}

fn read(input: impl Read) -> (Start, Vec<Seen>, End) {
    let mut buffers = Buffers::default();
    let mut frames = Frames::new(input, &mut buffers);
    let start = frames.start().unwrap();
    let mut seen = Vec::new();
    while start == Start::Log
        && let Some(frame) = frames.next().unwrap()
    {
        seen.push(match frame {
            Frame::Record { offset, bytes } => Seen::Record(offset, bytes.to_vec()),
            Frame::Damage { offset, bytes, reason } => Seen::Damage(offset, bytes, reason),
        });
    }
    let end = frames.end();
    (start, seen, end)
}

/// The bytes are a log.
pub(crate) fn framing(data: &[u8]) {
    let (start, seen, end) = read(data);
    let step = 1 + data.last().map_or(0, |byte| usize::from(*byte) * 37);
    let again = read(Trickle(data, step));
    assert_eq!((&seen, end), (&again.1, again.2));
    if start != Start::Log {
        assert!(!data.starts_with(&MAGIC));
        return;
    }
    assert_eq!(end.bytes, data.len() as u64);
    assert_eq!(end.sound + end.padding + end.lost + end.cut, end.bytes, "{end:?}");
    let mut behind = MAGIC.len() as u64;
    let mut lost = 0;
    for seen in &seen {
        let (from, to) = match seen {
            Seen::Record(offset, bytes) => {
                let (payload, to) = record_at(data, *offset as usize).expect("a record that is not there");
                assert_eq!(payload, *bytes);
                (*offset, to as u64)
            }
            Seen::Damage(offset, bytes, _) => {
                lost += bytes;
                assert!(*bytes > 0);
                (*offset, offset + bytes)
            }
        };
        assert!(behind <= from && from < to && to <= end.bytes, "{from}..{to} comes before {behind}");
        behind = to;
    }
    assert_eq!(lost, end.lost);
    // What stands in order from the start on is read, all of it.
    let mut read = seen.iter();
    let mut at = MAGIC.len();
    while let Some((payload, to)) = record_at(data, at) {
        assert_eq!(read.next(), Some(&Seen::Record(at as u64, payload)));
        at = to;
        let left = BLOCK - at % BLOCK;
        let rest = data.get(at..(at + left).min(data.len())).unwrap_or_default();
        if left < HEAD && rest.iter().all(|byte| *byte == 0) {
            at += left;
        }
    }
}

/// The record that begins at this offset, and where it ends.
fn record_at(data: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let (mut at, mut payload) = (start, Vec::new());
    loop {
        let block_end = (at / BLOCK + 1) * BLOCK;
        let head = data.get(at..at + HEAD)?;
        let length = usize::from(u16::from_le_bytes([head[4], head[5]]));
        let end = at + HEAD + length;
        if end > block_end {
            return None;
        }
        let body = data.get(at + HEAD - 1..end)?;
        if crc32fast::hash(body).to_le_bytes() != head[..4] {
            return None;
        }
        let (begins, ends) = match head[6] {
            FULL => (true, true),
            FIRST => (true, false),
            3 => (false, false),
            LAST => (false, true),
            _ => return None,
        };
        if begins != (at == start) {
            return None;
        }
        payload.extend_from_slice(&body[1..]);
        at = end;
        if ends {
            return Some((payload, at));
        }
        if block_end - at < HEAD {
            at = block_end;
        }
    }
}

/// The bytes are records, each behind its length in two bytes.
pub(crate) fn records(data: &[u8]) {
    let wanted = Wanted { raw: data.len() % 2 == 1, ..Wanted::default() };
    let wanted = Wanted { config: true, summary: true, artifacts: true, heartbeat: true, ..wanted };
    let mut fold = Fold::default();
    fold.begin_folder();
    let mut rest = data;
    while let [low, high, more @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(more.len());
        let (bytes, behind) = more.split_at(length);
        rest = behind;
        same_fields(bytes);
        let Ok(record) = Record::parse(bytes) else { continue };
        // A body that is malformed may be taken in part, but never anything that is no JSON.
        let _ = fold.record(&record, wanted);
        if let Some(Kind::History) = record.kind {
            history(record.body);
        }
    }
    fold.end_folder();
    let mut receipt = Receipt::default();
    let now = Timestamp::from_seconds(1_800_000_000, 0).unwrap();
    let run = fold.finish("name", wanted, now, &mut receipt);
    for document in run.iter().flat_map(|run| [&run.config, &run.summary]).flatten() {
        assert_eq!(validate(&document.text()), Ok(()), "{}", document.text());
        assert!(document.text().starts_with('{'));
        crate::fuzz::flatten::target(&[&[0], document.text().as_bytes()].concat());
    }
    if let Some(run) = run {
        // The years that every reader of Arrow takes.
        let sane =
            |time: Option<Timestamp>| time.is_none_or(|t| Timestamp::from_float(t.micros() as f64 / 1e6).is_some());
        assert!(sane(run.created_at) && sane(run.heartbeat_at), "{:?} {:?}", run.created_at, run.heartbeat_at);
        assert!(run.history_rows.is_some_and(|rows| rows >= 0));
        assert!(run.compute_seconds.is_none_or(|seconds| seconds >= 0.0));
        for list in [run.logged_artifacts, run.used_artifacts].into_iter().flatten() {
            assert!(list.iter().all(|artifact| artifact.size.is_none_or(|size| size >= 0)));
        }
    }
}

/// A history row, read in two ways.
fn history(body: &[u8]) {
    let mut time = None;
    let walked = row(body, |item| {
        if item.single() == Some(b"_timestamp") {
            time = Some(item.value().map(|value| value.into_owned()));
        }
        let path: Vec<&[u8]> = item.path().collect();
        assert_eq!(item.single(), (path.len() == 1).then(|| path[0]));
    });
    // Items that say their key elsewhere than at their beginning, or twice, are nobody's, and not looked for.
    let plain = |item: &[u8]| {
        let keys: Vec<usize> =
            Fields::new(item).enumerate().filter(|(_, f)| matches!(f, Ok((1 | 2, _)))).map(|(at, _)| at).collect();
        keys == [0] && matches!(item, [0x0a | 0x12, 0..0x80, ..])
    };
    let items =
        Fields::new(body).filter_map(|field| if let Ok((1, Value::Bytes(item))) = field { Some(item) } else { None });
    if walked.is_err() || !items.into_iter().all(plain) {
        return;
    }
    let expected = time.transpose().map(|text| {
        let seconds = text.and_then(|text| String::from_utf8(text).ok()?.trim().parse::<f64>().ok());
        seconds.and_then(Timestamp::from_float)
    });
    assert_eq!(row_time(body), expected);
}

/// The fields of a message, and of all messages that may be in it.
fn same_fields(bytes: &[u8]) {
    let ours: Result<Vec<_>, Malformed> = Fields::new(bytes).collect();
    let theirs = fields(bytes);
    assert_eq!(ours.as_ref().ok(), theirs.as_ref(), "{bytes:x?}");
    for (_, value) in theirs.into_iter().flatten() {
        if let Value::Bytes(inner) = value {
            same_fields(inner);
        }
    }
}

/// Protobuf's wire format, one byte at a time.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u32, Value<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| *number > 0)?;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut bytes)?),
            1 => Value::Fixed64(u64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
            5 => Value::Fixed32(u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?)),
            2 => {
                let length = varint(&mut bytes)?;
                Value::Bytes(take(&mut bytes, length)?)
            }
            _ => return None,
        };
        found.push((number, value));
    }
    Some(found)
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let length = usize::try_from(length).ok()?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value: u128 = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u128::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            return Some(value as u64);
        }
    }
    None
}
