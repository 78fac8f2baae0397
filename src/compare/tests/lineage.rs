//! Links between runs, and walks along them.

use super::{maker, run, table};
use crate::compare::{Lineage, lineage};
use crate::error::ErrorKind;
use crate::frame::RunFrame;
use crate::record::Run;

fn of(runs: &RunFrame, name: &str) -> Lineage {
    lineage(&runs.collect().unwrap(), name).unwrap()
}

/// `depth artifact name by`, one for each step; `-` for no run.
fn steps(lineage: &Lineage, direction: &str) -> Vec<String> {
    let rows = lineage.rows().unwrap();
    let text =
        |column: &str, row: usize| rows.column(column).unwrap().str().unwrap().get(row).unwrap_or("-").to_owned();
    let depth = |row: usize| rows.column("depth").unwrap().i64().unwrap().get(row).unwrap();
    let again = |row: usize| rows.column("again").unwrap().bool().unwrap().get(row) == Some(true);
    (0..rows.height())
        .filter(|row| text("direction", *row) == direction)
        .map(|row| {
            let again = if again(row) { " again" } else { "" };
            format!("{} {} {} {}{again}", depth(row), text("artifact", row), text("name", row), text("by", row))
        })
        .collect()
}

fn up(runs: &RunFrame, name: &str) -> Vec<String> {
    steps(&of(runs, name), "upstream")
}

#[test]
fn both_ways_and_any_depth() {
    let runs = table([
        maker("prep", 1, &["data:v0#d0"], &["raw:v5#r5"]),
        maker("train", 2, &["model:v1#m1", "log:v0#l0"], &["data:v0#d0"]),
        maker("eval", 3, &["report:v0#e0"], &["model:v1#m1", "data:v0#d0"]),
        maker("other", 4, &["model:v2#m2"], &["data:v9#d9"]),
    ]);
    assert_eq!(
        up(&runs, "eval"),
        ["1 model:v1 train id", "2 data:v0 prep id again", "1 data:v0 prep id", "2 raw:v5 - -"]
    );
    let down = steps(&of(&runs, "prep"), "downstream");
    assert_eq!(
        down,
        ["1 data:v0 train id", "2 model:v1 eval id again", "2 log:v0 - -", "1 data:v0 eval id", "2 report:v0 - -"]
    );
    let tree = "\
me/p/train
upstream
  data:v0 ← me/p/prep
    raw:v5 (logged by no run here)
downstream
  model:v1 → me/p/eval
    report:v0 (used by no run here)
  log:v0 (used by no run here)
";
    assert_eq!(of(&runs, "train").tree(), tree);
}

#[test]
fn cycles_end() {
    let runs = table([
        maker("a", 1, &["x:v0#x"], &["z:v0#z"]),
        maker("b", 2, &["y:v0#y"], &["x:v0#x"]),
        maker("c", 3, &["z:v0#z"], &["y:v0#y", "z:v0#z"]),
    ]);
    assert_eq!(up(&runs, "a"), ["1 z:v0 c id", "2 y:v0 b id", "3 x:v0 a id again", "2 z:v0 c id again"]);
    assert!(of(&runs, "a").tree().contains("x:v0 ← me/p/a (the run itself)"));
    assert_eq!(of(&runs, "c").rows().unwrap().height(), 4 + 4);
}

#[test]
fn links_are_by_id_then_version_then_digest() {
    let other = |run: Run| Run { project: Some("q".into()), ..run };
    let by = |logged: &str, used: &str| {
        let runs = table([maker("a", 1, &[logged], &[]), maker("b", 2, &[], &[used])]);
        up(&runs, "b").remove(0)
    };
    assert_eq!(by("d:v1#x", "d:v1#x"), "1 d:v1 a id");
    assert_eq!(by("d:v1", "d:v1#x"), "1 d:v1 a version");
    assert_eq!(by("d#client", "d:v1#x"), "1 d:v1 - -", "logs do not know the version of what they logged");
    assert_eq!(by("d:v1#x", "d:v1#y"), "1 d:v1 - -", "a server's ids tell versions apart");
    assert_eq!(by("d:v1#x@h", "d:v1#y@h"), "1 d:v1 - -");
    assert_eq!(by("d:v1", "d:v2"), "1 d:v2 - -");
    assert_eq!(by("d#client@h", "d:v1#x@h"), "1 d:v1 a digest");
    assert_eq!(by("d:v2@h", "d:v1@h"), "1 d:v1 - -", "the same files again are another version");
    assert_eq!(by("e@h", "d@h"), "1 d - -");
    // Another project's artifact is known by its id only.
    let runs = table([
        maker("a", 1, &["d:v1#x"], &[]),
        other(maker("b", 2, &[], &["d:v1#x"])),
        other(maker("c", 3, &[], &["d:v1"])),
    ]);
    assert_eq!((up(&runs, "b"), up(&runs, "c")), (vec!["1 d:v1 a id".to_owned()], vec!["1 d:v1 - -".to_owned()]));
    // Several runs may have logged one version.
    let runs =
        table([maker("a", 1, &["d:v1#x"], &[]), maker("a2", 1, &["d:v1#x"], &[]), maker("b", 2, &[], &["d:v1#x"])]);
    assert_eq!(up(&runs, "b"), ["1 d:v1 a id", "1 d:v1 a2 id"]);
}

#[test]
fn an_alias_in_a_log_is_the_last_one_before() {
    let runs = table([
        maker("late", 9, &["m:latest+best#l"], &[]),
        maker("first", 1, &["m:latest#f"], &[]),
        maker("second", 5, &["m:latest+best#s"], &[]),
        maker("early", 0, &[], &["m:latest#1"]),
        maker("user", 7, &["m:latest#u"], &["m:latest#1", "m:best#2", "m:prod#3", "n:latest#4", "m#5"]),
        maker("between", 3, &[], &["m:best+latest#1"]),
        Run { created_at: None, ..maker("timeless", 7, &["m:latest#t"], &["m:latest#1"]) },
        Run { entity: None, ..maker("elsewhere", 8, &[], &["m:latest#1"]) },
    ]);
    assert_eq!(
        up(&runs, "user"),
        ["1 m:latest second alias", "1 m:best second alias again", "1 m:prod - -", "1 n:latest - -", "1 m - -"]
    );
    assert_eq!(up(&runs, "between"), ["1 m:best,latest first alias"]);
    for name in ["early", "timeless", "elsewhere"] {
        assert_eq!(up(&runs, name), ["1 m:latest - -"], "{name}");
    }
    assert_eq!(steps(&of(&runs, "first"), "downstream"), ["1 m:best,latest between alias"]);
    assert!(of(&runs, "between").tree().contains("m:best,latest ← me/p/first, by alias"));
}

#[test]
fn long_chains_and_wide_fans() {
    let chain = (0..3_000).map(|at| {
        let (logged, used) = (format!("m:v{at}#{at}"), format!("m:v{}#{}", at - 1, at - 1));
        maker(&format!("r{at}"), at, &[&logged], &[&used])
    });
    let runs = table(chain);
    let lineage = of(&runs, "r1500");
    let rows = lineage.rows().unwrap();
    assert_eq!(rows.column("depth").unwrap().i64().unwrap().iter().flatten().max(), Some(1_501));
    assert_eq!(rows.height(), 1_501 + 1_500);
    assert!(lineage.tree().len() < 3_100 * 140);
    let fan = std::iter::once(maker("hub", 0, &["d:v0#d"], &[]));
    let fan = table(fan.chain((0..3_000).map(|at| maker(&format!("u{at}"), 1, &[], &["d:v0#d"]))));
    assert_eq!(steps(&of(&fan, "hub"), "downstream").len(), 3_000);
    assert_eq!(up(&fan, "u7"), ["1 d:v0 hub id"]);
}

#[test]
fn faults_and_bare_tables() {
    let runs = table([maker("a", 1, &["x:v0"], &[]), maker("b", 2, &[], &["x:v0"]), run("q", "a", "{}")]);
    let fault = |name: &str| lineage(&runs.collect().unwrap(), name).unwrap_err();
    assert_eq!((fault("a").kind(), fault("c").kind()), (ErrorKind::Usage, ErrorKind::NotFound));
    let bare = runs.select(&["name", "used_artifacts"]).unwrap();
    assert_eq!(lineage(&bare, "b").unwrap_err().kind(), ErrorKind::Column);
    let few = runs.select(&["name", "used_artifacts", "logged_artifacts"]).unwrap();
    assert_eq!(steps(&lineage(&few, "b").unwrap(), "upstream"), ["1 x:v0 a version"]);
    let empty = table([]).collect().unwrap();
    assert_eq!(lineage(&empty, "a").unwrap_err().kind(), ErrorKind::NotFound);
    let none = of(&table([run("p", "r\u{1b}[2J\nx", "{}")]), "r\u{1b}[2J\nx");
    assert_eq!(none.tree(), "me/p/r\u{241b}[2J\u{fffd}x\nupstream: nothing\ndownstream: nothing\n");
    assert_eq!(none.rows().unwrap().height(), 0);
    // Runs whose artifacts were not loaded have none.
    let unknown = table([Run { logged_artifacts: None, used_artifacts: None, ..maker("a", 1, &[], &[]) }]);
    assert_eq!(of(&unknown, "a").rows().unwrap().height(), 0);
}
