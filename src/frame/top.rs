//! The first rows of a filtered and sorted table, found before any other column is read.

use super::{RunFrame, Table, scan};
use crate::columns::Columns;
use crate::error::Result;
use polars::prelude::*;
use std::sync::Arc;

/// The name of the column that numbers the rows; no path or field is named so.
const ROW: &str = "\0row";

impl RunFrame {
    /// The first `n` of the rows for which all `conditions` are true, sorted as [`sorted`] does by `keys` (an expression and whether
    /// it is descending), or in the table's order if there are none.
    ///
    /// Only the columns that conditions and keys name are read here, and of the rest later only these rows.
    ///
    /// ```
    /// # use polars::prelude::*;
    /// # fn main() -> runframe::Result<()> {
    /// let runs = runframe::RunFrame::open("examples/wandb")?;
    /// let best = runs.top(3, &[col("state").eq(lit("finished"))], &[(col("summary.accuracy"), true)])?;
    /// assert_eq!(best.height(), 3);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If a column does not exist, an expression fails, or a stored table cannot be read.
    pub fn top(&self, n: usize, conditions: &[Expr], keys: &[(Expr, bool)]) -> Result<RunFrame> {
        let names: Vec<String> = (0..keys.len()).map(|at| format!("\0key{at}")).collect();
        let values = keys.iter().zip(&names).map(|((key, _), name)| key.clone().alias(name.as_str()));
        let values: Vec<Expr> = values.collect();
        // Faults are told of the table as it is, without the column of numbers.
        filtered(self.lazy(), conditions).select(&values).collect_schema()?;
        let lazy = filtered(scan::lazy(Arc::new(Numbered::new(self.table.clone()))), conditions);
        let columns: Vec<Expr> = values.into_iter().chain([col(ROW)]).collect();
        let mut found = lazy.select(columns).collect()?;
        if let Some((_, descending)) = keys.first() {
            found = candidates(found, *descending, n)?;
            let named = names.iter().zip(keys).map(|(name, (_, descending))| (col(name.as_str()), *descending));
            found = sorted(found.lazy(), &named.collect::<Vec<_>>())?.collect()?;
        }
        let found = found.head(Some(n));
        let rows: Vec<IdxSize> = found.column(ROW)?.idx()?.iter().flatten().collect();
        let table = Rows { table: self.table.clone(), rows };
        Ok(RunFrame { table: Arc::new(table), receipt: self.receipt.clone() })
    }
}

fn filtered(lazy: LazyFrame, conditions: &[Expr]) -> LazyFrame {
    conditions.iter().fold(lazy, |lazy, condition| lazy.filter(condition.clone()))
}

/// Sorted by expressions, each with whether it is descending: NaN after all numbers and nulls after all values, whatever the
/// direction; equal rows stay in their order.
///
/// # Errors
/// If a column does not exist.
pub fn sorted(lazy: LazyFrame, keys: &[(Expr, bool)]) -> Result<LazyFrame> {
    let (mut by, mut descending) = (Vec::new(), Vec::new());
    for (key, down) in keys {
        let types = lazy.clone().select([key.clone().alias("key")]).collect_schema()?;
        if types.get("key").is_some_and(DataType::is_float) {
            by.push(key.clone().is_nan());
            descending.push(false);
        }
        by.push(key.clone());
        descending.push(*down);
    }
    let options = SortMultipleOptions::new()
        .with_order_descending_multi(descending.clone())
        .with_nulls_last_multi(vec![true; descending.len()])
        .with_maintain_order(true);
    Ok(lazy.sort_by_exprs(by, options))
}

/// The rows that can be among the first `n` by the first column: all that are at least as good as the n-th best number.
fn candidates(table: DataFrame, descending: bool, n: usize) -> PolarsResult<DataFrame> {
    let Some(key) = table.columns().first() else { return Ok(table) };
    let physical = key.to_physical_repr();
    if n == 0 || n >= table.height() / 4 || !physical.dtype().is_primitive_numeric() {
        return Ok(table);
    }
    // Rounding an integer to a float may make two equal, but never turns their order.
    let mut values = physical.cast(&DataType::Float64)?;
    if descending {
        values = values * -1.0;
    }
    let values = values.as_materialized_series().f64()?.clone();
    let mut numbers: Vec<f64> = values.iter().flatten().filter(|value| !value.is_nan()).collect();
    if numbers.len() < n {
        return Ok(table);
    }
    let (_, worst, _) = numbers.select_nth_unstable_by(n - 1, f64::total_cmp);
    let worst = *worst;
    // -0.0 and 0.0 are equal here as they are in sorting.
    table.filter(&values.iter().map(|value| Some(value.is_some_and(|value| value <= worst))).collect())
}

/// Some rows of a table, which makes their columns when asked for.
struct Rows {
    table: Arc<dyn Table>,
    rows: Vec<IdxSize>,
}

impl Table for Rows {
    fn schema(&self) -> &SchemaRef {
        self.table.schema()
    }

    fn height(&self) -> usize {
        self.rows.len()
    }

    fn read(&self, columns: &[&str]) -> Result<DataFrame> {
        self.table.read_rows(columns, &self.rows)
    }

    fn json_columns(&self) -> &[String] {
        self.table.json_columns()
    }

    fn columns(&self) -> Result<Columns> {
        let names: Vec<&str> = self.schema().iter_names().map(|name| name.as_str()).collect();
        super::import(&self.read(&names)?, self.json_columns())
    }
}

/// A table with one column more: the number of each row.
struct Numbered {
    table: Arc<dyn Table>,
    schema: SchemaRef,
}

impl Numbered {
    fn new(table: Arc<dyn Table>) -> Self {
        let mut schema = (**table.schema()).clone();
        schema.insert(ROW.into(), IDX_DTYPE);
        Numbered { table, schema: Arc::new(schema) }
    }
}

impl Table for Numbered {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn height(&self) -> usize {
        self.table.height()
    }

    fn read(&self, columns: &[&str]) -> Result<DataFrame> {
        let others: Vec<&str> = columns.iter().copied().filter(|name| *name != ROW).collect();
        let mut table = self.table.read(&others)?;
        if others.len() < columns.len() {
            let numbers = (0..self.height() as IdxSize).collect();
            table.with_column(IdxCa::from_vec(ROW.into(), numbers).into_series().into())?;
        }
        Ok(table.select(columns.iter().copied())?)
    }

    fn json_columns(&self) -> &[String] {
        self.table.json_columns()
    }

    fn columns(&self) -> Result<Columns> {
        self.table.columns()
    }
}
