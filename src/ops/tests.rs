//! The operations on small run tables with the hard cases: null and empty lists, slices, chunks, groups.

use super::frames::{artifacts, names, times};
use super::*;
use crate::record::Timestamp;
use std::time::Duration;

/// r1: model v1, v2 (latest), v3; data v3. r2: no artifacts. r3: unknown. r4: pending model twice, `model` as alias.
fn runs() -> DataFrame {
    let model: [frames::Version<'_>; 4] = [
        ("model", "model", Some(2), &["latest", "best"]),
        ("model", "model", Some(3), &["best"]),
        ("model", "model", Some(1), &[]),
        ("training-data", "dataset", Some(3), &["latest"]),
    ];
    let pending: [frames::Version<'_>; 3] = [
        ("model", "model", None, &["latest"]),
        ("model", "model", None, &["latest", "x"]),
        ("a:b", "model", Some(0), &["model"]),
    ];
    let logged = artifacts("logged_artifacts", &[Some(&model), Some(&[]), None, Some(&pending)]);
    let used = artifacts("used_artifacts", &[Some(&[]), Some(&model[3..]), Some(&model[..1]), None]);
    let name = Column::new("name".into(), ["r1", "r2", "r3", "r4"]);
    let group = Column::new("group".into(), ["a", "b", "a", "b"]);
    DataFrame::new(4, vec![name, group, logged, used]).unwrap()
}

fn ids(frame: DataFrame, what: Expr) -> Vec<Option<String>> {
    let out = frame.lazy().select([what.struct_().field_by_name("id").alias("id")]).collect().unwrap();
    out.column("id").unwrap().str().unwrap().iter().map(|id| id.map(str::to_owned)).collect()
}

#[test]
fn references_pick_the_highest_version() {
    let pick = |text: &str| ids(runs(), run::logged_artifact_version(text));
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(pick("model:latest"), [some("model-Some(2)"), None, None, some("model-None")]);
    assert_eq!(pick("model"), pick("model:latest"));
    assert_eq!(pick("model:best")[0], some("model-Some(3)"));
    assert_eq!(pick("model:v1")[0], some("model-Some(1)"));
    assert_eq!(pick("model:v9"), [None, None, None, None]);
    assert_eq!(pick("model:x")[3], some("model-None"));
    assert_eq!(pick("nothing:latest"), [None, None, None, None]);
    assert_eq!(ids(runs(), run::logged_artifact("model"))[0], some("model-Some(3)"));
    assert_eq!(ids(runs(), run::used_artifact("training-data"))[1], some("training-data-Some(3)"));
}

#[test]
fn slices_and_chunks_are_seen_right() {
    let whole = ids(runs(), run::logged_artifact_version("model:best"));
    let mut chunked = runs().slice(2, 2);
    chunked.vstack_mut(&runs()).unwrap();
    let parts = ids(chunked.slice(1, 3), run::logged_artifact_version("model:best"));
    assert_eq!(parts, [whole[3].clone(), whole[0].clone(), whole[1].clone()]);
    let missing = runs().slice(3, 1).lazy().select([run::missing_logged(["model", "eval"])]).collect().unwrap();
    let missing = missing.column("missing").unwrap().list().unwrap().get_as_series(0).unwrap();
    assert_eq!(missing.str().unwrap().iter().collect::<Vec<_>>(), [Some("eval")]);
}

#[test]
fn lists_without_elements_or_type_are_no_error() {
    let untyped = df!("name" => ["r1", "r2"], "logged_artifacts" => [None::<i32>, None]).unwrap();
    let untyped = untyped.lazy().with_column(lit(NULL).alias("logged_artifacts")).collect().unwrap();
    assert_eq!(ids(untyped, run::logged_artifact_version("model")), [None, None]);
    let none = runs().slice(1, 1);
    assert_eq!(ids(none, run::logged_artifact_version("model")), [None]);
    assert_eq!(ids(runs().slice(0, 0), run::logged_artifact_version("model")), [None; 0]);
    let wrong = df!("logged_artifacts" => [Series::new("".into(), [1])]).unwrap();
    let error = wrong.lazy().select([run::logged_artifact_version("model")]).collect().unwrap_err().to_string();
    assert!(error.contains("not of artifact versions"), "{error}");
}

#[test]
fn missing_outputs_and_null_lists() {
    let lacking = run::missing_logged(["model:latest", "evaluation:latest"]);
    let frame = runs().lazy().select([lacking.clone(), lacking.list().len().alias("n")]).collect().unwrap();
    let counts: Vec<Option<u32>> = frame.column("n").unwrap().u32().unwrap().to_vec();
    assert_eq!(counts, [Some(1), Some(2), None, Some(1)]);
    let none = names(&runs(), run::missing_logged([""; 0]).list().len().eq(lit(0))).unwrap();
    assert_eq!(none, ["r1", "r2", "r4"]);
}

#[test]
fn filtered_lists_keep_null_and_empty_apart() {
    let frame = runs().lazy().select([
        run::logged_containing("data").list().len().alias("data"),
        run::logged_of_type("model").list().len().alias("models"),
    ]);
    let frame = frame.collect().unwrap();
    assert_eq!(frame.column("data").unwrap().u32().unwrap().to_vec(), [Some(1), Some(0), None, Some(0)]);
    assert_eq!(frame.column("models").unwrap().u32().unwrap().to_vec(), [Some(3), Some(0), None, Some(3)]);
    let sliced = runs().slice(1, 3).lazy().select([run::logged_of_type("model").list().len()]).collect().unwrap();
    assert_eq!(sliced.columns()[0].u32().unwrap().to_vec(), [Some(0), None, Some(3)]);
}

#[test]
fn look_ups_work_within_groups() {
    let version = run::logged_artifact_version("model").struct_().field_by_name("version").max();
    let frame = runs().lazy().group_by_stable([col("group")]).agg([version.alias("v")]).collect().unwrap();
    assert_eq!(frame.column("v").unwrap().i64().unwrap().to_vec(), [Some(2), None]);
    let by_model = runs().lazy().group_by_stable([run::logged_artifact_version("model:v1").is_null().alias("none")]);
    assert_eq!(by_model.agg([len()]).collect().unwrap().height(), 2);
}

#[test]
fn exploded_artifacts_are_flat_rows() {
    let rows = runs().lazy().explode_artifacts(Direction::Both).collect().unwrap();
    assert_eq!(rows.height(), 9);
    let columns: Vec<&str> = rows.columns().iter().map(|c| c.name().as_str()).collect();
    assert_eq!(columns[..5], ["name", "group", "direction", "artifact.name", "artifact.type"]);
    assert_eq!(columns.len(), 12);
    let counted = runs().lazy().explode_artifacts(Direction::Both).select([len()]).collect().unwrap();
    assert_eq!(counted.columns()[0].u32().unwrap().get(0), Some(rows.height() as u32));
    let used = runs().lazy().explode_artifacts(Direction::Used).collect().unwrap();
    assert_eq!(used.column("name").unwrap().str().unwrap().iter().collect::<Vec<_>>(), [Some("r2"), Some("r3")]);
    let only = runs().drop("used_artifacts").unwrap().lazy().explode_artifacts(Direction::Logged).collect().unwrap();
    assert_eq!(only.height(), 7);
    assert!(runs().drop("used_artifacts").unwrap().lazy().explode_artifacts(Direction::Both).collect().is_err());
}

#[test]
fn activity_and_users() {
    let heartbeat = times("heartbeat_at", &[Some("2026-01-01T00:00:00Z"), Some("2026-01-01T00:04:00Z"), None]);
    let name = Column::new("name".into(), ["r1", "r2", "r3"]);
    let frame = DataFrame::new(3, vec![name, heartbeat]).unwrap();
    let now = Timestamp::parse("2026-01-01T00:05:00Z").unwrap();
    let active = run::is_active_at(Duration::from_secs(300), now);
    assert_eq!(names(&frame, active.clone()).unwrap(), ["r2"]);
    assert_eq!(names(&frame, active.not()).unwrap(), ["r1", "r3"]);
    let user = df!("user.username" => [Some("a"), None], "user.name" => [None::<&str>, None], "user.email" => [None::<&str>, None]).unwrap();
    let grouped = user.lazy().group_by_stable([run::user()]).agg([len()]).collect().unwrap();
    assert_eq!(grouped.column("user").unwrap().is_null().iter().collect::<Vec<_>>(), [Some(false), Some(true)]);
}

#[test]
fn runtime_as_text() {
    let frame = df!("runtime" => [Some(0.0), Some(59.9), Some(3600.0), Some(93_784.0), None]).unwrap();
    let text = frame.lazy().select([run::runtime_hm()]).collect().unwrap();
    let text: Vec<Option<&str>> = text.column("runtime_hm").unwrap().str().unwrap().iter().collect();
    assert_eq!(text, [Some("0h 0m"), Some("0h 0m"), Some("1h 0m"), Some("26h 3m"), None]);
}
