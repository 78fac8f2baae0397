//! For tests: writes `.wandb` files and the protobuf messages in them, as the SDKs do.

use super::framing::{BLOCK, FIRST, FULL, HEAD, LAST, MAGIC, MIDDLE};

/// A log that is being written.
pub(crate) struct LogWriter {
    pub(crate) bytes: Vec<u8>,
}

impl LogWriter {
    /// A log with its file header.
    pub(crate) fn new() -> Self {
        LogWriter { bytes: MAGIC.to_vec() }
    }

    /// A whole log of these records, without `num`s.
    pub(crate) fn of(records: &[Vec<u8>]) -> Vec<u8> {
        let mut log = LogWriter::new();
        records.iter().for_each(|record| log.record(record));
        log.bytes
    }

    /// A whole log of these records, numbered from 1 as since 0.13.
    pub(crate) fn numbered(records: &[Vec<u8>]) -> Vec<u8> {
        let mut log = LogWriter::new();
        for (index, record) in records.iter().enumerate() {
            log.record(&[int(1, index as i64 + 1), record.clone()].concat());
        }
        log.bytes
    }

    /// One chunk, with a right checksum, wherever it falls.
    pub(crate) fn chunk(&mut self, kind: u8, payload: &[u8]) {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[kind]);
        hasher.update(payload);
        self.bytes.extend(hasher.finalize().to_le_bytes());
        self.bytes.extend((payload.len() as u16).to_le_bytes());
        self.bytes.push(kind);
        self.bytes.extend(payload);
    }

    /// Bytes left in the block.
    pub(crate) fn left(&self) -> usize {
        BLOCK - self.bytes.len() % BLOCK
    }

    /// One record in as many chunks as it takes; a FIRST of no bytes where exactly a header fits.
    pub(crate) fn record(&mut self, record: &[u8]) {
        if self.left() < HEAD {
            self.bytes.resize(self.bytes.len() + self.left(), 0);
        }
        let mut rest = record;
        let mut first = true;
        loop {
            let (now, later) = rest.split_at(rest.len().min(self.left() - HEAD));
            let kind = match (first, later.is_empty()) {
                (true, true) => FULL,
                (true, false) => FIRST,
                (false, false) => MIDDLE,
                (false, true) => LAST,
            };
            self.chunk(kind, now);
            if later.is_empty() {
                return;
            }
            (first, rest) = (false, later);
        }
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// An integer field.
pub(crate) fn int(field: u32, value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(u64::from(field) << 3, &mut out);
    varint(value.cast_unsigned(), &mut out);
    out
}

/// A double field.
pub(crate) fn double(field: u32, value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(u64::from(field) << 3 | 1, &mut out);
    out.extend(value.to_le_bytes());
    out
}

/// A text or bytes field.
pub(crate) fn text(field: u32, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    varint(u64::from(field) << 3 | 2, &mut out);
    varint(value.as_ref().len() as u64, &mut out);
    out.extend(value.as_ref());
    out
}

/// A message field of these fields.
pub(crate) fn message(field: u32, parts: &[Vec<u8>]) -> Vec<u8> {
    text(field, parts.concat())
}

/// A `Timestamp` field.
pub(crate) fn time(field: u32, seconds: i64) -> Vec<u8> {
    message(field, &[int(1, seconds)])
}

/// A config, summary or history item that uses `key`, as legacy writers do.
pub(crate) fn item(key: &str, value: &str) -> Vec<u8> {
    [text(1, key), text(16, value)].concat()
}

/// An item that uses `nested_key`, as wandb-core does.
pub(crate) fn nested(path: &[&str], value: &str) -> Vec<u8> {
    let mut out: Vec<u8> = path.iter().flat_map(|part| text(2, part)).collect();
    out.extend(text(16, value));
    out
}

/// A record of `kind` with `update`s (field 1) and `remove`s (field 2).
fn changes(kind: u32, update: &[Vec<u8>], remove: &[Vec<u8>]) -> Vec<u8> {
    let update = update.iter().map(|item| text(1, item));
    let remove = remove.iter().map(|item| text(2, item));
    message(kind, &update.chain(remove).collect::<Vec<_>>())
}

/// A ConfigRecord.
pub(crate) fn config(update: &[Vec<u8>], remove: &[Vec<u8>]) -> Vec<u8> {
    changes(5, update, remove)
}

/// A SummaryRecord.
pub(crate) fn summary(update: &[Vec<u8>], remove: &[Vec<u8>]) -> Vec<u8> {
    changes(3, update, remove)
}

/// A HistoryRecord.
pub(crate) fn history(items: &[Vec<u8>]) -> Vec<u8> {
    changes(2, items, &[])
}

/// A RunRecord with an id, a start time and whatever else.
pub(crate) fn run(id: &str, start: i64, more: &[Vec<u8>]) -> Vec<u8> {
    let mut parts = vec![text(1, id), time(17, start)];
    parts.extend_from_slice(more);
    message(17, &parts)
}

/// An exit record; code 0 and runtime 0 are not written, as in proto3.
pub(crate) fn exit(code: i64, runtime: i64) -> Vec<u8> {
    let fields = [(1, code), (2, runtime)];
    let parts: Vec<_> = fields.into_iter().filter(|(_, value)| *value != 0).map(|(n, v)| int(n, v)).collect();
    message(18, &parts)
}

/// A StatsRecord at a time.
pub(crate) fn stats(seconds: i64) -> Vec<u8> {
    message(7, &[time(2, seconds)])
}
