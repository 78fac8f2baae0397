//! A summary made from the history, for logs that hold no summary record: a legacy run that crashed.
//!
//! Last values, or what `define_metric` asked for: min, max, mean, first, last, best, or nothing.

use super::fold::node_of;
use super::items::{self, Item};
use super::messages::{Aggregates, Kind, Metric, Record};
use super::tree::{Node, ROOT, Tree};
use super::wire::Malformed;

/// What is known of the metrics while the rows of a file go by.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    rules: Vec<Rule>,
    /// Per node of the summary tree.
    tracks: Vec<Track>,
    /// Counts up with every definition, so that tracks look their rule up anew.
    version: u64,
}

/// What `define_metric` said of a name.
#[derive(Debug)]
struct Rule {
    /// The name, dots in its parts escaped; for a glob without its `*`.
    name: Vec<u8>,
    glob: bool,
    show: Aggregates,
    maximize: bool,
}

/// A metric that the summary shows as aggregates.
#[derive(Debug, Default)]
struct Track {
    /// The version of the rules that it follows.
    version: u64,
    show: Aggregates,
    maximize: bool,
    numbers: u64,
    total: f64,
    first: Option<Vec<u8>>,
    last: Vec<u8>,
    min: Option<(f64, Vec<u8>)>,
    max: Option<(f64, Vec<u8>)>,
}

impl Metrics {
    /// Takes a metric or history record; others are passed over.
    pub(super) fn record(&mut self, record: &Record<'_>, summary: &mut Tree) -> Result<(), Malformed> {
        match record.kind {
            Some(Kind::Metric) => self.define(&Metric::parse(record.body)?),
            Some(Kind::History) => self.row(record.body, summary)?,
            _ => {}
        }
        Ok(())
    }

    fn define(&mut self, metric: &Metric<'_>) {
        let glob = metric.name.is_empty();
        let name = if glob { metric.glob } else { metric.name };
        let name = if glob { name.strip_suffix(b"*").unwrap_or(name) } else { name };
        if name.is_empty() && !glob {
            return;
        }
        self.version += 1;
        let known = self.rules.iter_mut().find(|rule| rule.glob == glob && rule.name == name);
        match known {
            Some(rule) => {
                rule.show = if metric.overwrite { metric.summary } else { rule.show.or(metric.summary) };
                rule.maximize = metric.maximize || (rule.maximize && !metric.overwrite);
            }
            None => {
                self.rules.push(Rule { name: name.to_vec(), glob, show: metric.summary, maximize: metric.maximize })
            }
        }
    }

    fn row(&mut self, body: &[u8], summary: &mut Tree) -> Result<(), Malformed> {
        let mut bad = false;
        let mut has_step = false;
        let step = items::row(body, |item| {
            has_step |= item.single() == Some(b"_step");
            bad |= self.item(&item, summary).is_err();
        })?;
        if let Some(step) = step.filter(|_| !has_step) {
            let node = summary.child(ROOT, b"_step");
            summary.set(node, step.to_string().as_bytes());
        }
        if bad { Err(Malformed) } else { Ok(()) }
    }

    fn item(&mut self, item: &Item<'_>, summary: &mut Tree) -> Result<(), Malformed> {
        let value = item.value()?;
        let node = node_of(summary, item);
        if self.rules.is_empty() {
            summary.set(node, &value);
            return Ok(());
        }
        if self.tracks.len() <= node {
            self.tracks.resize_with(node + 1, Track::default);
        }
        let Some(track) = self.tracks.get_mut(node) else { return Ok(()) };
        if track.version != self.version {
            track.version = self.version;
            (track.show, track.maximize) = rule_of(&self.rules, item);
        }
        if track.show.none {
            return Ok(());
        }
        if !track.show.any() {
            summary.set(node, &value);
            return Ok(());
        }
        track.take(&value, item.is_legacy());
        track.write(summary, node);
        Ok(())
    }
}

/// The rule for an item's name: an exact one, else the first glob that fits.
fn rule_of(rules: &[Rule], item: &Item<'_>) -> (Aggregates, bool) {
    let mut name = Vec::new();
    for part in item.path() {
        if !name.is_empty() {
            name.push(b'.');
        }
        for byte in part {
            if *byte == b'.' {
                name.push(b'\\');
            }
            name.push(*byte);
        }
    }
    let exact = rules.iter().find(|rule| !rule.glob && rule.name == name);
    // Globs do not reach W&B's own keys.
    let rule = exact
        .or_else(|| rules.iter().find(|rule| rule.glob && name.starts_with(&rule.name) && !name.starts_with(b"_")));
    rule.map(|rule| (rule.show, rule.maximize)).unwrap_or_default()
}

impl Track {
    fn take(&mut self, value: &[u8], legacy: bool) {
        let text = std::str::from_utf8(value).unwrap_or_default().trim();
        let number = match text {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => text.parse::<f64>().ok().filter(|_| text.starts_with(|c: char| c == '-' || c.is_ascii_digit())),
        };
        self.first.get_or_insert_with(|| value.to_vec());
        self.last.clear();
        self.last.extend_from_slice(value);
        let Some(number) = number else { return };
        // Legacy writers passed over NaN; in wandb-core it stays for good.
        if number.is_nan() && legacy {
            return;
        }
        self.numbers += 1;
        self.total += number;
        let wins = |known: &Option<(f64, Vec<u8>)>, better: fn(f64, f64) -> bool| match known {
            None => true,
            Some((known, _)) => !known.is_nan() && (number.is_nan() || better(number, *known)),
        };
        if wins(&self.min, |new, old| new < old) {
            self.min = Some((number, value.to_vec()));
        }
        if wins(&self.max, |new, old| new > old) {
            self.max = Some((number, value.to_vec()));
        }
    }

    /// Sets the object of aggregates, as writers do: one leaf.
    fn write(&self, summary: &mut Tree, node: Node) {
        let mean = (self.numbers > 0).then(|| items::number(self.total / self.numbers as f64).into_bytes());
        let of = |extreme: &Option<(f64, Vec<u8>)>| extreme.as_ref().map(|(_, text)| text.clone());
        let best = if self.maximize { of(&self.max) } else { of(&self.min) };
        let all = [
            ("min", self.show.min, of(&self.min)),
            ("max", self.show.max, of(&self.max)),
            ("mean", self.show.mean, mean),
            ("best", self.show.best, best),
            ("last", self.show.last, Some(self.last.clone())),
            ("first", self.show.first, self.first.clone()),
        ];
        let mut text = vec![b'{'];
        for (name, shown, value) in all {
            let Some(value) = value.filter(|_| shown) else { continue };
            if text.len() > 1 {
                text.push(b',');
            }
            text.extend_from_slice(format!("\"{name}\":").as_bytes());
            text.extend_from_slice(&value);
        }
        text.push(b'}');
        if text.len() > 2 {
            summary.set(node, &text);
        }
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
