//! A history that is yet to be read: its conditions and columns tell what of it is needed.

use super::{HistoryFrame, HistoryQuery};
use crate::error::Result;
use crate::load::Loader;
use crate::ops::history::kinds_are_sure;
use crate::record::HistoryNeeds;
use polars::prelude::*;
use std::collections::BTreeSet;

/// A history that is yet to be read; [`Loader::scan_history`] makes it.
///
/// It is what [`Loader::history`] would give, filtered and selected; but metrics that nothing names are not decoded, and of conditions
/// joined by `and` those on `_step` (compared with a whole number), `entity`, `project` and `name` (equal to a text) keep other steps
/// and runs from being read. Without a selection all is read, since the columns are those of all rows. Only the type of a metric may
/// differ: one that is whole in all rows that are read is Int64, though other rows may have fractions.
///
/// ```
/// use polars::prelude::*;
/// use runframe::Loader;
///
/// # fn main() -> runframe::Result<()> {
/// let late = Loader::default()
///     .source("examples/wandb")?
///     .scan_history(Default::default())
///     .filter(col("name").eq(lit("1ch3bknw")).and(col("_step").gt_eq(lit(3))))
///     .select(["_step", "loss"])
///     .collect()?;
/// assert_eq!(late.shape(), (3, 2));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct HistoryScan {
    loader: Loader,
    query: HistoryQuery,
    filters: Vec<Expr>,
    columns: Option<Vec<String>>,
}

impl Loader {
    /// The history of the sources' runs, not read yet: what is needed of what `query` asks for is found when it is collected.
    pub fn scan_history(&self, query: HistoryQuery) -> HistoryScan {
        HistoryScan { loader: self.clone(), query, filters: Vec::new(), columns: None }
    }
}

impl HistoryScan {
    /// Keeps the rows for which this is true, over the history's columns. What is filtered later sees the rows that are left.
    pub fn filter(mut self, condition: Expr) -> Self {
        self.filters.push(condition);
        self
    }

    /// Only these columns, in this order, once all filters are applied. Called again, the later list counts.
    pub fn select<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// What of the history is read.
    pub fn needs(&self) -> HistoryNeeds {
        // All columns are those of all rows.
        let Some(metrics) = self.metrics() else { return HistoryNeeds::everything() };
        let mut needs = HistoryNeeds { metrics: Some(metrics), ..HistoryNeeds::default() };
        for filter in &self.filters {
            // What looks at other rows must see them all.
            if !filter.into_iter().all(is_of_its_row) {
                break;
            }
            narrow(filter, &mut needs);
        }
        let steps = needs.first_step.zip(needs.last_step).is_some_and(|(first, last)| first > last);
        let none = |set: &Option<BTreeSet<String>>| set.as_ref().is_some_and(BTreeSet::is_empty);
        match steps || [&needs.entities, &needs.projects, &needs.names].into_iter().any(none) {
            true => needs.of_all_rows(),
            false => needs,
        }
    }

    /// Reads what is needed: rows and columns that the filters and the selection are still to be applied to. It has the receipt.
    ///
    /// # Errors
    /// As [`Loader::history`].
    pub fn load(&self) -> Result<HistoryFrame> {
        let needs = self.needs();
        let found = self.read(&needs)?;
        match needs.limits_rows() && !kinds_are_sure(found.schema()) {
            true => self.read(&needs.of_all_rows()),
            false => Ok(found),
        }
    }

    /// The rows and columns that are asked for.
    ///
    /// # Errors
    /// As [`Loader::history`]; and if there is no such column, or a filter fails.
    pub fn collect(&self) -> Result<DataFrame> {
        match self.applied(&self.load()?) {
            // The columns that it lacks may be those of rows that were not read; and if not, the error names the nearest of all.
            Err(_) if self.needs() != HistoryNeeds::everything() => {
                self.applied(&self.read(&HistoryNeeds::everything())?)
            }
            done => done,
        }
    }

    fn read(&self, needs: &HistoryNeeds) -> Result<HistoryFrame> {
        self.loader.history(&self.query.clone().needs(needs.clone()))
    }

    fn applied(&self, history: &HistoryFrame) -> Result<DataFrame> {
        let columns = self.columns.iter().flatten();
        if let Some(name) = columns.clone().find(|name| !history.schema().contains(name)) {
            let all = history.schema().iter_names().map(|name| name.as_str());
            return Err(crate::frame::unknown_column(name, all));
        }
        let rows = self.filters.iter().fold(history.lazy(), |rows, filter| rows.filter(filter.clone()));
        let rows = match &self.columns {
            Some(_) => rows.select(columns.map(|name| Expr::Column(name.as_str().into())).collect::<Vec<_>>()),
            None => rows,
        };
        Ok(rows.collect()?)
    }

    /// The columns that are named; `None` if others may be meant.
    fn metrics(&self) -> Option<BTreeSet<String>> {
        let mut named: BTreeSet<String> = self.columns.iter().flatten().cloned().collect();
        self.columns.as_ref()?;
        for part in self.filters.iter().flat_map(|filter| filter.into_iter()) {
            match part {
                Expr::Column(name) if !(name.starts_with('^') && name.ends_with('$')) => {
                    named.insert(name.to_string());
                }
                Expr::Literal(_) | Expr::Alias(..) | Expr::Cast { .. } | Expr::BinaryExpr { .. } => {}
                Expr::Function { .. } | Expr::Ternary { .. } | Expr::Agg(_) | Expr::Over { .. } => {}
                _ => return None,
            }
        }
        Some(named)
    }
}

impl std::fmt::Debug for HistoryScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HistoryScan {{ {:?} }}", self.needs())
    }
}

/// True for parts of expressions that give each row a value by what is in that row only.
fn is_of_its_row(part: &Expr) -> bool {
    use BooleanFunction as B;
    match part {
        Expr::Column(_) | Expr::Alias(..) | Expr::BinaryExpr { .. } | Expr::Ternary { .. } => true,
        Expr::Literal(value) => value.is_scalar(),
        Expr::Function { function: FunctionExpr::Boolean(function), .. } => {
            matches!(function, B::Not | B::IsNull | B::IsNotNull | B::IsNan | B::IsNotNan | B::IsFinite | B::IsInfinite)
        }
        _ => false,
    }
}

/// Takes over what a condition says of steps and runs.
fn narrow(condition: &Expr, needs: &mut HistoryNeeds) {
    let Expr::BinaryExpr { left, op, right } = condition else { return };
    match op {
        Operator::And | Operator::LogicalAnd => {
            narrow(left, needs);
            narrow(right, needs);
        }
        _ => match (&**left, &**right) {
            (Expr::Column(column), Expr::Literal(value)) => compare(column, *op, value, needs),
            (Expr::Literal(value), Expr::Column(column)) => {
                let op = match op {
                    Operator::Lt => Operator::Gt,
                    Operator::LtEq => Operator::GtEq,
                    Operator::Gt => Operator::Lt,
                    Operator::GtEq => Operator::LtEq,
                    op => *op,
                };
                compare(column, op, value, needs);
            }
            _ => {}
        },
    }
}

fn compare(column: &str, op: Operator, value: &LiteralValue, needs: &mut HistoryNeeds) {
    let Some(value) = value.to_any_value() else { return };
    if column != "_step" {
        let part = match column {
            "entity" => &mut needs.entities,
            "project" => &mut needs.projects,
            "name" => &mut needs.names,
            _ => return,
        };
        if let (Operator::Eq, Some(text)) = (op, value.get_str()) {
            let known = part.take().is_none_or(|known| known.contains(text));
            *part = Some(Some(text.to_owned()).filter(|_| known).into_iter().collect());
        }
        return;
    }
    let Some(value) = Some(value).filter(AnyValue::is_integer).and_then(|value| value.extract::<i64>()) else { return };
    let (first, last) = match op {
        Operator::Eq => (Some(value), Some(value)),
        Operator::Gt => (value.checked_add(1), None),
        Operator::GtEq => (Some(value), None),
        Operator::Lt => (None, value.checked_sub(1)),
        Operator::LtEq => (None, Some(value)),
        _ => return,
    };
    needs.keep_steps(first, last);
}
