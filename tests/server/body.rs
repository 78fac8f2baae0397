//! Bodies that come whole, in slow pieces, or not to their end.

use hyper::body::{Body, Bytes, Frame};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// Pieces with a pause before each but the first; `broken` ends the connection in place of the body.
pub struct Pieces {
    pieces: VecDeque<Bytes>,
    pause: Duration,
    broken: bool,
    waiting: Option<Pin<Box<Sleep>>>,
    begun: bool,
    endless: bool,
}

impl Pieces {
    pub fn whole(bytes: impl Into<Bytes>) -> Pieces {
        Pieces {
            pieces: [bytes.into()].into(),
            pause: Duration::ZERO,
            broken: false,
            waiting: None,
            begun: false,
            endless: false,
        }
    }

    /// The same piece again and again, for as long as somebody reads.
    pub fn endless(bytes: impl Into<Bytes>) -> Pieces {
        Pieces { endless: true, ..Pieces::whole(bytes) }
    }

    pub fn slow(bytes: impl Into<Bytes>, pieces: usize, pause: Duration) -> Pieces {
        let bytes = bytes.into();
        let size = bytes.len().div_ceil(pieces.max(1)).max(1);
        let pieces = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
        Pieces { pieces, pause, broken: false, waiting: None, begun: false, endless: false }
    }

    pub fn cut(bytes: impl Into<Bytes>, part: f64) -> Pieces {
        let mut bytes = bytes.into();
        bytes.truncate((bytes.len() as f64 * part) as usize);
        // What was written must be sent before the connection ends.
        Pieces { broken: true, pause: Duration::from_millis(20), ..Pieces::whole(bytes) }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let over = self.pieces.is_empty() && !self.broken;
        if self.begun && !over && !self.pause.is_zero() {
            let pause = self.pause;
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(pause)));
            std::task::ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        self.begun = true;
        let piece = self.pieces.pop_front();
        if self.endless {
            self.pieces.extend(piece.clone());
        }
        Poll::Ready(match piece {
            Some(piece) => Some(Ok(Frame::data(piece))),
            None if self.broken => Some(Err(io::Error::other("cut"))),
            None => None,
        })
    }
}
