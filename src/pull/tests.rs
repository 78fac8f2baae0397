//! What a listing tells against what is known.

use super::*;
use crate::record::{Run, Timestamp, Wanted};

fn listed(name: &str, updated: i64, state: &str) -> LightRun {
    LightRun {
        entity: "e".into(),
        project: "p".into(),
        name: name.into(),
        updated_at: Some(Timestamp::from_micros(updated)),
        state: Some(state.into()),
        ..LightRun::default()
    }
}

fn stored(runs: &[(&str, i64, &str)]) -> Columns {
    let mut columns = Columns::new(Wanted::default());
    for (name, updated, state) in runs {
        columns.push(&Run {
            entity: Some("e".into()),
            project: Some("p".into()),
            name: (*name).into(),
            updated_at: Some(Timestamp::from_micros(*updated)),
            state: Some((*state).into()),
            ..Run::default()
        });
    }
    columns
}

fn listing(runs: Vec<LightRun>, complete: bool) -> LightListing {
    let mut listing = LightListing::default();
    (listing.runs, listing.complete) = (runs, complete);
    listing
}

#[test]
fn a_live_run_is_the_same_only_if_its_times_say_so() {
    let at = |time: i64| Some(Timestamp::from_micros(time));
    let live = LightRun { heartbeat_at: at(5), ..listed("r", 1, "running") };
    assert!(is_same(&live, Some(1), Some(5), Some("running")));
    assert!(!is_same(&live, Some(1), Some(4), Some("running")));
    assert!(!is_same(&LightRun { updated_at: None, ..live }, None, Some(5), Some("running")));
}

#[test]
fn what_is_new_changed_or_gone() {
    let known = stored(&[
        ("same", 1, "finished"),
        ("edited", 1, "finished"),
        ("live", 1, "running"),
        ("gone", 1, "crashed"),
        ("done", 1, "running"),
    ]);
    let runs = vec![
        listed("same", 1, "finished"),
        listed("edited", 2, "finished"),
        listed("live", 1, "running"),
        listed("new", 1, "finished"),
        listed("done", 1, "finished"),
    ];
    let found = changes(&known, &listing(runs.clone(), true), &Rejected::default());
    assert_eq!(found.load[&("e".to_owned(), "p".to_owned())], ["edited", "new", "done"]);
    assert_eq!(found.gone, HashSet::from([3]));
    assert!(
        changes(&known, &listing(runs, false), &Rejected::default()).gone.is_empty(),
        "nothing is removed on the word of an unproved listing"
    );
    let same = changes(&known, &listing(vec![listed("same", 1, "finished")], false), &Rejected::default());
    assert!(same.load.is_empty());
}
