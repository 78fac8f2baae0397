//! GraphQL's answers about histories, against the same answers read from a tree.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::super::answer::Fault;
use super::super::open::{Described, each_run};
use super::{Form, List, rows};
use crate::flatten::{Leaf, number};
use crate::fuzz::tree::{Parsed, Tree, parse};
use crate::json::{NonFinite, validate};

/// The first byte chooses the question, the others are the body of its answer.
pub(crate) fn target(data: &[u8]) {
    let Some((rules, body)) = data.split_first() else { return };
    let (by_key, count) = (rules & 1 == 1, usize::from(rules >> 1 & 3));
    let read = rows(body.to_vec(), Form { count, by_key, most: 100 });
    let runs = each_run(body, count);
    for text in runs.iter().flatten().flatten().flatten() {
        assert_eq!(validate(text), Ok(()));
        if let Ok(described) = Described::read("r", text) {
            assert!(described.live.is_none_or(|(first, last)| first <= last));
            assert!(described.last.is_none_or(|last| last >= 0));
        }
    }
    let Ok(text) = std::str::from_utf8(body) else { return };
    let tree = match parse(text) {
        Parsed::Json(tree) if !tree.repeats() => tree,
        Parsed::Json(_) | Parsed::Deep => return,
        Parsed::Not => return assert!(matches!((read, runs), (Err(Fault::Malformed(_)), Err(Fault::Malformed(_))))),
    };
    let refused =
        !matches!(tree.get("errors"), None | Some(Tree::Null)) && tree.get("errors") != Some(&Tree::List(Vec::new()));
    match &runs {
        Err(Fault::Refused(told)) => assert!(refused && !told.is_empty(), "{text}"),
        Err(Fault::Malformed(_)) => {
            assert!(!refused && tree.get("data").and_then(|data| data.get("project")).is_none(), "{text}");
        }
        Ok(runs) => {
            assert!(!refused, "{text}");
            let project = tree.get("data").and_then(|data| data.get("project"));
            assert_eq!(runs.is_some(), matches!(project, Some(Tree::Object(_))));
            for (at, run) in runs.iter().flatten().enumerate() {
                // `r_00` is `r_0` to nobody who asked.
                let there =
                    project.and_then(|project| project.get(&format!("r_{at}"))).filter(|run| **run != Tree::Null);
                assert!(there.is_none() || run.is_some(), "{text}");
            }
        }
    }
    let Ok(Some(pages)) = read else { return };
    assert_eq!(pages.len(), count);
    for page in pages {
        assert_eq!(page.texts().len(), page.len());
        assert!(!by_key || page.texts().iter().all(|row| validate(row).is_ok()));
        page.lists().iter().for_each(judge);
    }
}

/// Rows that were read hold what stands in their texts.
fn judge(list: &List) {
    let List::Flat(answer, rows) = list else { return };
    for (at, place) in rows.places().enumerate() {
        let Parsed::Json(Tree::Object(members)) = parse(&answer[place.clone()]) else {
            panic!("{}", &answer[place]);
        };
        let own = |key: &str| ["_step", "_timestamp", "_runtime"].contains(&key);
        let told = |key: &str, leaf: &Leaf<'_>| format!("{key}: {leaf:?}");
        let expected = members.iter().filter(|(key, _)| !own(&key.value)).map(|(key, value)| {
            let leaf = match value {
                Tree::Null => Leaf::Null,
                Tree::Bool(value) => Leaf::Bool(*value),
                Tree::Number(digits) => number(digits),
                Tree::NonFinite(value) => Leaf::Float(value.value()),
                Tree::Text(text) => match NonFinite::from_spelling(&text.value) {
                    Some(value) => Leaf::Float(value.value()),
                    None => Leaf::Str(text.value.as_str().into()),
                },
                Tree::List(_) | Tree::Object(_) => panic!("not flat: {}", &answer[place.clone()]),
            };
            told(&key.value, &leaf)
        });
        let read = rows.metrics.iter().filter_map(|metric| Some(told(&metric.key, &metric.get(at)?.leaf(answer))));
        let (mut read, mut expected): (Vec<_>, Vec<_>) = (read.collect(), expected.collect());
        read.sort();
        expected.sort();
        assert_eq!(read, expected);
    }
}
