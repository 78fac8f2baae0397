//! Tests of whole loads: trees of files, joined, damaged, foreign, cut.

use super::writer::*;
use super::*;
use crate::error::ErrorKind;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Mutex;

pub(super) const ALL: Wanted = Wanted { config: true, summary: true, artifacts: true, heartbeat: true, raw: false };

fn late() -> Timestamp {
    Timestamp::from_seconds(4_000_000_000, 0).unwrap()
}

/// Loads everything; runs in the order of their batches.
pub(super) fn load_with(paths: &[PathBuf], wanted: Wanted) -> Result<(Vec<Run>, Receipt)> {
    let source = LogSource::open(paths)?.now(late());
    let batches = Mutex::new(Vec::new());
    let progress = Progress::default();
    let each = |batch: Batch| {
        batches.lock().unwrap().push(batch);
        Ok(())
    };
    let receipt = source.load(wanted, &each, &progress)?;
    assert_eq!(progress.done(), progress.total());
    let mut batches = batches.into_inner().unwrap();
    batches.sort_by_key(|batch| batch.order);
    assert!(batches.iter().enumerate().all(|(order, batch)| batch.order == order), "orders have gaps");
    let runs: Vec<Run> = batches.into_iter().flat_map(|batch| batch.runs).collect();
    assert_eq!(receipt.runs, runs.len() as u64);
    let mut paths: Vec<String> = runs.iter().map(Run::path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), runs.len(), "a run came twice");
    Ok((runs, receipt))
}

fn load(path: &Path) -> Result<(Vec<Run>, Receipt)> {
    load_with(&[path.to_owned()], ALL)
}

fn put(root: &Path, file: &str, bytes: &[u8]) -> PathBuf {
    let path = root.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A run folder of an id and a second, with a log of these records behind its run record.
fn folder(root: &Path, id: &str, start: i64, more: &[Vec<u8>]) -> PathBuf {
    let records = [&[run(id, start, &[])], more].concat();
    let name = format!("wandb/offline-run-20260102_{:06}-{id}/run-{id}.wandb", start % 1_000_000);
    put(root, &name, &LogWriter::numbered(&records))
}

fn small_log() -> Vec<Vec<u8>> {
    vec![
        message(21, &[message(1, &[text(1, "0.31.0+abc")])]),
        run("r1", 1_000, &[text(2, "team"), text(3, "p"), message(4, &[text(1, item("lr", "0.1"))])]),
        message(11, &[text(5, "0.31.0")]),
        config(&[nested(&["m", "x"], "[1,2]")], &[]),
        summary(&[nested(&["loss"], "0.5"), nested(&["_step"], "0")], &[]),
        history(&[nested(&["_timestamp"], "1001.5"), nested(&["loss"], "0.5")]),
        stats(1_010),
        message(8, &[text(4, "model"), text(5, "net"), text(15, "id1"), text(11, "latest")]),
        exit(0, 20),
    ]
}

#[test]
fn a_folder_of_runs_is_loaded_in_order() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..600 {
        folder(
            root.path(),
            &format!("id{n:03}"),
            10_000 + n,
            &[summary(&[item("n", &n.to_string())], &[]), exit(0, 1)],
        );
    }
    let (runs, receipt) = load(root.path()).unwrap();
    let names: Vec<_> = runs.iter().map(|run| run.name.clone()).collect();
    assert_eq!(names, (0..600).map(|n| format!("id{n:03}")).collect::<Vec<_>>());
    assert!(runs.iter().enumerate().all(|(n, run)| run.summary.as_ref().unwrap().text() == format!("{{\"n\":{n}}}")));
    assert_eq!((receipt.files, receipt.has_losses()), (600, false));
    assert_eq!(receipt.sources, [root.path().display().to_string()]);
}

#[test]
fn batches_of_large_runs_are_small() {
    let unit = |n: usize| Unit { id: n.to_string(), files: vec![] };
    let units: Vec<Unit> = (0..100_000).map(unit).collect();
    let sizes = |queue: &mut Queue| (0..3).map(|_| queue.next(&units).unwrap().1.len()).collect::<Vec<_>>();
    let mut queue = Queue::default();
    assert_eq!(sizes(&mut queue), [PROBE; 3]);
    (queue.runs, queue.weight) = (10, 10 * 1_000);
    assert_eq!(sizes(&mut queue), [BATCH; 3]);
    (queue.runs, queue.weight) = (10, 10 * (HEAVY / 4));
    assert_eq!(sizes(&mut queue), [4; 3]);
    (queue.runs, queue.weight) = (10, 100 * HEAVY);
    assert_eq!(sizes(&mut queue), [1; 3]);
    assert_eq!(queue.next(&units).unwrap().0, 12);
    assert_eq!(queue.next(&units[..5]), None);
}

#[test]
fn an_error_of_the_reader_ends_the_load() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path(), "a", 1, &[]);
    let source = LogSource::open(&[root.path().to_owned()]).unwrap();
    let each = |_: Batch| Err(Error::new(ErrorKind::Usage, "enough"));
    assert_eq!(source.load(ALL, &each, &Progress::default()).unwrap_err().message(), "enough");
}

#[test]
fn folders_of_one_id_are_one_run() {
    let root = tempfile::tempdir().unwrap();
    // By time, not by path.
    folder(root.path(), "r1", 2_000_001, &[summary(&[item("a", "2")], &[]), exit(0, 5)]);
    folder(root.path(), "r1", 1_000_002, &[summary(&[item("a", "1"), item("b", "1")], &[]), exit(1, 7)]);
    let (runs, receipt) = load(root.path()).unwrap();
    assert_eq!((runs.len(), receipt.joined, receipt.files), (1, 1, 2));
    assert_eq!(runs[0].summary.as_ref().unwrap().text(), r#"{"a":2,"b":1}"#);
    assert_eq!((runs[0].state.as_deref(), runs[0].compute_seconds), (Some("finished"), Some(12.0)));
    assert_eq!(runs[0].created_at, Timestamp::from_seconds(1_000_002, 0));
}

#[test]
fn one_id_in_two_projects_is_two_runs() {
    let root = tempfile::tempdir().unwrap();
    for (n, project) in ["p", "q", "", "p"].into_iter().enumerate() {
        let bytes = LogWriter::of(&[run("r1", 1_000 + n as i64, &[text(2, "team"), text(3, project)]), history(&[])]);
        put(root.path(), &format!("{n}/run-20260102_030405-r1/run-r1.wandb"), &bytes);
    }
    let (runs, receipt) = load(root.path()).unwrap();
    let seen: Vec<_> = runs.iter().map(|run| (run.project.as_deref().unwrap(), run.history_rows.unwrap())).collect();
    assert_eq!(seen, [("p", 3), ("q", 1)]);
    assert_eq!(receipt.joined, 1);
}

#[test]
fn a_copy_of_a_folder_counts_once() {
    let root = tempfile::tempdir().unwrap();
    let records = small_log();
    let name = "wandb/run-20260102_030405-r1/run-r1.wandb";
    put(root.path(), &format!("backup/{name}"), &LogWriter::numbered(&records[..6]));
    put(root.path(), name, &LogWriter::numbered(&records));
    let (runs, receipt) = load(root.path()).unwrap();
    assert_eq!((runs.len(), runs[0].history_rows, runs[0].compute_seconds), (1, Some(1), Some(20.0)));
    assert_eq!((receipt.duplicates, receipt.joined), (1, 0));
}

#[test]
fn the_record_names_the_run_and_not_the_file() {
    let root = tempfile::tempdir().unwrap();
    let log = |id: &str, start| LogWriter::of(&[run(id, start, &[]), exit(0, 1)]);
    folder(root.path(), "r1", 1_000, &[]);
    put(root.path(), "renamed.wandb", &log("r1", 5_000));
    put(root.path(), "loose/run-r2 (1).wandb", &log("r2", 1_000));
    put(root.path(), "loose/run-r2.wandb", &log("r2", 3_000));
    // Folder and file agree with each other and not with the record.
    put(root.path(), "run-20260102_030405-x1/run-x1.wandb", &log("r3", 1_000));
    put(root.path(), "run-20260102_030405-x2/run-x2.wandb", &log("r3", 2_000));
    put(root.path(), "run-20260102_030405-x3/run-x3.wandb", &log("r2", 9_000));
    let (runs, receipt) = load(root.path()).unwrap();
    let mut seen: Vec<_> =
        runs.iter().map(|run| (run.name.as_str(), run.created_at.unwrap().micros() / 1_000_000)).collect();
    seen.sort();
    assert_eq!(seen, [("r1", 1_000), ("r2", 1_000), ("r3", 1_000)]);
    assert_eq!((receipt.joined, receipt.refused_files), (3, 1));
    let reason = "holds run r2, whose row was done before that showed; name it run-r2.wandb to have it joined";
    assert_eq!(receipt.refused[0].reason, reason);
    // What the reason says holds.
    let x3 = root.path().join("run-20260102_030405-x3");
    std::fs::rename(x3.join("run-x3.wandb"), x3.join("run-r2.wandb")).unwrap();
    let (runs, receipt) = load(root.path()).unwrap();
    assert_eq!((runs.len(), receipt.joined, receipt.refused_files), (3, 3, 0));
}

#[test]
fn logs_with_swapped_ids_both_come_out() {
    let root = tempfile::tempdir().unwrap();
    let mistaken = |name: &str, id: &str, start, more: &[Vec<u8>]| {
        let bytes = LogWriter::of(&[&[run(id, start, more)], &[exit(0, 1)][..]].concat());
        put(root.path(), &format!("{start}/run-20260102_030405-{name}/run-{name}.wandb"), &bytes);
    };
    mistaken("aa", "bb", 1_000, &[]);
    mistaken("bb", "aa", 2_000, &[]);
    let names = |runs: &[Run]| {
        let mut names: Vec<_> = runs.iter().map(Run::path).collect();
        names.sort();
        names
    };
    let (runs, receipt) = load(root.path()).unwrap();
    assert_eq!((names(&runs), receipt.files, receipt.has_losses()), (vec!["-/-/aa".into(), "-/-/bb".into()], 2, false));
    // Another folder of a swapped run is joined, and a file that held no run is in nobody's way.
    mistaken("xx", "bb", 3_000, &[]);
    put(root.path(), "9/run-20260102_030405-cc/run-cc.wandb", b"");
    mistaken("yy", "cc", 4_000, &[]);
    // Runs of one id in two projects are two.
    mistaken("zz", "zz", 5_000, &[text(2, "team"), text(3, "p")]);
    mistaken("ww", "zz", 6_000, &[text(2, "team"), text(3, "q")]);
    let (runs, receipt) = load(root.path()).unwrap();
    assert_eq!(names(&runs), ["-/-/aa", "-/-/bb", "-/-/cc", "team/p/zz", "team/q/zz"]);
    assert_eq!((receipt.files, receipt.joined, receipt.has_losses()), (7, 1, false));
}

#[test]
fn a_load_of_which_all_is_refused_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let mut records = vec![message(11, &[text(5, "0.31.0")]); 1_001];
    records.push(run("other", 1_000, &[]));
    put(root.path(), "run-20260102_030405-x1/run-x1.wandb", &LogWriter::of(&records));
    let error = load(root.path()).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Format, "names its run too late, behind its first 1000 records")
    );
}

#[cfg(unix)]
#[test]
fn a_link_to_a_run_elsewhere_is_counted() {
    let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    folder(root.path(), "r1", 1_000, &[]);
    let far = folder(other.path(), "r2", 1_000, &[]);
    let link = root.path().join("wandb/run-20260102_030405-r2");
    std::os::unix::fs::symlink(far.parent().unwrap(), &link).unwrap();
    let (runs, receipt) = load(root.path()).unwrap();
    assert_eq!((runs.len(), receipt.skipped_links, receipt.links), (1, 1, vec![link]));
}

#[test]
fn links_and_sources_that_overlap_count_once() {
    let root = tempfile::tempdir().unwrap();
    let file = folder(root.path(), "r1", 1_000, &[history(&[])]);
    let (runs, _) = load_with(&[root.path().to_owned(), file.parent().unwrap().to_owned(), file], ALL).unwrap();
    assert_eq!((runs.len(), runs[0].history_rows), (1, Some(1)));
}

#[test]
fn files_without_a_run_are_empty() {
    let root = tempfile::tempdir().unwrap();
    let whole = LogWriter::numbered(&small_log());
    for (id, bytes) in
        [("a", &whole[..0]), ("b", &whole[..3]), ("c", &whole[..7]), ("d", &whole[..9]), ("e", &whole[..40])]
    {
        put(root.path(), &format!("wandb/run-20260102_030405-{id}/run-{id}.wandb"), bytes);
    }
    let (runs, receipt) = load(root.path()).unwrap();
    assert_eq!((runs.len(), receipt.files, receipt.empty_files, receipt.bytes), (0, 5, 5, 59));
    assert_eq!((receipt.cut_records, receipt.has_losses()), (2, false));
}

#[test]
fn a_foreign_file_is_an_error_alone_and_refused_in_a_tree() {
    let root = tempfile::tempdir().unwrap();
    let foreign = put(root.path(), "wandb/run-x.wandb", b"{\"a\": 1}");
    let error = load(&foreign).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Format);
    assert!(error.to_string().contains("run-x.wandb: not a W&B log: it begins with"), "{error}");
    assert_eq!(load(root.path()).unwrap_err().kind(), ErrorKind::Format);
    folder(root.path(), "r1", 1_000, &[]);
    let (runs, receipt) = load(root.path()).unwrap();
    assert_eq!((runs.len(), receipt.refused_files, receipt.files), (1, 1, 1));
    assert_eq!(receipt.refused[0].file, foreign);
    let future = put(root.path(), "v/run-x.wandb", b":W&B\xe1\xbe\x01....");
    assert!(load(&future).unwrap_err().message().contains("version 1"));
}

#[test]
fn a_vanished_file_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let gone = folder(root.path(), "r1", 1_000, &[]);
    folder(root.path(), "r2", 1_001, &[]);
    let load = |source: &LogSource| source.load(ALL, &|_| Ok(()), &Progress::default());
    let source = LogSource::open(&[root.path().to_owned()]).unwrap();
    let alone = LogSource::open(std::slice::from_ref(&gone)).unwrap();
    std::fs::remove_file(&gone).unwrap();
    let receipt = load(&source).unwrap();
    assert_eq!((receipt.runs, receipt.refused_files, &receipt.refused[0].file), (1, 1, &gone));
    assert_eq!(load(&alone).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn older_logs_have_user_and_host_in_a_file_beside_them() {
    let root = tempfile::tempdir().unwrap();
    let metadata =
        br#"{"host": "box", "username": "anna", "git": {"commit": "c1"}, "startedAt": "2023-11-05T17:46:35"}"#;
    for (id, more) in [("old", vec![]), ("new", vec![message(26, &[text(13, "bert")])])] {
        let file = folder(root.path(), id, 1_000, &more);
        put(file.parent().unwrap(), "files/wandb-metadata.json", metadata);
    }
    let (runs, _) = load(root.path()).unwrap();
    let seen: Vec<_> =
        runs.iter().map(|run| (run.user.username.as_deref(), run.host.as_deref(), run.commit.as_deref())).collect();
    assert_eq!(seen, [(Some("bert"), None, None), (Some("anna"), Some("box"), Some("c1"))]);
}

#[test]
fn a_legacy_crash_gets_its_summary_from_the_history() {
    let root = tempfile::tempdir().unwrap();
    let rows = |loss: &str| history(&[item("loss", loss), item("_step", "1"), item("_timestamp", "1001")]);
    folder(
        root.path(),
        "r1",
        1_000,
        &[message(12, &[text(1, "loss"), message(7, &[int(1, 1)])]), rows("0.25"), rows("0.5")],
    );
    folder(root.path(), "r2", 1_001, &[rows("0.25"), summary(&[item("only", "1")], &[])]);
    let (runs, _) = load(root.path()).unwrap();
    let texts: Vec<_> = runs.iter().map(|run| run.summary.as_ref().unwrap().text()).collect();
    assert_eq!(texts, [r#"{"loss":{"min":0.25},"_step":1,"_timestamp":1001}"#, r#"{"only":1}"#]);
}

#[test]
fn damage_is_counted_by_file_and_offset() {
    let root = tempfile::tempdir().unwrap();
    let records = small_log();
    let before = LogWriter::numbered(&records[..3]).len();
    let mut bytes = LogWriter::numbered(&records);
    bytes[before + 20] ^= 1;
    let file = put(root.path(), "run-r1.wandb", &bytes);
    let (runs, receipt) = load(&file).unwrap();
    assert_eq!(runs[0].config.as_ref().unwrap().text(), r#"{"lr":0.1}"#);
    let lost = LogWriter::numbered(&records[..4]).len() - before;
    assert_eq!((receipt.lost_records, receipt.lost_bytes), (1, lost as u64));
    assert_eq!((&receipt.damages[0].file, receipt.damages[0].offset), (&file, before as u64));
    assert_eq!(receipt.damages[0].reason, "a wrong checksum");
}

#[test]
fn a_record_that_is_no_message_is_lost_alone() {
    let root = tempfile::tempdir().unwrap();
    let records = small_log();
    for bad in [vec![0x0b, 0x0c], vec![0x1a, 0x7f], message(3, &[vec![0x0a, 0x05, 1]]), message(17, &[vec![0xff]])] {
        let mut log = LogWriter::new();
        records.iter().take(3).for_each(|record| log.record(record));
        let offset = log.bytes.len() as u64;
        log.record(&bad);
        records.iter().skip(3).for_each(|record| log.record(record));
        let file = put(root.path(), "run-r1.wandb", &log.bytes);
        let (runs, receipt) = load(&file).unwrap();
        assert_eq!(runs, load(&put(root.path(), "good.wandb", &LogWriter::of(&records))).unwrap().0);
        assert_eq!((receipt.lost_records, receipt.damages[0].offset), (1, offset));
        assert_eq!(receipt.damages[0].reason, "a record that is no W&B message");
    }
}

#[test]
fn a_cut_anywhere_gives_the_run_so_far() {
    let root = tempfile::tempdir().unwrap();
    let records = small_log();
    let bytes = LogWriter::numbered(&records);
    let file = root.path().join("run-r1.wandb");
    for length in 0..=bytes.len() {
        std::fs::write(&file, &bytes[..length]).unwrap();
        let (runs, receipt) = load(&file).unwrap();
        let whole =
            (0..=records.len()).rev().find(|n| LogWriter::numbered(&records[..*n]).len() <= length).unwrap_or(0);
        let expected = put(root.path(), "expected/run-r1.wandb", &LogWriter::numbered(&records[..whole]));
        assert_eq!(runs, load(&expected).unwrap().0, "cut at {length}");
        assert!(!receipt.has_losses(), "cut at {length}");
    }
}

#[test]
fn a_flipped_byte_is_seen_or_harmless() {
    let root = tempfile::tempdir().unwrap();
    let bytes = LogWriter::numbered(&small_log());
    let file = root.path().join("run-r1.wandb");
    std::fs::write(&file, &bytes).unwrap();
    let good = load(&file).unwrap().0;
    for at in 7..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x41;
        std::fs::write(&file, &bytes).unwrap();
        let (runs, receipt) = load(&file).unwrap();
        assert!(runs == good || receipt.lost_records + receipt.cut_records > 0, "byte {at}");
        assert!(runs.len() <= 1, "byte {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn valid_chunks_of_any_bytes_never_panic(records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..20)) {
        let root = tempfile::tempdir().unwrap();
        let file = put(root.path(), "run-r1.wandb", &LogWriter::of(&records));
        load_with(&[file], Wanted { raw: true, ..ALL }).unwrap();
    }

    #[test]
    fn any_message_with_a_known_frame_never_panics(
        records in proptest::collection::vec((1u32..28, proptest::collection::vec((1u32..20, any::<Vec<u8>>()), 0..6)), 0..12)) {
        let root = tempfile::tempdir().unwrap();
        let records: Vec<_> = records.iter().map(|(kind, fields)| {
            message(*kind, &fields.iter().map(|(n, bytes)| text(*n, bytes)).collect::<Vec<_>>())
        }).collect();
        let file = put(root.path(), "run-r1.wandb", &LogWriter::of(&records));
        let (runs, _) = load_with(&[file], Wanted { raw: true, ..ALL }).unwrap();
        for document in runs.iter().flat_map(|run| [&run.config, &run.summary]).flatten() {
            prop_assert_eq!(crate::json::validate(&document.text()), Ok(()), "{}", document.text());
        }
    }
}
