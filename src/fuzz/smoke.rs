//! A short run of each target on stable Rust: the kept corpus, then changes of it, always the same ones.

use super::TARGETS;
use super::mutate::{Rng, mutated};
use std::path::PathBuf;

/// The kept inputs of a target, by name.
pub(crate) fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let file =
        |path: PathBuf| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap());
    let mut files: Vec<_> = files.map(|entry| file(entry.unwrap().path())).collect();
    files.sort();
    files
}

/// Replays and changes, so many times.
fn run(target: &str, changes: usize) {
    let (_, check) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "{target} has no corpus");
    for (name, input) in &corpus {
        guarded(check, input, name);
    }
    let inputs: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let mut rng = Rng(7);
    for number in 0..changes {
        guarded(check, &mutated(&mut rng, &inputs), &format!("change {number}"));
    }
}

/// For as long as `RUNFRAME_FUZZ_SECONDS` says, the target that `RUNFRAME_FUZZ` names, from another beginning each time.
#[test]
#[ignore = "tests/fuzz/run runs it"]
fn for_long() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let (target, seconds) = (variable("RUNFRAME_FUZZ"), variable("RUNFRAME_FUZZ_SECONDS").parse().unwrap());
    let (_, check) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let inputs: Vec<Vec<u8>> = corpus(&target).into_iter().map(|(_, input)| input).collect();
    let began = std::time::Instant::now();
    let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let (mut rng, mut tried) = (Rng(seed), 0u64);
    while began.elapsed() < std::time::Duration::from_secs(seconds) {
        guarded(check, &mutated(&mut rng, &inputs), &format!("change {tried} of seed {seed}"));
        tried += 1;
    }
    eprintln!("{target}: {tried} inputs in {seconds} seconds, seed {seed}");
}

/// Says which input it was.
fn guarded(check: &fn(&[u8]), input: &[u8], name: &str) {
    let checked = std::panic::catch_unwind(|| check(input));
    if let Err(panic) = checked {
        eprintln!("input {name}: {:?}", String::from_utf8_lossy(input));
        std::panic::resume_unwind(panic);
    }
}

macro_rules! smoke {
    ($($(#[$on:meta])* $target:ident: $changes:expr;)*) => {
        $($(#[$on])* #[test] fn $target() { run(stringify!($target), $changes); })*
    };
}

smoke! {
    framing: 4_000;
    records: 4_000;
    flatten: 20_000;
    #[cfg(feature = "api")]
    netrc: 20_000;
    #[cfg(feature = "api")]
    settings: 10_000;
    #[cfg(feature = "api")]
    pages: 4_000;
    #[cfg(all(feature = "api", feature = "frame"))]
    history: 4_000;
    #[cfg(feature = "frame")]
    expressions: 1_500;
    #[cfg(feature = "frame")]
    parquet: 300;
}
