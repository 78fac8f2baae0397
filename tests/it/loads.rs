//! What a load puts together does not depend on how the runs came: in batches of any size, in any order, on any number of threads.

use proptest::prelude::*;
use runframe::{Batch, Document, Progress, Receipt, Result, Run, RunFrame, Source, Wanted};
use std::sync::Mutex;

/// Batches that threads fetch in the order of this list.
struct Arriving {
    batches: Mutex<Vec<Batch>>,
    threads: usize,
    runs: u64,
}

impl Source for Arriving {
    fn load(&self, _: Wanted, each: &(dyn Fn(Batch) -> Result<()> + Sync), progress: &Progress) -> Result<Receipt> {
        progress.expect(self.runs);
        let work = || -> Result<()> {
            loop {
                let next = self.batches.lock().unwrap().pop();
                let Some(batch) = next else { return Ok(()) };
                each(batch)?;
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap())
        })?;
        Ok(Receipt::default())
    }
}

/// Every third run has a secret, every fourth another kind of `x`, every fifth a text that is no JSON.
fn run(at: usize) -> Run {
    let x = if at.is_multiple_of(4) { format!("\"word{at}\"") } else { format!("{at}.5") };
    let config = match at {
        _ if at % 5 == 4 => "{\"x\": tru".to_owned(),
        _ if at % 3 == 2 => {
            format!(r#"{{"x":{x},"db":"postgres://ada:n3verTell-Anybody@db/runs{at}","k{}":[{at}]}}"#, at % 7)
        }
        _ => format!(r#"{{"x":{x},"k{}":"text"}}"#, at % 7),
    };
    let summary = Some(Document::plain(format!(r#"{{"loss":{at},"best":"NaN","s{}":{{"deep":null}}}}"#, at % 11)));
    Run {
        name: format!("run{at}"),
        host: (at % 2 == 1).then(|| format!("host{at}")),
        config: Some(Document::plain(config)),
        summary,
        ..Run::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_table_is_that_of_the_runs_in_order(
        sizes in proptest::collection::vec(0usize..40, 1..30),
        turns in proptest::collection::vec(any::<u8>(), 30),
        in_order in any::<bool>(),
        threads in 1usize..5,
    ) {
        let mut first = 0;
        let mut batches: Vec<Batch> = Vec::new();
        for (order, size) in sizes.into_iter().enumerate() {
            batches.push(Batch { order, runs: (first..first + size).map(run).collect() });
            first += size;
        }
        if !in_order {
            batches.sort_by_key(|batch| turns[batch.order]);
        }
        batches.reverse();
        let source = Arriving { batches: Mutex::new(batches), threads, runs: first as u64 };
        let (columns, receipt) = runframe::read(&source, Wanted { raw: false, ..Wanted::default() }, &Progress::default()).unwrap();
        let loaded = RunFrame::from_columns(columns, receipt).unwrap();
        let expected = RunFrame::from_runs((0..first).map(run)).unwrap();
        prop_assert!(loaded.collect().unwrap().equals_missing(&expected.collect().unwrap()));
        let faults = |frame: &RunFrame| (frame.receipt().json_errors, format!("{:?}", frame.receipt().json_faults));
        prop_assert_eq!(faults(&loaded), faults(&expected));
        let secrets: Vec<(&str, u64)> =
            loaded.receipt().secrets.iter().map(|found| (found.column.as_str(), found.values)).collect();
        let with_secret = (0..first).filter(|at| at % 3 == 2 && at % 5 != 4).count() as u64;
        let expected: Vec<(&str, u64)> = if with_secret > 0 { vec![("config.db", with_secret)] } else { Vec::new() };
        prop_assert_eq!(secrets, expected);
    }
}
