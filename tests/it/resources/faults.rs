//! What the machine refuses: space, files, memory, threads, streams; signals; and clocks that are wrong.

use super::*;
use crate::log::Log;

const OLD: &[u8] = b"the old file";

/// A command that writes `out.csv` or another format, for each verb that writes.
const VERBS: [&str; 9] = [
    "query $1 -q -o out.csv",
    "group $1 -q -b user -o out.csv",
    "schema $1 -q -o out.csv",
    "show $1 1ch3bknw -q -o out.csv",
    "history $1 -q -o out.csv",
    "diff $1 1ch3bknw lkqx96qe -q -o out.csv",
    "vary $1 -q -o out.csv",
    "artifacts $1 -q -o out.csv",
    "sql 'select name from runs' $1 -q -o out.csv",
];

fn with_old_file(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name), OLD).unwrap();
    dir
}

/// The old file is as it was, and alone.
fn is_untouched(dir: &Path, name: &str, why: &str) {
    assert_eq!(std::fs::read(dir.join(name)).unwrap(), OLD, "{why}");
    assert_eq!(names(dir), [name], "{why}");
}

#[cfg(unix)]
#[test]
fn a_file_size_limit_leaves_the_old_file_for_every_verb() {
    let dir = with_old_file("out.csv");
    for verb in VERBS {
        let output = shell(dir.path(), &format!("ulimit -f 0; \"$0\" {verb}"));
        let said = stderr(&output);
        assert_eq!(code(&output), Some(1), "{verb}: {said}");
        assert_eq!(said, "error: out.csv: file too large (allow larger files: ulimit -f)\n", "{verb}");
        is_untouched(dir.path(), "out.csv", verb);
    }
    // With room for all, each does its work: none of them failed for another reason.
    for verb in VERBS {
        let output = shell(dir.path(), &format!("\"$0\" {verb}"));
        assert_eq!(code(&output), Some(0), "{verb}: {}", stderr(&output));
    }
}

#[cfg(unix)]
#[test]
fn a_file_size_limit_in_the_middle_of_every_format() {
    for ending in ["csv", "json", "jsonl", "html", "xlsx", "parquet", "arrow"] {
        let name = format!("runs.{ending}");
        let dir = with_old_file(&name);
        let output = shell(dir.path(), &format!("ulimit -f 8; \"$0\" query \"$1\" -q -o {name}"));
        assert_eq!(code(&output), Some(1), "{ending}: {}", stderr(&output));
        assert!(stderr(&output).starts_with(&format!("error: {name}: file too large")), "{}", stderr(&output));
        is_untouched(dir.path(), &name, ending);
    }
    let dir = tempfile::tempdir().unwrap();
    let pull = |limit: &str| shell(dir.path(), &format!("{limit}\"$0\" pull \"$1\" -q -o runs.parquet"));
    assert_eq!(code(&pull("")), Some(0));
    let before = std::fs::read(dir.path().join("runs.parquet")).unwrap();
    let output = pull("ulimit -f 8; ");
    assert_eq!(code(&output), Some(1), "{}", stderr(&output));
    assert_eq!(std::fs::read(dir.path().join("runs.parquet")).unwrap(), before);
    assert_eq!(names(dir.path()), ["runs.parquet"]);
}

/// Runs a script with `/mnt` as a file system of its own; `None` where the machine lets nobody mount one.
#[cfg(target_os = "linux")]
fn mounted(options: &str, script: &str) -> Option<Output> {
    let script = format!("mount -t tmpfs -o {options} none /mnt && echo mounted && cd /mnt && {script}");
    let output =
        Command::new("unshare").args(["-rm", "sh", "-c", &script]).arg(binary()).arg(examples()).output().ok()?;
    let done = stdout(&output).starts_with("mounted\n");
    if !done {
        eprintln!("not tested, no mounts here: {}", stderr(&output));
    }
    done.then_some(output)
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_old_file() {
    for (name, verb) in [
        ("out.parquet", "pull $1 -q -o out.parquet"),
        ("out.parquet", "query $1 -q -o out.parquet"),
        ("out.xlsx", "query $1 -q -o out.xlsx"),
        ("out.csv", "history $1 -q -o out.csv"),
    ] {
        let script = format!("printf old > {name}; \"$0\" {verb}; echo $?; cat {name}; echo; ls -A");
        let Some(output) = mounted("size=8k", &script) else { return };
        assert_eq!(stdout(&output), format!("mounted\n1\nold\n{name}\n"), "{verb}: {}", stderr(&output));
        let expected = format!("error: {name}: no space left on device (free some, or write to another disk)\n");
        assert_eq!(stderr(&output), expected, "{verb}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_disk_is_named_before_anything_is_loaded() {
    let script = "printf old > a.csv; printf old > a.parquet; mount -o remount,ro /mnt; \
        \"$0\" query \"$1\" -q -o a.csv; echo $?; \"$0\" pull no-such-host/x -q -o a.parquet; echo $?; cat a.csv a.parquet; echo; ls -A";
    let Some(output) = mounted("size=64k", script) else { return };
    assert_eq!(stdout(&output), "mounted\n1\n1\noldold\na.csv\na.parquet\n", "{}", stderr(&output));
    assert_eq!(stderr(&output), "error: /mnt: read-only file system (write to another folder)\n".repeat(2));
}

/// Root may write anywhere, so the folder is written to as somebody else.
#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_written_to() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let dir = with_old_file("out.csv");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = Command::new(binary());
    if std::fs::metadata(dir.path()).unwrap().uid() == 0 {
        command.uid(65_534);
    }
    let file = dir.path().join("out.csv");
    let output = command.args(["query", "-q", "-o"]).arg(&file).arg(examples()).current_dir("/").output().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(code(&output), Some(1));
    let expected = format!("error: {}: permission denied (write to another folder)\n", dir.path().display());
    assert_eq!(stderr(&output), expected);
    is_untouched(dir.path(), "out.csv", "permissions");
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_a_file() {
    let dir = with_old_file("out.csv");
    for verb in ["query $1 -q -o out.csv/new.csv", "pull $1 -q -o out.csv/new.parquet"] {
        let output = shell(dir.path(), &format!("\"$0\" {verb}"));
        assert_eq!(code(&output), Some(1), "{verb}");
        let expected = "error: out.csv: not a directory (it is a file; name a folder that exists)\n";
        assert_eq!(stderr(&output), expected, "{verb}");
        is_untouched(dir.path(), "out.csv", verb);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn few_open_files_give_all_runs_or_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let right = stdout(&shell(dir.path(), "\"$0\" query \"$1\" -q -s name --sort name"));
    let (mut failed, mut done) = (0, 0);
    for limit in (4..=16).chain([256]) {
        let script = format!("ulimit -n {limit}; \"$0\" query \"$1\" -q -s name --sort name -o out.csv");
        let output = shell(dir.path(), &script);
        match code(&output) {
            Some(0) => {
                done += 1;
                assert_eq!(std::fs::read_to_string(dir.path().join("out.csv")).unwrap(), right, "{limit}");
                std::fs::remove_file(dir.path().join("out.csv")).unwrap();
            }
            // The loader of the system's libraries may need more than there are.
            Some(127) if limit < 6 => {}
            other => {
                failed += 1;
                let said = stderr(&output);
                assert_eq!(other, Some(1), "{limit}: {said}");
                assert!(said.ends_with("too many open files (allow more open files: ulimit -n)\n"), "{limit}: {said}");
            }
        }
        assert!(names(dir.path()).is_empty(), "{limit}");
    }
    assert!(failed > 0 && done > 0, "{failed} {done}");
}

/// A log whose first record is large: some 300 MB, of blocks that are all alike.
fn huge(dir: &Path, id: &str, blocks: usize) {
    let before = Log::of_run(id).config("lr", "0.25").into_bytes();
    super::hostile::write_huge(dir, id, before, blocks);
}

#[cfg(target_os = "linux")]
#[test]
fn refused_memory_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    huge(&dir.path().join("logs"), "huge0001", 9_500);
    let query = |limit: &str| {
        let script = format!(
            "export MALLOC_ARENA_MAX=1 RAYON_NUM_THREADS=1 POLARS_MAX_THREADS=1; {limit} \"$0\" query logs -q --max-value-bytes 2GB -o out.csv"
        );
        shell(dir.path(), &script)
    };
    std::fs::write(dir.path().join("out.csv"), OLD).unwrap();
    for megabytes in [350, 450, 550] {
        let output = query(&format!("ulimit -v {megabytes}000;"));
        let said = stderr(&output);
        assert_eq!(code(&output), Some(1), "{megabytes} MB: {said}");
        assert!(said.contains("memory"), "{megabytes} MB: {said}");
        assert_eq!(std::fs::read(dir.path().join("out.csv")).unwrap(), OLD, "{megabytes} MB");
    }
    // What the runtime ended in the middle is cleared away by the next that writes there.
    let output = query("");
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_ne!(std::fs::read(dir.path().join("out.csv")).unwrap(), OLD);
    assert_eq!(names(dir.path()), ["logs", "out.csv"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_table_that_does_not_fit_the_memory_is_not_damaged() {
    use polars::df;
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().unwrap();
    // Another program's file, which is not sealed, with a hole before its footer.
    let mut bytes = Vec::new();
    let mut names = df!("name" => ["4f7ds2kq"]).unwrap();
    polars_io::parquet::write::ParquetWriter::new(&mut bytes).finish(&mut names).unwrap();
    let file = std::fs::File::create(dir.path().join("large.parquet")).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
    let footer = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize + 8;
    file.write_all_at(&bytes[bytes.len() - footer..], (4 << 30) - footer as u64).unwrap();
    let output = shell(
        dir.path(),
        "export RAYON_NUM_THREADS=1 POLARS_MAX_THREADS=1; ulimit -v 3000000; \"$0\" query large.parquet",
    );
    let said = stderr(&output);
    assert_eq!(code(&output), Some(1), "{said}");
    assert!(said.contains("error: large.parquet: out of memory (allow more memory: ulimit -v)"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn refused_threads_are_an_error() {
    let dir = with_old_file("out.csv");
    // A stack beyond all memory: threads are refused, and nothing else is. With many small ones either may run out first.
    let script = "ulimit -v 4000000; RUST_MIN_STACK=5000000000 \"$0\" query \"$1\" -q -s name -o out.csv";
    let output = shell(dir.path(), script);
    assert_eq!(code(&output), Some(1), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("no more threads") && said.contains("RAYON_NUM_THREADS=1"), "{said}");
    is_untouched(dir.path(), "out.csv", "threads");
}

#[cfg(unix)]
#[test]
fn data_that_nobody_can_get_are_no_success() {
    let dir = tempfile::tempdir().unwrap();
    let run = |words: &str| {
        let output = shell(dir.path(), &format!("\"$0\" {words}"));
        (code(&output), stdout(&output), stderr(&output))
    };
    // Whoever writes to a file, or takes nothing in, needs no standard output.
    assert_eq!(run("query $1 -q -s name -o out.csv >&-"), (Some(0), String::new(), String::new()));
    assert_eq!(run("query $1 -q -s name -n 1 --sort name <&-").1, "name\n1ch3bknw\n");
    assert_eq!(run("query $1 -s name -n 1 --sort name 2>&-").0, Some(0));
    if Path::new("/dev/full").exists() {
        for words in ["--help >/dev/full", "query $1 -q -s name >/dev/full", "completions zsh >/dev/full"] {
            let (code, _, said) = run(words);
            assert_eq!(code, Some(1), "{words}");
            assert!(said.starts_with("error: stdout: no space left on device"), "{words}: {said}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_silent_for_every_verb() {
    let dir = tempfile::tempdir().unwrap();
    for verb in VERBS {
        let verb = verb.replace(" -o out.csv", "");
        // The reader is gone before the first byte comes.
        let script = format!(
            "{{ sleep 0.05; \"$0\" {verb} --format csv; echo $? >code; }} 2>said | true; while ! [ -s code ]; do sleep 0.01; done"
        );
        shell(dir.path(), &script);
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!((read("code").as_str(), read("said").as_str()), ("0\n", ""), "{verb}");
        std::fs::remove_file(dir.path().join("code")).unwrap();
    }
}

/// A log of so many rows of 20 metrics: writing them out takes long enough to be interrupted.
#[cfg(unix)]
fn long(dir: &Path, rows: u64) {
    use crate::log::Message;
    let item = |key: &str, json: &str| Message::new().text(2, key).text(16, json);
    let mut log = Log::of_run("long0001");
    for step in 0..rows {
        let mut row = Message::new().message(1, item("_step", &step.to_string()));
        for metric in 0..20 {
            row = row.message(1, item(&format!("m{metric}"), &format!("{}.5", step * metric)));
        }
        log = log.record(2, row);
    }
    log.exit(0, 1).write(dir, "long0001");
}

#[cfg(unix)]
#[test]
fn signals_leave_the_old_file_and_the_next_write_cleans_up() {
    use std::os::unix::process::ExitStatusExt;
    let dir = tempfile::tempdir().unwrap();
    let (logs, out) = (dir.path().join("logs"), dir.path().join("out"));
    long(&logs, 4_000);
    std::fs::create_dir(&out).unwrap();
    let file = out.join("h.xlsx");
    let begin = || {
        let mut command = Command::new(binary());
        command.args(["history", "-q", "-o"]).arg(&file).arg(&logs).spawn().unwrap()
    };
    for (signal, ended) in [("INT", Some(130)), ("TERM", Some(130)), ("HUP", Some(130)), ("KILL", None)] {
        std::fs::write(&file, OLD).unwrap();
        let mut child = begin();
        wait_for("the temporary file", || names(&out).len() == 2);
        let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        assert!(sent.success(), "{signal}: it ended too early");
        assert_eq!(status.code(), ended, "{signal}");
        assert_eq!(std::fs::read(&file).unwrap(), OLD, "{signal}");
        assert_eq!(names(&out).len(), if signal == "KILL" { 2 } else { 1 }, "{signal}: {:?}", names(&out));
        assert_eq!(status.signal().is_some(), signal == "KILL");
    }
    // What the killed one left is gone after the next write; what another is writing meanwhile is not touched.
    let mut other = begin();
    wait_for("another temporary file", || {
        names(&out).len() == 2 && !names(&out).is_empty() && other.try_wait().unwrap().is_none()
    });
    assert!(begin().wait().unwrap().success());
    assert!(other.wait().unwrap().success());
    assert_eq!(names(&out), ["h.xlsx"]);
    assert!(std::fs::read(&file).unwrap().starts_with(b"PK"));
}

#[test]
fn a_clock_that_ran_back_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    // Rows that are older than the run, and an exit record that tells no time: the last sign of life is the start.
    Log::started("clock001", 1_700_000_000).history(0, "1600000000.0").write(dir.path(), "clock001");
    // A sign of life in a future that has not come.
    Log::started("clock002", 1_700_000_000).history(0, "4102444800.5").exit(0, 9).write(dir.path(), "clock002");
    let columns = "name,state,runtime,heartbeat_at";
    let output =
        Command::new(binary()).args(["query", "-s", columns, "--sort", "name"]).arg(dir.path()).output().unwrap();
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let expected = "name,state,runtime,heartbeat_at\n\
        clock001,crashed,0.0,2023-11-14T22:13:20.000000Z\n\
        clock002,finished,2402444800.5,2100-01-01T00:00:00.500000Z\n";
    assert_eq!(stdout(&output), expected);
}
