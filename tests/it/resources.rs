//! Faults of the machine and hostile input: the old file stays whole, nothing is left behind, memory is bounded, limits have names.
//!
//! What a shell can limit is limited by a shell, for the real binary. Where a machine allows no mounts, those tests say so.

#![allow(clippy::print_stderr, reason = "a test that a machine does not allow says so")]

mod faults;
mod hostile;
mod servers;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn binary() -> PathBuf {
    assert_cmd::cargo::cargo_bin("runframe")
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/wandb")
}

/// The sorted names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What a shell does with a script in `dir`, where `$0` is the binary and `$1` the bundled runs.
fn shell(dir: &Path, script: &str) -> Output {
    Command::new("sh").args(["-c", script]).arg(binary()).arg(examples()).current_dir(dir).output().unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs the binary and watches it: its output, and the most memory it had, in MB; 0 where the system does not tell.
fn watched(args: &[&str], env: &[(&str, &str)]) -> (Output, u64) {
    let mut command = Command::new(binary());
    command.args(args).envs(env.iter().copied()).stdout(std::process::Stdio::piped());
    let child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let done = std::sync::atomic::AtomicBool::new(false);
    let ordering = std::sync::atomic::Ordering::SeqCst;
    std::thread::scope(|scope| {
        let peak = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(ordering) {
                let text = std::fs::read_to_string(&status).unwrap_or_default();
                let told = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                let kilobytes = told.and_then(|told| told.split_whitespace().next()?.parse::<u64>().ok());
                peak = peak.max(kilobytes.unwrap_or_default());
                std::thread::sleep(Duration::from_millis(2));
            }
            peak
        });
        let output = child.wait_with_output().unwrap();
        done.store(true, ordering);
        (output, peak.join().unwrap() / 1_000)
    })
}

/// Waits until something is so; panics if it never is.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}
