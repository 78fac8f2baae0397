//! Artifact rows, and the runs that lack, used or should have used a version.

use super::{maker, table};
use crate::compare::{ArtifactRows, artifact_rows, known_artifact, lacking, stale, used_by};
use crate::error::ErrorKind;
use crate::frame::RunFrame;
use crate::ops::{Direction, run};
use crate::record::Run;
use polars::prelude::*;

fn runs() -> RunFrame {
    let elsewhere = |run: Run| Run { project: Some("q".into()), ..run };
    table([
        maker("a", 1, &["model:v1", "data.x:v1"], &["data:v3", "data:v1"]),
        maker("b", 2, &["model:latest", "my-model:v0"], &["data:v2", "data:latest"]),
        maker("c", 3, &[], &["data:latest"]),
        elsewhere(maker("d", 4, &["data:v9"], &["data:v2"])),
        elsewhere(maker("e", 5, &[], &["data:v9"])),
        Run { logged_artifacts: None, used_artifacts: None, ..maker("f", 6, &[], &[]) },
    ])
}

fn texts(rows: LazyFrame, column: &str) -> Vec<String> {
    let frame = rows.select([col(column)]).collect().unwrap();
    let texts = frame.column(column).unwrap().str().unwrap();
    texts.iter().map(|text| text.unwrap_or("-").to_owned()).collect()
}

#[test]
fn rows_are_chosen_by_direction_type_and_name() {
    let names = |change: &dyn Fn(&mut ArtifactRows)| {
        let mut which = ArtifactRows::default();
        change(&mut which);
        texts(artifact_rows(runs().lazy(), &which).unwrap(), "artifact.name")
    };
    assert_eq!(names(&|_| {}).len(), 12);
    assert_eq!(names(&|which| which.direction = Direction::Used).len(), 7);
    assert_eq!(names(&|which| which.direction = Direction::Logged).len(), 5);
    let typed = |which: &mut ArtifactRows| which.kind = Some("model".into());
    assert_eq!(names(&typed), ["model", "model", "my-model"]);
    let glob = |text: &'static str| names(&move |which| which.name = Some(text.into()));
    assert_eq!(glob("*model"), ["model", "model", "my-model"]);
    assert_eq!(glob("model"), ["model", "model"]);
    assert_eq!(glob("data?x"), ["data.x"]);
    // Only `*` and `?` mean anything.
    assert_eq!((glob("dat.*").len(), glob("(*").len(), glob("data.?").len()), (0, 0, 1));
}

#[test]
fn what_is_lacking_and_what_is_not_known() {
    let missing = run::missing_logged(["model:latest", "my-model:v0"]);
    let rows = lacking(runs().lazy(), missing).unwrap();
    assert_eq!(texts(rows.clone(), "name"), ["a", "c", "d", "e", "f"]);
    let text = rows.with_column(col("missing").list().join(lit("+"), true));
    assert_eq!(
        texts(text, "missing"),
        [
            "model:latest+my-model:v0",
            "model:latest+my-model:v0",
            "model:latest+my-model:v0",
            "model:latest+my-model:v0",
            "-"
        ]
    );
    let inputs = lacking(runs().lazy(), run::missing_used(["data:v2"])).unwrap();
    assert_eq!(texts(inputs, "name"), ["a", "c", "e", "f"]);
}

#[test]
fn users_of_exactly_one_version() {
    let used = |reference: &str| used_by(runs().lazy(), reference).unwrap();
    assert_eq!(texts(used("data:v2"), "name"), ["b", "d"]);
    assert_eq!(texts(used("data"), "name"), ["b", "c"], "no alias is latest");
    assert_eq!(texts(used("data:v7"), "name"), [""; 0]);
    let frame = used("data:v3").collect().unwrap();
    assert_eq!(frame.column("artifact.version").unwrap().i64().unwrap().to_vec(), [Some(3)]);
    assert!(frame.column("used_artifacts").is_err() && frame.column("direction").is_err());
    assert_eq!(used_by(runs().lazy(), ":v3").err().unwrap().kind(), ErrorKind::Usage);
}

#[test]
fn stale_goes_by_the_newest_of_the_project() {
    let rows = stale(runs().lazy(), "data").unwrap();
    // p: the newest is v3, of run a; b used v2 at most, c what nobody knows. q: v9 was logged by d, which used v2.
    assert_eq!(texts(rows.clone(), "name"), ["b", "c", "d"]);
    let frame = rows.collect().unwrap();
    assert_eq!(frame.column("newest").unwrap().i64().unwrap().to_vec(), [Some(3), Some(3), Some(9)]);
    assert_eq!(frame.column("artifact.version").unwrap().i64().unwrap().to_vec(), [Some(2), None, Some(2)]);
    assert_eq!(
        frame.column("stale").unwrap().bool().unwrap().iter().collect::<Vec<_>>(),
        [Some(true), None, Some(true)]
    );
    // Without entity and project all runs are of one place.
    let bare = runs().lazy().drop(cols(["entity", "project"]));
    assert_eq!(texts(stale(bare, "data").unwrap(), "name"), ["a", "b", "c", "d"]);
    let error = stale(runs().lazy(), "data:v2").err().unwrap();
    assert_eq!(error.to_string(), "data:v2 is one version, not an artifact's name (write data)");
}

#[test]
fn faults_are_told() {
    known_artifact(runs().lazy(), "data:v77").unwrap();
    let error = known_artifact(runs().lazy(), "modle").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "no run logged or used an artifact called modle (did you mean model?)");
    known_artifact(runs().lazy().slice(0, 0), "modle").unwrap();
    let bare = || runs().lazy().drop(cols(["used_artifacts"]));
    let errors = [
        artifact_rows(bare(), &ArtifactRows::default()).err(),
        used_by(bare(), "data:v1").err(),
        stale(bare(), "data").err(),
        lacking(bare(), run::missing_used(["data"])).err(),
    ];
    for error in errors.map(Option::unwrap) {
        assert_eq!(error.kind(), ErrorKind::Column);
        assert!(error.to_string().starts_with("used_artifacts was not loaded"), "{error}");
    }
    assert!(lacking(bare(), run::missing_logged(["data"])).is_ok());
}
