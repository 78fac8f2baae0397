//! Signed files at the storage host: read by byte ranges, and never with a credential of ours.

use super::super::asked::Seen;
use super::super::client::{Client, chain};
use super::super::retry::worth_retrying;
use crate::error::{Error, ErrorKind};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Response, StatusCode, Url};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Requests for files under way, for each that may be under way to the server: storage hosts bear many, and W&B's own client has
/// 128 under way.
const WIDER: usize = 8;
/// Attempts again of one request: the server has the same rows, so there is no need to wait for long.
const RETRIES: u32 = 5;
/// The same for a host that never answered at all: more likely it cannot be reached from here than that it is busy.
const RETRIES_OF_STRANGERS: u32 = 2;
/// A file that comes whole although a part of it was asked for is taken if it is no larger than this.
const SMALL: u64 = 1 << 20;
/// Bytes that must come while one attempt of a request may last; a host that is slower is given up.
const SLOWEST: u64 = 64 << 10;

/// The storage hosts.
pub(super) struct Storage<'a> {
    client: &'a Client,
    permits: Semaphore,
    /// For plain HTTP, and for everything else.
    plain: OnceLock<reqwest::Client>,
    secure: OnceLock<reqwest::Client>,
    /// A host answered.
    answered: AtomicBool,
    /// No host answered, however often it was tried.
    closed: AtomicBool,
}

/// What part of a file is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// So many of the last bytes.
    Tail(u64),
    /// These bytes.
    Of(Range<u64>),
    /// All of it.
    Whole,
}

/// What came.
#[derive(Debug)]
pub(super) struct Got {
    /// The bytes: the part that was asked for, or the whole file.
    pub bytes: Vec<u8>,
    /// Where in the file they begin.
    pub start: u64,
    /// The file's size.
    pub size: u64,
}

/// Why nothing came.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The URL is not good any more.
    Stale(Error),
    /// There is no hope.
    Failed(Error),
}

/// Why one attempt failed.
enum Attempt {
    /// Another may not.
    Again(Error),
    /// The host takes no such range.
    NoRange,
    Trouble(Trouble),
}

impl<'a> Storage<'a> {
    pub(super) fn new(client: &'a Client, concurrency: usize) -> Self {
        let (plain, secure) = (OnceLock::new(), OnceLock::new());
        let permits = Semaphore::new(concurrency.max(1) * WIDER);
        Storage { client, permits, plain, secure, answered: AtomicBool::new(false), closed: AtomicBool::new(false) }
    }

    /// Reads a part of a file.
    ///
    /// # Errors
    /// If the signature has expired, or the host does not give the bytes.
    pub(super) async fn get(&self, url: &str, part: Part) -> Result<Got, Trouble> {
        let failed = |what: &str| Trouble::Failed(Error::new(ErrorKind::Network, what.to_owned()));
        let url = Url::parse(url).map_err(|_| failed("the server gave a file's address that is none"))?;
        let mut part = part;
        let mut failures = 0;
        loop {
            if self.closed.load(Ordering::Relaxed) {
                return Err(failed(&format!("{} cannot be reached", place(&url))));
            }
            match self.attempt(&url, &part).await {
                Ok(got) => return Ok(got),
                Err(Attempt::Trouble(trouble)) => return Err(trouble),
                // Some hosts count bytes from the start only, some count none at all.
                Err(Attempt::NoRange) => {
                    part = match part {
                        Part::Tail(bytes) => self.tail(&url, bytes).await?,
                        _ => Part::Whole,
                    }
                }
                Err(Attempt::Again(error)) => {
                    let known = self.answered.load(Ordering::Relaxed);
                    let most = if known { RETRIES } else { RETRIES_OF_STRANGERS };
                    if !self.client.try_again(failures, most).await {
                        self.closed.fetch_or(!known, Ordering::Relaxed);
                        return Err(Trouble::Failed(error));
                    }
                    failures += 1;
                }
            }
        }
    }

    /// The range that a file's last bytes are, for hosts that do not count from the end.
    async fn tail(&self, url: &Url, bytes: u64) -> Result<Part, Trouble> {
        match self.attempt(url, &Part::Of(0..1)).await {
            Ok(got) if got.bytes.len() == 1 => Ok(Part::Of(got.size.saturating_sub(bytes)..got.size)),
            Err(Attempt::Trouble(trouble)) => Err(trouble),
            _ => Ok(Part::Whole),
        }
    }

    async fn attempt(&self, url: &Url, part: &Part) -> Result<Got, Attempt> {
        let mut seen = Seen::default();
        let attempt = self.send(url, part, &mut seen).await;
        let trouble = match &attempt {
            Err(Attempt::Again(error) | Attempt::Trouble(Trouble::Stale(error) | Trouble::Failed(error))) => {
                Some(error)
            }
            Ok(_) | Err(Attempt::NoRange) => None,
        };
        self.client.tell("file", &place(url), &seen, trouble);
        attempt
    }

    async fn send(&self, url: &Url, part: &Part, seen: &mut Seen) -> Result<Got, Attempt> {
        let http = self.http(url).map_err(|error| Attempt::Trouble(Trouble::Failed(error)))?;
        // Closed only when dropped; then there is nobody left to ask.
        let _permit = self.permits.acquire().await;
        let tallies = &self.client.tallies;
        tallies.requests.fetch_add(1, Ordering::Relaxed);
        let mut request = http.get(url.clone());
        request = match part {
            Part::Tail(bytes) => request.header(RANGE, format!("bytes=-{bytes}")),
            Part::Of(range) => request.header(RANGE, format!("bytes={}-{}", range.start, range.end - 1)),
            Part::Whole => request,
        };
        seen.sent = Some(Instant::now());
        let answer = request.send().await.map_err(|error| Self::transport(url, &error))?;
        seen.status = Some(answer.status().as_u16());
        self.answered.store(true, Ordering::Relaxed);
        let status = answer.status();
        let said = |what: String| Error::new(ErrorKind::Network, format!("{}: {what}", place(url)));
        match status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => self.take(url, part, answer, seen).await,
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::NOT_IMPLEMENTED if *part != Part::Whole => {
                Err(Attempt::NoRange)
            }
            // Amazon answers 403 to a signature that has expired, Google 400; and a file may have been exported anew.
            _ if [400, 401, 403, 404, 410].contains(&status.as_u16()) => {
                let error = said(format!("the file is refused (HTTP {})", status.as_u16()));
                Err(Attempt::Trouble(Trouble::Stale(error)))
            }
            _ if worth_retrying(status.as_u16()) => Err(Attempt::Again(said(format!("HTTP {}", status.as_u16())))),
            _ => Err(Attempt::Trouble(Trouble::Failed(said(format!("HTTP {}", status.as_u16()))))),
        }
    }

    async fn take(&self, url: &Url, part: &Part, mut answer: Response, seen: &mut Seen) -> Result<Got, Attempt> {
        let broken = |what: &str| Attempt::Again(Error::new(ErrorKind::Network, format!("{}: {what}", place(url))));
        let partial = answer.status() == StatusCode::PARTIAL_CONTENT;
        let length = answer.content_length();
        let (start, size) = if partial {
            let range = answer.headers().get(CONTENT_RANGE).and_then(|text| content_range(text.to_str().ok()?));
            range.ok_or_else(|| broken("a part of the file that does not say which"))?
        } else {
            if *part != Part::Whole && length.is_none_or(|length| length > SMALL) {
                return Err(Attempt::NoRange);
            }
            (0, length.unwrap_or_default())
        };
        let limit = self.client.limits().file_bytes;
        let (most, what) = match part {
            Part::Of(range) if partial => (range.end - range.start, "more bytes than were asked for"),
            Part::Tail(bytes) if partial => (*bytes, "more bytes than were asked for"),
            _ => (limit, "a file without ranges, larger than --max-file-bytes"),
        };
        let too_much = || {
            let what = if most > limit { "a part larger than --max-file-bytes" } else { what };
            let error = Error::new(ErrorKind::Network, format!("{}: {what}", place(url)));
            Attempt::Trouble(Trouble::Failed(error))
        };
        let most = most.min(limit);
        if length.is_some_and(|length| length > most) {
            return Err(too_much());
        }
        let mut bytes = Vec::with_capacity(length.unwrap_or_default().min(64 << 20) as usize);
        let mut drip = Drip::new(self.client.settings().attempt_timeout);
        loop {
            let chunk = match tokio::time::timeout(drip.left(), answer.chunk()).await {
                Ok(chunk) => chunk.map_err(|error| Self::transport(url, &error))?,
                Err(_) => {
                    drip.note(url, 0)?;
                    continue;
                }
            };
            let Some(chunk) = chunk else { break };
            drip.note(url, chunk.len())?;
            self.client.tallies.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            seen.bytes += chunk.len() as u64;
            if (bytes.len() + chunk.len()) as u64 > most {
                return Err(too_much());
            }
            bytes.extend_from_slice(&chunk);
        }
        let size = if partial { size } else { bytes.len() as u64 };
        let expected = match part {
            _ if !partial => size,
            Part::Tail(tail) => (*tail).min(size),
            Part::Of(range) => range.end - range.start,
            Part::Whole => size,
        };
        let begins = match part {
            Part::Of(range) if partial => start == range.start,
            _ => true,
        };
        match bytes.len() as u64 == expected && begins {
            true => Ok(Got { bytes, start, size }),
            false => Err(broken("another part of the file than was asked for")),
        }
    }

    /// No answer at all. The address stays out of the message: whoever has it has the file.
    fn transport(url: &Url, error: &reqwest::Error) -> Attempt {
        Attempt::Again(Error::new(ErrorKind::Network, format!("{}: {}", place(url), chain(error))))
    }

    /// A client that knows no key; where the host sends it elsewhere, it has none to take along.
    fn http(&self, url: &Url) -> Result<&reqwest::Client, Error> {
        let plain = url.scheme() == "http";
        let slot = if plain { &self.plain } else { &self.secure };
        if let Some(http) = slot.get() {
            return Ok(http);
        }
        let timeout = self.client.settings().attempt_timeout;
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("runframe/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::limited(5))
            // Ranges are of the file as it is stored.
            .no_gzip()
            .tcp_nodelay(true)
            .connect_timeout(timeout.min(Duration::from_secs(10)))
            .read_timeout(timeout);
        if self.client.settings().base_url.is_loopback() {
            http = http.no_proxy();
        }
        if plain {
            // No certificates are needed, and a bare container may have none.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| {
            Error::new(ErrorKind::Network, format!("no secure connections are possible here: {}", chain(&error)))
        })?;
        Ok(slot.get_or_init(|| http))
    }
}

/// Watches how fast a body comes: a byte now and then keeps a connection busy for ever.
struct Drip {
    window: Duration,
    since: Instant,
    came: u64,
}

impl Drip {
    fn new(window: Duration) -> Self {
        Drip { window, since: Instant::now(), came: 0 }
    }

    /// How long the next piece may take.
    fn left(&self) -> Duration {
        self.window.saturating_sub(self.since.elapsed())
    }

    /// Takes note of a piece; an error if too little came for the length of the window.
    fn note(&mut self, url: &Url, bytes: usize) -> Result<(), Attempt> {
        self.came += bytes as u64;
        if self.since.elapsed() < self.window {
            return Ok(());
        }
        if self.came < SLOWEST {
            let what = format!("less than {SLOWEST} bytes came in {:?}", self.window);
            return Err(Attempt::Again(Error::new(ErrorKind::Network, format!("{}: {what}", place(url)))));
        }
        (self.since, self.came) = (Instant::now(), 0);
        Ok(())
    }
}

/// Host and last part of the path: enough to know the file by, and no signature.
fn place(url: &Url) -> String {
    let file = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
    format!("{}/…/{file}", url.host_str().unwrap_or_default())
}

/// First byte and the file's size of `bytes 0-99/1234`.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, size) = text.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, size.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_places_hold_no_signature() {
        assert_eq!(content_range("bytes 5-9/100"), Some((5, 100)));
        assert_eq!((content_range("bytes 5-9/*"), content_range("5-9/100")), (None, None));
        let url = Url::parse("https://bucket.example.com/a/b/part-0.parquet?X-Amz-Signature=secret").unwrap();
        assert_eq!(place(&url), "bucket.example.com/…/part-0.parquet");
    }
}
