//! Files that are damaged, servers that bear little, and runs that go on while they are read.

use super::super::tests::server::{Fault, History, HistoryRecipe, Of, Server, Spoil, Switches};
use super::tests::{Wanted, check, keys, load, names, operations, source, truth, world};
use super::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The run whose file is damaged, one of three.
const RUN: &str = "r0000001";

fn spoil(server: &Server, file: &str, how: Spoil) {
    server.set(|switches| switches.storage.spoilt = vec![(format!("{RUN}/{file}"), how)]);
}

/// The ways in which a file is surely no Parquet file that can be read.
fn ways(server: &Server) -> Vec<Spoil> {
    let size = server.look(|world| world.projects[0].run(RUN).unwrap().history.as_ref().unwrap().parquet()[0].len());
    let page: Vec<isize> = (4..size as isize / 2).collect();
    vec![
        Spoil::Cut(0.0),
        Spoil::Cut(0.5),
        Spoil::Cut(0.999),
        Spoil::Flip(vec![-1]),
        // The footer's length.
        Spoil::Flip(vec![-8]),
        Spoil::Flip(vec![-5]),
        Spoil::Flip((-60..-10).collect()),
        // Every byte of the first pages.
        Spoil::Flip(page),
        Spoil::Replace("<html><body>Sign in to go on</body></html>".to_owned()),
        Spoil::Replace("PAR1".to_owned()),
        Spoil::Replace(format!("{}\u{0}\u{0}\u{0}\u{0}PAR1", "x".repeat(100))),
    ]
}

#[test]
fn damaged_files_are_named_and_their_rows_come_in_pages() {
    let history = HistoryRecipe { files: 2, row_group: 100, wide: 4, ..HistoryRecipe::rows(400) };
    let server = Server::start(world(3, history), Switches::default());
    for how in ways(&server) {
        let told = format!("{how:?}").chars().take(80).collect::<String>();
        for wanted in [Wanted(None), keys(&["wide_3", "val/loss"])] {
            spoil(&server, "part-0.parquet", how.clone());
            let receipt = check(&server, &wanted, Steps::default());
            let notes = receipt.served.unwrap().notes;
            let notes: Vec<&String> = notes.iter().filter(|note| note.contains("pages")).collect();
            assert!(!notes.is_empty(), "{told}: {notes:?}");
            for note in notes {
                assert!(note.starts_with(&format!("acme/fleet/{RUN}: read in pages, since ")), "{told}: {note}");
                assert!(note.contains("part-0.parquet") && !note.contains("Signature"), "{told}: {note}");
            }
        }
        check(&server, &keys(&["wide_3"]), Steps { min: Some(10), max: Some(210) });
    }
}

#[test]
fn of_row_groups_that_are_read_together_only_the_damaged_one_comes_in_pages() {
    let server =
        Server::start(world(3, HistoryRecipe { row_group: 100, ..HistoryRecipe::rows(400) }), Switches::default());
    // Every byte of the first pages, which are of the first row group.
    spoil(&server, "part-0.parquet", Spoil::Flip((4..400).collect()));
    check(&server, &keys(&["loss", "epoch"]), Steps::default());
    let pages = server.requests().into_iter().filter(|request| request.operation.as_deref() == Some("HistoryRows"));
    let spans: Vec<_> = pages.map(|page| (page.variables["min_0"].clone(), page.variables["max_0"].clone())).collect();
    assert_eq!(spans, [(0.into(), 100.into())]);
}

#[test]
fn damaged_rows_that_no_page_has_are_missed_aloud() {
    let history = HistoryRecipe { live: 20, ..HistoryRecipe::rows(400) };
    let server = Server::start(world(3, history), Switches { pages: Of::Live, ..Switches::default() });
    for how in [Spoil::Replace("nothing".to_owned()), Spoil::Flip((4..900).collect())] {
        spoil(&server, "part-0.parquet", how);
        for wanted in [Wanted(None), keys(&["loss"])] {
            let (tables, receipt) = load(&server, &wanted, Steps::default(), None);
            assert_eq!((tables["r0000000"].len(), tables["r0000002"].len()), (400, 400));
            assert!(tables[RUN].len() < 400, "{}", tables[RUN].len());
            let incomplete = receipt.served.unwrap().incomplete;
            assert_eq!(receipt.complete, Some(false), "{incomplete:?}");
            assert!(incomplete.iter().all(|told| told.contains(RUN) && told.contains(" of ")), "{incomplete:?}");
        }
    }
}

#[test]
fn no_flipped_bit_ends_a_load() {
    let history = HistoryRecipe { structs: true, row_group: 20, ..HistoryRecipe::rows(40) };
    let server = Server::start(world(2, history), Switches::default());
    let size = server.look(|world| world.projects[0].run(RUN).unwrap().history.as_ref().unwrap().parquet()[0].len());
    let mut paged = 0;
    for at in (0..size as isize).step_by(size / 120) {
        spoil(&server, "part-0.parquet", Spoil::Flip(vec![at]));
        let (sink, wanted) = (super::tests::Collected::default(), Wanted(None));
        let ask = HistoryAsk { keys: &wanted, steps: Steps::default(), samples: None, system: false, had: None };
        let receipt = source(&server).history(("acme", "fleet"), &names(&server), ask, &sink, &Progress::default());
        let notes = receipt.unwrap().served.unwrap().notes;
        paged += usize::from(notes.iter().any(|note| note.contains("read in pages")));
        // A flipped bit of a value is another value; the file has no checksums.
        let steps = |run: &str, chunks: &[HistoryChunk]| {
            let of_run = chunks.iter().filter(|chunk| chunk.run == run);
            of_run.flat_map(|chunk| chunk.steps.clone()).collect::<BTreeSet<_>>().len()
        };
        let chunks = sink.chunks();
        assert_eq!(steps("r0000000", &chunks), 40, "byte {at}");
        assert!(steps(RUN, &chunks) >= 20, "byte {at}: {notes:?}");
    }
    assert!(paged > 20, "{paged}");
}

fn many() -> Server {
    Server::start(world(20, HistoryRecipe { wide: 6, ..HistoryRecipe::rows(60) }), Switches::default())
}

#[test]
fn runs_are_described_in_smaller_parts_where_many_are_too_much() {
    for status in [413, 502] {
        let server = many();
        server.set(|switches| switches.max_bytes = Some((9_000, status)));
        let receipt = check(&server, &keys(&["wide_3"]), Steps::default());
        assert_eq!(operations(&server), ["HistoryOpen".to_owned()].into());
        let refused = server.requests().iter().filter(|request| request.status == status).count();
        assert!((2..=6).contains(&refused), "{refused} refused of {}", server.requests().len());
        assert_eq!(receipt.runs, 20);
    }
    // One run that is too much is an error, and others are not blamed.
    let server = many();
    server.set(|switches| switches.max_bytes = Some((100, 413)));
    let (sink, wanted) = (super::tests::Collected::default(), keys(&["wide_3"]));
    let ask = HistoryAsk { keys: &wanted, steps: Steps::default(), samples: None, system: false, had: None };
    let error = source(&server).history(("acme", "fleet"), &names(&server), ask, &sink, &Progress::default());
    assert!(error.unwrap_err().message().contains("413"));
    let server = many();
    server.set(|switches| switches.next.extend([Some(Fault::Deadline), None, Some(Fault::Proxy(503))]));
    check(&server, &keys(&["wide_3"]), Steps::default());
}

#[test]
fn sampled_keys_with_dots_are_nested_or_written_so() {
    let row = |step: i64| {
        let nested = format!("\"grad\":{{\"mean\":{step}.5,\"deep\":{{\"max\":{step}}}}}");
        let both = if step % 2 == 0 { format!(",\"grad.mean\":-{step}.25,") } else { ",".to_owned() };
        let literal = format!("\"lr.head\":{step}.125");
        (step, format!("{{\"_step\":{step},\"_runtime\":{step}.0,\"_timestamp\":1.7e9,{nested}{both}{literal}}}"))
    };
    let mut world = world(1, HistoryRecipe::rows(1));
    world.projects[0].runs[0].history_rows = Some(40);
    world.projects[0].runs[0].history = Some(Arc::new(History::of((0..40).map(row).collect())));
    let server = Server::start(world, Switches::default());
    let at = |wanted: &Wanted, samples: u32, key: &str| {
        let (tables, receipt) = load(&server, wanted, Steps::default(), Some(samples));
        assert_eq!(receipt.served.unwrap().sampled, Some(samples));
        let table = tables["r0000000"].clone();
        let values = table.into_iter().filter_map(|(step, cells)| Some((step, cells.get(key)?.clone())));
        values.collect::<Vec<(i64, String)>>()
    };
    let deep = at(&keys(&["grad.deep.max", "lr.head"]), 8, "grad.deep.max");
    assert_eq!(deep, (0..8).map(|n| (n * 5, format!("{:?}", (n * 5) as f64))).collect::<Vec<_>>());
    let literal = at(&keys(&["grad.deep.max", "lr.head"]), 8, "lr.head");
    assert_eq!(literal, (0..8).map(|n| (n * 5, format!("{:?}", (n * 5) as f64 + 0.125))).collect::<Vec<_>>());
    // Where a row has both, the server's answer does not tell them apart; whole rows do.
    let own = at(&keys(&[r"grad\.mean"]), 10, r"grad\.mean");
    assert_eq!(
        own,
        (0..10)
            .filter(|n| n * 4 % 2 == 0)
            .map(|n| (n * 4, format!("{:?}", -(n as f64 * 4.0) - 0.25)))
            .collect::<Vec<_>>()
    );
}

// ------------------------------------------------------------------ runs that go on

#[test]
fn runs_that_grow_while_they_are_read_have_each_row_once() {
    for (live, overlap) in [(30, 0), (30, 20), (230, 0)] {
        let history = HistoryRecipe { live, overlap, files: 2, row_group: 50, ..HistoryRecipe::rows(230) };
        let server = Server::start(world(18, history), Switches::default());
        let before = server.look(|world| world.projects[0].runs.clone());
        // Ten rows more with every request.
        server.on_request(|_, world| {
            for run in &mut world.projects[0].runs {
                let history = Arc::make_mut(run.history.as_mut().unwrap());
                for _ in 0..10 {
                    let step = history.rows.last().unwrap().0 + 1;
                    let row = format!("{{\"_step\":{step},\"_runtime\":1.0,\"_timestamp\":1.7e9,\"loss\":{step}.5}}");
                    history.rows.push((step, row));
                }
                run.history_rows = Some(history.rows.len() as i64);
            }
        });
        for wanted in [Wanted(None), keys(&["loss", "val/loss"])] {
            let (tables, receipt) = load(&server, &wanted, Steps::default(), None);
            for run in &before {
                let expected = truth(run.history.as_ref().unwrap(), &wanted, Steps::default());
                let table = &tables[&run.name];
                let lost: Vec<&i64> = expected.keys().filter(|step| table.get(step) != expected.get(step)).collect();
                assert!(lost.is_empty(), "{}: {lost:?}", run.name);
                // What came later is a continuation without holes.
                let later: BTreeSet<i64> = table.keys().copied().filter(|step| *step >= 230).collect();
                assert_eq!(later.len() as i64, later.last().map_or(0, |last| last - 229), "{}", run.name);
            }
            assert_eq!(receipt.complete, Some(true), "{:?}", receipt.served);
        }
    }
}

// ------------------------------------------------------------------ system metrics

fn system(server: &Server, wanted: &Wanted, samples: Option<u32>) -> (Vec<HistoryChunk>, Receipt) {
    let sink = super::tests::Collected::default();
    let ask = HistoryAsk { keys: wanted, steps: Steps::default(), samples, system: true, had: None };
    let receipt = source(server).history(("acme", "fleet"), &names(server), ask, &sink, &Progress::default()).unwrap();
    (sink.chunks(), receipt)
}

#[test]
fn all_system_metrics_come_however_many_there_are() {
    let server = Server::start(world(3, HistoryRecipe::rows(2_500)), Switches::default());
    let (chunks, receipt) = system(&server, &Wanted(None), None);
    assert_eq!((receipt.complete, receipt.runs, chunks.len()), (Some(true), 3, 3));
    for chunk in &chunks {
        let events = server.look(|world| world.projects[0].run(&chunk.run).unwrap().events.clone());
        let rows: Vec<serde_json::Value> = events.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
        let paths: Vec<&str> = chunk.columns.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!((chunk.steps.len(), paths), (2_500, vec!["system.cpu", "system.gpu.0.gpu"]));
        let sum = |key: &str| rows.iter().filter_map(|row| row[key].as_f64()).sum::<f64>();
        let cpu: f64 = chunk.columns[0].1.floats.iter().map(|(_, value)| value).sum();
        assert!((cpu - sum("system.cpu")).abs() < 1e-6);
        assert_eq!(
            chunk.columns[1].1.ints.iter().map(|(_, value)| *value).sum::<i64>() as f64,
            sum("system.gpu.0.gpu")
        );
        assert_eq!(chunk.runtimes.iter().flatten().sum::<f64>(), sum("_runtime"));
        assert!(chunk.times.is_sorted() && chunk.times[0].is_some());
    }
    let (chunks, _) = system(&server, &keys(&["system.gpu.0.gpu"]), None);
    assert!(chunks.iter().all(|chunk| chunk.columns.len() == 1 && chunk.steps.len() == 2_500 - 834));
}

#[test]
fn system_metrics_that_the_server_samples_are_told() {
    let server =
        Server::start(world(2, HistoryRecipe::rows(2_500)), Switches { max_events: 600, ..Switches::default() });
    let (chunks, receipt) = system(&server, &Wanted(None), None);
    assert!(chunks.iter().all(|chunk| chunk.steps.len() == 600));
    let told = "acme/fleet/r0000000: 600 rows of system metrics came of 2500: the server samples them";
    assert_eq!((receipt.complete, receipt.served.unwrap().incomplete[0].as_str()), (Some(false), told));
    let (chunks, receipt) = system(&server, &Wanted(None), Some(40));
    assert!(chunks.iter().all(|chunk| chunk.steps.len() == 40));
    assert_eq!((receipt.complete, receipt.served.unwrap().sampled), (None, Some(40)));
    // A server that does not count its rows.
    let switches = Switches { lacking: ["Run.eventsLineCount".to_owned()].into(), ..Switches::default() };
    let server = Server::start(world(2, HistoryRecipe::rows(2_500)), switches);
    let (chunks, receipt) = system(&server, &Wanted(None), None);
    assert!(chunks.iter().all(|chunk| chunk.steps.len() == 2_500) && receipt.complete == Some(true), "{receipt}");
}
