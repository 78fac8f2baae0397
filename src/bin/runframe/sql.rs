//! `sql`: a statement over the tables runs, artifacts and history.

use crate::chat::Chat;
use crate::history;
use crate::load::Loaded;
use crate::plan::{Load, Output, Sql};
use crate::query::{context, pointed};
use runframe::expr::sql::{Table, Tables};
use runframe::{HistoryQuery, Result, sink};

/// Writes what the statement answers.
pub(crate) fn run(sql: &Sql, plan: &Load, chat: &Chat, loaded: &Loaded, output: &Output) -> Result<()> {
    let context = context(output)?;
    let mut tables = Tables::from(loaded.frame.lazy());
    if sql.statement.tables().contains(&Table::History) {
        tables = tables.history(history::read(&HistoryQuery::new(), plan, chat)?.lazy());
    }
    let answer = pointed("sql", &sql.text, |_| sql.statement.collect(tables.clone(), context.clone()))?;
    let mut options = output.options.clone();
    options.metadata = loaded.frame.metadata();
    options.json_columns = loaded.frame.json_columns().to_vec();
    sink::write_file(&answer, &output.path, output.format, &options)
}
