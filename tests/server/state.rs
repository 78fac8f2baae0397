//! What a running server holds: the world, the switches, the log of requests, and the moments its runs went through.

use super::history::Answers;
use super::order::Listings;
use super::schema;
use super::storage::Storage;
use super::switches::{Fault, Limits, Switches};
use super::world::World;
use apollo_compiler::Schema;
use apollo_compiler::validation::Valid;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

/// Requests that are remembered; the oldest are forgotten.
const REMEMBERED: usize = 20_000;

/// A request that came, in the order of arrival.
#[derive(Debug, Clone)]
pub struct Request {
    /// 1, 2, 3, …
    pub number: u64,
    /// When it came, counted from the server's start.
    pub at: Duration,
    pub method: String,
    pub path: String,
    /// The operation's name, as the request or the query gives it.
    pub operation: Option<String>,
    pub query: String,
    pub variables: Value,
    /// All headers in lower case; the value of `authorization` is left out.
    pub headers: Vec<(String, String)>,
    /// An `Authorization` header came with it.
    pub authorized: bool,
    /// Requests under way when it came, itself included.
    pub in_flight: usize,
    /// The status of the answer; 0 if there was none (yet).
    pub status: u16,
    /// Bytes of the answer's body, before compression; also where only a part of them was sent.
    pub bytes_out: usize,
    /// What was made to go wrong.
    pub fault: Option<Fault>,
}

impl Request {
    /// A request to the storage host; its path is the whole of what was asked for, signature included.
    pub fn at_storage(request: &hyper::Request<hyper::body::Incoming>, host: &str) -> Request {
        let headers = request.headers().iter();
        Request {
            number: 0,
            at: Duration::ZERO,
            method: request.method().to_string(),
            path: format!("http://{host}{}", request.uri()),
            operation: None,
            query: String::new(),
            variables: Value::Null,
            headers: headers
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
                .collect(),
            authorized: request.headers().contains_key(hyper::header::AUTHORIZATION),
            in_flight: 0,
            status: 0,
            bytes_out: 0,
            fault: None,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The runs of a watched project at one moment: name, and time of the last change.
pub type Moment = BTreeMap<String, i64>;

pub type Hook = Box<dyn FnMut(u64, &mut World) + Send>;
/// Answers paths other than `/graphql`: (path, body) to (status, body).
pub type Extra = Box<dyn Fn(&State, &str, &[u8]) -> Option<(u16, String)> + Send + Sync>;

pub struct State {
    pub world: RwLock<World>,
    pub switches: Mutex<Switches>,
    pub listings: Listings,
    pub answers: Answers,
    pub storage: Storage,
    pub hook: Mutex<Option<Hook>>,
    pub extra: Option<Extra>,
    pub started: Instant,
    pub numbers: AtomicU64,
    pub in_flight: AtomicUsize,
    log: Mutex<VecDeque<Request>>,
    watched: Mutex<Option<(String, String, Vec<Moment>)>>,
    window: Mutex<(Instant, u32)>,
    schema: Mutex<(BTreeSet<String>, Arc<Valid<Schema>>)>,
}

impl State {
    pub fn new(world: World, switches: Switches, extra: Option<Extra>) -> State {
        let lacking = switches.lacking.clone();
        let schema = Arc::new(schema::schema(&lacking));
        State {
            world: RwLock::new(world),
            switches: Mutex::new(switches),
            listings: Listings::default(),
            answers: Answers::default(),
            storage: Storage::default(),
            hook: Mutex::new(None),
            extra,
            started: Instant::now(),
            numbers: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            log: Mutex::default(),
            watched: Mutex::default(),
            window: Mutex::new((Instant::now(), 0)),
            schema: Mutex::new((lacking, schema)),
        }
    }

    /// The schema as the switches want it.
    pub fn schema(&self, lacking: &BTreeSet<String>) -> Arc<Valid<Schema>> {
        let mut known = self.schema.lock().unwrap();
        if known.0 != *lacking {
            *known = (lacking.clone(), Arc::new(schema::schema(lacking)));
        }
        known.1.clone()
    }

    /// Changes the world, and keeps the moment if a project is watched.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.write().unwrap();
        let result = change(&mut world);
        self.listings.forget();
        self.answers.forget();
        self.keep_moment(&world);
        result
    }

    pub fn watch(&self, entity: &str, project: &str) {
        let world = self.world.read().unwrap();
        *self.watched.lock().unwrap() = Some((entity.to_owned(), project.to_owned(), Vec::new()));
        self.keep_moment(&world);
    }

    fn keep_moment(&self, world: &World) {
        let mut watched = self.watched.lock().unwrap();
        let Some((entity, project, moments)) = watched.as_mut() else { return };
        let runs = world.project(entity, project).map(|project| &project.runs);
        let moment = runs.into_iter().flatten().map(|run| (run.name.clone(), run.updated_at.unwrap_or(0))).collect();
        if moments.last() != Some(&moment) {
            moments.push(moment);
        }
    }

    pub fn moments(&self) -> Vec<Moment> {
        self.watched.lock().unwrap().as_ref().map(|(.., moments)| moments.clone()).unwrap_or_default()
    }

    /// Runs the hook for a request.
    pub fn on_request(&self, number: u64) {
        if let Some(hook) = self.hook.lock().unwrap().as_mut() {
            self.change(|world| hook(number, world));
        }
    }

    /// The switches as they are, and what goes wrong with this request.
    pub fn take_fault(&self) -> (Switches, Option<Fault>) {
        let mut switches = self.switches.lock().unwrap();
        let fault = match switches.next.pop_front() {
            Some(fault) => fault,
            None => switches.always.clone(),
        };
        (switches.clone(), fault)
    }

    /// Counts a request in the limiter's window: false if it is one too many; and the headers.
    pub fn admit(&self, switches: &Switches) -> (bool, Option<Limits>) {
        let Some(limiter) = &switches.limiter else { return (true, None) };
        let mut window = self.window.lock().unwrap();
        if window.0.elapsed() >= limiter.window {
            *window = (Instant::now(), 0);
        }
        window.1 += 1;
        let left = limiter.window.saturating_sub(window.0.elapsed()).as_secs_f64();
        let limits = Limits {
            limit: limiter.requests.to_string(),
            remaining: limiter.requests.saturating_sub(window.1).to_string(),
            reset: format!("{left:.3}"),
        };
        (window.1 <= limiter.requests, Some(limits))
    }

    pub fn log(&self, request: Request) {
        let mut log = self.log.lock().unwrap();
        if log.len() >= REMEMBERED {
            log.pop_front();
        }
        log.push_back(request);
    }

    /// Writes into the log how a request was answered.
    pub fn answered(&self, number: u64, status: u16, bytes: usize) {
        let mut log = self.log.lock().unwrap();
        if let Some(request) = log.iter_mut().rev().find(|request| request.number == number) {
            (request.status, request.bytes_out) = (status, bytes);
        }
    }

    pub fn requests(&self) -> Vec<Request> {
        let mut all: Vec<Request> = self.log.lock().unwrap().iter().cloned().collect();
        all.sort_by_key(|request| request.number);
        all
    }

    pub fn forget_requests(&self) {
        self.log.lock().unwrap().clear();
    }
}
