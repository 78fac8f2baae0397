//! The split of `--where`: what a server of many tempers keeps, then the rest here, is what the whole keeps; and `--filter` here is the server's.
//!
//! `RUNFRAME_PUSH_SEEDS=500 cargo test --test it push` tries more tables than the default.

mod filters;
mod runs;
mod server;

use filters::{condition, query};
use runframe::expr::{self, mongo};
use runframe::polars::prelude::*;
use runframe::{Run, RunFrame, Timestamp};
use runs::{Dice, Record, records};
use serde_json::Value;
use server::{Temper, keeps};
use std::collections::{BTreeMap, BTreeSet};

fn now() -> Timestamp {
    Timestamp::parse("2026-01-05T00:00:00Z").unwrap()
}

fn frame(records: &[&Record]) -> RunFrame {
    RunFrame::from_runs(records.iter().map(|record| record.run()).collect::<Vec<Run>>()).unwrap()
}

/// How many tables are made, each with [`EACH`] conditions.
fn seeds() -> u64 {
    std::env::var("RUNFRAME_PUSH_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(DEFAULT)
}

/// About 2,500 cases in both tests.
const DEFAULT: u64 = 48;

/// Conditions for a table. They are asked together, because a query costs more than a condition.
const EACH: usize = 30;

/// The names of the runs that each condition keeps.
fn kept(frame: &RunFrame, keep: Vec<Expr>) -> Vec<BTreeSet<String>> {
    let asked = keep.len();
    let columns = keep.into_iter().enumerate().map(|(at, keep)| keep.alias(at.to_string()));
    let table = frame.lazy().select(std::iter::once(col("name")).chain(columns).collect::<Vec<Expr>>());
    let table = table.collect().unwrap();
    let names = table.column("name").unwrap().str().unwrap();
    let rows = |at: usize| {
        let column = table.column(&at.to_string()).unwrap();
        // A condition of constants is one value for all.
        let keep: Vec<Option<bool>> = column.bool().unwrap().iter().collect();
        names
            .iter()
            .flatten()
            .zip(keep)
            .filter(|(_, keep)| *keep == Some(true))
            .map(|(name, _)| name.to_owned())
            .collect()
    };
    (0..asked).map(rows).collect()
}

#[derive(Default, Debug)]
struct Count {
    cases: usize,
    pushed: usize,
    whole: usize,
    narrowed: usize,
    inexact: usize,
    refused: usize,
}

impl Count {
    fn plus(self, other: Count) -> Count {
        Count {
            cases: self.cases + other.cases,
            pushed: self.pushed + other.pushed,
            whole: self.whole + other.whole,
            narrowed: self.narrowed + other.narrowed,
            inexact: self.inexact + other.inexact,
            refused: self.refused + other.refused,
        }
    }
}

/// What is asked of the runs that a server sent.
struct Question {
    rest: String,
    wanted: BTreeSet<String>,
    story: String,
}

#[test]
fn the_server_then_the_rest_is_the_whole() {
    let seeds = seeds();
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(4)) as u64;
    let some = |first: u64| {
        let mut count = Count::default();
        (first..seeds).step_by(threads as usize).for_each(|seed| check(seed, &mut count));
        count
    };
    let count = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || some(first))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).fold(Count::default(), Count::plus)
    });
    let at_least = |found: usize, each: u64| found as u64 > each * seeds;
    assert!(count.cases > 1000 || seeds < DEFAULT, "{count:?}");
    assert!(
        at_least(count.pushed, 15)
            && at_least(count.narrowed, 20)
            && at_least(count.whole, 1)
            && at_least(count.cases, 22),
        "{count:?}"
    );
}

fn check(seed: u64, count: &mut Count) {
    let mut dice = Dice::new(seed);
    let mixed = seed.is_multiple_of(2);
    let records = records(&mut dice, mixed);
    let table = frame(&records.iter().collect::<Vec<&Record>>());
    let conditions: Vec<String> = (0..EACH).map(|_| condition(&mut dice)).collect();
    let parsed = |text: &String| Some((text.clone(), expr::parse_filter(text, table.schema(), now()).ok()?));
    let (texts, whole): (Vec<String>, Vec<Expr>) = conditions.iter().filter_map(parsed).unzip();
    count.refused += conditions.len() - texts.len();
    let mut asked: BTreeMap<Vec<usize>, Vec<Question>> = BTreeMap::new();
    for (text, wanted) in texts.iter().zip(kept(&table, whole)) {
        let split = expr::push_down(text, now()).unwrap_or_else(|error| panic!("{text}: {error}"));
        // With values of several kinds at a path, conditions on the kinds themselves depend on the other runs.
        if !split.exact && mixed {
            count.inexact += 1;
            continue;
        }
        count.cases += 1;
        count.pushed += usize::from(split.pushed.is_some());
        count.whole += usize::from(split.rest.is_none());
        for temper in Temper::ALL {
            let sends = |record: &Record| split.pushed.as_ref().is_none_or(|filter| keeps(filter, record, temper));
            let sent: Vec<usize> = (0..records.len()).filter(|at| sends(&records[*at])).collect();
            count.narrowed += usize::from(sent.len() < records.len());
            let story = format!("seed {seed}, {temper:?}: {text}\n{}", split.explain());
            let questions = asked.entry(sent).or_default();
            for rest in [split.rest.clone().unwrap_or("true".to_owned()), split.recheck.clone()] {
                // The whole text may be all that is left, and several servers may send the same runs.
                if !questions.iter().any(|question| question.rest == rest && question.wanted == wanted) {
                    questions.push(Question { rest, wanted: wanted.clone(), story: story.clone() });
                }
            }
        }
    }
    for (sent, questions) in asked {
        ask(&sent.into_iter().map(|at| &records[at]).collect::<Vec<&Record>>(), &questions);
    }
}

fn ask(sent: &[&Record], questions: &[Question]) {
    let part = frame(sent);
    let parse = |question: &Question| {
        let keep = expr::parse_partial_filter(&question.rest, part.schema(), now());
        keep.unwrap_or_else(|error| panic!("{error}\n{}", question.story))
    };
    for (got, question) in kept(&part, questions.iter().map(parse).collect()).into_iter().zip(questions) {
        assert_eq!(got, question.wanted, "{}: {}", question.rest, question.story);
    }
}

#[test]
fn filters_in_json_mean_here_what_they_mean_there() {
    let (mut cases, mut some) = (0, 0);
    for seed in 0..seeds() {
        let mut dice = Dice::new(10_000 + seed);
        let mut records = records(&mut dice, seed.is_multiple_of(2));
        records.iter_mut().for_each(Record::show_all);
        let all: Vec<&Record> = records.iter().collect();
        let table = frame(&all);
        let filters: Vec<Value> = (0..EACH).map(|_| query(&mut dice, 2)).collect();
        let keep = |filter: &Value| mongo::parse(&filter.to_string()).unwrap().to_expr(table.schema()).unwrap();
        let found = kept(&table, filters.iter().map(keep).collect());
        for (filter, got) in filters.iter().zip(found) {
            let wanted: BTreeSet<String> = all
                .iter()
                .filter(|record| keeps(filter, record, Temper::Mongo))
                .map(|record| record.name.clone())
                .collect();
            let differ = || got.symmetric_difference(&wanted).cloned().collect::<Vec<_>>();
            let rows = || {
                all.iter()
                    .filter(|r| differ().contains(&r.name))
                    .map(|r| format!("{:?}", r.document()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(got, wanted, "seed {seed}: {filter}\n{}", rows().join("\n"));
            cases += 1;
            some += usize::from(!wanted.is_empty() && wanted.len() < all.len());
        }
    }
    assert!((cases >= 1400 && some > 700) || seeds() < DEFAULT, "{cases} {some}");
}

/// The run with these keys only.
fn with_keys(record: &Record, needs: &expr::Needs) -> Record {
    let mut some = record.clone();
    for (object, wanted, keys) in [
        (&mut some.config, needs.wanted.config, &needs.config),
        (&mut some.summary, needs.wanted.summary, &needs.summary),
    ] {
        object.retain(|key, _| wanted && keys.as_ref().is_none_or(|keys| keys.contains(key)));
    }
    some
}

#[test]
fn of_runs_with_the_needed_keys_only_the_answer_is_the_same() {
    let (mut cases, mut fewer) = (0, 0);
    for seed in 0..seeds() / 2 {
        let mut dice = Dice::new(20_000 + seed);
        let records = records(&mut dice, seed.is_multiple_of(2));
        let whole = frame(&records.iter().collect::<Vec<&Record>>());
        let parsed = |text: String| {
            let keep = expr::parse_filter(&text, whole.schema(), now()).ok()?;
            Some((text, keep))
        };
        let (texts, keep): (Vec<String>, Vec<Expr>) =
            (0..EACH).map(|_| condition(&mut dice)).filter_map(parsed).unzip();
        for (text, wanted) in texts.iter().zip(kept(&whole, keep)) {
            let needs = expr::needs(&[text], &[]);
            let some: Vec<Record> = records.iter().map(|record| with_keys(record, &needs)).collect();
            let part = frame(&some.iter().collect::<Vec<&Record>>());
            let keep = expr::parse_filter(text, part.schema(), now());
            let keep = keep.unwrap_or_else(|error| panic!("seed {seed}: {text}: {error}\n{needs:?}"));
            assert_eq!(kept(&part, vec![keep]), [wanted], "seed {seed}: {text}\n{needs:?}");
            cases += 1;
            fewer += usize::from(part.schema().len() < whole.schema().len());
        }
    }
    assert!((cases > 400 && fewer > cases / 2) || seeds() < DEFAULT, "{cases} {fewer}");
}
