//! The questions over several runs, on small tables with the hard cases.

mod artifacts;
mod diff;
mod lineage;
mod vary;

use crate::frame::RunFrame;
use crate::record::{ArtifactVersion, Document, Run, Timestamp};

/// A run of entity `me` with this config.
fn run(project: &str, name: &str, config: &str) -> Run {
    Run {
        entity: Some("me".into()),
        project: Some(project.into()),
        name: name.into(),
        config: Some(Document::plain(config)),
        logged_artifacts: Some(vec![]),
        used_artifacts: Some(vec![]),
        ..Run::default()
    }
}

/// `model:v3#id@digest`: name, version or alias, id, digest; all but the name may be left out.
fn version(text: &str) -> ArtifactVersion {
    let (text, digest) = text.split_once('@').map_or((text, None), |(text, digest)| (text, Some(digest.to_owned())));
    let (text, id) = text.split_once('#').map_or((text, None), |(text, id)| (text, Some(id.to_owned())));
    let (name, alias) = text.split_once(':').unwrap_or((text, ""));
    let version = alias.strip_prefix('v').and_then(|digits| digits.parse().ok());
    let aliases = alias.split('+').filter(|alias| version.is_none() && !alias.is_empty());
    ArtifactVersion {
        name: name.into(),
        kind: Some(if name.contains("data") { "dataset" } else { "model" }.into()),
        version,
        aliases: aliases.map(str::to_owned).collect(),
        id,
        digest,
        ..ArtifactVersion::default()
    }
}

/// A run of project `p` that logged and used these versions, begun at this second.
fn maker(name: &str, began: i64, logged: &[&str], used: &[&str]) -> Run {
    Run {
        created_at: Some(Timestamp::from_micros(began * 1_000_000)),
        logged_artifacts: Some(logged.iter().map(|text| version(text)).collect()),
        used_artifacts: Some(used.iter().map(|text| version(text)).collect()),
        ..run("p", name, "{}")
    }
}

fn table(runs: impl IntoIterator<Item = Run>) -> RunFrame {
    RunFrame::from_runs(runs).unwrap()
}
