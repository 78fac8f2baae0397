//! From a grouping to Polars: helper columns, one native `group_by().agg()`, and the expressions over its columns.

use super::lists::distinct;
use super::{Grouping, Groups, Item, Key};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::{RunVerbs, at_once};
use polars::prelude::*;

/// What `first`, `last` and `list` go by.
const ORDER: [&str; 2] = ["created_at", "name"];
/// The columns that the default aggregates read.
const DEFAULT: [&str; 3] = ["state", "runtime", "created_at"];
/// Of those, what comes after the states: column, name, aggregate.
const DEFAULT_TIMES: [(&str, &str, &str); 3] =
    [("runtime", "runtime", "sum"), ("created_at", "first_created", "min"), ("created_at", "last_created", "max")];

impl Grouping {
    /// One row for each group of `runs`, a table of the schema that the grouping was made for. Without keys there is one row, also
    /// for no runs.
    ///
    /// # Errors
    /// If the table is not of that schema, or if two columns of the result have one name.
    pub fn apply(&self, runs: LazyFrame) -> Result<LazyFrame> {
        let rows = self.keyed(runs);
        let Some(columns) = &self.columns else {
            let (rows, grouping) = self.with_default(rows)?;
            return Ok(grouping.table(rows, &grouping.columns.clone().unwrap_or_default()));
        };
        self.refuse_double_names()?;
        if let Some(metric) =
            columns.iter().find_map(|item| if let Item::BestRow(metric) = item { Some(metric) } else { None })
        {
            return Ok(self.with_best(rows, metric.clone()));
        }
        Ok(self.table(rows, columns))
    }

    /// The rows with a helper column for each key; rows with several elements of a list stand once for each different one.
    fn keyed(&self, runs: LazyFrame) -> LazyFrame {
        let key = |key: &Key| {
            let expr = key.expr.clone();
            let expr = if key.is_list { expr.map(distinct, |_, field| Ok(field.clone())) } else { expr };
            expr.alias(key.helper.clone())
        };
        let rows = runs.with_columns(self.keys.iter().map(key).collect::<Vec<Expr>>());
        let options = ExplodeOptions { empty_as_null: true, keep_nulls: true };
        let explode = |rows: LazyFrame, key: &Key| rows.explode(by_name([key.helper.as_str()], true, false), options);
        self.keys.iter().filter(|key| key.is_list).fold(rows, explode)
    }

    /// The default aggregates, and the columns they need: the states that occur must be known.
    fn with_default(&self, rows: LazyFrame) -> Result<(LazyFrame, Grouping)> {
        let has = |name: &str| self.schema.contains(name);
        let columns: Vec<Expr> = DEFAULT.into_iter().filter(|name| has(name)).map(col).collect();
        if !has("state") {
            return Ok((rows, self.clone().aggregates(&self.default_text(&[]))?));
        }
        let rows = rows.select([columns, self.helpers()].concat()).collect()?.lazy();
        let states = rows
            .clone()
            .select([col("state").unique().sort(SortOptions::default().with_nulls_last(true))])
            .collect()?;
        let states = states.column("state")?.cast(&DataType::String)?;
        let states: Vec<Option<String>> = states.str()?.iter().map(|state| state.map(str::to_owned)).collect();
        Ok((rows, self.clone().aggregates(&self.default_text(&states))?))
    }

    /// The default aggregates, in the language.
    fn default_text(&self, states: &[Option<String>]) -> String {
        let quoted =
            |text: &str, quote: char| format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")));
        let mut columns = vec![("runs".to_owned(), "n()".to_owned())];
        let by_state = self.groups.keys.iter().any(|(column, _)| column == "state");
        let keys: Vec<&str> = self.keys.iter().map(|key| key.name.as_str()).collect();
        for state in states.iter().filter(|_| !by_state) {
            let (is, mut name) = match state {
                Some(state) => (format!("= {}", quoted(state, '\'')), state.clone()),
                None => ("is null".to_owned(), "no state".to_owned()),
            };
            let fixed = |name: &str| name == "runs" || DEFAULT_TIMES.iter().any(|(_, fixed, _)| *fixed == name);
            if fixed(&name) || keys.contains(&name.as_str()) {
                name = format!("state {is}");
            }
            columns.push((name, format!("n(case when state {is} then 1 end)")));
        }
        for (column, name, value) in DEFAULT_TIMES {
            if self.schema.contains(column) {
                columns.push((name.to_owned(), format!("{value}({column})")));
            }
        }
        let item = |(name, value): &(String, String)| format!("{value} as {}", quoted(name, '"'));
        columns.iter().filter(|(name, _)| !keys.contains(&name.as_str())).map(item).collect::<Vec<String>>().join(", ")
    }

    fn helpers(&self) -> Vec<Expr> {
        self.keys.iter().map(|key| col(key.helper.as_str())).collect()
    }

    /// Keys and columns of each group, by the keys.
    fn table(&self, rows: LazyFrame, columns: &[Item]) -> LazyFrame {
        let value = |item: &Item| match item {
            Item::Value(expr, name) => Some(expr.clone().alias(name.clone())),
            Item::BestRow(_) => None,
        };
        let keys = self.keys.iter().map(|key| col(key.helper.as_str()).alias(key.name.clone()));
        let out: Vec<Expr> = keys.chain(columns.iter().filter_map(value)).collect();
        sorted(self.grouped(rows, false), self.helpers()).select(out)
    }

    /// The helper columns of the keys and of the native aggregates; without keys one row.
    fn grouped(&self, rows: LazyFrame, stable: bool) -> LazyFrame {
        let prefix = &self.groups.prefix;
        let mut rows = rows.with_columns(Groups::named(&self.groups.rows, prefix, "row"));
        if self.groups.ordered {
            let order: Vec<Expr> = ORDER.into_iter().filter(|name| self.schema.contains(name)).map(col).collect();
            rows = sorted(rows, order);
        }
        let mut parts = Groups::named(&self.groups.parts, prefix, "part");
        if parts.is_empty() {
            parts.push(len().alias(format!("{prefix}part")));
        }
        match (self.keys.is_empty(), stable) {
            (true, _) => rows.select(parts),
            (false, false) => rows.group_by(self.helpers()).agg(parts),
            (false, true) => rows.group_by_stable(self.helpers()).agg(parts),
        }
    }

    /// As [`Grouping::table`], with the row of each group's best run where it was asked for.
    fn with_best(&self, rows: LazyFrame, metric: Expr) -> LazyFrame {
        let alone = !self.columns.iter().flatten().any(|item| matches!(item, Item::Value(..)));
        let groups = match alone {
            true => rows.best_by(self.helpers(), metric, self.best),
            false => self.with_best_beside(rows, metric),
        };
        let mut out: Vec<Expr> = self.keys.iter().map(|key| col(key.helper.as_str()).alias(key.name.clone())).collect();
        for item in self.columns.iter().flatten() {
            match item {
                Item::Value(expr, name) => out.push(expr.clone().alias(name.clone())),
                Item::BestRow(_) => out.extend(self.best_columns()),
            }
        }
        sorted(groups, self.helpers()).select(out)
    }

    /// The best rows, with the columns of [`Grouping::grouped`] beside them.
    fn with_best_beside(&self, rows: LazyFrame, metric: Expr) -> LazyFrame {
        let (grouping, keys, best) = (self.clone(), self.helpers(), self.best);
        let both = move |rows: DataFrame| {
            // Both come in the order in which the groups first appear.
            let mut out = rows.clone().lazy().best_by(&keys, metric.clone(), best).collect()?;
            let groups = grouping.grouped(rows.lazy(), true).collect()?;
            let parts = groups.columns().iter().filter(|column| out.get_column_index(column.name()).is_none());
            out.hstack_mut(&parts.cloned().collect::<Vec<Column>>())?;
            Ok(out)
        };
        at_once(rows, "best", both)
    }

    /// The columns of the best run's row; a key takes the place of a column of its name.
    fn best_columns(&self) -> Vec<Expr> {
        let all = || self.schema.iter_names().map(|name| Expr::Column(name.clone())).collect();
        let columns: Vec<Expr> = self.select.clone().unwrap_or_else(all);
        columns.into_iter().filter(|column| !self.keys.iter().any(|key| key.name == name_of(column))).collect()
    }

    fn refuse_double_names(&self) -> Result<()> {
        let mut taken: Vec<String> = self.keys.iter().map(|key| key.name.clone()).collect();
        for item in self.columns.iter().flatten() {
            let more = match item {
                Item::Value(_, name) => vec![name.clone()],
                Item::BestRow(_) => self.best_columns().iter().map(name_of).collect(),
            };
            if let Some(name) = more.iter().find(|name| taken.contains(name)) {
                let error = Error::new(ErrorKind::Usage, format!("two columns are called {name}"));
                return Err(error.hint("give one another name: … as name"));
            }
            taken.extend(more);
        }
        Ok(())
    }
}

/// The name of a selected column, which is a column or an alias.
fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Column(name) | Expr::Alias(_, name) => name.to_string(),
        _ => String::new(),
    }
}

/// By these, ascending, nulls last.
fn sorted(rows: LazyFrame, by: Vec<Expr>) -> LazyFrame {
    if by.is_empty() {
        return rows;
    }
    let last = vec![true; by.len()];
    rows.sort_by_exprs(by, SortMultipleOptions::new().with_nulls_last_multi(last).with_maintain_order(true))
}
