//! One HTTP exchange: the request is logged, judged by the switches, executed, and answered whole or in pieces.

use super::body::Pieces;
use super::execute::{Asked, Context, Failure, execute};
use super::state::{Request as Logged, State};
use super::switches::{Fault, Limits, Switches};
use base64::Engine;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Request, Response};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};

/// An answer before it is sent.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn json(status: u16, body: &Value) -> Answer {
        Answer { status, headers: vec![("content-type", "application/json".into())], body: body.to_string().into() }
    }

    fn html(status: u16) -> Answer {
        let body = format!("<html><head><title>{status}</title></head><body><center>nginx</center></body></html>");
        Answer { status, headers: vec![("content-type", "text/html".into())], body: body.into() }
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Answer {
        Answer::json(failure.status, &failure.body)
    }
}

/// Counts a request as under way for as long as it lives.
struct Underway(Arc<State>);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, SeqCst);
    }
}

/// Answers one request. An error closes the connection without an answer.
pub async fn exchange(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Pieces>, io::Error> {
    let number = state.numbers.fetch_add(1, SeqCst) + 1;
    let in_flight = state.in_flight.fetch_add(1, SeqCst) + 1;
    let _underway = Underway(state.clone());
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let graphql = head.uri.path() == "/graphql" && head.method == hyper::Method::POST;
    let (switches, fault) = if graphql { state.take_fault() } else { (state.switches.lock().unwrap().clone(), None) };
    let asked = if graphql { Asked::parse(&body) } else { Ok(Asked::default()) };
    let mut logged = describe(&head, asked.as_ref().ok());
    (logged.number, logged.in_flight, logged.at) = (number, in_flight, state.started.elapsed());
    logged.fault.clone_from(&fault);
    state.log(logged);

    tokio::time::sleep(switches.latency).await;
    let zipped = switches.gzip && accepts_gzip(&head.headers);
    let answer = match &fault {
        Some(Fault::Drop) => return Err(io::Error::other("dropped")),
        Some(Fault::Hang(time)) => {
            tokio::time::sleep(*time).await;
            return Err(io::Error::other("hung"));
        }
        _ if !graphql => elsewhere(&state, head.uri.path(), &body),
        _ => judged(&state, &switches, fault.as_ref(), number, &head.headers, asked).await,
    };
    state.answered(number, answer.status, answer.body.len());
    respond(answer, fault.as_ref(), zipped)
}

fn describe(head: &hyper::http::request::Parts, asked: Option<&Asked>) -> Logged {
    let headers = head.headers.iter().filter(|(name, _)| **name != AUTHORIZATION);
    let query = asked.map(|asked| asked.query.clone()).unwrap_or_default();
    let named = || Some(query.split_once("query ")?.1.split(['(', '{', ' ', '\n']).next()?.to_owned());
    Logged {
        number: 0,
        at: Default::default(),
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        operation: asked.and_then(|asked| asked.operation.clone()).or_else(named).filter(|name| !name.is_empty()),
        variables: asked.map(|asked| asked.variables.clone()).unwrap_or_default(),
        headers: headers
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect(),
        authorized: head.headers.contains_key(AUTHORIZATION),
        query,
        in_flight: 0,
        status: 0,
        bytes_out: 0,
        fault: None,
    }
}

fn elsewhere(state: &State, path: &str, body: &[u8]) -> Answer {
    match state.extra.as_ref().and_then(|extra| extra(state, path, body)) {
        Some((status, body)) => Answer { status, headers: Vec::new(), body: body.into() },
        None => Answer::json(404, &json!({"error": "not found"})),
    }
}

/// The answer to a GraphQL request, with the faults that take its place.
async fn judged(
    state: &Arc<State>,
    switches: &Switches,
    fault: Option<&Fault>,
    number: u64,
    headers: &HeaderMap,
    asked: Result<Asked, Failure>,
) -> Answer {
    if let Some(answer) = fault.and_then(in_place) {
        return answer;
    }
    let (admitted, limits) = state.admit(switches);
    if !admitted {
        let limiter = switches.limiter.as_ref().unwrap();
        let wait = limits.as_ref().map(|limits| limits.reset.clone()).filter(|_| limiter.retry_after);
        return too_many(wait, limits.filter(|_| limiter.headers));
    }
    let mut answer = match authorize(headers, switches) {
        Err(answer) => answer,
        Ok(known) => match asked {
            Err(failure) => failure.into(),
            Ok(asked) => executed(state.clone(), switches.clone(), known, number, asked).await,
        },
    };
    if let Some(limits) = limits.filter(|_| switches.limiter.as_ref().is_some_and(|limiter| limiter.headers)) {
        answer.headers.extend(limit_headers(&limits));
    }
    if let Some(Fault::Errors { message, code, .. }) = fault {
        let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        body["errors"] = errors(message, code.as_deref());
        answer.body = body.to_string().into();
    }
    match switches.max_bytes {
        Some((most, 413)) if answer.body.len() > most => Answer::json(413, &json!({"error": "response too large"})),
        Some((most, status)) if answer.body.len() > most => Answer::html(status),
        _ => answer,
    }
}

/// True with the right key, false without one; else a 401.
fn authorize(headers: &HeaderMap, switches: &Switches) -> Result<bool, Answer> {
    let refused = |message: &str| Err(Answer::json(401, &json!({"errors": [{"message": message}]})));
    let Some(header) = headers.get(AUTHORIZATION) else {
        return if switches.anonymous { Ok(false) } else { refused("user is not logged in") };
    };
    let right = format!("api:{}", switches.key);
    let right = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(right));
    let bearer =
        switches.bearer.as_ref().is_some_and(|token| header.as_bytes() == format!("Bearer {token}").as_bytes());
    if bearer || header.as_bytes() == right.as_bytes() { Ok(true) } else { refused("invalid API key") }
}

async fn executed(state: Arc<State>, switches: Switches, known: bool, number: u64, asked: Asked) -> Answer {
    let work = move || {
        state.on_request(number);
        let schema = state.schema(&switches.lacking);
        let world = state.world.read().unwrap();
        let viewer = world.viewer().map(AsRef::as_ref).filter(|_| known);
        let context = Context {
            world: &world,
            switches: &switches,
            listings: &state.listings,
            answers: &state.answers,
            storage: &state.storage,
            viewer,
            request: number,
        };
        execute(&context, &schema, &asked)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(body)) => Answer { body, ..Answer::json(200, &Value::Null) },
        Ok(Err(failure)) => failure.into(),
        Err(panic) => Answer::json(500, &json!({"errors": [panic.to_string()]})),
    }
}

/// The answer that a fault puts in place of the right one.
fn in_place(fault: &Fault) -> Option<Answer> {
    Some(match fault {
        Fault::Status(status) => Answer::json(*status, &json!({"error": reason(*status)})),
        Fault::TooMany { retry_after, limits } => too_many(retry_after.clone(), limits.clone()),
        Fault::Deadline => {
            let error = json!({"message": "context deadline exceeded", "path": ["project", "runs"]});
            Answer::json(500, &json!({"errors": [error], "data": {"project": null}}))
        }
        Fault::Proxy(status) => Answer::html(*status),
        Fault::Errors { message, code, partial: false } => {
            Answer::json(200, &json!({"errors": errors(message, code.as_deref()), "data": null}))
        }
        Fault::Redirect(status, to) => Answer { headers: vec![("location", to.clone())], ..Answer::html(*status) },
        Fault::Bomb(bytes) => {
            let mut answer = Answer { body: bomb(*bytes), ..Answer::json(200, &Value::Null) };
            answer.headers.push(("content-encoding", "gzip".into()));
            answer
        }
        Fault::Endless => Answer { body: vec![b'['; 1 << 16], ..Answer::json(200, &Value::Null) },
        Fault::Body(body) => Answer { body: body.clone().into(), ..Answer::json(200, &Value::Null) },
        _ => return None,
    })
}

fn reason(status: u16) -> &'static str {
    match status {
        401 => "user is not logged in",
        403 => "permission denied",
        404 => "not found",
        409 => "resource already exists",
        413 => "request entity too large",
        429 => "rate limit exceeded",
        500 => "Server down",
        _ => "service unavailable",
    }
}

fn errors(message: &str, code: Option<&str>) -> Value {
    let mut error = json!({"message": message, "path": ["project", "runs"]});
    if let Some(code) = code {
        error["extensions"] = json!({"code": code});
    }
    json!([error])
}

fn too_many(retry_after: Option<String>, limits: Option<Limits>) -> Answer {
    let mut answer = Answer::json(429, &json!({"error": reason(429)}));
    answer.headers.extend(retry_after.map(|wait| ("retry-after", wait)));
    answer.headers.extend(limits.iter().flat_map(limit_headers));
    answer
}

fn limit_headers(limits: &Limits) -> [(&'static str, String); 3] {
    [
        ("ratelimit-limit", limits.limit.clone()),
        ("ratelimit-remaining", limits.remaining.clone()),
        ("ratelimit-reset", limits.reset.clone()),
    ]
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers.get_all("accept-encoding").iter().any(|value| value.to_str().is_ok_and(|value| value.contains("gzip")))
}

/// The same each time, for making one takes long.
fn bomb(bytes: usize) -> Vec<u8> {
    static MADE: Mutex<(usize, Vec<u8>)> = Mutex::new((0, Vec::new()));
    let mut made = MADE.lock().unwrap();
    if made.0 != bytes {
        *made = (bytes, zipped(&[br#"{"data":{"project":""#.as_slice(), &vec![b'a'; bytes]].concat()));
    }
    made.1.clone()
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Sends an answer whole, slowly, or in part.
fn respond(mut answer: Answer, fault: Option<&Fault>, zip: bool) -> Result<Response<Pieces>, io::Error> {
    if zip && !matches!(fault, Some(Fault::Bomb(_) | Fault::Endless)) {
        answer.body = zipped(&answer.body);
        answer.headers.push(("content-encoding", "gzip".into()));
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    if !matches!(fault, Some(Fault::Cut { chunked: true, .. } | Fault::Endless)) {
        response = response.header("content-length", answer.body.len());
    }
    let body = match fault {
        Some(Fault::Cut { part, .. }) => Pieces::cut(answer.body, *part),
        Some(Fault::Slow { pieces, pause }) => Pieces::slow(answer.body, *pieces, *pause),
        Some(Fault::Endless) => Pieces::endless(answer.body),
        _ => Pieces::whole(answer.body),
    };
    response.body(body).map_err(io::Error::other)
}
