//! What is told of each request, to somebody who wants to follow them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One attempt of a request, once it is over. No key and no signature is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked<'a> {
    /// The GraphQL operation; `file` for a part of an exported history.
    pub what: &'a str,
    /// The server; for a file its host and the last part of its path.
    pub place: &'a str,
    /// The HTTP status of the answer; `None` if there was none.
    pub status: Option<u16>,
    /// Bytes of the answer that came, decompressed.
    pub bytes: u64,
    /// From the moment it was sent until its answer was read.
    pub time: Duration,
    /// Why it gave nothing, if it did not: what the caller would be told if it were the last attempt.
    pub trouble: Option<&'a str>,
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Asked { what, place, bytes, .. } = self;
        write!(f, "{what} at {place}: ")?;
        match self.status {
            Some(status) => write!(f, "HTTP {status}, {bytes} bytes")?,
            None => f.write_str("no answer")?,
        }
        write!(f, " in {:.1} ms", self.time.as_secs_f64() * 1e3)?;
        self.trouble.map_or(Ok(()), |trouble| write!(f, "; {trouble}"))
    }
}

/// Somebody who follows the requests, on the threads that make them.
#[derive(Clone)]
pub(crate) struct Listener(Arc<dyn Fn(&Asked<'_>) + Send + Sync>);

impl Listener {
    pub(crate) fn new(listener: impl Fn(&Asked<'_>) + Send + Sync + 'static) -> Self {
        Listener(Arc::new(listener))
    }

    pub(super) fn tell(&self, asked: &Asked<'_>) {
        (self.0)(asked);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// What is seen of an attempt while it lasts.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// When it was sent; `None` if it was not.
    pub(super) sent: Option<std::time::Instant>,
    pub(super) status: Option<u16>,
    pub(super) bytes: u64,
}
