//! Where a secret could come out: what a process writes, to streams and files, while it runs and after; and another host.

use crate::wandb::Server;
use base64::Engine;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What must not come out: a secret, parts of it, and what is sent in its place.
pub struct Needles {
    /// base64 of `api:KEY`, as the header has it.
    pub basic: String,
    all: Vec<Vec<u8>>,
}

impl Needles {
    pub fn new(key: &str) -> Self {
        let encoder = base64::engine::general_purpose::STANDARD;
        let basic = encoder.encode(format!("api:{key}"));
        let chars: Vec<char> = key.chars().collect();
        let part = |chars: &[char]| chars.iter().collect::<String>();
        let texts = [
            key.to_owned(),
            part(&chars[..8.max(chars.len() / 4)]),
            part(&chars[chars.len() - 8.max(chars.len() / 4)..]),
            part(&chars[chars.len() / 2 - 5..chars.len() / 2 + 5]),
            // Without the first bytes, which are those of `api:`.
            basic[8..24].to_owned(),
            encoder.encode(key)[..12].to_owned(),
        ];
        let escaped = texts.iter().map(|text| serde_json::to_string(text).unwrap().trim_matches('"').to_owned());
        let hex = key.bytes().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
        let all = texts.clone().into_iter().chain(escaped).chain([hex]).map(String::into_bytes).collect();
        Needles { basic, all }
    }

    pub fn absent_in(&self, place: &str, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        for needle in &self.all {
            let found = memchr::memmem::find(bytes, needle);
            let around = |at: usize| {
                String::from_utf8_lossy(&bytes[at.saturating_sub(200)..(at + 80).min(bytes.len())]).into_owned()
            };
            assert!(found.is_none(), "{place} tells {}: {}", String::from_utf8_lossy(needle), around(found.unwrap()));
        }
    }

    /// In nothing that a process put out.
    pub fn absent(&self, run: &Run, what: &str) {
        self.absent_in(&format!("stdout of {what}"), &run.stdout);
        self.absent_in(&format!("stderr of {what}"), &run.stderr);
        self.absent_in(&format!("the command line of {what}"), &run.command_line);
        for (name, bytes) in &run.files {
            self.absent_in(&format!("{name} of {what}"), name);
            self.absent_in(&format!("{name} of {what}"), bytes);
        }
    }
}

/// What a process put out.
pub struct Run {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
    pub command_line: Vec<u8>,
    /// All that was ever seen in each file, by its name below the folder; of Parquet also the values, for pages are compressed.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A private folder: home, working directory and folder of temporary files.
pub struct Home {
    dir: tempfile::TempDir,
    inputs: Mutex<Vec<PathBuf>>,
}

impl Home {
    pub fn new() -> Self {
        Home { dir: tempfile::tempdir().unwrap(), inputs: Mutex::default() }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file that the process reads, and that may hold the secret.
    pub fn input(&self, name: &str, text: &str) {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        self.inputs.lock().unwrap().push(path);
    }

    /// Runs the program, and looks at its files all the while.
    pub fn run(&self, server: &Server, words: &[String], env: &[(&str, &str)]) -> Run {
        let dir = self.dir.path();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("runframe"));
        command.env_clear().env("HOME", dir).env("TMPDIR", dir).env("WANDB_BASE_URL", server.url()).current_dir(dir);
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").envs(env.iter().copied());
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let command_line = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let stdout = std::thread::spawn(move || read(&mut out));
        let stderr = std::thread::spawn(move || read(&mut err));
        let mut files = BTreeMap::new();
        let status = loop {
            self.look(dir, &mut files);
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        self.look(dir, &mut files);
        for (name, bytes) in &mut files {
            if name.ends_with(".parquet") && self.file(name).exists() {
                let table = runframe::RunFrame::open(self.file(name).to_str().unwrap()).unwrap().collect().unwrap();
                let options = runframe::sink::Options::default();
                runframe::sink::write(&table, runframe::sink::Format::Jsonl, &options, bytes).unwrap();
            }
        }
        let stderr = String::from_utf8(stderr.join().unwrap()).unwrap();
        Run { code: status.code().unwrap_or(-1), stdout: stdout.join().unwrap(), stderr, command_line, files }
    }

    fn look(&self, dir: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        let Ok(entries) = std::fs::read_dir(dir) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                self.look(&path, files);
            } else if !self.inputs.lock().unwrap().contains(&path) {
                let name = path.strip_prefix(self.dir.path()).unwrap().to_str().unwrap().to_owned();
                let seen = files.entry(name).or_default();
                let now = std::fs::read(&path).unwrap_or_default();
                if !seen.ends_with(&now) || seen.is_empty() {
                    seen.extend(now);
                }
            }
        }
    }
}

fn read(from: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Another host: takes whatever comes and remembers every byte.
pub struct Listener {
    url: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Listener {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let all = received.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let all = all.clone();
                std::thread::spawn(move || {
                    let (mut stream, mut buffer) = (stream, [0; 4_096]);
                    stream.set_read_timeout(Some(Duration::from_secs(1))).ok();
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        all.lock().unwrap().extend(&buffer[..count]);
                        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").ok();
                    }
                });
            }
        });
        Listener { url, received }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// All bytes so far.
    pub fn received(&self) -> Vec<u8> {
        self.received.lock().unwrap().clone()
    }
}
