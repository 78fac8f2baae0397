//! Runs for the benches, the same on every machine: each is made from its number alone.
#![allow(dead_code, reason = "no bench needs all of it")]

use runframe::{Document, Run, Timestamp};
use std::ops::Range;

/// Numbers that look like chance, from a seed.
struct Dice(u64);

impl Dice {
    fn of(run: usize) -> Self {
        Dice((run as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn run(at: usize, config: String, summary: String) -> Run {
    // One a minute, each an hour long.
    let created = 1_700_000_000_000_000 + at as i64 * 60_000_000;
    Run {
        entity: Some("acme".into()),
        project: Some("vision".into()),
        name: format!("run{at}"),
        created_at: Some(Timestamp::from_micros(created)),
        heartbeat_at: Some(Timestamp::from_micros(created + 3_600_000_000)),
        config: Some(Document::plain(config)),
        summary: Some(Document::plain(summary)),
        ..Run::default()
    }
}

/// A JSON object of `keys` members out of a pool, in seven groups, one of which is nested; one in 20 each is text, `"NaN"`, a
/// list, a histogram, and an integer where others are floats.
fn document(dice: &mut Dice, keys: usize, pool: u64) -> String {
    let mut members = Vec::new();
    for _ in 0..keys {
        let (key, value) = (dice.roll() % pool, dice.roll());
        let text = match value % 20 {
            0 => "\"NaN\"".to_owned(),
            1 => format!("\"adam-{}\"", value % 7),
            2 => (value % 1_000).to_string(),
            3 => "[1,2,3,4]".to_owned(),
            4 => r#"{"_type":"histogram","bins":[0,1,2],"values":[3,4]}"#.to_owned(),
            _ => format!("{:.6}", value as f64 / u64::MAX as f64),
        };
        members.push(match key % 7 {
            0 => format!("\"g{}\":{{\"k{key}\":{text}}}", key % 13),
            _ => format!("\"k{key}\":{text}"),
        });
    }
    format!("{{{}}}", members.join(","))
}

/// Runs of about 60 config and 120 summary keys out of 400, nested, with conflicts of kind, `"NaN"` and histograms.
pub fn ordinary(numbers: Range<usize>) -> Vec<Run> {
    let one = |at| {
        let mut dice = Dice::of(at);
        let (config, summary) = (document(&mut dice, 60, 133), document(&mut dice, 120, 267));
        run(at, config, summary)
    };
    numbers.map(one).collect()
}

/// Runs of 100 floats each, out of a pool of so many keys; with 200 keys every second one is there in each run.
pub fn floats(numbers: Range<usize>, pool: u64) -> Vec<Run> {
    let one = |at| {
        let mut dice = Dice::of(at);
        // One key of each hundredth of the pool, so that none is there twice.
        let stripe = pool / 100;
        let member = |part: u64| {
            let key = part * stripe + dice.roll() % stripe;
            format!("\"metric_{key:05}\":{:.8}", dice.roll() as f64 / u64::MAX as f64)
        };
        let members: Vec<String> = (0..100).map(member).collect();
        run(at, String::from("{}"), format!("{{{}}}", members.join(",")))
    };
    numbers.map(one).collect()
}
