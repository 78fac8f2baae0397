//! When to ask again and when to wait before asking: backoff, `Retry-After`, and W&B's `RateLimit-*` headers.

use crate::threads::lock;
use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The longest wait that a server can ask for.
const LONGEST: Duration = Duration::from_secs(300);
/// The widest spacing of requests under a rate limit; W&B's own client never goes below 0.1 requests a second.
const SLOWEST: Duration = Duration::from_secs(10);
/// Requests that must still be possible in a limit's window for us not to slow down.
const SPARE: f64 = 16.0;

/// Whether an answer of this HTTP status may come out otherwise when asked again (W&B's client, retry_policy.go).
pub(super) fn worth_retrying(status: u16) -> bool {
    match status {
        400 | 401 | 403 | 404 | 409 | 410 | 413 | 422 | 501 => false,
        400..=599 => true,
        _ => false,
    }
}

/// Whether a server's words say that the question took too long.
pub(super) fn says_too_heavy(message: &str) -> bool {
    let message = message.to_lowercase();
    ["deadline exceeded", "timeout", "timed out", "canceling statement", "too complex", "response too large"]
        .iter()
        .any(|words| message.contains(words))
}

/// How long to wait before attempt `n + 1`: `min(60 s, 2 s × 2ⁿ × (1 … 1.25))`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    /// The first wait.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// A number from 0 to 1, another each time.
    pub jitter: fn() -> f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { base: Duration::from_secs(2), cap: Duration::from_secs(60), jitter: random }
    }
}

impl Backoff {
    /// The wait after failure number `failures`, counted from 0.
    pub(super) fn wait(&self, failures: u32) -> Duration {
        let factor = f64::from(2_u32.saturating_pow(failures.min(20))) * (1.0 + 0.25 * (self.jitter)());
        self.base.mul_f64(factor.min(1e6)).min(self.cap)
    }
}

/// A number from 0 to 1; the standard library's hash keys are random enough to spread retries.
fn random() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let bits = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// What an answer's headers say of limits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Limits {
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `RateLimit-Remaining`, in units that only the server knows.
    pub remaining: Option<f64>,
    /// `RateLimit-Reset`: until the window ends.
    pub reset: Option<Duration>,
}

impl Limits {
    /// Reads an answer's headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        // Of a header that comes twice, none is believed.
        let single = |name: &str| {
            let mut values = headers.get_all(name).iter();
            values.next().filter(|_| values.next().is_none())?.to_str().ok()
        };
        // The server's own clock, by which it means its dates; ours may be wrong.
        let date = single("date").and_then(|text| DateTime::parse_from_rfc2822(text.trim()).ok());
        Limits::read(single, date.map_or_else(Utc::now, |date| date.to_utc()))
    }

    /// Reads the headers; what is malformed is as if it were not there.
    pub(super) fn read<'h>(header: impl Fn(&str) -> Option<&'h str>, now: DateTime<Utc>) -> Self {
        let number = |name: &str| header(name)?.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        let duration = |seconds: f64| Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64()));
        let date = || {
            let date = DateTime::parse_from_rfc2822(header("retry-after")?.trim()).ok()?;
            Some(date.signed_duration_since(now).to_std().unwrap_or_default().min(LONGEST))
        };
        Limits {
            retry_after: number("retry-after").map(duration).or_else(date),
            remaining: number("ratelimit-remaining"),
            reset: number("ratelimit-reset").map(duration),
        }
    }

    /// The wait that a refused request was told: `Retry-After`, else the window's end.
    pub(super) fn told(&self, status: u16) -> Option<Duration> {
        self.retry_after.or(self.reset.filter(|_| status == 429))
    }
}

/// Spaces requests so that a limit is not run into; shared by all requests of a client.
#[derive(Debug, Default)]
pub(super) struct Pace {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Nothing is sent before.
    closed_until: Option<Instant>,
    /// The next request's turn, while requests are spaced.
    slot: Option<Instant>,
    interval: Duration,
    /// The units left at the last answer.
    remaining: Option<f64>,
    /// Answers since `remaining` last went down, and the units that one costs.
    answers: f64,
    cost: f64,
}

impl Default for State {
    fn default() -> Self {
        State { closed_until: None, slot: None, interval: Duration::ZERO, remaining: None, answers: 0.0, cost: 1.0 }
    }
}

impl Pace {
    /// Takes a turn: how long to wait before sending.
    pub(super) fn turn(&self, now: Instant) -> Duration {
        let mut state = self.state();
        let mut turn = state.closed_until.map_or(now, |until| until.max(now));
        if !state.interval.is_zero() {
            turn = state.slot.map_or(turn, |slot| slot.max(turn));
            state.slot = Some(turn + state.interval);
        }
        turn.saturating_duration_since(now)
    }

    /// Sends nothing for this long: what a server says to one request goes for all of them.
    pub(super) fn close_for(&self, wait: Duration, now: Instant) {
        let mut state = self.state();
        let until = now + wait.min(LONGEST);
        state.closed_until = Some(state.closed_until.map_or(until, |old| old.max(until)));
    }

    /// Takes in what an answer said of its limits.
    pub(super) fn note(&self, limits: Limits, now: Instant) {
        let (Some(remaining), Some(reset)) = (limits.remaining, limits.reset) else { return };
        let mut state = self.state();
        state.answers += 1.0;
        if let Some(before) = state.remaining.filter(|before| remaining < *before) {
            let cost = (before - remaining) / state.answers;
            state.cost = (state.cost + cost) / 2.0;
        }
        if state.remaining.is_none_or(|before| remaining != before) {
            state.answers = 0.0;
        }
        state.remaining = Some(remaining);
        let possible = remaining / state.cost.max(1e-6);
        state.interval = match possible {
            p if p >= SPARE || reset.is_zero() => Duration::ZERO,
            p => reset.div_f64(p.max(1.0)).min(SLOWEST),
        };
        if possible < 1.0 {
            drop(state);
            self.close_for(reset, now);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_as_in_wandb_core() {
        let retried: Vec<u16> = (400..600).filter(|status| worth_retrying(*status)).collect();
        for status in [400, 401, 403, 404, 409, 410, 413, 422, 501] {
            assert!(!retried.contains(&status), "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(retried.contains(&status), "{status}");
        }
    }

    #[test]
    fn waits_double_to_a_minute_and_more_never() {
        let low = Backoff { jitter: || 0.0, ..Backoff::default() };
        let high = Backoff { jitter: || 1.0, ..Backoff::default() };
        assert_eq!((0..4).map(|n| low.wait(n).as_secs()).collect::<Vec<_>>(), [2, 4, 8, 16]);
        assert_eq!(high.wait(0), Duration::from_millis(2_500));
        assert_eq!((low.wait(5), high.wait(900)), (Duration::from_secs(60), Duration::from_secs(60)));
        assert!((0.0..1.0).contains(&random()) && random() != random());
    }

    fn limits(headers: &[(&str, &str)]) -> Limits {
        let now = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
        Limits::read(|name| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value), now)
    }

    #[test]
    fn headers_in_both_forms_capped_and_garbage_ignored() {
        let after = |text| limits(&[("retry-after", text)]).retry_after;
        assert_eq!(after("1.5"), Some(Duration::from_millis(1_500)));
        assert_eq!(after("Thu, 01 Jan 2026 00:00:10 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(after("Wed, 31 Dec 2025 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(after("86400"), Some(LONGEST));
        for garbage in ["-1", "soon", "NaN", "inf", ""] {
            assert_eq!(after(garbage), None, "{garbage}");
        }
        let window = limits(&[("ratelimit-remaining", "3"), ("ratelimit-reset", "7")]);
        assert_eq!((window.told(429), window.told(503)), (Some(Duration::from_secs(7)), None));
    }

    #[test]
    fn dates_are_by_the_servers_clock() {
        for day in ["Thu, 01 Jan 1970", "Fri, 01 Jan 2100"] {
            let mut headers = HeaderMap::new();
            headers.insert("date", format!("{day} 00:00:00 GMT").parse().unwrap());
            headers.insert("retry-after", format!("{day} 00:00:07 GMT").parse().unwrap());
            assert_eq!(Limits::of(&headers).retry_after, Some(Duration::from_secs(7)), "{day}");
        }
    }

    #[test]
    fn requests_slow_down_ahead_of_the_limit() {
        let (pace, now) = (Pace::default(), Instant::now());
        let note = |remaining: &str| {
            pace.note(limits(&[("ratelimit-remaining", remaining), ("ratelimit-reset", "10")]), now);
        };
        note("1000");
        assert_eq!(pace.turn(now), Duration::ZERO);
        note("5");
        // 1,000 went to 5 by one answer: the next one will not fit.
        assert_eq!(pace.turn(now), Duration::from_secs(10));
        let (pace, now) = (Pace::default(), Instant::now());
        pace.note(limits(&[("ratelimit-remaining", "10"), ("ratelimit-reset", "10")]), now);
        let turns: Vec<u64> = (0..3).map(|_| pace.turn(now).as_secs()).collect();
        assert_eq!(turns, [0, 1, 2]);
        pace.note(limits(&[("ratelimit-remaining", "900"), ("ratelimit-reset", "10")]), now);
        assert_eq!(pace.turn(now), Duration::ZERO);
    }

    #[test]
    fn one_refusal_stops_all() {
        let (pace, now) = (Pace::default(), Instant::now());
        pace.close_for(Duration::from_secs(9_999), now);
        pace.close_for(Duration::from_secs(1), now);
        assert_eq!(pace.turn(now), LONGEST);
    }
}
