//! `sql`: a statement over the tables runs, artifacts and history.

use crate::chat::Chat;
use crate::history;
use crate::load::Loaded;
use crate::plan::{Load, Output, Sql};
use crate::query::{context, pointed};
use runframe::expr::sql::Tables;
use runframe::{HistoryQuery, Receipt, Result, sink};
use std::cell::RefCell;

/// Writes what the statement answers; what reading the history has to tell, if it was read.
pub(crate) fn run(sql: &Sql, plan: &Load, chat: &Chat, loaded: &Loaded, output: &Output) -> Result<Option<Receipt>> {
    let context = context(output)?;
    let read: RefCell<Option<Receipt>> = RefCell::default();
    let tables = Tables::from(loaded.frame.lazy()).read_history(|needs| {
        let history = history::read(&HistoryQuery::new().needs(needs.clone()), plan, chat)?;
        read.replace(Some(history.receipt().clone()));
        Ok(history.lazy())
    });
    let answer = pointed("sql", &sql.text, |_| sql.statement.collect(tables.clone(), context.clone()))?;
    if let Some(receipt) = &*read.borrow() {
        chat.receipt(receipt);
    }
    let mut options = output.options.clone();
    options.metadata = loaded.frame.metadata();
    options.json_columns = loaded.frame.json_columns().to_vec();
    sink::write_file(&answer, &output.path, output.format, &options)?;
    Ok(read.take())
}
