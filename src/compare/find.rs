//! The run that a person means by a name.

use crate::error::{Error, ErrorKind, Result, nearest};
use crate::frame::RunFrame;
use polars::prelude::*;

/// Candidates that an error names.
const NAMED: usize = 5;

impl RunFrame {
    /// The row of the run that `run` means: its name, `entity/project/name`, or a display name that only one run has.
    ///
    /// ```
    /// # fn main() -> runframe::Result<()> {
    /// let runs = runframe::RunFrame::open("examples/wandb")?;
    /// assert_eq!(runs.find_run("second-wind-33")?, runs.find_run("lab/mnist/85zm8htx")?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] with the nearest names; [`ErrorKind::Usage`] with the candidates if several runs are called
    /// so; [`ErrorKind::Format`] if the table has no column `name`.
    pub fn find_run(&self, run: &str) -> Result<usize> {
        let mut wanted = vec!["entity", "project", "name", "display_name"];
        wanted.retain(|name| self.schema().contains(name));
        find_run(&self.select(&wanted)?, run)
    }
}

/// [`RunFrame::find_run`] in any frame with the columns `entity`, `project`, `name` and `display_name`; all but `name` may
/// be missing.
///
/// # Errors
/// As [`RunFrame::find_run`].
pub fn find_run(runs: &DataFrame, run: &str) -> Result<usize> {
    Names::of(runs)?.find(run)
}

/// What runs are called.
pub(super) struct Names<'a> {
    entities: Option<&'a StringChunked>,
    projects: Option<&'a StringChunked>,
    names: &'a StringChunked,
    shown: Option<&'a StringChunked>,
    height: usize,
}

impl<'a> Names<'a> {
    pub(super) fn of(runs: &'a DataFrame) -> Result<Self> {
        let texts = |name: &str| -> Result<Option<&'a StringChunked>> {
            // A table that somebody chose columns of may lack all but the name.
            let Ok(column) = runs.column(name) else { return Ok(None) };
            let other = || format!("no run table: its column {name} is {}, not String", column.dtype());
            column.str().map(Some).map_err(|error| Error::new(ErrorKind::Format, other()).source(error))
        };
        let none = || Error::new(ErrorKind::Format, "no run table: it has no column name");
        Ok(Names {
            entities: texts("entity")?,
            projects: texts("project")?,
            names: texts("name")?.ok_or_else(none)?,
            shown: texts("display_name")?,
            height: runs.height(),
        })
    }

    /// Entity and project, where known.
    pub(super) fn place(&self, row: usize) -> (Option<&'a str>, Option<&'a str>) {
        (self.entities.and_then(|texts| texts.get(row)), self.projects.and_then(|texts| texts.get(row)))
    }

    pub(super) fn name(&self, row: usize) -> Option<&'a str> {
        self.names.get(row)
    }

    pub(super) fn display_name(&self, row: usize) -> Option<&'a str> {
        self.shown.and_then(|texts| texts.get(row))
    }

    /// `entity/project/name`, with `-` for what is unknown.
    pub(super) fn path(&self, row: usize) -> String {
        let (entity, project) = self.place(row);
        [entity, project, self.name(row)].map(|part| part.unwrap_or("-")).join("/")
    }

    /// The row of the run that is meant.
    pub(super) fn find(&self, run: &str) -> Result<usize> {
        let rows = |is: &dyn Fn(usize) -> bool| (0..self.height).filter(|row| is(*row)).collect::<Vec<_>>();
        let mut found = rows(&|row| self.name(row) == Some(run));
        if let (true, [entity, project, name]) = (found.is_empty(), &run.splitn(3, '/').collect::<Vec<_>>()[..]) {
            let is = |text: Option<&str>, part: &str| text.unwrap_or("-") == part;
            found = rows(&|row| {
                is(self.name(row), name) && is(self.place(row).0, entity) && is(self.place(row).1, project)
            });
        }
        if found.is_empty() {
            found = rows(&|row| self.display_name(row) == Some(run));
        }
        match found[..] {
            [row] => Ok(row),
            [] => Err(self.unknown(run)),
            _ => {
                let mut paths: Vec<String> = found.iter().take(NAMED).map(|&row| self.path(row)).collect();
                if found.len() > NAMED {
                    paths.push("…".to_owned());
                }
                let error = Error::new(ErrorKind::Usage, format!("{} runs are called {run}", found.len()));
                Err(error.hint(format!("say which: {}", paths.join(", "))))
            }
        }
    }

    fn unknown(&self, run: &str) -> Error {
        let all = |texts: &'a StringChunked| texts.iter().flatten();
        let near = nearest(run, all(self.names).chain(self.shown.into_iter().flat_map(all)));
        let hint = match near.is_empty() {
            true => "`runframe query SOURCE -s name,display_name` lists the runs".to_owned(),
            false => format!("did you mean {}?", near.join(" or ")),
        };
        Error::new(ErrorKind::NotFound, format!("no run is called {run}")).hint(hint)
    }
}
