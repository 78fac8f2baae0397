//! The best run of each group: its whole row.

use polars::prelude::*;

/// Which end of a metric is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Best {
    /// As for an accuracy.
    Highest,
    /// As for a loss.
    Lowest,
}

/// What decides between equals.
const ORDER: [&str; 2] = ["created_at", "name"];
/// See [`RunVerbs::best_by`](super::RunVerbs::best_by).
pub(super) fn best_by(runs: LazyFrame, by: &[Expr], metric: Expr, best: Best) -> LazyFrame {
    let by = by.to_vec();
    at_once(runs, "best_by", move |runs| best_rows(&runs, &by, &metric, best))
}

/// What `make` makes of the whole table; the types are those that it gives of a table without rows. Where it gives an error, so does
/// the result when it is collected: Polars takes none at the time of planning, so the types of the table stand in until then.
pub(crate) fn at_once(
    table: LazyFrame,
    name: &'static str,
    make: impl Fn(DataFrame) -> PolarsResult<DataFrame> + Clone + Send + Sync + 'static,
) -> LazyFrame {
    let types = make.clone();
    let schema = move |schema: &Schema| {
        let made = types(DataFrame::empty_with_schema(schema));
        Ok(made.map_or_else(|_| std::sync::Arc::new(schema.clone()), |made| made.schema().clone()))
    };
    let nothing_past_it = AllowedOptimizations::empty();
    table.map(make, nothing_past_it, Some(std::sync::Arc::new(schema)), Some(name))
}

/// The beginning of names that no column of the schema has.
pub(crate) fn free_prefix(schema: &Schema) -> String {
    let mut prefix = "_".to_owned();
    while schema.iter_names().any(|name| name.starts_with(&prefix)) {
        prefix.push('_');
    }
    prefix
}

fn best_rows(runs: &DataFrame, by: &[Expr], metric: &Expr, best: Best) -> PolarsResult<DataFrame> {
    let prefix = free_prefix(runs.schema());
    let [row, metric_name, group] = ["row", "metric", "group"].map(|name| PlSmallStr::from(format!("{prefix}{name}")));
    let columns: Vec<Expr> =
        [col(row.clone()), metric.clone().alias(metric_name.clone())].into_iter().chain(by.iter().cloned()).collect();
    let mut narrow = runs.clone().lazy().with_row_index(row.clone(), None).select(columns);
    let types = narrow.collect_schema()?;
    let keys: Vec<PlSmallStr> = types.iter_names().skip(2).cloned().collect();
    let mut values = col(metric_name.clone());
    if types.get(&metric_name).is_some_and(DataType::is_float) {
        values = values.fill_nan(lit(NULL));
    }
    let end = if best == Best::Highest { values.clone().max() } else { values.clone().min() };
    let equals = col(row.clone()).filter(values.eq(end));
    let groups = match keys.is_empty() {
        true => narrow.select([equals.implode(true)]),
        false => narrow.group_by_stable(keys.iter().cloned().map(col).collect::<Vec<Expr>>()).agg([equals]),
    };
    let options = ExplodeOptions { empty_as_null: true, keep_nulls: true };
    let found =
        groups.with_row_index(group.clone(), None).explode(by_name([row.clone()], true, false), options).collect()?;
    let found = first_of_equals(found, runs, &row, &group)?;
    let mut out = found.select(keys.iter().cloned())?;
    let rest = runs.drop_many(keys.iter().cloned()).take(found.column(&row)?.idx()?)?;
    if keys.is_empty() {
        return Ok(rest);
    }
    out.hstack_mut(rest.columns())?;
    Ok(out)
}

/// One row of each group: the earliest created, then the first by name.
fn first_of_equals(found: DataFrame, runs: &DataFrame, row: &str, group: &str) -> PolarsResult<DataFrame> {
    let groups = found.column(group)?.n_unique()?;
    if groups == found.height() {
        return Ok(found);
    }
    let mut ordered = found;
    let mut by = vec![group.to_owned()];
    for name in ORDER.into_iter().filter(|name| runs.schema().contains(name)) {
        let column = runs.column(name)?.take(ordered.column(row)?.idx()?)?;
        by.push(format!("{group} {name}"));
        ordered.with_column(column.with_name(by[by.len() - 1].as_str().into()))?;
    }
    let options = SortMultipleOptions::new().with_nulls_last(true).with_maintain_order(true);
    let sorted = ordered.lazy().sort(by, options);
    sorted.unique_stable(Some(by_name([group], true, false)), UniqueKeepStrategy::First).collect()
}
