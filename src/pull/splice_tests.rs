//! The law of an update: an old file with new runs put in holds what a file written anew holds, value for value.

use super::*;
use crate::load::{keys, open_stored};
use crate::pull::order;
use crate::record::{ArtifactVersion, Document, Receipt, Run, Timestamp, Wanted};

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

/// A run whose values depend on the version too; `odd` runs have columns and kinds that others lack.
fn run(random: &mut Random, number: u64, version: u64, odd: bool) -> Run {
    let mut config = vec![format!(r#""lr":{{"value":{}.5}}"#, random.below(9)), r#""none":{"value":null}"#.to_owned()];
    config.push(match random.below(3) {
        0 => r#""mixed":{"value":"text"}"#.to_owned(),
        _ => format!(r#""mixed":{{"value":{}}}"#, random.below(5)),
    });
    if random.below(2) == 0 {
        config.push(format!(r#""layers":{{"value":[{},{}]}}"#, random.below(9), random.below(9)));
    }
    if odd {
        config.push(format!(r#""odd{}":{{"value":true}}"#, random.below(3)));
    }
    let summary = format!(r#"{{"version":{version},"media":{{"_type":"image","n":{}}},"x":"NaN"}}"#, random.below(4));
    let artifact = |at: u64| ArtifactVersion {
        name: format!("a{at}"),
        aliases: (0..at % 3).map(|alias| format!("alias{alias}")).collect(),
        size: Some(at as i64),
        ..ArtifactVersion::default()
    };
    Run {
        entity: Some("e".into()),
        project: Some(format!("p{}", number % 2)),
        name: format!("r{number}"),
        // Ties, and runs without a time.
        created_at: (!number.is_multiple_of(11)).then(|| Timestamp::from_micros((number as i64 * 37 % 50) * 1_000_000)),
        config: Some(Document::wrapped(format!("{{{}}}", config.join(",")))),
        summary: Some(Document::plain(summary)),
        tags: (!number.is_multiple_of(5)).then(|| (0..random.below(4)).map(|tag| format!("t{tag}")).collect()),
        logged_artifacts: Some((0..random.below(4)).map(artifact).collect()),
        used_artifacts: Some(Vec::new()),
        ..Run::default()
    }
}

fn columns<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Columns {
    let mut columns = Columns::new(Wanted::default());
    runs.into_iter().for_each(|run| columns.push(run));
    order::sort(&mut columns);
    columns
}

fn write(frame: &RunFrame, path: &Path, rows: usize) {
    let names: Vec<&str> = frame.schema().iter_names().map(|name| name.as_str()).collect();
    sink::save(path, |out| {
        row_groups::write(out, frame.schema(), &frame.metadata(), |file| {
            (0..frame.height()).step_by(rows).try_for_each(|start| {
                let rows = start..(start + rows).min(frame.height());
                file.group(rows.len(), &|at| frame.part(names[at], rows.clone()).map(Chunk::Values))
            })
        })
    })
    .unwrap();
}

/// All that is not null, columns sorted by name.
fn values(path: &Path) -> DataFrame {
    let table = open_stored(path).unwrap().collect().unwrap();
    let mut names: Vec<&str> = table.schema().iter_names().map(|name| name.as_str()).collect();
    names.retain(|name| table.column(name).unwrap().null_count() < table.height());
    names.sort_unstable();
    table.select(names.iter().copied()).unwrap()
}

#[test]
fn an_update_is_a_file_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, anew) = (dir.path().join("runs.parquet"), dir.path().join("anew.parquet"));
    let (mut spliced, mut copied) = (0, 0);
    for seed in 1..=40 {
        let random = &mut Random(seed * 0x9E37_79B9);
        let count = 20 + random.below(60);
        let mut runs: Vec<Run> = (0..count).map(|number| run(random, number, 1, seed.is_multiple_of(4))).collect();
        let old = RunFrame::from_columns(columns(&runs), Receipt::default()).unwrap();
        write(&old, &path, 7);
        let file = open_stored(&path).unwrap();
        let known = import(&file.select(&PLACE).unwrap(), &[]).unwrap();

        let odd = seed.is_multiple_of(3);
        let (mut fresh, mut gone) = (Vec::new(), HashSet::new());
        let row_of = |name: &str| keys(&known).iter().position(|key| key.2 == Some(name)).unwrap();
        for _ in 0..random.below(4) {
            let at = random.below(runs.len() as u64) as usize;
            gone.insert(row_of(&runs.remove(at).name));
        }
        for _ in 0..random.below(3) {
            let at = random.below(runs.len() as u64) as usize;
            let number = runs[at].name[1..].parse().unwrap();
            runs[at] = run(random, number, 2, odd);
            gone.insert(row_of(&runs[at].name));
            fresh.retain(|fresh: &Run| fresh.name != runs[at].name);
            fresh.push(runs[at].clone());
        }
        for new in 0..random.below(3) {
            let new = run(random, count + new, 2, odd);
            runs.push(new.clone());
            fresh.push(new);
        }
        let mut fresh = columns(&fresh);
        if !prepare(&mut fresh, &file) {
            continue;
        }
        let fresh = RunFrame::from_columns(fresh, Receipt::default()).unwrap();
        let splice = Splice { old: &known, file: &file, gone: &gone, fresh: &fresh };
        let footer = read_metadata(&mut File::open(&path).unwrap()).unwrap();
        let plan = splice.plan(&footer).unwrap();
        if !splice.write(&path, &fresh.metadata()).unwrap() {
            assert!(plan.is_none());
            continue;
        }
        spliced += 1;
        copied += plan.unwrap().iter().filter(|part| part.order.is_none()).count();
        write(&RunFrame::from_columns(columns(&runs), Receipt::default()).unwrap(), &anew, 1_000);
        let (got, expected) = (values(&path), values(&anew));
        assert!(got.equals_missing(&expected), "seed {seed}: {got}\n{expected}");
        let json = |path: &Path| open_stored(path).unwrap().json_columns().to_vec();
        assert_eq!(json(&path), json(&anew), "seed {seed}");
    }
    assert!(spliced > 30 && copied > 60, "{spliced} updates, {copied} groups copied");
}

#[test]
fn columns_that_would_change_their_kind_are_not_spliced() {
    let with = |name: &str, lr: &str| Run {
        name: name.into(),
        config: Some(Document::wrapped(format!(r#"{{"lr":{{"value":{lr}}}}}"#))),
        ..Run::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs.parquet");
    // What the file has, what comes, and whether the columns stay what they are.
    for (old, new, stays) in [
        ("1", "2", true),
        ("0.5", "2", true),
        ("1", "0.5", false),
        (r#""text""#, "1", false),
        ("1", r#""text""#, true),
        ("0.5", r#""NaN""#, false),
        (r#""NaN""#, "1", false),
        ("0.5", "9007199254740993", true),
        ("[1]", "[0.5]", false),
        ("[0.5]", "[1]", true),
        (r#"{"_type":"x"}"#, r#"{"_type":"y"}"#, true),
        (r#"{"_type":"x"}"#, r#""text""#, false),
    ] {
        write(&RunFrame::from_columns(columns([&with("a", old)]), Receipt::default()).unwrap(), &path, 9);
        let file = open_stored(&path).unwrap();
        let known = import(&file.select(&PLACE).unwrap(), &[]).unwrap();
        let mut fresh = columns([&with("b", new)]);
        let done = prepare(&mut fresh, &file) && {
            let fresh = RunFrame::from_columns(fresh, Receipt::default()).unwrap();
            let splice = Splice { old: &known, file: &file, gone: &HashSet::new(), fresh: &fresh };
            splice.write(&path, &fresh.metadata()).unwrap()
        };
        assert_eq!(done, stays, "{old} and {new}");
        if done {
            let anew = path.with_file_name("anew.parquet");
            let both = columns([&with("a", old), &with("b", new)]);
            write(&RunFrame::from_columns(both, Receipt::default()).unwrap(), &anew, 9);
            let (got, expected) = (values(&path), values(&anew));
            assert!(got.equals_missing(&expected), "{old} and {new}: {got}\n{expected}");
        }
    }
}
