//! Writes small `.wandb` logs for tests: records in protobuf, chunks with their checksums, 32 KiB blocks.

use std::path::{Path, PathBuf};

/// The file header: `:W&B`, magic, version 0.
pub(crate) const HEADER: [u8; 7] = [0x3A, 0x57, 0x26, 0x42, 0xE1, 0xBE, 0x00];
const BLOCK: usize = 32_768;

/// A protobuf message under construction.
#[derive(Default, Clone)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(crate) fn int(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    pub(crate) fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub(crate) fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub(crate) fn message(self, field: u64, value: Message) -> Self {
        self.bytes(field, &value.0)
    }
}

/// A log being written.
pub(crate) struct Log {
    bytes: Vec<u8>,
    number: u64,
}

impl Log {
    /// A log with header and run record.
    pub(crate) fn of_run(id: &str) -> Self {
        Self::started(id, 1_700_000_000)
    }

    /// A log whose run record says when it started, in seconds.
    pub(crate) fn started(id: &str, seconds: u64) -> Self {
        let run =
            Message::new().text(1, id).text(2, "lab").text(3, "tests").message(17, Message::new().int(1, seconds));
        Log { bytes: HEADER.to_vec(), number: 0 }.record(17, run)
    }

    /// Adds a record whose body is field `kind`.
    pub(crate) fn record(mut self, kind: u64, body: Message) -> Self {
        self.number += 1;
        let payload = Message::new().int(1, self.number).message(kind, body).0;
        self.raw(&payload)
    }

    /// Adds a record of these bytes.
    pub(crate) fn raw(mut self, payload: &[u8]) -> Self {
        let mut rest = payload;
        let mut first = true;
        loop {
            let left = BLOCK - self.bytes.len() % BLOCK;
            if left < 7 {
                self.bytes.extend(std::iter::repeat_n(0, left));
                continue;
            }
            let take = rest.len().min(left - 7);
            let last = take == rest.len();
            let kind = match (first, last) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            self.chunk(kind, &rest[..take]);
            rest = &rest[take..];
            first = false;
            if last {
                return self;
            }
        }
    }

    fn chunk(&mut self, kind: u8, payload: &[u8]) {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&[kind]);
        crc.update(payload);
        self.bytes.extend_from_slice(&crc.finalize().to_le_bytes());
        self.bytes.extend_from_slice(&(payload.len() as u16).to_le_bytes());
        self.bytes.push(kind);
        self.bytes.extend_from_slice(payload);
    }

    /// One config value, as JSON text.
    pub(crate) fn config(self, key: &str, json: &str) -> Self {
        self.config_bytes(key.as_bytes(), json.as_bytes())
    }

    /// One config value, bytes that need not be UTF-8.
    pub(crate) fn config_bytes(self, key: &[u8], json: &[u8]) -> Self {
        self.record(5, Message::new().message(1, Message::new().bytes(1, key).bytes(16, json)))
    }

    /// One summary value, as JSON text.
    pub(crate) fn summary(self, key: &str, json: &str) -> Self {
        self.record(3, Message::new().message(1, Message::new().text(2, key).text(16, json)))
    }

    /// One history row with `_step` and `_timestamp`.
    pub(crate) fn history(self, step: u64, timestamp: &str) -> Self {
        let item = |key: &str, json: &str| Message::new().text(2, key).text(16, json);
        let step_json = step.to_string();
        self.record(2, Message::new().message(1, item("_step", &step_json)).message(1, item("_timestamp", timestamp)))
    }

    /// The exit record.
    pub(crate) fn exit(self, code: u64, seconds: u64) -> Self {
        let body = Message::new();
        let body = if code == 0 { body } else { body.int(1, code) };
        self.record(18, body.int(2, seconds))
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes the log into a run folder of its own below `dir`.
    pub(crate) fn write(self, dir: &Path, id: &str) -> PathBuf {
        write(dir, id, &self.bytes)
    }
}

/// Writes `bytes` as the log of run `id` in a run folder below `dir`.
pub(crate) fn write(dir: &Path, id: &str, bytes: &[u8]) -> PathBuf {
    let folder = dir.join(format!("offline-run-20260102_030405-{id}"));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("run-{id}.wandb"));
    std::fs::write(&path, bytes).unwrap();
    path
}
