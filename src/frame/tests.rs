//! What frames give: types, pushdown, conflicts, Arrow and back, errors.

use super::series as make;
use super::*;
use crate::record::{ArtifactVersion, Document, Timestamp, User};
use polars::prelude::*;

fn runs() -> Vec<Run> {
    let model = ArtifactVersion {
        name: "model".into(),
        kind: Some("model".into()),
        version: Some(3),
        aliases: vec!["best".into(), "latest".into()],
        size: Some(7),
        created_at: Some(Timestamp::from_micros(5)),
        ..ArtifactVersion::default()
    };
    let run = |name: &str, config: &str, summary: &str| Run {
        entity: Some("lab".into()),
        project: Some("p".into()),
        name: name.into(),
        created_at: Some(Timestamp::from_micros(1_000_000)),
        heartbeat_at: Some(Timestamp::from_micros(3_500_000)),
        tags: Some(vec![]),
        user: User { username: Some("ada".into()), ..User::default() },
        config: Some(Document::plain(config)),
        summary: Some(Document::plain(summary)),
        logged_artifacts: Some(vec![]),
        used_artifacts: Some(vec![]),
        ..Run::default()
    };
    let mut runs = vec![
        run("a", r#"{"lr":1,"opt":"adam","sizes":[1,2],"none":null}"#, r#"{"acc":"NaN","h":{"_type":"histogram"}}"#),
        run("b", r#"{"lr":0.5,"opt":2,"sizes":[]}"#, r#"{"acc":0.5}"#),
        Run { name: "c".into(), ..Run::default() },
    ];
    runs[0].tags = Some(vec!["x".into(), "y".into()]);
    runs[0].logged_artifacts = Some(vec![model.clone(), ArtifactVersion { version: None, aliases: vec![], ..model }]);
    runs
}

fn frame() -> RunFrame {
    RunFrame::from_runs(runs()).unwrap()
}

#[test]
fn columns_have_the_documented_types_and_order() {
    let frame = frame();
    let schema = frame.schema();
    for field in crate::columns::FIELDS {
        assert_eq!(schema.get(field.name), Some(&make::field_type(field.dtype)), "{}", field.name);
    }
    let names: Vec<&str> = schema.iter_names().map(|n| n.as_str()).collect();
    let flattened: Vec<&str> =
        names.iter().copied().filter(|n| n.starts_with("config.") || n.starts_with("summary.")).collect();
    assert_eq!(
        flattened,
        ["config.lr", "config.none", "config.opt", "config.opt:string", "config.sizes", "summary.acc", "summary.h"]
    );
    assert_eq!(names[names.len() - 2..], ["logged_artifacts", "used_artifacts"]);
    let all = frame.collect().unwrap();
    assert_eq!(all.schema().as_ref(), schema.as_ref());
    assert_eq!((all.height(), frame.height()), (3, 3));
}

#[test]
fn values_and_nulls_arrive() {
    let all = frame().collect().unwrap();
    let floats = |name: &str| all.column(name).unwrap().f64().unwrap().iter().collect::<Vec<_>>();
    assert_eq!(floats("config.lr"), [Some(1.0), Some(0.5), None]);
    assert_eq!(floats("runtime"), [Some(2.5), Some(2.5), None]);
    assert!(floats("summary.acc")[0].unwrap().is_nan());
    assert_eq!(all.column("config.none").unwrap().null_count(), 3);
    let artifacts = all.column("logged_artifacts").unwrap().list().unwrap().clone();
    assert_eq!(artifacts.get_as_series(0).unwrap().len(), 2);
    assert_eq!(artifacts.get_as_series(1).unwrap().len(), 0);
    assert!(artifacts.get_as_series(2).is_none());
    let tags = all.column("tags").unwrap().list().unwrap().clone();
    assert_eq!(tags.get_as_series(0).unwrap().str().unwrap().get(1), Some("y"));
    assert!(tags.get_as_series(2).is_none());
}

#[test]
fn a_query_makes_only_the_columns_it_names() {
    struct Spy(RunFrame, std::sync::Mutex<Vec<String>>);
    impl Table for Spy {
        fn schema(&self) -> &SchemaRef {
            self.0.schema()
        }
        fn height(&self) -> usize {
            self.0.height()
        }
        fn read(&self, columns: &[&str]) -> Result<DataFrame> {
            self.1.lock().unwrap().extend(columns.iter().map(|c| (*c).to_owned()));
            self.0.select(columns)
        }
        fn json_columns(&self) -> &[String] {
            &[]
        }
        fn columns(&self) -> Result<Columns> {
            self.0.to_columns()
        }
    }
    let spy = Arc::new(Spy(frame(), Default::default()));
    let found = RunFrame::from_table(spy.clone(), Receipt::default())
        .lazy()
        .filter(col("config.lr").gt(lit(0.7)))
        .select([col("name")])
        .collect()
        .unwrap();
    assert_eq!(found.column("name").unwrap().str().unwrap().get(0), Some("a"));
    let mut read = spy.1.lock().unwrap().clone();
    read.sort();
    assert_eq!(read, ["config.lr", "name"]);
}

#[test]
fn an_unknown_column_names_the_nearest() {
    let frame = frame();
    let by_name = frame.select(&["config.lrr"]).unwrap_err();
    assert_eq!(by_name.to_string(), "unknown column config.lrr (did you mean config.lr?)");
    let lazily = Error::from(frame.lazy().filter(col("config.lrr").gt(lit(1))).collect().unwrap_err());
    assert_eq!(lazily.kind(), ErrorKind::Column);
    assert_eq!(lazily.to_string(), "unknown column config.lrr (did you mean config.lr?)");
}

#[test]
fn conflicts_are_listed_with_counts() {
    let conflicts = frame().conflicts().unwrap();
    let columns = vec![("config.opt".to_owned(), Kind::Number, 1), ("config.opt:string".to_owned(), Kind::String, 1)];
    assert_eq!(conflicts, [Conflict { path: "config.opt".into(), columns }]);
}

#[test]
fn what_is_not_wanted_is_not_there() {
    let mut columns =
        Columns::new(Wanted { config: false, artifacts: false, heartbeat: false, raw: true, summary: true });
    runs().iter().for_each(|run| columns.push(run));
    let frame = RunFrame::from_columns(columns, Receipt::default()).unwrap();
    for name in ["config.lr", "logged_artifacts", "heartbeat_at", "runtime"] {
        assert!(!frame.schema().contains(name), "{name}");
    }
    let raw = frame.select(&["summary_json", "config_json"]).unwrap();
    assert_eq!(raw.column("summary_json").unwrap().str().unwrap().get(1), Some(r#"{"acc":0.5}"#));
    assert_eq!(raw.column("config_json").unwrap().null_count(), 1);
}

#[test]
fn importing_a_frame_gives_it_back() {
    let frame = frame();
    let all = frame.collect().unwrap();
    let columns = import(&all, frame.json_columns()).unwrap();
    let again = RunFrame::from_columns(columns, Receipt::default()).unwrap();
    assert_eq!(again.schema(), frame.schema());
    assert!(again.collect().unwrap().equals_missing(&all));
    assert_eq!(again.json_columns(), frame.json_columns());
}

#[test]
fn record_batches_hold_the_same_table() {
    let all = frame().collect().unwrap();
    let batches = bridge::record_batches(&all).unwrap();
    assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 3);
    let schema = batches[0].schema();
    assert_eq!(schema.fields().len(), all.width());
    let created = schema.field_with_name("created_at").unwrap().data_type().clone();
    assert_eq!(created, arrow_schema::DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, Some("UTC".into())));
    let lr = batches[0].column_by_name("config.lr").unwrap();
    let lr = lr.as_any().downcast_ref::<arrow_array::Float64Array>().unwrap();
    assert_eq!(lr.iter().collect::<Vec<_>>(), [Some(1.0), Some(0.5), None]);
    let reader = bridge::reader(&all).unwrap();
    assert_eq!(reader.schema(), schema);
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 3);
}
