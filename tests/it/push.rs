//! The split of `--where`: what a server of many tempers keeps, then the rest here, is what the whole keeps; and `--filter` here is the server's.

mod filters;
mod runs;
mod server;

use filters::{condition, query};
use runframe::expr::{self, mongo};
use runframe::polars::prelude::*;
use runframe::{Run, RunFrame, Timestamp};
use runs::{Dice, Record, records};
use server::{Temper, keeps};
use std::collections::BTreeSet;

fn now() -> Timestamp {
    Timestamp::parse("2026-01-05T00:00:00Z").unwrap()
}

fn frame(records: &[&Record]) -> RunFrame {
    RunFrame::from_runs(records.iter().map(|record| record.run()).collect::<Vec<Run>>()).unwrap()
}

/// The names of the runs that the condition keeps.
fn kept(frame: &RunFrame, keep: Expr) -> BTreeSet<String> {
    let kept = frame.lazy().filter(keep).select([col("name")]).collect().unwrap();
    kept.column("name").unwrap().str().unwrap().iter().flatten().map(str::to_owned).collect()
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

#[test]
fn the_server_then_the_rest_is_the_whole() {
    let mut count = Count::default();
    for seed in 0..140 {
        let mut dice = Dice::new(seed);
        let mixed = seed % 2 == 0;
        let records = records(&mut dice, mixed);
        let all: Vec<&Record> = records.iter().collect();
        let table = frame(&all);
        for _ in 0..20 {
            check(&condition(&mut dice), &records, &table, mixed, seed, &mut count);
        }
    }
    assert!(count.cases > 2000 && count.pushed > 1500 && count.narrowed > 3000 && count.whole > 100, "{count:?}");
}

fn check(text: &str, records: &[Record], table: &RunFrame, mixed: bool, seed: u64, count: &mut Count) {
    let Ok(whole) = expr::parse_filter(text, table.schema(), now()) else {
        count.refused += 1;
        return;
    };
    let wanted = kept(table, whole);
    let split = expr::push_down(text, now()).unwrap_or_else(|error| panic!("{text}: {error}"));
    // With values of several kinds at a path, conditions on the kinds themselves depend on the other runs.
    if !split.exact && mixed {
        count.inexact += 1;
        return;
    }
    count.cases += 1;
    count.pushed += usize::from(split.pushed.is_some());
    count.whole += usize::from(split.rest.is_none());
    for temper in Temper::ALL {
        let sends = |record: &&Record| split.pushed.as_ref().is_none_or(|filter| keeps(filter, record, temper));
        let sent: Vec<&Record> = records.iter().filter(sends).collect();
        count.narrowed += usize::from(sent.len() < records.len());
        let part = frame(&sent);
        let ask = |text: &str| expr::parse_partial_filter(text, part.schema(), now()).map(|keep| kept(&part, keep));
        let story = || format!("seed {seed}, {temper:?}: {text}\n{}", split.explain());
        let got = match &split.rest {
            Some(rest) => ask(rest).unwrap_or_else(|error| panic!("{error}\n{}", story())),
            None => sent.iter().map(|record| record.name.clone()).collect(),
        };
        assert_eq!(got, wanted, "{}", story());
        let again = ask(&split.recheck).unwrap_or_else(|error| panic!("{error}\n{}", story()));
        assert_eq!(again, wanted, "recheck: {}", story());
    }
}

#[test]
fn filters_in_json_mean_here_what_they_mean_there() {
    let (mut cases, mut some) = (0, 0);
    for seed in 0..110 {
        let mut dice = Dice::new(10_000 + seed);
        let mut records = records(&mut dice, seed % 2 == 0);
        records.iter_mut().for_each(Record::show_all);
        let all: Vec<&Record> = records.iter().collect();
        let table = frame(&all);
        for _ in 0..20 {
            let filter = query(&mut dice, 2);
            let wanted: BTreeSet<String> = all
                .iter()
                .filter(|record| keeps(&filter, record, Temper::Mongo))
                .map(|record| record.name.clone())
                .collect();
            let parsed = mongo::parse(&filter.to_string()).unwrap();
            let got = kept(&table, parsed.to_expr(table.schema()).unwrap());
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
    assert!(cases >= 2000 && some > 1000, "{cases} {some}");
}
