//! The texts of the queries: parts that are not asked for, and fields that a server turned out not to have, are left out.

use super::answer::{Complaint, Unknown, unknown_fields};
use crate::threads::lock;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard};

const RUN_FIELDS: &str = include_str!("queries/run_fields.graphql");
const ARTIFACT_FIELDS: &str = include_str!("queries/artifact_fields.graphql");

/// One query file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Query {
    Viewer,
    Projects,
    Open,
    Runs,
    Names,
    Counts,
    MoreArtifacts,
    HistoryOpen,
    #[cfg_attr(not(feature = "frame"), allow(dead_code))]
    HistoryRows,
    #[cfg_attr(not(feature = "frame"), allow(dead_code))]
    HistorySampled,
    HistoryEvents,
}

impl Query {
    /// The operation's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Query::Viewer => "Viewer",
            Query::Projects => "Projects",
            Query::Open => "Open",
            Query::Runs => "Runs",
            Query::Names => "Names",
            Query::Counts => "Counts",
            Query::MoreArtifacts => "MoreArtifacts",
            Query::HistoryOpen => "HistoryOpen",
            Query::HistoryRows => "HistoryRows",
            Query::HistorySampled => "HistorySampled",
            Query::HistoryEvents => "HistoryEvents",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Query::Viewer => include_str!("queries/viewer.graphql"),
            Query::Projects => include_str!("queries/projects.graphql"),
            Query::Open => include_str!("queries/open.graphql"),
            Query::Runs => include_str!("queries/runs.graphql"),
            Query::Names => include_str!("queries/names.graphql"),
            Query::Counts => include_str!("queries/counts.graphql"),
            Query::MoreArtifacts => include_str!("queries/more_artifacts.graphql"),
            Query::HistoryOpen => include_str!("queries/history_open.graphql"),
            Query::HistoryRows => include_str!("queries/history_rows.graphql"),
            Query::HistorySampled => include_str!("queries/history_sampled.graphql"),
            Query::HistoryEvents => include_str!("queries/history_events.graphql"),
        }
    }

    /// The file and the fragments it needs, whatever is asked for.
    fn parts(self) -> &'static [&'static str] {
        match self {
            Query::Open | Query::Runs => &[RUN_FIELDS, ARTIFACT_FIELDS],
            Query::MoreArtifacts => &[ARTIFACT_FIELDS],
            _ => &[],
        }
    }
}

/// What runs are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ask {
    /// Config: not, whole, or by key.
    pub config: Part,
    /// Summary: not, whole, or by key.
    pub summary: Part,
    /// Artifacts.
    pub artifacts: bool,
    /// Exported histories.
    pub parquet: bool,
}

/// How much of a JSON object is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing.
    #[default]
    None,
    /// Only the keys in the query's variables.
    Keys,
    /// Everything.
    Whole,
}

/// The queries for one server, which learn what it lacks.
#[derive(Debug, Default)]
pub(super) struct Queries {
    ask: Ask,
    /// As `Type.field`, or `Type.field(argument)`.
    dropped: Mutex<BTreeSet<String>>,
}

impl Queries {
    /// Queries that ask for this.
    pub(super) fn new(ask: Ask) -> Self {
        Queries { ask, dropped: Mutex::default() }
    }

    /// The same queries without config and summary; `None` if these are such.
    pub(super) fn bare(&self) -> Option<Queries> {
        let bare = Ask { config: Part::None, summary: Part::None, ..self.ask };
        (bare != self.ask).then(|| Queries { ask: bare, dropped: Mutex::new(self.lock().clone()) })
    }

    /// What was left out because the server does not have it.
    pub(super) fn dropped(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    /// The text of a query.
    pub(super) fn text(&self, query: Query) -> String {
        let dropped = self.lock().clone();
        let mut text = self.prune(query.file(), &dropped);
        for part in query.parts() {
            // A fragment that nothing uses is an error in GraphQL.
            let name = part.split_whitespace().nth(1).unwrap_or_default();
            if text.contains(&format!("...{name}\n")) {
                text.push_str(&self.prune(part, &dropped));
            }
        }
        text
    }

    /// The text of a query whose `# each` parts are repeated.
    pub(super) fn repeated(&self, query: Query, times: usize) -> String {
        let text = self.text(query);
        let mut out = String::with_capacity(text.len() * times);
        // After pruning, a repeated part begins at a line with `_N` and ends where its braces do.
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if !line.contains("_N") {
                let _ = writeln!(out, "{line}");
                continue;
            }
            let mut part = format!("{line}\n");
            let mut depth = depth_of(line);
            while depth > 0 {
                let Some(line) = lines.next() else { break };
                depth += depth_of(line);
                let _ = writeln!(part, "{line}");
            }
            // Neighbouring lines are one part, so that a run's variables stand together.
            for at in 0..times {
                out.push_str(&part.replace("_N", &format!("_{at}")));
            }
        }
        out
    }

    /// Remembers fields that the server says it lacks; false if there is none among them that we can do without.
    pub(super) fn learn(&self, complaints: &[Complaint]) -> bool {
        let mut new = false;
        for unknown in unknown_fields(complaints) {
            for name in droppable(&unknown) {
                new |= self.lock().insert(name);
            }
        }
        new
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.dropped)
    }

    /// Whether a part named by `# if` is asked for.
    fn wants(&self, flag: &str, dropped: &BTreeSet<String>) -> bool {
        let no_keys = dropped.contains(KEYS);
        let part = |part: Part, whole: bool| match part {
            Part::None => false,
            Part::Keys => whole == no_keys,
            Part::Whole => whole,
        };
        match flag {
            "config" => part(self.ask.config, true),
            "config_keys" => part(self.ask.config, false),
            "summary" => part(self.ask.summary, true),
            "summary_keys" => part(self.ask.summary, false),
            "artifacts" => self.ask.artifacts,
            "parquet" => self.ask.parquet,
            _ => false,
        }
    }

    fn prune(&self, file: &str, dropped: &BTreeSet<String>) -> String {
        let mut out = String::with_capacity(file.len());
        let mut lines = file.lines();
        while let Some(line) = lines.next() {
            let line = Line::parse(line);
            let gone = line.optional.is_some_and(|on| dropped.contains(&format!("{on}.{}", line.field())));
            if gone || line.condition.is_some_and(|flag| !self.wants(flag, dropped)) {
                let mut depth = depth_of(line.code);
                while depth > 0 {
                    let Some(line) = lines.next() else { break };
                    depth += depth_of(Line::parse(line).code);
                }
                continue;
            }
            out.push_str(line.code);
            out.push('\n');
        }
        out
    }
}

/// What stands in the list of dropped fields for the projection of config and summary.
const KEYS: &str = "Run.config(keys)";

/// One line of a query file: GraphQL, and our marks behind `#`.
struct Line<'a> {
    code: &'a str,
    /// `optional TYPE`
    optional: Option<&'a str>,
    /// `if FLAG`
    condition: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let (code, marks) = line.split_once('#').unwrap_or((line, ""));
        let after = |mark: &str| {
            let mut words = marks.split_whitespace();
            words.find(|word| *word == mark)?;
            words.next()
        };
        Line { code: code.trim(), optional: after("optional"), condition: after("if") }
    }

    /// The field's name, without alias and arguments.
    fn field(&self) -> &'a str {
        let head = self.code.split(['(', '{']).next().unwrap_or_default();
        head.rsplit(':').next().unwrap_or_default().trim()
    }
}

fn depth_of(code: &str) -> i32 {
    code.matches('{').count() as i32 - code.matches('}').count() as i32
}

/// The optional fields that an unknown name means: those of the type that is named, or of any type if it has none.
fn droppable(unknown: &Unknown) -> Vec<String> {
    if unknown.name == "keys" {
        return vec![KEYS.to_owned()];
    }
    let queries = [Query::Names, Query::MoreArtifacts, Query::HistoryOpen, Query::HistoryEvents];
    let files: Vec<&str> = [RUN_FIELDS, ARTIFACT_FIELDS].into_iter().chain(queries.map(Query::file)).collect();
    let lines = || files.iter().flat_map(|file| file.lines()).map(Line::parse);
    // A type that our marks name is meant; under another name it may be any of them.
    let known = |on: &&str| lines().any(|line| line.optional == Some(*on));
    let on = unknown.on.as_deref().filter(known);
    let named = lines().filter(|line| line.field() == unknown.name).filter_map(|line| line.optional);
    let types: BTreeSet<&str> = named.filter(|named| on.is_none_or(|on| on == *named)).collect();
    types.into_iter().map(|on| format!("{on}.{}", unknown.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Ask = Ask { config: Part::Whole, summary: Part::Keys, artifacts: true, parquet: true };

    fn complaint(message: &str) -> Vec<Complaint> {
        vec![Complaint { message: message.to_owned(), ..Complaint::default() }]
    }

    fn balanced(text: &str) -> bool {
        depth_of(text) == 0 && !text.contains('#')
    }

    #[test]
    fn only_what_is_asked_for() {
        let text = Queries::new(Ask::default()).text(Query::Runs);
        for word in ["config", "summaryMetrics", "Artifact", "Keys"] {
            assert!(!text.contains(word), "{text}");
        }
        let text = Queries::new(ALL).text(Query::Open);
        assert!(text.contains("\nconfig\n") && !text.contains("$configKeys"), "{text}");
        assert!(text.contains("summaryMetrics(keys: $summaryKeys)") && text.contains("$summaryKeys: [String!]"));
        assert!(text.contains("fragment ArtifactFields") && balanced(&text), "{text}");
    }

    #[test]
    fn what_a_server_lacks_is_left_out_and_remembered() {
        let queries = Queries::new(ALL);
        assert!(queries.learn(&complaint(r#"Cannot query field "updatedAt" on type "Run"."#)));
        assert!(!queries.learn(&complaint(r#"Cannot query field "updatedAt" on type "Run"."#)));
        assert!(queries.learn(&complaint(r#"Cannot query field "state" on type "Artifact"."#)));
        assert!(queries.learn(&complaint(r#"Cannot query field "user" on type "Run"."#)));
        assert!(queries.learn(&complaint(r#"Unknown argument "keys" on field "Run.config"."#)));
        assert!(!queries.learn(&complaint(r#"Cannot query field "name" on type "Run"."#)));
        assert!(!queries.learn(&complaint("bad filter")));
        let text = queries.text(Query::Runs);
        assert!(!text.contains("updatedAt") && !text.contains("user") && !text.contains("username"), "{text}");
        assert!(text.contains("\nsummaryMetrics\n") && !text.contains("$summaryKeys"), "{text}");
        assert_eq!(text.matches("\nstate\n").count(), 1);
        assert!(balanced(&text) && !queries.text(Query::Names).contains("updatedAt"));
        assert_eq!(queries.dropped(), ["Artifact.state", "Run.config(keys)", "Run.updatedAt", "Run.user"]);
    }

    #[test]
    fn an_unknown_type_name_means_every_place() {
        let queries = Queries::new(ALL);
        assert!(queries.learn(&complaint(r#"Cannot query field "digest" on type "ArtifactV2"."#)));
        assert_eq!(queries.dropped(), ["Artifact.digest"]);
        assert!(queries.learn(&complaint(r#"Cannot query field "artifactCollection" on type "ArtifactAlias"."#)));
        let text = queries.text(Query::Runs);
        assert!(balanced(&text) && !text.contains("artifactCollection\n") && !text.contains("artifactCollection {"));
    }

    #[test]
    fn a_field_that_may_not_be_seen_is_as_good_as_unknown() {
        let queries = Queries::new(ALL);
        let denied = |name: &str| Complaint { denied: Some(name.to_owned()), ..Complaint::default() };
        assert!(queries.learn(&[denied("email")]) && !queries.learn(&[denied("logged")]));
        assert_eq!(queries.dropped(), ["User.email"]);
    }

    #[test]
    fn parts_are_repeated() {
        let text = Queries::new(ALL).repeated(Query::Counts, 2);
        assert!(text.contains("$filters_0: JSONString\n$filters_1: JSONString"), "{text}");
        assert!(text.contains("c_0: runCount(filters: $filters_0)\nc_1: runCount(filters: $filters_1)"), "{text}");
        let text = Queries::new(ALL).repeated(Query::MoreArtifacts, 3);
        assert_eq!((text.matches("outputArtifacts").count(), text.matches("fragment").count()), (3, 1), "{text}");
        assert!(balanced(&text) && text.contains("after: $after_2)"), "{text}");
    }
}
