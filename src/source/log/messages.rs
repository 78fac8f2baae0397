//! The protobuf messages of a log, as far as the run table needs them; borrowed from the record's bytes.

use super::wire::{Fields, Malformed, Value};
use crate::record::Timestamp;

/// The record types that are read. Others are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One logged row.
    History,
    /// Changes of the summary.
    Summary,
    /// Console output, 0.12.
    Output,
    /// Changes of the config.
    Config,
    /// System statistics.
    Stats,
    /// An artifact that the run logged.
    Artifact,
    /// What `define_metric` said.
    Metric,
    /// Console output, since 0.13.
    OutputRaw,
    /// The run itself.
    Run,
    /// How it ended.
    Exit,
    /// A notice that the machine is about to be taken away.
    Preempting,
    /// An artifact that the run used.
    UseArtifact,
    /// Machine and user, since 0.21.
    Environment,
}

/// The table of record types: field number of `Record`, what it holds.
const RECORD_TYPES: [(u32, Kind); 13] = [
    (2, Kind::History),
    (3, Kind::Summary),
    (4, Kind::Output),
    (5, Kind::Config),
    (7, Kind::Stats),
    (8, Kind::Artifact),
    (12, Kind::Metric),
    (13, Kind::OutputRaw),
    (17, Kind::Run),
    (18, Kind::Exit),
    (23, Kind::Preempting),
    (25, Kind::UseArtifact),
    (26, Kind::Environment),
];

/// The same, by field number.
const BY_FIELD: [Option<Kind>; 32] = {
    let mut table = [None; 32];
    let mut at = 0;
    while at < RECORD_TYPES.len() {
        table[RECORD_TYPES[at].0 as usize] = Some(RECORD_TYPES[at].1);
        at += 1;
    }
    table
};

impl Kind {
    #[inline]
    fn of(field: u32) -> Option<Kind> {
        BY_FIELD.get(field as usize).copied().flatten()
    }
}

/// A record: its number, its type and the message in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// 1, 2, 3, … since 0.13; 0 before.
    pub(super) num: i64,
    /// The type; `None` for one that is not read.
    pub(super) kind: Option<Kind>,
    /// The message of that type.
    pub(super) body: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the outermost fields only.
    #[inline]
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut record = Record { num: 0, kind: None, body: &[] };
        for field in Fields::new(bytes) {
            match field? {
                (1, value) => record.num = value.int(),
                (number, Value::Bytes(body)) => {
                    if let Some(kind) = Kind::of(number) {
                        (record.kind, record.body) = (Some(kind), body);
                    }
                }
                _ => {}
            }
        }
        Ok(record)
    }
}

/// A `Timestamp` message.
pub(super) fn time(bytes: &[u8]) -> Result<Option<Timestamp>, Malformed> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields::new(bytes) {
        match field? {
            (1, value) => seconds = value.int(),
            (2, value) => nanos = i32::try_from(value.int()).unwrap_or(0),
            _ => {}
        }
    }
    // The years that `from_float` allows; what lies outside is garbage.
    let sane = Timestamp::from_float(seconds as f64).is_some();
    Ok(Timestamp::from_seconds(seconds, nanos).filter(|_| sane && seconds != 0))
}

/// The time in field `number` of a message: of statistics and console output.
pub(super) fn time_in(bytes: &[u8], number: u32) -> Result<Option<Timestamp>, Malformed> {
    for field in Fields::new(bytes) {
        if let (found, Value::Bytes(bytes)) = field?
            && found == number
        {
            return time(bytes);
        }
    }
    Ok(None)
}

/// A RunRecord. Texts that are not set are empty.
#[derive(Debug, Default)]
pub(super) struct RunMessage<'a> {
    pub(super) id: &'a [u8],
    pub(super) entity: &'a [u8],
    pub(super) project: &'a [u8],
    pub(super) config: &'a [u8],
    pub(super) summary: &'a [u8],
    pub(super) group: &'a [u8],
    pub(super) job_type: &'a [u8],
    pub(super) display_name: &'a [u8],
    pub(super) notes: &'a [u8],
    pub(super) tags: Vec<&'a [u8]>,
    pub(super) sweep: &'a [u8],
    pub(super) host: &'a [u8],
    pub(super) start: Option<Timestamp>,
    /// Seconds that the run took before it was resumed.
    pub(super) runtime: i64,
    pub(super) commit: &'a [u8],
}

impl<'a> RunMessage<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut run = RunMessage::default();
        for field in Fields::new(bytes) {
            let (number, value) = field?;
            let text = value.bytes();
            match number {
                1 => run.id = text,
                2 => run.entity = text,
                3 => run.project = text,
                4 => run.config = text,
                5 => run.summary = text,
                6 => run.group = text,
                7 => run.job_type = text,
                8 => run.display_name = text,
                9 => run.notes = text,
                10 => run.tags.push(text),
                12 => run.sweep = text,
                13 => run.host = text,
                17 => run.start = time(text)?,
                20 => run.runtime = value.int().max(0),
                21 => run.commit = bytes_in(text, 2)?,
                _ => {}
            }
        }
        Ok(run)
    }
}

/// The last bytes in field `number` of a message.
fn bytes_in(bytes: &[u8], number: u32) -> Result<&[u8], Malformed> {
    let mut found: &[u8] = &[];
    for field in Fields::new(bytes) {
        if let (n, Value::Bytes(bytes)) = field?
            && n == number
        {
            found = bytes;
        }
    }
    Ok(found)
}

/// An EnvironmentRecord, or what of it one part holds.
#[derive(Debug, Default)]
pub(super) struct Environment<'a> {
    pub(super) started_at: Option<Timestamp>,
    pub(super) commit: &'a [u8],
    pub(super) email: &'a [u8],
    pub(super) host: &'a [u8],
    pub(super) username: &'a [u8],
    /// True if it is one: 0.16 used its number for a message that has the fields 1 and 2 only.
    pub(super) genuine: bool,
}

impl<'a> Environment<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut environment = Environment::default();
        for field in Fields::new(bytes) {
            let (number, value) = field?;
            let text = value.bytes();
            environment.genuine |= number > 2;
            match number {
                3 => environment.started_at = time(text)?,
                9 => environment.commit = bytes_in(text, 2)?,
                10 => environment.email = text,
                12 => environment.host = text,
                13 => environment.username = text,
                _ => {}
            }
        }
        Ok(environment)
    }
}

/// An exit record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Exit {
    /// 0 is success, and not on the wire.
    pub(super) code: i64,
    /// Whole seconds.
    pub(super) runtime: i64,
    /// True if the run goes on elsewhere.
    pub(super) not_complete: bool,
}

impl Exit {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut exit = Exit::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, value) => exit.code = value.int(),
                (2, value) => exit.runtime = value.int().max(0),
                (3, value) => exit.not_complete = value.int() != 0,
                _ => {}
            }
        }
        Ok(exit)
    }
}

/// A MetricRecord.
#[derive(Debug, Default)]
pub(super) struct Metric<'a> {
    pub(super) name: &'a [u8],
    pub(super) glob: &'a [u8],
    pub(super) summary: Aggregates,
    /// True if larger is better.
    pub(super) maximize: bool,
    /// True if it replaces what was said before, rather than adding to it.
    pub(super) overwrite: bool,
}

/// Which aggregates of a metric the summary shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Aggregates {
    pub(super) min: bool,
    pub(super) max: bool,
    pub(super) mean: bool,
    pub(super) best: bool,
    pub(super) last: bool,
    pub(super) none: bool,
    pub(super) first: bool,
}

impl<'a> Metric<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut metric = Metric::default();
        for field in Fields::new(bytes) {
            match field? {
                (1, value) => metric.name = value.bytes(),
                (2, value) => metric.glob = value.bytes(),
                (7, value) => metric.summary = Aggregates::parse(value.bytes())?,
                (8, value) => metric.maximize = value.int() == 2,
                (9, value) => {
                    for field in Fields::new(value.bytes()) {
                        if let (1, value) = field? {
                            metric.overwrite = value.int() != 0;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(metric)
    }
}

impl Aggregates {
    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut flags = Aggregates::default();
        for field in Fields::new(bytes) {
            let (number, value) = field?;
            let set = value.int() != 0;
            match number {
                1 => flags.min = set,
                2 => flags.max = set,
                3 => flags.mean = set,
                4 => flags.best = set,
                5 => flags.last = set,
                6 => flags.none = set,
                8 => flags.first = set,
                _ => {}
            }
        }
        Ok(flags)
    }

    /// Flags of both.
    pub(super) fn or(self, other: Self) -> Self {
        Aggregates {
            min: self.min || other.min,
            max: self.max || other.max,
            mean: self.mean || other.mean,
            best: self.best || other.best,
            last: self.last || other.last,
            none: self.none || other.none,
            first: self.first || other.first,
        }
    }

    /// True if the summary shows an object of aggregates rather than the last value.
    pub(super) fn any(self) -> bool {
        self.min || self.max || self.mean || self.best || self.last || self.first
    }
}
