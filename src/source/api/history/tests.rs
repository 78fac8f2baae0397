//! Histories from the stand-in for W&B's server, on every path, against the rows that the server holds.

use super::super::tests::server::{Fault, History, HistoryRecipe, KEY, Of, Recipe, Server, Switches, World};
use super::super::{ApiKey, ApiOptions, BaseUrl, Settings};
use super::*;
use crate::columns::shapes;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Everything, or these paths.
pub(super) struct Wanted(pub(super) Option<Vec<String>>);

impl Keys for Wanted {
    fn all(&self) -> bool {
        self.0.is_none()
    }

    fn takes(&self, path: &str) -> bool {
        self.0.as_ref().is_none_or(|keys| keys.iter().any(|key| key == path))
    }

    fn may_take_below(&self, top: &str) -> bool {
        self.0.as_ref().is_none_or(|keys| keys.iter().any(|key| key.replace('\\', "").starts_with(top)))
    }

    fn exact(&self) -> Option<Vec<String>> {
        self.0.clone()
    }
}

pub(super) fn keys(keys: &[&str]) -> Wanted {
    Wanted(Some(keys.iter().map(|key| (*key).to_owned()).collect()))
}

/// A run's rows: by step, time, runtime and every value as text.
pub(super) type Table = BTreeMap<i64, BTreeMap<String, String>>;

#[derive(Default)]
pub(super) struct Collected {
    chunks: Mutex<Vec<HistoryChunk>>,
    metrics: Mutex<BTreeSet<String>>,
}

impl HistorySink for Collected {
    fn chunk(&self, chunk: HistoryChunk) -> Result<()> {
        lock(&self.chunks).push(chunk);
        Ok(())
    }

    fn metric(&self, path: &str) {
        lock(&self.metrics).insert(path.to_owned());
    }
}

impl Collected {
    pub(super) fn chunks(self) -> Vec<HistoryChunk> {
        self.chunks.into_inner().unwrap()
    }

    /// The rows of each run; chunks of a run must rise.
    fn tables(self) -> BTreeMap<String, Table> {
        let mut chunks = self.chunks.into_inner().unwrap();
        chunks.sort_by_key(|chunk| (chunk.run.clone(), chunk.order));
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        for chunk in chunks {
            let table = tables.entry(chunk.run.clone()).or_default();
            assert!(chunk.columns.is_sorted_by(|(a, _), (b, _)| a < b));
            let before = table.keys().next_back().copied();
            let steps: Vec<i64> = chunk.steps.iter().map(|step| step.unwrap()).collect();
            assert!(steps.is_sorted_by(|a, b| a < b), "{steps:?}");
            assert!(before.is_none_or(|before| steps.first().is_none_or(|step| before < *step)), "chunks overlap");
            for (row, step) in steps.iter().enumerate() {
                let cells = table.entry(*step).or_default();
                cells.extend(chunk.times[row].map(|time| ("_timestamp".to_owned(), time.to_string())));
                cells.extend(chunk.runtimes[row].map(|runtime| ("_runtime".to_owned(), format!("{runtime:?}"))));
            }
            for (path, values) in &chunk.columns {
                for (row, value) in cells(values) {
                    let clash = table.get_mut(&steps[row]).unwrap().insert(path.clone(), value);
                    assert_eq!(clash, None, "{path} has two values in a row");
                }
            }
        }
        tables
    }
}

/// Rows and values; integers and floats look alike, as in a column of both.
fn cells(values: &Sparse) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    found.extend(values.ints.iter().map(|(row, value)| (row, format!("{:?}", *value as f64))));
    found.extend(values.floats.iter().map(|(row, value)| (row, format!("{value:?}"))));
    found.extend(values.strs.iter().map(|(row, text)| (row, format!("\"{text}\""))));
    found.extend(values.bools.iter().map(|(row, value)| (row, value.to_string())));
    found.extend(values.lists.iter().map(|(row, list)| (row, format!("{list:?}"))));
    found.extend(values.jsons.iter().map(|(row, text)| (row, text.to_owned())));
    found
}

/// What the world holds, flattened by hand.
pub(super) fn truth(history: &History, wanted: &Wanted, steps: Steps) -> Table {
    let mut table = Table::new();
    for (step, row) in history.rows.iter().filter(|(step, _)| steps.contain(Some(*step))) {
        let Value::Object(row) = serde_json::from_str(row).unwrap() else { panic!("{row}") };
        let mut cells = BTreeMap::new();
        for (key, value) in row.iter().filter(|(key, _)| !key.starts_with('_')) {
            flatten(key, value, &mut cells);
        }
        cells.retain(|path, _| wanted.takes(path));
        if cells.is_empty() && !wanted.all() {
            continue;
        }
        let time = (row["_timestamp"].as_f64().unwrap() * 1e6).round() as i64;
        cells.insert("_timestamp".to_owned(), time.to_string());
        cells.insert("_runtime".to_owned(), format!("{:?}", row["_runtime"].as_f64().unwrap()));
        table.entry(*step).or_default().extend(cells);
    }
    table
}

fn flatten(path: &str, value: &Value, cells: &mut BTreeMap<String, String>) {
    let text = match value {
        Value::Null => return,
        Value::Object(of) if of.contains_key("_type") => value.to_string(),
        Value::Object(of) => {
            return of.iter().for_each(|(key, value)| flatten(&format!("{path}.{key}"), value, cells));
        }
        Value::Array(items) => format!("Ints({:?})", items.iter().map(Value::as_i64).collect::<Vec<_>>()),
        Value::Number(number) => format!("{:?}", number.as_f64().unwrap()),
        Value::String(text) if text == "NaN" => "NaN".to_owned(),
        Value::String(text) if text == "Infinity" => "inf".to_owned(),
        Value::String(text) => format!("\"{text}\""),
        Value::Bool(value) => value.to_string(),
    };
    cells.insert(path.to_owned(), text);
}

pub(super) fn world(runs: usize, history: HistoryRecipe) -> World {
    World::generate(&Recipe { history: Some(history), ..Recipe::small(runs) })
}

pub(super) fn source(server: &Server) -> ApiSource {
    let base_url = BaseUrl::parse(&server.url(), &[]).unwrap();
    ApiSource::new(Settings::new(base_url, Some(ApiKey::new(KEY).unwrap()))).hasty()
}

pub(super) fn names(server: &Server) -> Vec<String> {
    server.look(|world| world.projects[0].names())
}

pub(super) fn load(
    server: &Server,
    wanted: &Wanted,
    steps: Steps,
    samples: Option<u32>,
) -> (BTreeMap<String, Table>, Receipt) {
    let sink = Collected::default();
    let ask = HistoryAsk { keys: wanted, steps, samples, system: false, had: None };
    let source = source(server);
    let receipt = source.history(("acme", "fleet"), &names(server), ask, &sink, &Progress::default()).unwrap();
    (sink.tables(), receipt)
}

/// What comes must be what the world holds, run by run.
pub(super) fn check(server: &Server, wanted: &Wanted, steps: Steps) -> Receipt {
    let (tables, receipt) = load(server, wanted, steps, None);
    server.look(|world| {
        for run in &world.projects[0].runs {
            let expected = truth(run.history.as_ref().unwrap(), wanted, steps);
            let got = tables.get(&run.name).cloned().unwrap_or_default();
            assert!(!expected.is_empty(), "nothing to compare");
            for (step, cells) in &expected {
                assert_eq!(got.get(step), Some(cells), "{} step {step}", run.name);
            }
            assert_eq!(got.len(), expected.len(), "{}", run.name);
        }
    });
    assert_eq!(receipt.complete, Some(true), "{receipt} {:?}", receipt.served);
    receipt
}

fn every_way(server: &Server) -> Receipt {
    check(server, &keys(&["loss", "grad.mean"]), Steps::default());
    check(server, &keys(&["val/loss", "hist", "mixed", "list"]), Steps { min: Some(10), max: Some(190) });
    check(server, &Wanted(None), Steps { min: Some(33), max: None });
    check(server, &Wanted(None), Steps::default())
}

pub(super) fn operations(server: &Server) -> BTreeSet<String> {
    server.requests().into_iter().filter_map(|request| request.operation).collect()
}

#[test]
fn exported_rows_are_what_was_logged() {
    let history = HistoryRecipe { files: 3, row_group: 50, ..HistoryRecipe::rows(230) };
    let server = Server::start(world(20, history), Switches::default());
    let receipt = every_way(&server);
    assert_eq!(operations(&server), ["HistoryOpen".to_owned()].into());
    assert_eq!((receipt.runs, receipt.served.unwrap().row_copies), (20, 0));
}

#[test]
fn structs_and_lists_are_what_json_is() {
    let history = HistoryRecipe { structs: true, live: 40, overlap: 20, row_group: 50, ..HistoryRecipe::rows(230) };
    let server = Server::start(world(3, history), Switches::default());
    every_way(&server);
}

#[test]
fn live_rows_follow_and_copies_are_joined() {
    for (statistics, overlap, pages) in [(true, 0, Of::All), (true, 30, Of::All), (false, 30, Of::Live)] {
        let history =
            HistoryRecipe { live: 60, overlap, files: 2, row_group: 50, statistics, ..HistoryRecipe::rows(230) };
        let server = Server::start(world(5, history), Switches { pages, ..Switches::default() });
        let receipt = every_way(&server);
        assert_eq!(receipt.served.unwrap().row_copies, 5 * overlap as u64);
        assert!(operations(&server).contains("HistorySampled") && operations(&server).contains("HistoryRows"));
    }
}

#[test]
fn live_values_win() {
    let history = HistoryRecipe { live: 20, overlap: 10, ..HistoryRecipe::rows(100) };
    let server = Server::start(world(1, history), Switches::default());
    // The file is made before the row is written anew.
    server.look(|world| world.projects[0].runs[0].history.as_ref().unwrap().parquet().len());
    server.change(|world| {
        let run = &mut world.projects[0].runs[0];
        let history = std::sync::Arc::make_mut(run.history.as_mut().unwrap());
        history.rows[75].1 =
            r#"{"_step":75,"_runtime":1.5,"_timestamp":1700000000.25,"loss":-1.0,"late":3}"#.to_owned();
    });
    let (tables, _) = load(&server, &keys(&["loss", "late", "epoch"]), Steps::default(), None);
    let row = &tables["r0000000"][&75];
    assert_eq!((row["loss"].as_str(), row["late"].as_str(), row["epoch"].as_str()), ("-1.0", "3.0", "7.0"));
    assert_eq!(row["_timestamp"], "1700000000250000");
}

#[test]
fn pages_give_the_same_rows_where_nothing_is_exported() {
    for lacking in
        [&["Run.parquetHistory"][..], &["Run.parquetHistory", "Run.historyKeys", "Run.historyLineCount"], &[]]
    {
        let history = HistoryRecipe { live: 230, ..HistoryRecipe::rows(230) };
        let lacking = lacking.iter().map(|field| (*field).to_owned()).collect();
        let server = Server::start(world(4, history), Switches { lacking, ..Switches::default() });
        let receipt = every_way(&server);
        assert!(server.storage_requests().is_empty());
        assert_eq!(receipt.served.unwrap().row_repeats, 0);
    }
}

#[test]
fn long_and_sparse_histories_are_paged_to_their_end() {
    for (rows, stride) in [(20_000, 1), (3_000, 100_000)] {
        let history = HistoryRecipe { live: rows, stride, ..HistoryRecipe::rows(rows) };
        let server = Server::start(world(1, history), Switches::default());
        check(&server, &keys(&["val/loss", "epoch"]), Steps::default());
        check(&server, &Wanted(None), Steps::default());
        let requests = server.requests().len();
        assert!(requests < 40, "{requests} requests");
    }
}

#[test]
fn steps_far_apart_and_crowded_ones_are_all_there() {
    let row = |step: i64| (step, format!("{{\"_step\":{step},\"_runtime\":1.0,\"_timestamp\":1.7e9,\"x\":{step}}}"));
    // Thousands of rows close together, then nothing for long.
    let rows: Vec<_> = (0..9_000).chain([1_000_000, 900_000_000]).map(row).collect();
    let mut world = world(1, HistoryRecipe::rows(10));
    world.projects[0].runs[0].history_rows = Some(rows.len() as i64);
    world.projects[0].runs[0].history = Some(std::sync::Arc::new(History::of(rows)));
    let server = Server::start(world, Switches::default());
    check(&server, &Wanted(None), Steps::default());
    check(&server, &keys(&["x"]), Steps::default());
}

#[test]
fn samples_are_asked_for_key_by_key_and_told() {
    let history = HistoryRecipe { live: 10, ..HistoryRecipe::rows(400) };
    let server = Server::start(world(3, history), Switches::default());
    let wanted = keys(&["loss", "val/loss"]);
    let (tables, receipt) = load(&server, &wanted, Steps::default(), Some(20));
    let count = |table: &Table, key: &str| table.values().filter(|cells| cells.contains_key(key)).count();
    server.look(|world| {
        for run in &world.projects[0].runs {
            let (table, truth) = (&tables[&run.name], truth(run.history.as_ref().unwrap(), &wanted, Steps::default()));
            assert_eq!((count(table, "loss"), count(table, "val/loss")), (20, 20));
            // Both metrics of a step are in one row, with its times.
            for (step, cells) in table {
                assert!(cells.iter().all(|(key, value)| truth[step].get(key) == Some(value)), "{cells:?}");
                assert!(cells.contains_key("_timestamp"));
            }
        }
    });
    assert_eq!(server.requests().len(), 2, "all specs of all runs in one request");
    assert_eq!((receipt.complete, receipt.served.as_ref().unwrap().sampled), (None, Some(20)));
    assert!(receipt.to_string().contains("SAMPLED"), "{receipt}");
    let (tables, _) = load(&server, &Wanted(None), Steps { min: Some(100), max: Some(199) }, Some(7));
    assert!(tables.values().all(|table| table.len() == 7 && table.keys().all(|step| (100..200).contains(step))));
}

/// The keys of every spec that was asked for, of the first run of each request.
fn specs(server: &Server) -> Vec<Vec<String>> {
    let asked = server.requests().into_iter().filter(|request| request.operation.as_deref() == Some("HistorySampled"));
    let specs = asked.flat_map(|request| request.variables["specs_0"].as_array().unwrap().clone());
    let keys = |spec: Value| {
        let spec: Value = serde_json::from_str(spec.as_str().unwrap()).unwrap();
        spec["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
    };
    specs.map(keys).collect()
}

const DENSE: [&str; 5] = ["_step", "_timestamp", "_runtime", "wide_0", "wide_1"];

#[test]
fn metrics_that_every_row_has_are_sampled_together() {
    let history = HistoryRecipe { live: 10, wide: 2, ..HistoryRecipe::rows(400) };
    let server = Server::start(world(40, history), Switches::default());
    let (tables, _) = load(&server, &keys(&["wide_0", "val/loss", "wide_1"]), Steps::default(), Some(20));
    let count = |table: &Table, key: &str| table.values().filter(|cells| cells.contains_key(key)).count();
    for table in tables.values() {
        assert_eq!(["wide_0", "wide_1", "val/loss"].map(|key| count(table, key)), [20; 3]);
        assert!(table.values().all(|cells| cells.contains_key("wide_0") == cells.contains_key("wide_1")));
    }
    // 32 runs and 8, each described and then sampled.
    let together = [&DENSE[..], &["_step", "_timestamp", "_runtime", "val/loss"]];
    assert_eq!((server.requests().len(), specs(&server)), (4, [together, together].concat().iter().map(own).collect()));
    // Of large samples fewer runs are in a request.
    server.forget_requests();
    load(&server, &keys(&["wide_0", "wide_1"]), Steps::default(), Some(4_000));
    assert_eq!(server.requests().len(), 2 + 40 / 8);
}

fn own(keys: &&[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

#[test]
fn metrics_that_not_every_live_row_has_are_asked_for_one_by_one() {
    let history = HistoryRecipe { live: 30, wide: 2, ..HistoryRecipe::rows(100) };
    let server = Server::start(world(2, history), Switches::default());
    let wanted = keys(&["wide_0", "wide_1"]);
    check(&server, &wanted, Steps::default());
    assert_eq!(specs(&server), [own(&&DENSE[..]), own(&&["_step"][..])]);
    // The server's counts do not know of these rows yet.
    server.look(|world| world.projects[0].runs.iter().for_each(|run| drop(run.history_keys())));
    server.change(|world| {
        let history = std::sync::Arc::make_mut(world.projects[0].runs[0].history.as_mut().unwrap());
        for at in [75, 80] {
            let row = &mut history.rows[at].1;
            *row = row.replace("\"wide_0\"", "\"other\"");
        }
    });
    server.forget_requests();
    check(&server, &wanted, Steps::default());
    let asked = specs(&server);
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert_eq!(asked[2], ["_step", "_timestamp", "_runtime", "wide_0"]);
}

#[test]
fn answers_that_are_too_large_are_asked_for_in_parts() {
    let history = HistoryRecipe { live: 3_000, ..HistoryRecipe::rows(3_000) };
    let switches = Switches { max_bytes: Some((150_000, 413)), ..Switches::default() };
    let server = Server::start(world(2, history), switches);
    let receipt = check(&server, &Wanted(None), Steps::default());
    check(&server, &keys(&["loss", "val/loss"]), Steps::default());
    assert!(receipt.served.unwrap().retries > 0);
}

#[test]
fn odd_rows_come_alike_from_files_and_pages() {
    let rows = [
        (0, r#"{"_step":0,"_timestamp":1.7e9,"grad":{"mean":1.5},"grad.mean":2.5,"n":1}"#),
        (1, r#"{"_step":1,"a":"NaN","n":9007199254740993,"text":"NaN or not"}"#),
        (1, r#"{"_step":1,"a":-0.5,"text":null}"#),
        (7, r#"{"_step":7,"_runtime":2.5}"#),
        (8, r#"{"_step":8,"empty":{},"deep":[[1,[2]],{"x":null}],"quote\"d":"\u0041\n"}"#),
        (9, r#"{"_step":9,"_wandb":{"x":1},"grad":{"mean":3.5}}"#),
    ];
    let mut history = History::of(rows.map(|(step, row)| (step, row.to_owned())).to_vec());
    history.exported = rows.len();
    let mut world = world(1, HistoryRecipe::rows(1));
    world.projects[0].runs[0].history_rows = Some(rows.len() as i64);
    world.projects[0].runs[0].history = Some(std::sync::Arc::new(history));
    let server = Server::start(world, Switches::default());
    for wanted in [Wanted(None), keys(&["grad.mean", r"grad\.mean", "text", r#"quote"d"#])] {
        server.set(|switches| switches.lacking.clear());
        let (files, told) = load(&server, &wanted, Steps::default(), None);
        server.set(|switches| switches.lacking.extend(["Run.parquetHistory".to_owned()]));
        let (pages, also) = load(&server, &wanted, Steps::default(), None);
        assert_eq!(files, pages);
        let table = &files["r0000000"];
        let at = |step: i64, key: &str| table[&step].get(key).map(String::as_str);
        assert_eq!(
            (at(0, "grad.mean"), at(0, r"grad\.mean"), at(9, "grad.mean")),
            (Some("1.5"), Some("2.5"), Some("3.5"))
        );
        assert_eq!((at(1, "text"), at(8, r#"quote"d"#)), (Some("\"NaN or not\""), Some("\"A\n\"")));
        if wanted.all() {
            assert_eq!((table.len(), at(1, "a"), at(7, "_runtime")), (5, Some("-0.5"), Some("2.5")));
            assert_eq!((told.complete, also.complete), (Some(true), Some(true)), "{told} {also}");
            assert_eq!((told.served.unwrap().row_repeats, also.served.unwrap().row_repeats), (1, 1));
        }
    }
}

// ------------------------------------------------------------------ the storage host

fn exported(runs: usize) -> Server {
    let history = HistoryRecipe { files: 2, row_group: 500, wide: 12, ..HistoryRecipe::rows(4_000) };
    Server::start(world(runs, history), Switches::default())
}

#[test]
fn few_columns_cost_few_bytes() {
    let history = HistoryRecipe { row_group: 2_500, wide: 194, ..HistoryRecipe::rows(10_000) };
    let server = Server::start(world(1, history), Switches::default());
    let size = server.look(|world| {
        let history = world.projects[0].runs[0].history.clone().unwrap();
        history.parquet().iter().map(|file| file.len()).sum::<usize>()
    });
    let receipt = check(&server, &keys(&["wide_3", "wide_77", "wide_150"]), Steps::default());
    let served: usize = server.storage_requests().iter().map(|request| request.bytes_out).sum();
    assert!(size > 12_000_000 && served * 20 <= size, "{served} of {size} bytes");
    assert!(receipt.bytes >= served as u64);
    server.forget_requests();
    // Two of four row groups.
    check(&server, &keys(&["wide_3"]), Steps { min: Some(4_500), max: Some(5_500) });
    let less: usize = server.storage_requests().iter().map(|request| request.bytes_out).sum();
    assert!(less * 2 < served, "{less} of {served}");
}

#[test]
fn small_files_come_whole_and_small_row_groups_together() {
    let history = HistoryRecipe { live: 40, row_group: 20, wide: 2, ..HistoryRecipe::rows(400) };
    let server = Server::start(world(5, history), Switches::default());
    check(&server, &keys(&["wide_1"]), Steps::default());
    assert_eq!((server.requests().len(), server.storage_requests().len()), (2, 5));
    // A large file: its end, and then what is wanted of its row groups, which lie apart.
    let history = HistoryRecipe { row_group: 500, wide: 100, ..HistoryRecipe::rows(4_000) };
    let server = Server::start(world(1, history), Switches::default());
    check(&server, &keys(&["wide_50"]), Steps::default());
    let requests = server.storage_requests().len();
    assert!(requests <= 1 + 8 * 2, "{requests} requests");
    let (sink, wanted) = (Collected::default(), keys(&["wide_50"]));
    let ask = HistoryAsk { keys: &wanted, steps: Steps::default(), samples: None, system: false, had: None };
    source(&server).history(("acme", "fleet"), &names(&server), ask, &sink, &Progress::default()).unwrap();
    assert_eq!(sink.chunks().iter().map(|chunk| chunk.steps.len()).collect::<Vec<_>>(), [4_000]);
}

#[test]
fn no_credential_reaches_the_storage_host() {
    let server = exported(3);
    check(&server, &keys(&["wide_3"]), Steps::default());
    let other = format!("{}/moved", server.storage_requests()[0].path.split("/bucket").next().unwrap());
    server.set(|switches| switches.storage.next.push_back(Some(Fault::Redirect(307, other))));
    let (_, receipt) = load(&server, &keys(&["wide_3"]), Steps::default(), None);
    assert!(server.storage_requests().iter().any(|request| request.path.ends_with("/moved")), "no redirect followed");
    let secret = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("api:{KEY}"));
    for request in server.storage_requests() {
        assert!(!request.authorized);
        let sent = format!("{} {:?}", request.path, request.headers);
        assert!(!sent.contains(KEY) && !sent.contains(&secret), "{sent}");
        let known = ["range", "accept", "host", "user-agent", "referer"];
        assert!(request.headers.iter().all(|(name, _)| known.contains(&name.as_str())), "{:?}", request.headers);
    }
    assert!(server.requests().iter().all(|request| request.authorized));
    assert!(!format!("{receipt:?}").contains("Signature="), "a signed URL in the receipt");
}

#[test]
fn expired_signatures_are_renewed() {
    for (expired, uses) in [(403, 2), (400, 5), (403, 4)] {
        let server = exported(2);
        server.set(|switches| (switches.storage.uses, switches.storage.expired) = (Some(uses), expired));
        let receipt = check(&server, &keys(&["wide_3", "wide_7"]), Steps::default());
        let served = receipt.served.unwrap();
        assert!(served.urls_renewed > 0 && served.notes.iter().all(|note| !note.contains("pages")), "{served:?}");
    }
}

#[test]
fn hosts_that_never_let_us_in_are_done_without() {
    type Switch = fn(&mut Switches);
    let switches: [Switch; 3] = [
        |switches| switches.storage.lifetime = Duration::ZERO,
        |switches| switches.storage.elsewhere = Some("http://127.0.0.1:9".to_owned()),
        |switches| switches.storage.next.extend(std::iter::repeat_n(Some(Fault::Status(503)), 1_000)),
    ];
    for switch in switches {
        let server = exported(2);
        server.set(switch);
        let receipt = check(&server, &Wanted(None), Steps::default());
        let notes = receipt.served.unwrap().notes;
        assert_eq!(notes.iter().filter(|note| note.contains("read in pages")).count(), 2, "{notes:?}");
        assert!(!notes.join(" ").contains("Signature"));
    }
}

#[test]
fn rows_that_no_page_has_are_missed_aloud() {
    let history = HistoryRecipe { live: 20, ..HistoryRecipe::rows(100) };
    let server = Server::start(world(1, history), Switches { pages: Of::Live, ..Switches::default() });
    server.set(|switches| switches.storage.lifetime = Duration::ZERO);
    let (tables, receipt) = load(&server, &Wanted(None), Steps::default(), None);
    assert_eq!((tables["r0000000"].len(), receipt.complete), (20, Some(false)));
    let told = "acme/fleet/r0000000: 20 rows came of 100 that the server counts";
    assert_eq!(receipt.served.unwrap().incomplete, [told]);
}

#[test]
fn files_that_stop_halfway_are_read_on_in_pages() {
    let server = exported(1);
    server.set(|switches| {
        let storage = &mut switches.storage.next;
        storage.extend(std::iter::repeat_n(None, 12));
        storage.extend(std::iter::repeat_n(Some(Fault::Status(500)), 100));
    });
    let receipt = check(&server, &keys(&["wide_3"]), Steps::default());
    let notes = receipt.served.unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("read in pages")), "{notes:?}");
}

#[test]
fn hosts_without_ranges_or_without_suffixes() {
    let server = exported(2);
    server.set(|switches| switches.storage.ignore_range = true);
    check(&server, &keys(&["wide_3"]), Steps::default());
    assert!(server.storage_requests().len() <= 2 * 2 * 3, "a file is taken whole once");
    let server = exported(2);
    server.set(|switches| switches.storage.no_suffix = true);
    check(&server, &keys(&["wide_3"]), Steps::default());
    let whole = server.storage_requests().iter().filter(|request| request.header("range").is_none()).count();
    assert_eq!(whole, 0, "ranges were possible");
}

#[test]
fn cut_and_broken_answers_are_asked_for_again() {
    let server = exported(2);
    server.set(|switches| {
        let cut = |chunked| Some(Fault::Cut { part: 0.5, chunked });
        switches.storage.next.extend([cut(false), None, Some(Fault::Status(503)), None, Some(Fault::Drop), cut(true)]);
        switches.fail(Fault::Proxy(502), 1);
    });
    let receipt = check(&server, &keys(&["wide_3", "wide_9"]), Steps::default());
    let served = receipt.served.unwrap();
    assert!(served.retries >= 5 && served.notes.iter().all(|note| !note.contains("pages")), "{served:?}");
}

#[test]
fn damaged_files_lose_no_rows() {
    let server = exported(1);
    // What comes is as long as it should be, and nonsense.
    let receipt = {
        server.set(|switches| switches.storage.elsewhere = Some(format!("{}/nonsense?", server.url())));
        check(&server, &keys(&["wide_3"]), Steps::default())
    };
    assert!(receipt.served.unwrap().notes.iter().any(|note| note.contains("read in pages")));
}

#[test]
fn missing_runs_and_refusals_are_told() {
    let server = exported(2);
    let mut runs = names(&server);
    runs.push("nobody".to_owned());
    let (sink, wanted) = (Collected::default(), keys(&["wide_3"]));
    let ask = HistoryAsk { keys: &wanted, steps: Steps::default(), samples: None, system: false, had: None };
    let source = source(&server).options(ApiOptions { retries: 2, ..ApiOptions::default() });
    let receipt = source.history(("acme", "fleet"), &runs, ask, &sink, &Progress::default()).unwrap();
    assert_eq!((receipt.runs, receipt.complete), (2, Some(false)));
    assert_eq!(receipt.served.unwrap().incomplete, ["acme/fleet/nobody: there is no such run"]);
    assert!(lock(&sink.metrics).contains("grad.deep.max"), "{:?}", lock(&sink.metrics));
    let wrong = source.history(("acme", "none"), &runs, ask, &sink, &Progress::default()).unwrap_err();
    assert_eq!(wrong.kind(), crate::error::ErrorKind::NotFound);

    struct Full;
    impl HistorySink for Full {
        fn chunk(&self, _: HistoryChunk) -> Result<()> {
            Err(Error::new(crate::error::ErrorKind::Io, "the disk is full"))
        }
        fn metric(&self, _: &str) {}
    }
    let full = source.history(("acme", "fleet"), &names(&server), ask, &Full, &Progress::default()).unwrap_err();
    assert_eq!(full.message(), "the disk is full");
}

#[test]
fn columns_get_the_types_of_a_summary() {
    let history = HistoryRecipe { live: 30, ..HistoryRecipe::rows(120) };
    let server = Server::start(world(1, history), Switches::default());
    let sink = Collected::default();
    let ask = HistoryAsk { keys: &Wanted(None), steps: Steps::default(), samples: None, system: false, had: None };
    source(&server).history(("acme", "fleet"), &names(&server), ask, &sink, &Progress::default()).unwrap();
    let mut all: BTreeMap<String, Sparse> = BTreeMap::new();
    for chunk in lock(&sink.chunks).iter() {
        chunk.columns.iter().for_each(|(path, values)| all.entry(path.clone()).or_default().append(values, 0));
    }
    let types: Vec<String> = all
        .iter()
        .flat_map(|(path, values)| shapes(values).into_iter().map(move |shape| format!("{path}:{}", shape.kind)))
        .collect();
    let expected = [
        "epoch:number",
        "flag:bool",
        "gap:number",
        "grad.deep.max:number",
        "grad.mean:number",
        "hist:json",
        "list:list",
        "loss:number",
        "mixed:number",
        "mixed:string",
        "status:string",
        "val/loss:number",
    ];
    assert_eq!(types, expected);
}
