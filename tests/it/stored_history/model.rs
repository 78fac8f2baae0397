//! Stored histories against a model: whatever happens between pulls, they are what a first pull would store.

use super::{Case, case, put, rows};
use crate::wandb::Recipe;
use proptest::prelude::*;

/// What happens to a project between two pulls.
#[derive(Debug, Clone)]
enum Event {
    Rows(usize, Vec<usize>),
    Rewritten(usize, usize),
    Deleted(usize),
    New(usize),
    Touched(usize),
    Pulled,
}

/// Rows of many sorts.
const SORTS: [&str; 9] = [
    "",
    "\"a\":1",
    "\"a\":0.5,\"b\":\"x\"",
    "\"a\":\"text\"",
    "\"b\":{\"c\":1}",
    "\"l\":[1,2]",
    "\"l\":[0.5]",
    "\"a\":null",
    "\"a\":\"NaN\",\"l\":[\"s\"]",
];

fn event() -> impl Strategy<Value = Event> {
    let sorts = || proptest::collection::vec(0..SORTS.len(), 1..4);
    prop_oneof![
        4 => (0..6usize, sorts()).prop_map(|(run, sorts)| Event::Rows(run, sorts)),
        1 => (0..6usize, 0..6usize).prop_map(|(run, rows)| Event::Rewritten(run, rows)),
        1 => (0..6usize).prop_map(Event::Deleted),
        1 => (0..SORTS.len()).prop_map(Event::New),
        1 => (0..6usize).prop_map(Event::Touched),
        4 => Just(Event::Pulled),
    ]
}

impl Case {
    fn happens(&self, event: &Event, number: usize) {
        let count = self.server.look(|world| world.project("acme", "fleet").unwrap().runs.len());
        self.left.set(self.left.get() || matches!(event, Event::Rewritten(..) | Event::Deleted(_)));
        match event {
            Event::Rows(at, sorts) if count > 0 => self.edit(at % count, |run| {
                let mut all = run.history.as_ref().map_or_else(Vec::new, |history| history.rows.clone());
                let next = all.last().map_or(0, |(step, _)| step + 1);
                all.extend(rows(next, &sorts.iter().map(|sort| SORTS[*sort]).collect::<Vec<_>>()));
                put(run, all);
            }),
            Event::Rewritten(at, count_of_rows) if count > 0 => {
                let mut fewer = false;
                self.edit(at % count, |run| {
                    fewer = (*count_of_rows as i64) < run.history_rows.unwrap();
                    // As many rows up to the same step would tell nothing, nor would fewer that grew again before anybody looked.
                    run.created_at += i64::from(!fewer);
                    put(run, rows(1, &vec!["\"a\":3"; *count_of_rows]));
                });
                if fewer {
                    self.pull(&[]);
                }
            }
            Event::Deleted(at) if count > 1 => self.server.change(|world| {
                let name = world.project("acme", "fleet").unwrap().runs[at % count].name.clone();
                world.delete("acme", "fleet", &name);
            }),
            Event::New(sort) => self.server.change(|world| {
                let mut run = Recipe { nulls: false, ..Recipe::small(1) }.run(900 + number, world.now, &world.users);
                run.updated_at = None;
                put(&mut run, rows(0, &[SORTS[*sort], "\"new\":1"]));
                world.insert("acme", "fleet", run);
            }),
            Event::Touched(at) if count > 0 => self.edit(at % count, |run| run.notes = Some("seen".into())),
            _ => {}
        }
    }
}

/// Found by the model: of a table of one row the times were not read, and a run that was over never changed.
#[test]
fn a_run_that_is_alone_and_over_goes_on() {
    let case = case(1, None);
    case.edit(0, |run| {
        run.state = Some("finished".into());
        put(run, rows(0, &["\"a\":1"]));
    });
    case.pull(&[]);
    case.happens(&Event::Rows(0, vec![1, 2]), 0);
    let (_, history) = case.pull(&[]);
    assert_eq!((history.asked, history.added, history.rows), (1, 2, 3));
    case.check(&[]);
    let (_, history) = case.pull(&[]);
    assert_eq!((history.asked, history.added, history.written), (0, 0, false));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_next_pull_has_what_a_first_one_would(events in proptest::collection::vec(event(), 1..14)) {
        let case = case(4, None);
        case.server.change(|world| world.project_mut("acme", "fleet").unwrap().runs.iter_mut().for_each(|run| put(run, rows(0, &["\"a\":1"]))));
        case.pull(&[]);
        for (number, event) in events.iter().chain([&Event::Pulled]).enumerate() {
            case.happens(event, number);
            if matches!(event, Event::Pulled) {
                let (pulled, _) = case.pull(&[]);
                prop_assert_eq!(pulled.receipt.complete, Some(true));
                case.check(&[]);
            }
        }
    }
}
