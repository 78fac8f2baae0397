//! Timings, shown and never judged: `RUNFRAME_ROWS=100000 cargo test --release --no-default-features speed -- --nocapture`, or
//! `RUNFRAME_LOGS=FOLDER` for logs that are there.

use super::tests::{ALL, load_with};
use super::writer::*;
use super::*;
use std::io::Write;
use std::time::Instant;

/// What wandb-core writes for one row of 13 values: two summary records, then the history record.
fn row(n: i64, out: &mut Vec<Vec<u8>>) {
    let clock = 1_795_433_518.0 + n as f64 / 8.0;
    let mut values = vec![
        ("_step".to_owned(), n.to_string()),
        ("_timestamp".into(), format!("{clock:e}")),
        ("_runtime".into(), format!("{}", n as f64 / 8.0)),
    ];
    values.extend((0..10).map(|k| (format!("train/metric_{k}"), format!("{}", 1.0 / (n + k + 1) as f64))));
    let items: Vec<Vec<u8>> = values.iter().map(|(key, value)| nested(&[key], value)).collect();
    let record = |body: Vec<u8>| [body, message(200, &[text(1, "abcd1234")])].concat();
    out.push(record(summary(
        &[nested(&["_wandb", "runtime"], &n.to_string()), nested(&["_runtime"], &n.to_string())],
        &[],
    )));
    out.push(record(summary(&items, &[])));
    out.push(record(message(
        2,
        &items.iter().map(|item| text(1, item)).chain([message(2, &[int(1, n)])]).collect::<Vec<_>>(),
    )));
}

#[test]
fn speed_of_one_long_log_and_of_many_short_ones() {
    let rows: i64 = std::env::var("RUNFRAME_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(500);
    let mut records = vec![run("long0001", 1_795_433_518, &[]), config(&[item("lr", "0.1")], &[])];
    (0..rows).for_each(|n| row(n, &mut records));
    records.push(exit(0, rows / 8));
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("run-long0001.wandb");
    std::fs::write(&file, LogWriter::numbered(&records)).unwrap();
    let thin = Wanted { config: true, summary: false, artifacts: false, heartbeat: false, raw: false };
    for (name, wanted) in [("all", ALL), ("no heartbeat", Wanted { heartbeat: false, ..ALL }), ("config only", thin)] {
        show(&format!("long log, {name}"), &file, wanted, Some(rows));
    }
    let short = LogWriter::numbered(&records[..records.len().min(26)]);
    let many = root.path().join("many");
    for n in 0..rows / 10 {
        let folder = many.join(format!("wandb/offline-run-20260102_030405-s{n:06}"));
        std::fs::create_dir_all(folder.join("files")).unwrap();
        let bytes = LogWriter::numbered(
            &[&[run(&format!("s{n:06}"), n, &[]), message(26, &[text(13, "anna")])], &records[1..26]].concat(),
        );
        std::fs::write(folder.join(format!("run-s{n:06}.wandb")), bytes).unwrap();
    }
    show(&format!("{} short logs of {} bytes", rows / 10, short.len()), &many, ALL, Some(8));
}

/// Logs that nobody writes by chance: their time must grow with their bytes, and not with the square.
#[test]
fn speed_of_hostile_logs() {
    let rows: i64 = std::env::var("RUNFRAME_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(500);
    let root = tempfile::tempdir().unwrap();
    let mut log = LogWriter::new();
    log.record(&run("r1", 1_000, &[]));
    (0..rows).for_each(|n| log.record(&summary(&[nested(&["a", &format!("x{n}")], "1")], &[])));
    (0..rows).for_each(|_| log.record(&summary(&[nested(&["a"], "1"), nested(&["a", "x0"], "1")], &[])));
    let flips = root.path().join("flips.wandb");
    std::fs::write(&flips, &log.bytes).unwrap();
    let traps = root.path().join("traps.wandb");
    let mut log = LogWriter::new();
    log.record(&run("r2", 1_000, &[]));
    for _ in 0..rows * 10 {
        log.bytes.extend([0x02, 0x3c].repeat(70));
        log.chunk(1, b"");
    }
    std::fs::write(&traps, &log.bytes).unwrap();
    for (what, path) in [("a leaf that turns into a branch and back", flips), ("chunk heads that overlap", traps)] {
        let began = Instant::now();
        let (_, receipt) = load_with(&[path], ALL).unwrap();
        let (bytes, seconds) = (receipt.bytes as f64, began.elapsed().as_secs_f64());
        let line = format!("{what}: {:.1} MB in {:.1} ms\n", bytes / 1e6, seconds * 1e3);
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
}

#[test]
fn speed_of_given_logs() {
    for path in std::env::var_os("RUNFRAME_LOGS").iter().flat_map(std::env::split_paths) {
        let thin = Wanted { config: true, summary: false, artifacts: false, heartbeat: false, raw: false };
        let wishes = [("all", ALL), ("no heartbeat", Wanted { heartbeat: false, ..ALL }), ("config only", thin)];
        for (name, wanted) in wishes {
            show(&format!("{}, {name}", path.display()), &path, wanted, None);
        }
    }
}

fn show(what: &str, path: &std::path::Path, wanted: Wanted, rows: Option<i64>) {
    let mut best = f64::MAX;
    let mut bytes = 0;
    for _ in 0..5 {
        let began = Instant::now();
        let (runs, receipt) = load_with(&[path.to_owned()], wanted).unwrap();
        best = best.min(began.elapsed().as_secs_f64());
        bytes = receipt.bytes;
        assert!(runs.iter().all(|run| rows.is_none() || run.history_rows == rows) && !receipt.has_losses());
    }
    let line = format!(
        "{what}: {:.1} MB in {:.1} ms, {:.0} MB/s\n",
        bytes as f64 / 1e6,
        best * 1e3,
        bytes as f64 / best / 1e6
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
