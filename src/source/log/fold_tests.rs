//! Tests of the fold: the rules of the format sheet, one by one.

use super::super::reading::{Scratch, read};
use super::super::writer::*;
use super::*;

const ALL: Wanted = Wanted { config: true, summary: true, artifacts: true, heartbeat: true, raw: false };
/// A moment long after all that the tests write.
const LATE: i64 = 2_000_000_000;

fn at(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_seconds(seconds, 0)
}

/// Folds folders of records as `wanted` asks; the present is `now`.
fn fold(folders: &[Vec<Vec<u8>>], wanted: Wanted, now: i64) -> (Option<Run>, Receipt) {
    let root = tempfile::tempdir().unwrap();
    let mut scratch = Scratch::default();
    let mut receipt = Receipt::default();
    scratch.fold.clear();
    for (index, records) in folders.iter().enumerate() {
        let path = root.path().join(format!("{index}.wandb"));
        std::fs::write(&path, LogWriter::numbered(records)).unwrap();
        read(&path, &mut scratch, wanted, &mut receipt).unwrap();
    }
    (scratch.fold.finish("name", wanted, at(now).unwrap(), &mut receipt), receipt)
}

fn run_of(records: &[Vec<u8>]) -> Run {
    fold(&[records.to_vec()], ALL, LATE).0.unwrap()
}

fn summary_of(records: &[Vec<u8>]) -> String {
    run_of(records).summary.unwrap().text().into_owned()
}

fn config_of(records: &[Vec<u8>]) -> String {
    run_of(records).config.unwrap().text().into_owned()
}

fn started() -> Vec<u8> {
    run("r1", 1_000, &[])
}

fn row(seconds: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let mut items = vec![nested(&["_timestamp"], seconds)];
    items.extend_from_slice(more);
    history(&items)
}

#[test]
fn all_texts_of_a_run_are_taken() {
    let more = [
        text(2, "team"),
        text(3, "mnist"),
        text(6, "g"),
        text(7, "train"),
        text(8, "fluffy-cloud-7"),
        text(9, "a note"),
        text(10, "x"),
        text(10, "y"),
        text(12, "s1"),
        text(13, "box"),
        message(21, &[text(1, "git@x"), text(2, "c0ffee")]),
    ];
    let environment = message(26, &[time(3, 999), text(10, "a@b.c"), text(12, "other"), text(13, "anna")]);
    let run = run_of(&[run("r1", 1_000, &more), environment, exit(0, 60)]);
    let some = |text: &str| Some(text.to_owned());
    let expected = Run {
        entity: some("team"),
        project: some("mnist"),
        name: "r1".into(),
        display_name: some("fluffy-cloud-7"),
        state: some("finished"),
        created_at: at(1_000),
        heartbeat_at: at(1_060),
        compute_seconds: Some(60.0),
        job_type: some("train"),
        group: some("g"),
        sweep: some("s1"),
        notes: some("a note"),
        host: some("box"),
        commit: some("c0ffee"),
        tags: Some(vec!["x".into(), "y".into()]),
        user: User { username: some("anna"), name: None, email: some("a@b.c") },
        history_rows: Some(0),
        logged_artifacts: Some(vec![]),
        used_artifacts: Some(vec![]),
        ..Run::default()
    };
    assert_eq!(run, expected);
}

#[test]
fn a_bare_run_has_no_made_up_values() {
    let run = run_of(&[run("", 0, &[])]);
    let expected = Run {
        name: "name".into(),
        state: Some("crashed".into()),
        tags: Some(vec![]),
        history_rows: Some(0),
        logged_artifacts: Some(vec![]),
        used_artifacts: Some(vec![]),
        ..Run::default()
    };
    assert_eq!(run, expected);
    let run = run_of(&[config(&[item("a", "1")], &[])]);
    assert_eq!((run.name.as_str(), run.tags), ("name", None));
}

#[test]
fn later_run_records_set_what_is_not_empty_and_never_config() {
    let first = [text(9, "note"), text(10, "a"), text(10, "b"), message(4, &[text(1, item("lr", "1"))])];
    let later = [text(8, "renamed"), text(10, "c"), message(4, &[text(1, item("lr", "2"))])];
    let run = run_of(&[run("r1", 1_000, &first), run("r1", 2_000, &later), run("r1", 0, &[])]);
    assert_eq!(run.config.unwrap().text(), r#"{"lr":1}"#);
    assert_eq!((run.notes.as_deref(), run.display_name.as_deref()), (Some("note"), Some("renamed")));
    assert_eq!((run.tags, run.created_at), (Some(vec!["c".into()]), at(1_000)));
}

#[test]
fn config_keys_and_paths_are_both_read() {
    let records = [
        started(),
        config(
            &[item("a.b", "1"), nested(&["a", "b"], "2"), item("_wandb", "{\"t\":1}"), nested(&["_wandb", "m"], "[]")],
            &[],
        ),
        config(&[item("model", r#"{"depth":3,"width":{"x":1}}"#), item("gone", "1"), nested(&["p", "q"], "1")], &[]),
        config(&[item("model", r#"{"depth":6}"#), item("empty", "{}")], &[item("gone", ""), nested(&["p", "q"], "")]),
        config(&[item("", "\"empty key\""), nested(&["", ""], "1")], &[]),
        config(&[[nested(&["n"], "1"), text(1, "k")].concat(), [text(1, "k"), nested(&["o"], "2")].concat()], &[]),
    ];
    assert_eq!(config_of(&records[..4]), r#"{"a.b":1,"a":{"b":2},"model":{"depth":6,"width":{"x":1}}}"#);
    assert_eq!(
        config_of(&records),
        r#"{"a.b":1,"a":{"b":2},"model":{"depth":6,"width":{"x":1}},"":{"":1},"n":1,"o":2}"#
    );
}

#[test]
fn summary_objects_replace_and_paths_cut_leaves() {
    let cases: [(&[Vec<u8>], &str); 7] = [
        (&[summary(&[item("s", r#"{"a":1}"#)], &[]), summary(&[nested(&["s", "b"], "2")], &[])], r#"{"s":{"b":2}}"#),
        (&[summary(&[item("s", r#"{"a":1}"#)], &[]), summary(&[item("s", r#"{"b":2}"#)], &[])], r#"{"s":{"b":2}}"#),
        (
            &[summary(&[nested(&["s", "a"], "1"), nested(&["s", "b"], "2")], &[]), summary(&[item("s", "3")], &[])],
            r#"{"s":3}"#,
        ),
        (&[summary(&[item("x", "1"), item("y", "2")], &[]), summary(&[], &[item("x", "")])], r#"{"y":2}"#),
        (&[summary(&[nested(&["s", "a"], "1")], &[]), summary(&[item("t", "1")], &[item("s", "")])], r#"{"t":1}"#),
        (&[summary(&[item("x", "null"), item("y", "1")], &[])], r#"{"y":1}"#),
        (
            &[summary(&[item("loss", r#"{"min":NaN}"#), item("e", "-Infinity")], &[])],
            r#"{"loss":{"min":NaN},"e":-Infinity}"#,
        ),
    ];
    for (records, expected) in cases {
        assert_eq!(summary_of(&[&[started()], records].concat()), expected);
    }
}

#[test]
fn own_keys_stay_but_for_wandbs() {
    let records =
        [started(), summary(&[nested(&["_wandb", "runtime"], "7"), item("_step", "3"), item("_runtime", "7.5")], &[])];
    assert_eq!(summary_of(&records), r#"{"_step":3,"_runtime":7.5}"#);
    let raw = fold(&[records.to_vec()], Wanted { raw: true, summary: false, ..ALL }, LATE).0.unwrap();
    assert_eq!(raw.summary.unwrap().text(), r#"{"_wandb":{"runtime":7},"_step":3,"_runtime":7.5}"#);
    let records = vec![started(), config(&[item("_wandb", r#"{"t":1}"#), item("a", "1")], &[])];
    let raw = fold(&[records], Wanted { raw: true, config: false, ..ALL }, LATE).0.unwrap();
    assert_eq!(raw.config.unwrap().text(), r#"{"_wandb":{"t":1},"a":1}"#);
}

#[test]
fn records_behind_the_exit_count() {
    let records = [
        started(),
        row("1010", &[nested(&["loss"], "0.5")]),
        exit(0, 20),
        row("1020", &[nested(&["loss"], "0.25")]),
        summary(&[item("loss", "0.25"), item("_step", "1")], &[]),
        message(20, &[]),
        message(22, &[]),
    ];
    let run = run_of(&records);
    assert_eq!((run.history_rows, run.state.as_deref()), (Some(2), Some("finished")));
    assert_eq!(run.summary.unwrap().text(), r#"{"loss":0.25,"_step":1}"#);
}

#[test]
fn states_follow_exit_and_heartbeat() {
    let state =
        |records: &[Vec<u8>], now| fold(&[[&[started()], records].concat()], ALL, now).0.unwrap().state.unwrap();
    assert_eq!(state(&[message(18, &[])], LATE), "finished");
    assert_eq!(state(&[exit(0, 5)], LATE), "finished");
    assert_eq!(state(&[exit(1, 5)], LATE), "failed");
    assert_eq!(state(&[exit(255, 5)], LATE), "failed");
    assert_eq!(state(&[exit(-1, 5)], LATE), "failed");
    assert_eq!(state(&[message(18, &[int(3, 1)])], LATE), "running");
    assert_eq!(state(&[message(23, &[])], LATE), "preempted");
    assert_eq!(state(&[message(23, &[]), exit(0, 1)], LATE), "finished");
    assert_eq!(state(&[], 1_299), "running");
    assert_eq!(state(&[], 1_300), "crashed");
    assert_eq!(state(&[stats(5_000)], 5_299), "running");
    assert_eq!(state(&[stats(5_000)], 5_300), "crashed");
    let blind = fold(&[vec![started(), stats(5_000)]], Wanted { heartbeat: false, ..ALL }, 5_001).0.unwrap();
    assert_eq!((blind.state, blind.heartbeat_at), (None, None));
}

#[test]
fn the_heartbeat_is_the_latest_time_in_any_record() {
    let heartbeat = |records: &[Vec<u8>]| run_of(&[&[started()], records].concat()).heartbeat_at;
    assert_eq!(heartbeat(&[]), at(1_000));
    assert_eq!(heartbeat(&[row("1005.5", &[]), row("1003", &[])]), Timestamp::from_float(1_005.5));
    assert_eq!(heartbeat(&[row("1.7954335180617766e+09", &[])]), Timestamp::from_float(1_795_433_518.061_777));
    assert_eq!(heartbeat(&[history(&[item("loss", "9999"), item("_timestamp", "1007")])]), at(1_007));
    assert_eq!(
        heartbeat(&[history(&[nested(&["a", "_timestamp"], "9999"), nested(&["_timestamp", "a"], "9999")])]),
        at(1_000)
    );
    assert_eq!(heartbeat(&[history(&[[text(16, "1008"), text(2, "_timestamp")].concat()])]), at(1_008));
    assert_eq!(heartbeat(&[history(&[[text(2, "_timestamp"), double(6, 1_009.0)].concat()])]), at(1_009));
    assert_eq!(heartbeat(&[stats(1_050), stats(1_040)]), at(1_050));
    assert_eq!(heartbeat(&[message(13, &[int(1, 1), time(2, 1_060), text(3, "x")])]), at(1_060));
    assert_eq!(heartbeat(&[message(4, &[time(2, 1_061)])]), at(1_061));
    assert_eq!(heartbeat(&[row("1010", &[]), exit(1, 30)]), at(1_030));
    let resumed = |before, own| run_of(&[run("r1", 2_000, &[int(20, before)]), exit(0, own)]).heartbeat_at;
    assert_eq!((resumed(10, 15), resumed(100, 15)), (at(2_005), at(2_015)));
    assert_eq!(heartbeat(&[row("NaN", &[]), row("1e300", &[]), row("\"x\"", &[])]), at(1_000));
}

#[test]
fn created_at_falls_back_to_the_environment() {
    let run = run_of(&[run("r1", 0, &[]), message(26, &[time(3, 777), text(13, "anna")])]);
    assert_eq!(run.created_at, at(777));
}

#[test]
fn the_environment_comes_in_parts_and_0_16_had_something_else_there() {
    let parts = [
        message(26, &[text(13, "anna"), text(1, "Linux")]),
        message(26, &[text(10, "a@b.c"), message(9, &[text(2, "c1")])]),
    ];
    let run = run_of(&[&[started()], &parts[..]].concat());
    assert_eq!(run.user, User { username: Some("anna".into()), name: None, email: Some("a@b.c".into()) });
    assert_eq!(run.commit.as_deref(), Some("c1"));
    let launch = message(26, &[message(1, &[text(1, "lr")]), message(2, &[text(1, "x")])]);
    let mut fold = Fold::default();
    fold.record(&Record::parse(&launch).unwrap(), ALL).unwrap();
    assert!(!fold.folder.has_environment);
}

#[test]
fn compute_seconds_add_up_over_folders() {
    let seconds = |folders: &[Vec<Vec<u8>>]| fold(folders, ALL, LATE).0.unwrap().compute_seconds;
    let wandb = |seconds: &str| summary(&[nested(&["_wandb", "runtime"], seconds)], &[]);
    let resumed = |before| run("r1", 2_000, &[int(20, before)]);
    assert_eq!(seconds(&[vec![started()]]), None);
    // Only exit records count: what a summary says of its own runtime depends on what was read.
    assert_eq!(seconds(&[vec![started(), wandb("8")]]), None);
    assert_eq!(seconds(&[vec![started(), wandb("8"), exit(1, 10)]]), Some(10.0));
    assert_eq!(seconds(&[vec![started(), exit(1, 10)], vec![started(), exit(0, 5)]]), Some(15.0));
    assert_eq!(seconds(&[vec![started()], vec![started(), exit(0, 5)]]), None);
    assert_eq!(seconds(&[vec![started(), exit(0, 5)], vec![started()]]), None);
    assert_eq!(seconds(&[vec![started()], vec![resumed(10), exit(0, 15)]]), Some(15.0));
    // The timer of a resumed run goes on from what it was.
    assert_eq!(seconds(&[vec![started(), exit(1, 10)], vec![resumed(10), exit(0, 15)]]), Some(15.0));
    assert_eq!(seconds(&[vec![resumed(100), exit(0, 15)]]), Some(115.0));
}

#[test]
fn folders_are_joined_by_the_fold_rules() {
    let first = vec![
        run("r1", 1_000, &[text(9, "old"), text(10, "a"), text(7, "train")]),
        config(&[item("m", r#"{"x":1,"y":1}"#)], &[]),
        summary(&[item("acc", "0.5"), item("old", "1")], &[]),
        row("1010", &[]),
        exit(1, 20),
    ];
    let second = vec![
        run("r1", 5_000, &[text(9, "new")]),
        config(&[item("m", r#"{"y":2}"#)], &[]),
        summary(&[item("acc", "0.9")], &[]),
        row("5010", &[]),
        row("5020", &[]),
        exit(0, 30),
    ];
    let (run, receipt) = fold(&[first, second], ALL, LATE);
    let run = run.unwrap();
    assert_eq!(receipt.joined, 1);
    assert_eq!(run.config.unwrap().text(), r#"{"m":{"x":1,"y":2}}"#);
    assert_eq!(run.summary.unwrap().text(), r#"{"acc":0.9,"old":1}"#);
    assert_eq!((run.created_at, run.heartbeat_at), (at(1_000), at(5_030)));
    assert_eq!((run.notes.as_deref(), run.job_type.as_deref()), (Some("new"), Some("train")));
    assert_eq!((run.tags, run.history_rows), (Some(vec!["a".into()]), Some(3)));
    assert_eq!((run.state.as_deref(), run.compute_seconds), (Some("finished"), Some(50.0)));
}

#[test]
fn what_is_not_wanted_is_not_there() {
    let records =
        vec![started(), config(&[item("a", "1")], &[]), summary(&[item("b", "x")], &[]), message(8, &[text(5, "net")])];
    let nothing = Wanted { config: false, summary: false, artifacts: false, heartbeat: false, raw: false };
    let (run, receipt) = fold(&[records], nothing, LATE);
    let run = run.unwrap();
    assert_eq!((run.config, run.summary, run.logged_artifacts, run.used_artifacts), (None, None, None, None));
    assert_eq!(receipt.json_errors, 0);
}

#[test]
fn one_bad_value_is_one_fault() {
    let records = vec![
        run("r1", 1_000, &[text(2, "e"), text(3, "p")]),
        config(&[item("good", "1"), item("bad", "[1,"), nested(&["deep", "er"], "tru")], &[]),
        summary(&[item("early", "oops"), item("x", "0x10")], &[]),
        summary(&[item("early", "1")], &[]),
    ];
    let (run, receipt) = fold(&[records], ALL, LATE);
    let run = run.unwrap();
    assert_eq!(run.config.unwrap().text(), r#"{"good":1}"#);
    // What was overwritten does no harm.
    assert_eq!(run.summary.unwrap().text(), r#"{"early":1}"#);
    let faults: Vec<_> = receipt.json_faults.iter().map(|f| (f.run.as_str(), f.place.as_str(), f.offset)).collect();
    assert_eq!(faults, [("e/p/r1", "config.bad", 3), ("e/p/r1", "config.deep.er", 0), ("e/p/r1", "summary.x", 0)]);
}

#[test]
fn invalid_utf8_is_repaired_and_counted() {
    let bad = |field| text(field, b"a\xffb");
    let mut item = text(1, b"k\xfe");
    item.extend(text(16, b"\"v\xfd\""));
    let (run, receipt) = fold(&[vec![run("r1", 1_000, &[bad(9), bad(10)]), config(&[item], &[])]], ALL, LATE);
    let run = run.unwrap();
    assert_eq!((run.notes.as_deref(), run.tags), (Some("a\u{fffd}b"), Some(vec!["a\u{fffd}b".into()])));
    assert_eq!(run.config.unwrap().text(), "{\"k\u{fffd}\":\"v\u{fffd}\"}");
    assert_eq!(receipt.repaired_texts, 4);
}

#[test]
fn odd_keys_and_many_keys_survive() {
    let odd = ["", "a.b", "a/b", "\"q\"", "line\nbreak", "🦀", "name", "config.x", "\u{0}"];
    let items: Vec<_> = odd.iter().map(|key| nested(&[key], "1")).collect();
    let text = summary_of(&[started(), summary(&items, &[])]);
    let parsed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed.len(), odd.len());
    assert!(odd.iter().all(|key| parsed.contains_key(*key)));
    let long = "k".repeat(1 << 20);
    let mut many: Vec<_> = (0..20_000).map(|i| item(&format!("key{i}"), &i.to_string())).collect();
    many.push(item(&long, "1"));
    let text = config_of(&[started(), config(&many, &[])]);
    let parsed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert_eq!((parsed.len(), &parsed["key19999"], &parsed[&long]), (20_001, &19_999.into(), &1.into()));
    let deep = "{\"a\":".repeat(200) + "1" + &"}".repeat(200);
    assert_eq!(config_of(&[started(), config(&[item("d", &deep)], &[])]), format!("{{\"d\":{deep}}}"));
}

#[test]
fn numbers_tell_how_many_records_are_missing() {
    let numbered = |num, record: Vec<u8>| [int(1, num), record].concat();
    let records = |nums: &[i64]| {
        let first = [text(1, "r1")].concat();
        nums.iter().map(|num| numbered(*num, text(17, &first))).collect::<Vec<_>>()
    };
    for (nums, lost) in [
        (&[1, 2, 3][..], 0),
        (&[1, 5, 6], 3),
        (&[3], 2),
        (&[1, 2, 1, 2], 0),
        (&[0, 0], 0),
        (&[1, i64::MAX], u32::MAX.into()),
    ] {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.wandb");
        std::fs::write(&path, LogWriter::of(&records(nums))).unwrap();
        let mut receipt = Receipt::default();
        read(&path, &mut Scratch::default(), ALL, &mut receipt).unwrap();
        assert_eq!(receipt.lost_records, lost, "{nums:?}");
    }
}
