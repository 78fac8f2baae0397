//! The storage host: exported files behind signed URLs, on a port of its own, with byte ranges and trouble on demand.

use super::body::Pieces;
use super::rng::Rng;
use super::state::{Request as Logged, State};
use super::switches::{Fault, Switches};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HOST, RANGE};
use hyper::{Request, Response};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// What of the storage host a test can switch.
#[derive(Debug, Clone)]
pub struct StorageSwitches {
    /// Ranges are ignored: every answer is the whole file.
    pub ignore_range: bool,
    /// Ranges that count from the file's end are refused.
    pub no_suffix: bool,
    /// How long a signature is good.
    pub lifetime: Duration,
    /// How many requests a signature is good for.
    pub uses: Option<usize>,
    /// What an expired signature gets: 403 at Amazon's, 400 at Google's.
    pub expired: u16,
    /// URLs begin with this instead of the host that is there.
    pub elsewhere: Option<String>,
    /// Waited before every answer.
    pub latency: Duration,
    /// What goes wrong with the next requests, one each; `None` is a request that goes well.
    pub next: std::collections::VecDeque<Option<Fault>>,
    /// Files that are damaged: a part of their paths, and how.
    pub spoilt: Vec<(String, Spoil)>,
}

/// How a file is damaged.
#[derive(Debug, Clone, PartialEq)]
pub enum Spoil {
    /// Only so much of it is there, from 0.0 to 1.0.
    Cut(f64),
    /// A bit is flipped in each of these bytes; those below zero count from the end.
    Flip(Vec<isize>),
    /// Something else is there instead.
    Replace(String),
}

impl Default for StorageSwitches {
    fn default() -> Self {
        StorageSwitches {
            ignore_range: false,
            no_suffix: false,
            lifetime: Duration::from_secs(3_600),
            uses: None,
            expired: 403,
            elsewhere: None,
            latency: Duration::ZERO,
            next: Default::default(),
            spoilt: Vec::new(),
        }
    }
}

/// What the storage host knows beside the files.
#[derive(Debug, Default)]
pub struct Storage {
    /// `http://127.0.0.1:PORT`
    pub url: OnceLock<String>,
    serials: AtomicU64,
    uses: Mutex<HashMap<u64, usize>>,
    log: Mutex<Vec<Logged>>,
}

impl Storage {
    /// A signed URL of a file: another one each time.
    pub fn sign(&self, switches: &Switches, path: &str) -> String {
        let serial = self.serials.fetch_add(1, SeqCst);
        let expires = now() + switches.storage.lifetime.as_micros() as u64;
        let base = switches.storage.elsewhere.as_deref().or(self.url.get().map(String::as_str)).unwrap_or_default();
        format!("{base}{path}?Expires={expires}&Serial={serial}&Signature={:016x}", signature(path, expires, serial))
    }

    /// A number that changes from answer to answer.
    pub fn turn(&self) -> usize {
        self.serials.load(SeqCst) as usize
    }

    pub fn requests(&self) -> Vec<Logged> {
        self.log.lock().unwrap().clone()
    }

    pub fn forget(&self) {
        self.log.lock().unwrap().clear();
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64
}

fn signature(path: &str, expires: u64, serial: u64) -> u64 {
    let seed =
        path.bytes().fold(expires ^ serial.rotate_left(32), |seed, byte| Rng::new(seed ^ u64::from(byte)).next());
    Rng::new(seed).next()
}

/// The path of an exported file.
pub fn path(entity: &str, project: &str, run: &str, part: usize) -> String {
    format!("/bucket/{entity}/{project}/{run}/part-{part}.parquet")
}

/// Answers one request for a file. An error closes the connection without an answer.
pub async fn exchange(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Pieces>, io::Error> {
    let (switches, fault) = {
        let mut switches = state.switches.lock().unwrap();
        let fault = switches.storage.next.pop_front().flatten();
        (switches.clone(), fault)
    };
    tokio::time::sleep(switches.storage.latency).await;
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value: &hyper::header::HeaderValue| value.to_str().ok());
    let range = text(RANGE).map(str::to_owned);
    let mut logged = Logged::at_storage(&request, text(HOST).unwrap_or_default());
    let known = headers.contains_key(AUTHORIZATION);
    let answer = answer(&state, &switches, request.uri(), range.as_deref(), known);
    let (status, body, place, total) = match &fault {
        Some(Fault::Status(status)) => (*status, Bytes::from_static(b"<Error/>"), None, 0),
        Some(Fault::Redirect(status, _)) => (*status, Bytes::new(), None, 0),
        _ => answer,
    };
    let sent = match &fault {
        Some(Fault::Cut { part, .. }) => (body.len() as f64 * part) as usize,
        Some(Fault::Drop) => 0,
        _ => body.len(),
    };
    (logged.status, logged.bytes_out, logged.fault) = (status, sent, fault.clone());
    state.storage.log.lock().unwrap().push(logged);
    if fault == Some(Fault::Drop) {
        return Err(io::Error::other("dropped"));
    }
    let mut response = Response::builder().status(status);
    if fault != Some(Fault::Endless) {
        response = response.header("content-length", body.len());
    }
    if let Some(place) = place {
        response = response.header("content-range", format!("bytes {}-{}/{total}", place.start, place.end - 1));
    }
    if let Some(Fault::Redirect(_, to)) = &fault {
        response = response.header("location", to);
    }
    let body = match &fault {
        Some(Fault::Cut { part, .. }) => Pieces::cut(body, *part),
        Some(Fault::Slow { pieces, pause }) => Pieces::slow(body, *pieces, *pause),
        Some(Fault::Endless) => Pieces::endless(body),
        _ => Pieces::whole(body),
    };
    response.body(body).map_err(io::Error::other)
}

type Answer = (u16, Bytes, Option<Range<usize>>, usize);

fn answer(state: &State, switches: &Switches, uri: &hyper::Uri, range: Option<&str>, known: bool) -> Answer {
    let refused = |status: u16, code: &str| (status, format!("<Error><Code>{code}</Code></Error>").into(), None, 0);
    if known {
        // As Amazon does: a signature is enough.
        return refused(400, "InvalidArgument: Only one auth mechanism allowed");
    }
    let query: HashMap<&str, &str> =
        uri.query().unwrap_or_default().split('&').filter_map(|p| p.split_once('=')).collect();
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let (expires, serial) = (number("Expires"), number("Serial"));
    let right = format!("{:016x}", signature(uri.path(), expires, serial));
    if query.get("Signature") != Some(&right.as_str()) {
        return refused(403, "SignatureDoesNotMatch");
    }
    let used = {
        let mut uses = state.storage.uses.lock().unwrap();
        let used = uses.entry(serial).or_default();
        *used += 1;
        *used
    };
    if now() >= expires || switches.storage.uses.is_some_and(|most| used > most) {
        return refused(switches.storage.expired, "AccessDenied: Request has expired");
    }
    let Some(mut file) = file(state, uri.path()) else { return refused(404, "NoSuchKey") };
    for (_, how) in switches.storage.spoilt.iter().filter(|(part, _)| uri.path().contains(part)) {
        file = spoil(&file, how).into();
    }
    let total = file.len();
    let Some(range) = range.filter(|_| !switches.storage.ignore_range) else {
        return (200, file, None, total);
    };
    if switches.storage.no_suffix && range.starts_with("bytes=-") {
        return refused(416, "InvalidRange");
    }
    match parse(range, total) {
        Some(place) => (206, file.slice(place.clone()), Some(place), total),
        None => refused(416, "InvalidRange"),
    }
}

/// `bytes=5-9`, `bytes=5-` and `bytes=-5`.
fn parse(range: &str, total: usize) -> Option<Range<usize>> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(from), Ok(to)) => from..(to + 1).min(total),
        (Ok(from), Err(_)) => from..total,
        (Err(_), Ok(tail)) => total.saturating_sub(tail)..total,
        _ => return None,
    };
    (range.start < range.end).then_some(range)
}

fn spoil(file: &[u8], how: &Spoil) -> Vec<u8> {
    let mut bytes = file.to_vec();
    match how {
        Spoil::Cut(part) => bytes.truncate((file.len() as f64 * part) as usize),
        Spoil::Flip(places) => places.iter().for_each(|at| {
            let at = if *at < 0 { file.len() - at.unsigned_abs() } else { *at as usize };
            bytes[at] ^= 1 << (at % 8);
        }),
        Spoil::Replace(text) => bytes = text.clone().into_bytes(),
    }
    bytes
}

fn file(state: &State, path: &str) -> Option<Bytes> {
    let parts: Vec<&str> = path.strip_prefix("/bucket/")?.split('/').collect();
    let [entity, project, run, part] = parts[..] else { return None };
    let part: usize = part.strip_prefix("part-")?.strip_suffix(".parquet")?.parse().ok()?;
    let world = state.world.read().unwrap();
    let history = world.project(entity, project)?.run(run)?.history.clone()?;
    drop(world);
    history.parquet().get(part).cloned()
}
