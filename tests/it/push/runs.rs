//! Random runs, as W&B's server holds them and as it shows them.

use runframe::{Document, Run, Timestamp, User};
use serde_json::{Map, Value, json};

/// Random numbers from a seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_4E5B)
    }

    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }

    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.roll(items.len())]
    }

    pub(super) fn maybe<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        (self.roll(4) > 0).then(|| self.pick(items).clone())
    }
}

/// One run at the server.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) texts: Vec<(&'static str, Option<String>)>,
    /// The server's times, and how much of them it shows.
    pub(super) created: Option<&'static str>,
    pub(super) heartbeat: Option<&'static str>,
    cut: bool,
    zone: bool,
    pub(super) tags: Option<Vec<String>>,
    /// The server holds "" for what it shows as null, and null for no tags.
    odd: bool,
    pub(super) config: Map<String, Value>,
    pub(super) summary: Map<String, Value>,
}

pub(super) const TIMES: [&str; 7] = [
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.500000Z",
    "2026-01-01T23:59:59.999999Z",
    "2026-01-02T00:00:00Z",
    "2026-01-03T10:00:00.000001Z",
    "2026-01-04T10:20:30Z",
    "2025-12-31T23:59:59.250000Z",
];
pub(super) const TEXTS: [(&str, [&str; 3]); 7] = [
    ("display_name", ["fluffy-1", "Fluffy-1", "x y"]),
    ("state", ["finished", "running", "crashed"]),
    ("username", ["ada", "Ada", "bob"]),
    ("jobType", ["train", "eval", "it's"]),
    ("group", ["g1", "g2", "null"]),
    ("sweep", ["s1", "s2", "s3"]),
    ("host", ["h1", "h2", "h3"]),
];

impl Record {
    fn text(&self, field: &str) -> Option<String> {
        self.texts.iter().find(|(name, _)| *name == field).and_then(|(_, text)| text.clone())
    }

    /// The server holds what it shows.
    pub(super) fn show_all(&mut self) {
        (self.cut, self.odd) = (false, false);
    }

    fn time(&self, text: Option<&'static str>) -> Option<Timestamp> {
        let text = text.map(|text| if self.cut { &text[..19] } else { text.trim_end_matches('Z') });
        text.and_then(|text| Timestamp::parse(&format!("{text}{}", if self.zone { "Z" } else { "" })))
    }

    /// The run as the server shows it.
    pub(super) fn run(&self) -> Run {
        Run {
            name: self.name.clone(),
            display_name: self.text("display_name"),
            state: self.text("state"),
            created_at: self.time(self.created),
            heartbeat_at: self.time(self.heartbeat),
            job_type: self.text("jobType"),
            group: self.text("group"),
            sweep: self.text("sweep"),
            host: self.text("host"),
            tags: self.tags.clone(),
            user: User { username: self.text("username"), ..User::default() },
            config: Some(Document::wrapped(json!(self.wrapped()).to_string())),
            summary: Some(Document::plain(json!(self.summary).to_string())),
            ..Run::default()
        }
    }

    fn wrapped(&self) -> Map<String, Value> {
        let wrap = |(key, value): (&String, &Value)| (key.clone(), json!({ "value": value, "desc": null }));
        self.config.iter().map(wrap).collect()
    }

    /// The run as the server holds it.
    pub(super) fn document(&self) -> Value {
        let mut document = json!({
            "name": self.name, "created_at": self.created, "heartbeat_at": self.heartbeat,
            "config": self.wrapped(), "summary_metrics": self.summary,
        });
        let unset = |field: &str| self.odd && !["state", "username"].contains(&field);
        for (field, text) in &self.texts {
            document[*field] = match text {
                None if unset(field) => json!(""),
                text => json!(text),
            };
        }
        document["tags"] =
            if self.odd && self.tags.as_ref().is_some_and(Vec::is_empty) { Value::Null } else { json!(self.tags) };
        document
    }
}

/// Values of one kind for a key, or of all kinds.
fn value(dice: &mut Dice, kind: usize, config: bool) -> Value {
    match kind {
        0 => [json!(1), json!(0.5), json!(-3), json!(0), json!(2.0), json!(1e-3), json!(7)][dice.roll(7)].clone(),
        1 => json!(dice.pick(&["adam", "sgd", "", "1", "Adam"])),
        2 => json!(dice.roll(2) == 0),
        3 => [json!([1, 2]), json!([0.5]), json!([])][dice.roll(3)].clone(),
        4 => json!(dice.pick(&["NaN", "Infinity", "-Infinity", "Inf", "-Inf", "nan"])),
        5 => [json!({}), json!({ "_type": "image-file", "path": "x" })][dice.roll(2)].clone(),
        _ if config && dice.roll(2) == 0 => json!({ "deep": { "er": 1 } }),
        _ => Value::Null,
    }
}

/// Keys of config and summary, and the kind of their values where they have one.
const KEYS: [(&str, usize); 6] = [("lr", 0), ("opt", 1), ("flag", 2), ("acc", 0), ("val/loss", 0), ("val loss", 0)];

fn object(dice: &mut Dice, mixed: bool, config: bool, spare: usize) -> Map<String, Value> {
    let mut object = Map::new();
    for (at, (key, kind)) in KEYS.iter().enumerate() {
        // One key is rare, so that few runs have the column.
        if dice.roll(4) == 0 || (at == spare && dice.roll(4) > 0) {
            continue;
        }
        let summary_nan = !config && *kind == 0 && dice.roll(4) == 0;
        let kind = match mixed && *key != "opt" && dice.roll(3) == 0 {
            true => dice.roll(7),
            false if summary_nan => 4,
            false => *kind,
        };
        let kind = if *key == "opt" && kind != 1 { 1 } else { kind };
        object.insert((*key).to_owned(), value(dice, kind, config));
    }
    // Integers that floats cannot hold, beside floats or not.
    if dice.roll(2) == 0 {
        let big = [json!(9_007_199_254_740_993_i64), json!(0.5), json!(-9_007_199_254_740_993_i64), json!(3)]
            [dice.roll(4)]
        .clone();
        object.insert("big".to_owned(), if mixed && dice.roll(4) == 0 { json!("adam") } else { big });
    }
    // `a.b` nested, as a flat key, or both.
    let number = json!(dice.roll(4));
    let both = dice.roll(5);
    if both <= 1 {
        object.insert("a".to_owned(), json!({ "b": number }));
    }
    if (1..=2).contains(&both) {
        object.insert("a.b".to_owned(), json!(dice.roll(4)));
    }
    object
}

/// A few runs; `mixed`: their paths hold values of several kinds.
pub(super) fn records(dice: &mut Dice, mixed: bool) -> Vec<Record> {
    let spare = dice.roll(KEYS.len());
    let (cut, odd) = (dice.roll(2) == 0, dice.roll(2) == 0);
    let record = |at: usize, dice: &mut Dice| Record {
        name: format!("r{at}"),
        texts: TEXTS.iter().map(|(field, texts)| (*field, dice.maybe(texts).map(str::to_owned))).collect(),
        created: dice.maybe(&TIMES),
        heartbeat: dice.maybe(&TIMES),
        cut,
        zone: dice.roll(2) == 0,
        tags: dice
            .maybe(&[vec![], vec!["a"], vec!["a", "b"], vec!["b"]])
            .map(|tags| tags.into_iter().map(str::to_owned).collect()),
        odd,
        config: object(dice, mixed, true, spare),
        summary: object(dice, mixed, false, spare),
    };
    (0..12).map(|at| record(at, dice)).collect()
}
