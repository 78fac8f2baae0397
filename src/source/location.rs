//! What a user types as SOURCE, parsed before anything is opened.

use crate::error::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// Where runs are to be read from, as the user meant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A `.wandb` file, a run folder, a `wandb/` folder, or a tree that holds some.
    Logs(PathBuf),
    /// A stored run table.
    Parquet(PathBuf),
    /// A project on a W&B server; `project` is `None` for `entity/*`.
    Project {
        /// Team or user; `None` is the default entity, which the settings or the account tell.
        entity: Option<String>,
        /// The project; `None` for all of the entity's.
        project: Option<String>,
    },
}

impl Location {
    /// Parses SOURCE. An existing path (as `exists` tells) wins over `entity/project` and `project`; `wandb://` forces the latter.
    ///
    /// # Errors
    /// If it is empty, or neither an existing path nor of the form `entity/project`, nor a word that can be a project.
    pub fn parse(text: &str, exists: impl Fn(&Path) -> bool) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(
                Error::new(ErrorKind::Usage, "the source is empty").hint("give a folder, a file or entity/project")
            );
        }
        if let Some(rest) = text.strip_prefix("wandb://") {
            return project(rest).ok_or_else(|| malformed(text));
        }
        let path = Path::new(text);
        if exists(path) {
            let is_parquet =
                path.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet") || e.eq_ignore_ascii_case("pq"));
            return Ok(if is_parquet { Location::Parquet(path.into()) } else { Location::Logs(path.into()) });
        }
        // A bare word with the ending of any file that we know is a file that is missing.
        let files = if text.contains('/') { &FILES[..2] } else { &FILES[..] };
        let is_file = |e: &std::ffi::OsStr| files.iter().any(|file| e.eq_ignore_ascii_case(file));
        let looks_like_path = path.is_absolute()
            || text.starts_with('.')
            || text.starts_with('~')
            || text.ends_with('/')
            || path.extension().is_some_and(is_file);
        match project(text) {
            Some(location) if !looks_like_path => Ok(location),
            _ => Err(Error::new(ErrorKind::NotFound, "no such file or folder").file(text)),
        }
    }
}

/// Endings of files, which no project is taken to have: the first two, and all where no entity is named.
const FILES: [&str; 9] = ["wandb", "parquet", "pq", "csv", "tsv", "json", "jsonl", "md", "arrow"];

/// `entity/project`, `entity/*`, or a bare `project`.
fn project(text: &str) -> Option<Location> {
    let text = text.trim_matches('/');
    let (entity, project) = match text.split_once('/') {
        Some((entity, project)) => (Some(entity), project),
        None => (None, text),
    };
    let valid = entity != Some("") && !project.is_empty() && !project.contains(['/', '\\']);
    // All projects of whom must be said.
    let valid = valid && (entity.is_some() || project != "*");
    let project = (project != "*").then(|| project.to_owned());
    valid.then(|| Location::Project { entity: entity.map(str::to_owned), project })
}

fn malformed(text: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{text} is neither wandb://entity/project nor wandb://project"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(entity: Option<&str>, project: &str) -> Location {
        Location::Project { entity: entity.map(str::to_owned), project: Some(project.to_owned()) }
    }

    #[test]
    fn existing_paths_win() {
        let parse = |text, there: bool| Location::parse(text, |_| there);
        assert_eq!(parse("a/b", true).unwrap(), Location::Logs("a/b".into()));
        assert_eq!(parse("mnist", true).unwrap(), Location::Logs("mnist".into()));
        assert_eq!(parse("runs.parquet", true).unwrap(), Location::Parquet("runs.parquet".into()));
        assert_eq!(parse("a/b", false).unwrap(), at(Some("a"), "b"));
        assert_eq!(parse("wandb://a/b", true).unwrap(), at(Some("a"), "b"));
        assert_eq!(parse("a/*", false).unwrap(), Location::Project { entity: Some("a".into()), project: None });
    }

    #[test]
    fn a_bare_word_is_a_project_of_the_default_entity() {
        let parse = |text| Location::parse(text, |_| false).unwrap();
        assert_eq!(parse("mnist"), at(None, "mnist"));
        assert_eq!(parse("resnet-v1.5"), at(None, "resnet-v1.5"));
        assert_eq!(Location::parse("wandb://mnist", |_| true).unwrap(), at(None, "mnist"));
    }

    #[test]
    fn missing_paths_say_so() {
        for text in [
            "./a/b",
            "/a/b",
            "mnist/",
            "a/b/c",
            "x/runs.parquet",
            "runs.parquet",
            "run-1.wandb",
            "runs.CSV",
            "*",
            "~x",
            r"a\b",
        ] {
            assert_eq!(Location::parse(text, |_| false).unwrap_err().kind(), ErrorKind::NotFound, "{text}");
        }
        assert_eq!(Location::parse(" ", |_| false).unwrap_err().kind(), ErrorKind::Usage);
        for text in ["wandb://", "wandb://*", "wandb://a/b/c"] {
            assert_eq!(Location::parse(text, |_| false).unwrap_err().kind(), ErrorKind::Usage, "{text}");
        }
    }
}
