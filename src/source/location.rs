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
        /// Team or user.
        entity: String,
        /// The project; `None` for all of the entity's.
        project: Option<String>,
    },
}

impl Location {
    /// Parses SOURCE. An existing path (as `exists` tells) wins over `entity/project`; `wandb://` forces the latter.
    ///
    /// # Errors
    /// If it is empty, or neither an existing path nor of the form `entity/project`.
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
        let looks_like_path = path.is_absolute()
            || text.starts_with('.')
            || text.starts_with('~')
            || path.extension().is_some_and(|e| e == "wandb" || e == "parquet");
        match project(text) {
            Some(location) if !looks_like_path => Ok(location),
            _ => Err(Error::new(ErrorKind::NotFound, "no such file or folder").file(text)),
        }
    }
}

/// `entity/project` or `entity/*`.
fn project(text: &str) -> Option<Location> {
    let (entity, project) = text.trim_matches('/').split_once('/')?;
    let valid = !entity.is_empty() && !project.is_empty() && !project.contains('/');
    let project = (project != "*").then(|| project.to_owned());
    valid.then(|| Location::Project { entity: entity.to_owned(), project })
}

fn malformed(text: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{text} is not wandb://entity/project"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_paths_win() {
        let parse = |text, there: bool| Location::parse(text, |_| there);
        assert_eq!(parse("a/b", true).unwrap(), Location::Logs("a/b".into()));
        assert_eq!(parse("runs.parquet", true).unwrap(), Location::Parquet("runs.parquet".into()));
        let project = Location::Project { entity: "a".into(), project: Some("b".into()) };
        assert_eq!(parse("a/b", false).unwrap(), project);
        assert_eq!(parse("wandb://a/b", true).unwrap(), project);
        assert_eq!(parse("a/*", false).unwrap(), Location::Project { entity: "a".into(), project: None });
    }

    #[test]
    fn missing_paths_say_so() {
        for text in ["./a/b", "/a/b", "a", "a/b/c", "x/runs.parquet"] {
            assert_eq!(Location::parse(text, |_| false).unwrap_err().kind(), ErrorKind::NotFound, "{text}");
        }
        assert_eq!(Location::parse(" ", |_| false).unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(Location::parse("wandb://a", |_| false).unwrap_err().kind(), ErrorKind::Usage);
    }
}
