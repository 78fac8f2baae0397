//! What a text means besides its words: the present, and the zone in which days and hours are counted.

use crate::error::{Error, ErrorKind, Result};
use crate::record::Timestamp;
use polars::prelude::*;

const NAIVE: DataType = DataType::Datetime(TimeUnit::Microseconds, None);

/// The present, and the zone in which `date()`, `hour()` and their like count. A [`Timestamp`] alone stands for UTC.
///
/// ```
/// use polars::prelude::*;
/// use runframe::{Timestamp, expr};
///
/// let runs = df!("created_at" => ["2026-01-01T23:30:00Z"])?;
/// let berlin = expr::Context::new(Timestamp::now()).in_zone("Europe/Berlin")?;
/// let day = "date(created_at::timestamp) = '2026-01-02'";
/// let filter = expr::parse_filter(day, runs.schema(), berlin)?;
/// assert_eq!(runs.clone().lazy().filter(filter).collect()?.height(), 1);
/// let filter = expr::parse_filter(day, runs.schema(), Timestamp::now())?;
/// assert_eq!(runs.lazy().filter(filter).collect()?.height(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    pub(super) now: Timestamp,
    zone: TimeZone,
}

impl Context {
    /// In UTC; `now` is what `now()` means.
    pub fn new(now: Timestamp) -> Self {
        Context { now, zone: TimeZone::UTC }
    }

    /// The same present, with days and hours counted in this zone; literals without a zone are UTC all the same.
    ///
    /// # Errors
    /// If no zone has this IANA name.
    pub fn in_zone(self, name: &str) -> Result<Self> {
        match TimeZone::opt_try_new(Some(name)) {
            Ok(Some(zone)) => Ok(Context { zone, ..self }),
            _ => Err(Error::new(ErrorKind::Usage, format!("no time zone is called {name}"))
                .hint("give an IANA name such as Europe/Berlin")),
        }
    }

    /// A time as its zone's clock shows it, for calendar functions.
    pub(super) fn local(&self, time: Expr) -> Expr {
        if self.zone == TimeZone::UTC { time } else { time.dt().convert_time_zone(self.zone.clone()) }
    }

    /// A date as clocks show it at its beginning, for calendar functions.
    pub(super) fn naive(date: Expr) -> Expr {
        date.cast(NAIVE)
    }

    /// The beginning of the part of the day, this many seconds long, in which `time` lies as the zone's clock shows it.
    pub(super) fn truncated(&self, time: Expr, seconds: u32) -> Expr {
        let every = lit(format!("{seconds}s"));
        if self.zone == TimeZone::UTC {
            return time.dt().truncate(every);
        }
        let clock = self.local(time.clone()).dt().replace_time_zone(None, lit("raise"), NonExistent::Raise);
        let begin = clock.clone().dt().truncate(every);
        // Clocks are set at full hours: since the beginning of an hour as much time has passed as they show, also in one that comes twice.
        if seconds <= 3600 {
            return time - (clock - begin);
        }
        let at = |clock: Expr, which: &str| {
            let zoned = clock.dt().replace_time_zone(Some(self.zone.clone()), lit(which.to_owned()), NonExistent::Null);
            zoned.dt().convert_time_zone(TimeZone::UTC)
        };
        // A beginning that comes twice is the later one for what lies behind it. Where clocks jumped over it, it is when they jumped.
        let (first, second) = (at(begin.clone(), "earliest"), at(begin.clone(), "latest"));
        let later = (begin.cast(DataType::Int64) + lit(3_600_000_000i64)).cast(NAIVE);
        let known = when(second.clone().lt_eq(time)).then(second).otherwise(first);
        coalesce(&[known, at(later, "earliest")])
    }

    /// The time at which a date begins in the zone.
    pub(super) fn midnight(&self, date: Expr) -> Expr {
        if self.zone == TimeZone::UTC {
            return date.cast(super::value::TIME);
        }
        // Where clocks jump over midnight, the day begins an hour later; where they skipped the whole day, with the next.
        let [midnight, later, next] = [0i64, 1, 24].map(|hours| {
            let clock = (Self::naive(date.clone()).cast(DataType::Int64) + lit(hours * 3_600_000_000)).cast(NAIVE);
            let time = clock.dt().replace_time_zone(Some(self.zone.clone()), lit("earliest"), NonExistent::Null);
            time.dt().convert_time_zone(TimeZone::UTC)
        });
        coalesce(&[midnight, later, next])
    }
}

impl From<Timestamp> for Context {
    fn from(now: Timestamp) -> Self {
        Context::new(now)
    }
}

impl From<&Context> for Context {
    fn from(context: &Context) -> Self {
        context.clone()
    }
}
