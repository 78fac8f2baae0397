//! SQL over the run table and its artifacts: Polars' SQL with dotted names bare and the expression language's functions.
//!
//! ```
//! use polars::prelude::*;
//! use runframe::{Timestamp, expr::sql::Statement};
//!
//! let runs = df!("name" => ["r1", "r2"], "user.username" => ["ada", "ada"], "summary.val/acc" => [0.5, 0.9])?;
//! let statement = Statement::parse("select user, max(summary.val/acc) as best from runs group by user")?;
//! let answer = statement.over(runs.lazy(), Timestamp::now())?.collect()?;
//! assert_eq!(answer.get_column_names(), ["user.username", "best"]);
//! assert_eq!(answer.column("best")?.f64()?.get(0), Some(0.9));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The tables are `runs`, one row per run, and `artifacts`, one row per run, direction and artifact version
//! ([`RunVerbs::explode_artifacts`]), and `history`, one row per run and step, if [`Tables`] has it, or reads it
//! ([`Tables::read_history`]). A bare name takes the longest column that the text spells, as in [`expr`](super); names
//! with other characters are quoted: `"summary.val loss"`. Joins, subqueries, `with`, windows and Polars' own functions are
//! Polars' (<https://docs.pola.rs>); of ours come those that it lacks: `logged('model:latest').version`, `used(…)`,
//! `contains`, `len`, `is_nan`, `is_active`, `now()` and the parts of times. They take columns, not results of other functions of Polars.
//!
//! As in DuckDB and PostgreSQL, NaN equals itself and is above all numbers (`where not is_nan(x)` leaves it out); nulls come last
//! unless `nulls first` is written.

mod check;
mod history;
mod words;

use super::{Context, Needs, expected, fault, fault_of};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::history::{OWN, kinds_are_sure};
use crate::ops::{Direction, RunVerbs};
use crate::record::HistoryNeeds;
use check::{Known, double_quotes, nulls_last};
use polars::prelude::{DataFrame, DataType, Expr, LazyFrame, PlSmallStr, PolarsError, Schema, SchemaRef, col};
use polars::sql::SQLContext;
use sqlparser::ast::Statement as Tree;
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError};
use std::sync::Arc;
use words::{Table as TableNames, Words};

/// A table that statements may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// One row per run: the run table.
    Runs,
    /// One row per run, direction (`logged` or `used`) and artifact version.
    Artifacts,
    /// One row per run and step: the long history.
    History,
}

/// What the tables of a statement are made from: the run table, and a long history if one is asked for.
#[derive(Clone)]
pub struct Tables<'a> {
    runs: LazyFrame,
    history: Option<History<'a>>,
}

/// Reads what is needed of a history.
type Reader<'a> = Arc<dyn Fn(&HistoryNeeds) -> Result<LazyFrame> + 'a>;

/// A history, or how to come by what is needed of it.
#[derive(Clone)]
enum History<'a> {
    There(Box<LazyFrame>),
    Read(Reader<'a>),
}

impl<'a> Tables<'a> {
    /// Adds the history, as [`HistoryFrame::lazy`](crate::HistoryFrame::lazy) gives it.
    pub fn history(self, history: LazyFrame) -> Self {
        Tables { history: Some(History::There(Box::new(history))), ..self }
    }

    /// Adds a history of which a statement has read what it needs, when it is bound: once, or again if that was too little. What is
    /// read may be more than is needed. Statements that do not name the table read nothing.
    ///
    /// ```
    /// use runframe::expr::sql::{Statement, Tables};
    /// use runframe::{HistoryQuery, Loader, RunFrame, Timestamp};
    ///
    /// # fn main() -> runframe::Result<()> {
    /// let loader = Loader::default().source("examples/wandb")?;
    /// let tables = Tables::from(RunFrame::open("examples/wandb")?.lazy())
    ///     .read_history(|needs| Ok(loader.history(&HistoryQuery::new().needs(needs.clone()))?.lazy()));
    /// let statement = Statement::parse("select min(loss) as best from history where name = '1ch3bknw' and _step >= 2")?;
    /// assert_eq!(statement.collect(tables, Timestamp::now())?.height(), 1);
    /// # Ok(()) }
    /// ```
    pub fn read_history(self, read: impl Fn(&HistoryNeeds) -> Result<LazyFrame> + 'a) -> Self {
        Tables { history: Some(History::Read(Arc::new(read))), ..self }
    }
}

impl From<LazyFrame> for Tables<'_> {
    fn from(runs: LazyFrame) -> Self {
        Tables { runs, history: None }
    }
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 3] = [Table::Runs, Table::Artifacts, Table::History];

    /// What statements call it.
    pub fn name(self) -> &'static str {
        match self {
            Table::Runs => "runs",
            Table::Artifacts => "artifacts",
            Table::History => "history",
        }
    }

    fn of(self, tables: &Tables<'_>) -> Result<(LazyFrame, SchemaRef)> {
        let none =
            || Error::new(ErrorKind::Unsupported, "the table history needs the runs' history, which was not loaded");
        let mut frame = match self {
            Table::Runs => tables.runs.clone(),
            Table::Artifacts => artifacts(tables.runs.clone())?,
            Table::History => match &tables.history {
                Some(History::There(history)) => (**history).clone(),
                _ => return Err(none()),
            },
        };
        let schema = frame.collect_schema()?;
        Ok((frame, schema))
    }
}

/// The artifact versions of all runs, flat.
fn artifacts(mut runs: LazyFrame) -> Result<LazyFrame> {
    let schema = runs.collect_schema()?;
    if !schema.contains("logged_artifacts") || !schema.contains("used_artifacts") {
        let error =
            Error::new(ErrorKind::Column, "the table artifacts needs the runs' artifacts, which were not loaded");
        return Err(error.hint("leave out --no-artifacts"));
    }
    let of_run = ["entity", "project", "name", "logged_artifacts", "used_artifacts"];
    let of_run = of_run.into_iter().filter(|name| schema.contains(name)).map(col).collect::<Vec<Expr>>();
    Ok(runs.select(of_run).explode_artifacts(Direction::Both))
}

/// One `select` statement, read but not yet bound to tables.
#[derive(Debug, Clone)]
pub struct Statement {
    text: String,
    tables: Vec<Table>,
}

impl Statement {
    /// Reads a statement: one `select`, or `with … select`.
    ///
    /// # Errors
    /// Text that is no such statement, or names none of the tables; with the byte offset.
    pub fn parse(text: &str) -> Result<Self> {
        let words = Words::of(text)?;
        let first = words.first().ok_or_else(|| fault(0, "the statement is empty", "select name from runs"))?;
        if !["select", "with", "from"].contains(&first.1.to_ascii_lowercase().as_str()) {
            return Err(fault(first.0, "only questions are answered", "begin with select, or with … select"));
        }
        let tables: Vec<Table> = Table::ALL.into_iter().filter(|table| words.has_word(table.name())).collect();
        if tables.is_empty() {
            let cure = "the tables are runs, artifacts and history: … from runs";
            return Err(fault(text.len(), "no table is named", cure));
        }
        Ok(Statement { text: text.to_owned(), tables })
    }

    /// The tables that it names.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// What of the runs it may need, by a look at the text: when unsure, yes.
    pub fn needs(&self) -> Needs {
        let Ok(words) = Words::of(&self.text) else { return Needs::everything() };
        let mut needs = Needs::nothing();
        needs.add_filter(&words.without_stars());
        if words.has_wildcard() && self.tables.contains(&Table::Runs) {
            let raw = needs.wanted.raw && self.text.contains("_json");
            needs = Needs::everything();
            needs.wanted.raw = raw;
        }
        needs.wanted.artifacts |= self.tables.contains(&Table::Artifacts);
        needs
    }

    /// The answer, over the run table, or over [`Tables`]. `context` says what `now()` means, and the zone of days.
    ///
    /// # Errors
    /// Text that does not parse, an unknown column or table (with the nearest ones), or what Polars' SQL does not know; with the
    /// byte offset where it is known. What depends on the values fails when the frame is collected.
    pub fn over<'a>(&self, tables: impl Into<Tables<'a>>, context: impl Into<Context>) -> Result<LazyFrame> {
        let (context, tables) = (context.into(), tables.into());
        match tables.history.clone() {
            Some(History::Read(read)) if self.tables.contains(&Table::History) => self.read(&*read, tables, &context),
            _ => self.bind(&tables, &context),
        }
    }

    /// Reads what the statement needs of the history: first what its words say, and more if that leaves it in doubt.
    fn read(
        &self,
        read: &dyn Fn(&HistoryNeeds) -> Result<LazyFrame>,
        tables: Tables<'_>,
        context: &Context,
    ) -> Result<LazyFrame> {
        let all = HistoryNeeds::everything();
        let needs = self.history_needs(&tables, context)?;
        let mut found = read(&needs)?;
        if needs.limits_rows() && !kinds_are_sure(&*found.collect_schema()?) {
            found = read(&needs.of_all_rows())?;
        }
        let bound = self.bind(&tables.clone().history(found), context);
        match bound.is_err() && needs != all {
            // The names that it lacks may be those of rows or metrics that were left out; and if not, the error can name the nearest.
            true => self.bind(&tables.history(read(&all)?), context),
            false => bound,
        }
    }

    /// What of the history it needs, by its words: a metric that they cannot spell is not needed, nor a run or step that `where` rejects.
    fn history_needs(&self, tables: &Tables<'_>, context: &Context) -> Result<HistoryNeeds> {
        let mut known = Vec::new();
        for table in self.tables.iter().filter(|table| **table != Table::History) {
            known.push((table.name(), table.of(tables)?.1));
        }
        let own = OWN.map(|name| (PlSmallStr::from(name), DataType::String));
        known.push((Table::History.name(), Arc::new(Schema::from_iter(own))));
        let names: Vec<TableNames<'_>> =
            known.iter().map(|(name, schema)| TableNames::new(name, schema, context)).collect();
        Ok(history::needs(&self.text, &Words::of(&self.text)?, &names))
    }

    fn bind(&self, tables: &Tables<'_>, context: &Context) -> Result<LazyFrame> {
        let bound = self.tables.iter().map(|table| Ok((*table, table.of(tables)?))).collect::<Result<Vec<_>>>()?;
        let names: Vec<TableNames<'_>> =
            bound.iter().map(|(table, (_, schema))| TableNames::new(table.name(), schema, context)).collect();
        let (tokens, computed) = Words::of(&self.text)?.bound(&names)?;
        let mut parser = Parser::new(&GenericDialect {}).with_tokens_with_locations(tokens);
        let mut trees = parser.parse_statements().map_err(|error| self.parse_fault(&error))?;
        let tree = trees.pop().filter(|tree| matches!(tree, Tree::Query(_)));
        let other = || fault(0, "only questions are answered", "begin with select, or with … select");
        let mut tree = tree.ok_or_else(other)?;
        let mut schema = Schema::default();
        bound.iter().for_each(|(_, (_, columns))| {
            columns.iter().for_each(|(name, dtype)| {
                schema.insert(name.clone(), dtype.clone());
            })
        });
        let added: Vec<&str> = computed.iter().map(|computed| computed.name.as_str()).collect();
        Known::of(&tree, &schema, &added).check(&tree, &self.text)?;
        nulls_last(&mut tree, &added);
        double_quotes(&mut tree);
        let mut context = SQLContext::new();
        for (table, (frame, _)) in bound {
            let own = computed.iter().filter(|computed| computed.table == table.name());
            let own: Vec<Expr> = own.map(|computed| computed.expr.clone().alias(computed.name.clone())).collect();
            context.register(table.name(), if own.is_empty() { frame } else { frame.with_columns(own) });
        }
        context.execute(&tree.to_string()).map_err(|error| self.refused(&error))
    }

    /// The answer as a frame: [`Statement::over`], collected.
    ///
    /// # Errors
    /// As [`Statement::over`]; and if values do not fit together, with the columns that hold a path's other kinds.
    pub fn collect<'a>(&self, tables: impl Into<Tables<'a>>, context: impl Into<Context>) -> Result<DataFrame> {
        let tables = tables.into();
        let schema = tables.runs.clone().collect_schema()?;
        let answer = self.over(tables, context)?;
        let words = Words::of(&self.text)?;
        // Polars 0.55 counts the rows of a union in UInt128, which is not built here, unless it reads all columns.
        let answer = if words.has_word("union") { answer.with_projection_pushdown(false) } else { answer };
        answer.collect().map_err(|error| {
            let refused = self.refused(&error);
            let kinds = words.kinds(&schema);
            match kinds.is_empty() {
                true => refused,
                false => refused.hint(format!("other kinds of values are in {}", kinds.join(", "))),
            }
        })
    }

    /// The parser's error in our words.
    fn parse_fault(&self, error: &ParserError) -> Error {
        let cure = "names that are words of SQL, or hold other characters, are quoted: \"order\"";
        let told = |(at, what): (usize, String)| fault(at, &format!("expected {what}"), cure);
        expected(&self.text, error).map_or_else(|deep| deep, told)
    }

    /// What Polars says against the statement, at the first word that it quotes.
    fn refused(&self, error: &PolarsError) -> Error {
        let message = error.to_string();
        let message = message.split("\n\n").next().unwrap_or_default().trim();
        let lower = self.text.to_lowercase();
        let quoted = message.split(['\'', '"', '`']).skip(1).step_by(2).filter(|word| !word.is_empty());
        let at = quoted.filter_map(|word| lower.find(&word.to_lowercase())).next();
        fault_of(ErrorKind::Expression, at, message, "see `runframe sql --help` for what it knows")
    }
}

/// A column that is computed before the statement runs, since Polars' SQL does not know its function.
struct Computed {
    table: &'static str,
    name: PlSmallStr,
    expr: Expr,
}

#[cfg(test)]
mod tests;
