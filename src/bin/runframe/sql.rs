//! `sql`: a statement over the tables runs and artifacts.

use crate::load::Loaded;
use crate::plan::{Output, Sql};
use crate::query::{context, pointed};
use runframe::{Result, sink};

/// Writes what the statement answers.
pub(crate) fn run(sql: &Sql, loaded: &Loaded, output: &Output) -> Result<()> {
    let context = context(output)?;
    let answer = pointed("sql", &sql.text, |_| sql.statement.collect(loaded.frame.lazy(), context.clone()))?;
    let mut options = output.options.clone();
    options.metadata = loaded.frame.metadata();
    options.json_columns = loaded.frame.json_columns().to_vec();
    sink::write_file(&answer, &output.path, output.format, &options)
}
