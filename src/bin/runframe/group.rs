//! `group`: runs put into groups, and a row for each: its aggregates, or its best run.

use crate::load::Loaded;
use crate::plan::{Group, Output};
use crate::query::{context, filtered, pairs, pointed};
use polars::prelude::*;
use runframe::expr::{self, Context, Grouping};
use runframe::{Best, Error, ErrorKind, Result, sink};

/// Writes a row for each group.
pub(crate) fn run(group: &Group, loaded: &Loaded, output: &Output) -> Result<()> {
    let table = table(group, loaded, &context(output)?)?;
    let mut options = output.options.clone();
    options.json_columns = loaded.frame.json_columns().to_vec();
    sink::write_file(&table, &output.path, output.format, &options)
}

fn table(group: &Group, loaded: &Loaded, context: &Context) -> Result<DataFrame> {
    // Everything is parsed before anything is computed, so that a typo costs no wait.
    let grouping = grouping(group, loaded.frame.schema(), context)?;
    let runs = filtered(loaded, &group.filters, group.filter.as_deref(), context)?;
    let mut groups = grouping.apply(runs)?;
    if !group.sort.is_empty() {
        let schema = groups.collect_schema()?;
        let keys = pointed("--sort", &group.sort.join(","), |text| expr::parse_sort(text, &schema, context))?;
        groups = runframe::sorted(groups, &pairs(keys))?;
    }
    if let Some(limit) = group.limit {
        groups = groups.limit(limit);
    }
    Ok(groups.collect()?)
}

fn grouping(group: &Group, schema: &Schema, context: &Context) -> Result<Grouping> {
    let mut grouping = match group.by.is_empty() {
        true => Grouping::all(schema, context),
        false => pointed("--by", &group.by.join(","), |text| Grouping::by(text, schema, context))?,
    };
    if !group.aggregates.is_empty() {
        grouping = pointed("--agg", &group.aggregates.join(","), |text| grouping.aggregates(text))?;
    }
    if !grouping.has_best() && (group.minimize || !group.select.is_empty()) {
        let flag = if group.minimize { "--minimize" } else { "--select" };
        let error = Error::new(ErrorKind::Usage, format!("{flag} goes with best"));
        return Err(error.hint("for example -a 'best(summary.loss)' --minimize -s name,summary.loss"));
    }
    if group.minimize {
        grouping = grouping.best(Best::Lowest);
    }
    if !group.select.is_empty() {
        grouping = pointed("--select", &group.select.join(","), |text| grouping.select(text))?;
    }
    Ok(grouping)
}
