//! GraphQL's pages of runs, against the same page read from a tree.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::answer::{complaints_of, data, joined, unknown_fields};
use super::{Fault, Listed, Page};
use crate::fuzz::tree::{Parsed, Tree, parse};

/// The bytes are the body of an answer.
pub(crate) fn target(body: &[u8]) {
    let complaints = complaints_of(body);
    let message = joined(&complaints);
    assert!(message.chars().count() <= 501 && !message.contains(char::is_control));
    unknown_fields(&complaints);
    let page = Page::read(body.to_vec());
    let Ok(text) = std::str::from_utf8(body) else { return };
    let tree = match parse(text) {
        Parsed::Json(tree) => tree,
        Parsed::Not => return assert!(matches!(page, Err(Fault::Malformed(_))), "{page:?}"),
        Parsed::Deep => return,
    };
    // serde_json's data is the page's.
    if data(body).is_ok() {
        assert!(!matches!(page, Err(Fault::Malformed(_))), "{page:?}");
    }
    if tree.repeats() {
        return;
    }
    let refused = matches!(tree.get("errors"), Some(Tree::List(errors)) if !errors.is_empty());
    match (page, tree.get("data")) {
        (Err(Fault::Refused(told)), _) => assert!(refused && !told.is_empty()),
        (Ok(page), Some(data @ Tree::Object(_))) => {
            assert!(!refused);
            same(&page, data);
        }
        (Err(Fault::Malformed(_)), data) => assert!(!refused && !matches!(data, Some(Tree::Object(_))), "{text}"),
        (Ok(page), _) => panic!("{page:?} of {text}"),
    }
}

fn same(page: &Page, data: &Tree) {
    let project = data.get("project").filter(|project| matches!(project, Tree::Object(_)));
    assert_eq!(page.found, project.is_some());
    let runs = project.and_then(|project| project.get("runs")).filter(|runs| matches!(runs, Tree::Object(_)));
    let info = |key: &str| runs.and_then(|runs| runs.get("pageInfo")?.get(key));
    assert_eq!(page.more, info("hasNextPage") == Some(&Tree::Bool(true)));
    let edges = match runs.and_then(|runs| runs.get("edges")) {
        Some(Tree::List(edges)) => edges.as_slice(),
        _ => &[],
    };
    let nodes: Vec<&Tree> = edges.iter().filter_map(|edge| edge.get("node").filter(|node| is_run(node))).collect();
    assert_eq!(page.null_runs as usize, edges.len() - nodes.len());
    assert_eq!(page.runs.len(), nodes.len());
    page.runs.iter().zip(nodes).for_each(|(listed, node)| same_run(listed, node));
    let cursor = edges.iter().rev().find_map(|edge| edge.get("cursor")).map(text);
    if page.more
        && let Some(Some(cursor)) = cursor
    {
        assert_eq!(page.next.as_deref(), Some(cursor));
    }
    assert!(page.more || page.next.is_none());
}

fn is_run(node: &Tree) -> bool {
    let has = |key: &str| node.get(key).and_then(text).is_some_and(|text| !text.is_empty());
    matches!(node, Tree::Object(_)) && (has("id") || has("name"))
}

/// A string, or a number as it is written.
fn text(tree: &Tree) -> Option<&str> {
    match tree {
        Tree::Text(text) => Some(&text.value),
        Tree::Number(digits) => Some(digits),
        _ => None,
    }
}

fn same_run(listed: &Listed, node: &Tree) {
    let of = |key: &str| node.get(key).and_then(text);
    let run = &listed.run;
    assert_eq!(run.name, of("name").unwrap_or_default());
    let texts = [
        (&run.display_name, "displayName"),
        (&run.state, "state"),
        (&run.job_type, "jobType"),
        (&run.group, "group"),
        (&run.sweep, "sweepName"),
        (&run.notes, "notes"),
        (&run.host, "host"),
        (&run.commit, "commit"),
    ];
    texts.into_iter().for_each(|(ours, key)| assert_eq!(ours.as_deref(), of(key), "{key}"));
    let filled = |key: &str| of(key).filter(|text| !text.trim().is_empty());
    assert_eq!(run.config.as_ref().map(|document| document.text()).as_deref(), filled("config"));
    assert_eq!(run.summary.as_ref().map(|document| document.text()).as_deref(), filled("summaryMetrics"));
    let tags = match node.get("tags") {
        Some(Tree::List(tags)) => Some(tags.iter().filter_map(text).map(str::to_owned).collect::<Vec<_>>()),
        _ => None,
    };
    assert_eq!(run.tags, tags);
}
