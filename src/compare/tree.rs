//! A lineage as text.

use super::lineage::{Lineage, RunName, Step};
use super::links::By;

/// Levels that are indented; deeper ones stand below each other, or the lines of a long chain would take its length squared.
const LEVELS: usize = 40;

pub(super) fn text(lineage: &Lineage) -> String {
    let mut text = called(&lineage.run) + "\n";
    for (title, steps, upstream) in [("upstream", &lineage.upstream, true), ("downstream", &lineage.downstream, false)]
    {
        text.push_str(title);
        text.push_str(if steps.is_empty() { ": nothing\n" } else { "\n" });
        for step in steps {
            text.push_str(&"  ".repeat(step.depth.min(LEVELS)));
            text.push_str(&line(step, upstream, &lineage.run));
            text.push('\n');
        }
    }
    // Names may hold anything; they must not steer a terminal.
    text.split('\n').map(crate::sink::visible).collect::<Vec<_>>().join("\n")
}

fn line(step: &Step, upstream: bool, root: &RunName) -> String {
    let Some(run) = &step.run else {
        let verb = if upstream { "logged" } else { "used" };
        return format!("{} ({verb} by no run here)", one_line(&step.artifact));
    };
    let arrow = if upstream { "←" } else { "→" };
    let by = match step.by {
        Some(by @ (By::Digest | By::Alias)) => format!(", by {}", by.name()),
        _ => String::new(),
    };
    let again = match step.again {
        true if run.path == root.path => " (the run itself)",
        true => " (see elsewhere)",
        false => "",
    };
    format!("{} {arrow} {}{by}{again}", one_line(&step.artifact), called(run))
}

/// `fluffy-cloud-7 (entity/project/name)`.
fn called(run: &RunName) -> String {
    match &run.display_name {
        Some(shown) => one_line(&format!("{shown} ({})", run.path)),
        None => one_line(&run.path),
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', "\u{fffd}")
}
