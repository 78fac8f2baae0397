//! Made-up pages of W&B's run listing, the same on every machine: shared by the benches, the counts and the peers.

use std::fmt::Write as _;

/// Runs on a page.
pub const PAGE: usize = 100;
/// Leaf paths there are in all; a run has about 60 of the first and 120 of the second.
const CONFIG: usize = 133;
const SUMMARY: usize = 267;
const BINS: usize = 32;

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// What a path's values are.
#[derive(Clone, Copy)]
enum Kind {
    Int,
    Setting,
    Metric,
    Text,
    Flag,
    /// Integers, floats and strings: the runs do not agree.
    Conflict,
    Histogram,
}

struct Path {
    keys: Vec<String>,
    kind: Kind,
}

fn kind(config: bool, at: usize) -> Kind {
    match (config, at % 20) {
        (_, 3 | 13) => Kind::Conflict,
        (true, 0 | 1 | 2 | 8 | 9 | 15) => Kind::Int,
        (true, 4..=7 | 16) => Kind::Setting,
        (true, 10 | 11) => Kind::Flag,
        (true, _) => Kind::Text,
        (false, 0 | 1 | 2 | 12) => Kind::Int,
        (false, 11) => Kind::Text,
        (false, _) if at % 17 == 7 => Kind::Histogram,
        (false, _) => Kind::Metric,
    }
}

/// The paths of config or summary, sorted as a server sorts keys.
fn pool(config: bool) -> Vec<Path> {
    let top = ["model", "optimizer", "data", "trainer", "scheduler", "eval"];
    let words =
        ["learning_rate", "batch_size", "num_layers", "dropout", "loss", "accuracy", "warmup", "seed", "hidden"];
    let path = |at: usize| {
        let (group, word) = (top[at % top.len()], words[at % words.len()]);
        let leaf = format!("{word}_{at}");
        let keys = match (config, at % 4) {
            (_, 0) => vec![group.to_owned(), leaf],
            (_, 1) if at % 8 == 1 => vec![group.to_owned(), format!("part_{}", at % 3), leaf],
            (false, 1 | 2) => vec![format!("{group}/{leaf}")],
            _ => vec![leaf],
        };
        Path { keys, kind: kind(config, at) }
    };
    let mut paths: Vec<Path> = (0..if config { CONFIG } else { SUMMARY }).map(path).collect();
    paths.sort_by(|a, b| a.keys.cmp(&b.keys));
    paths
}

/// The pages and the dice they are thrown with.
pub struct Pages {
    config: Vec<Path>,
    summary: Vec<Path>,
    /// No conflicts of kind and no `"NaN"`, for readers that know neither.
    clean: bool,
}

impl Pages {
    /// Pages of messy runs, or of clean ones.
    pub fn new(clean: bool) -> Self {
        Pages { config: pool(true), summary: pool(false), clean }
    }

    /// The page with this number: the bytes of a GraphQL answer.
    pub fn page(&self, number: usize, runs: usize) -> Vec<u8> {
        let mut out = String::with_capacity(runs * 9_000);
        out.push_str(r#"{"data":{"project":{"runCount":"#);
        let _ = write!(out, "{}", 1_000_000);
        out.push_str(r#","runs":{"pageInfo":{"hasNextPage":true,"endCursor":"end"},"edges":["#);
        for at in 0..runs {
            if at > 0 {
                out.push(',');
            }
            self.run(number * PAGE + at, &mut out);
        }
        out.push_str("]}}}}");
        out.into_bytes()
    }

    fn run(&self, at: usize, out: &mut String) {
        let mut dice = Dice(at as u64 * 0x5851_f42d_4c95_7f2d + 1);
        let (id, user, group, state) = (dice.next(), dice.below(40), dice.below(90), dice.below(9));
        let state = ["finished", "crashed", "failed"].get(state as usize).unwrap_or(&"finished");
        let (day, hour, minute) = (1 + at / 1_000 % 28, dice.below(24), dice.below(60));
        let _ = write!(
            out,
            r#"{{"cursor":"Y{at}","node":{{"id":"UnVu{id:016x}","name":"run{at:06}","displayName":"brisk-river-{at}","state":"{state}","#
        );
        let _ = write!(
            out,
            r#""user":{{"username":"user{user}","name":"User {user}"}},"group":"group-{group}","jobType":"train","#
        );
        let _ = write!(out, r#""createdAt":"2026-03-{day:02}T{hour:02}:{minute:02}:07","#);
        let _ = write!(out, r#""heartbeatAt":"2026-04-{day:02}T{hour:02}:{minute:02}:59.25","#);
        let _ = write!(out, r#""computeSeconds":{},"historyLineCount":{},"#, dice.below(90_000), dice.below(20_000));
        out.push_str("\"config\":");
        quoted(&self.document(&self.config, true, at, &mut dice), out);
        out.push_str(",\"summaryMetrics\":");
        quoted(&self.document(&self.summary, false, at, &mut dice), out);
        out.push_str("}}");
    }

    /// A JSON object of some of the paths: 64 % of them are known in the run's era, and the run has 70 % of those.
    fn document(&self, pool: &[Path], wrapped: bool, at: usize, dice: &mut Dice) -> String {
        let era = at / 25 % 4;
        let mut out = String::from("{");
        let mut open: Vec<&str> = Vec::new();
        let mut first = true;
        for (index, path) in pool.iter().enumerate() {
            if (index * 7 + era * 41) % 100 >= 64 || dice.below(10) >= 7 {
                continue;
            }
            let Some((leaf, above)) = path.keys.split_last() else { continue };
            let shared = open.iter().zip(above).take_while(|(a, b)| **a == b.as_str()).count();
            while open.len() > shared {
                open.pop();
                out.push('}');
                if wrapped && open.is_empty() {
                    out.push('}');
                }
            }
            for key in &above[shared..] {
                comma(&mut out);
                let wrap = if wrapped && open.is_empty() { "{\"desc\":null,\"value\":" } else { "" };
                let _ = write!(out, "\"{key}\":{wrap}{{");
                open.push(key);
            }
            comma(&mut out);
            let wrap = wrapped && open.is_empty();
            let _ = write!(out, "\"{leaf}\":{}", if wrap { "{\"desc\":null,\"value\":" } else { "" });
            self.value(path.kind, dice, &mut out);
            if wrap {
                out.push('}');
            }
            first = false;
        }
        while open.pop().is_some() {
            out.push('}');
            if wrapped && open.is_empty() {
                out.push('}');
            }
        }
        let end = if wrapped {
            "\"_wandb\":{\"desc\":null,\"value\":{\"cli_version\":\"0.24.1\"}}}"
        } else {
            "\"_wandb\":{\"runtime\":77}}"
        };
        if !first {
            out.push(',');
        }
        out.push_str(end);
        out
    }

    fn value(&self, kind: Kind, dice: &mut Dice, out: &mut String) {
        if !self.clean && matches!(kind, Kind::Metric | Kind::Setting) && dice.below(50) == 0 {
            out.push_str("\"NaN\"");
            return;
        }
        let _ = match kind {
            Kind::Int => write!(out, "{}", dice.below(100_000)),
            Kind::Setting => {
                write!(out, "{}", [0.1, 0.003, 0.0003, 0.9, 0.999, 1e-5, 0.25, 1e-8][dice.below(8) as usize])
            }
            Kind::Flag => write!(out, "{}", dice.below(2) == 0),
            Kind::Metric => write!(out, "{:?}", dice.share() * 10f64.powi(dice.below(4) as i32 - 2)),
            Kind::Text => {
                text(dice, out);
                Ok(())
            }
            Kind::Conflict if self.clean => write!(out, "{}", dice.below(1_000)),
            Kind::Conflict => match dice.below(3) {
                0 => write!(out, "{}", dice.below(1_000)),
                1 => write!(out, "{:?}", dice.share()),
                _ => write!(out, "\"choice-{}\"", dice.below(9)),
            },
            Kind::Histogram => {
                out.push_str("{\"_type\":\"histogram\",\"bins\":[");
                let (low, step) = (dice.share() - 1.0, dice.share());
                for at in 0..=BINS {
                    let edge = (low + step * at as f64) * 1e6;
                    let _ = write!(out, "{}{:?}", if at > 0 { "," } else { "" }, edge.round() / 1e6);
                }
                out.push_str("],\"values\":[");
                for at in 0..BINS {
                    let _ = write!(out, "{}{}", if at > 0 { "," } else { "" }, dice.below(3_000));
                }
                out.push_str("]}");
                Ok(())
            }
        };
    }
}

/// Mostly a word; now and then a path, a line break, quotes or letters beyond ASCII.
fn text(dice: &mut Dice, out: &mut String) {
    let n = dice.below(1_000);
    let _ = match n {
        0..4 => write!(out, r#""C:\\data\\set{n}""#),
        4..8 => write!(out, r#""first\nsecond {n}""#),
        8..12 => write!(out, r#""said \"yes\" {n}""#),
        12..20 => write!(out, "\"modèle-{n}\""),
        20..24 => write!(out, r#""\u00e9t\u00e9 {n}""#),
        24..200 => write!(out, "\"/mnt/datasets/images/train-{n:05}.tar\""),
        _ => write!(out, "\"{}\"", ["adamw", "cosine", "resnet50", "bfloat16", "gelu"][n as usize % 5]),
    };
}

fn comma(out: &mut String) {
    if !out.ends_with('{') && !out.ends_with(':') {
        out.push(',');
    }
}

/// Appends `text` as a JSON string.
fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
