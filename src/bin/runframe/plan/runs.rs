//! The verbs on the run table as meant: query, group, schema, show.

use super::{Output, Rows, Verb, everything, load, needed};
use crate::args;
use runframe::Result;
use runframe::expr::Needs;

/// Rows and columns of the run table.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) filters: Vec<String>,
    pub(crate) filter: Option<String>,
    pub(crate) select: Vec<String>,
    pub(crate) drop: Vec<String>,
    pub(crate) sort: Vec<String>,
    pub(crate) limit: Option<u32>,
}

/// Groups of runs, and what is told of each.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) filters: Vec<String>,
    pub(crate) filter: Option<String>,
    pub(crate) by: Vec<String>,
    pub(crate) aggregates: Vec<String>,
    pub(crate) minimize: bool,
    pub(crate) select: Vec<String>,
    pub(crate) sort: Vec<String>,
    pub(crate) limit: Option<u32>,
}

/// Columns to describe, and over which runs.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) filters: Vec<String>,
    pub(crate) filter: Option<String>,
    pub(crate) select: Vec<String>,
}

/// The run to show.
#[derive(Debug)]
pub(crate) struct Show {
    pub(crate) source: String,
    pub(crate) run: String,
}

impl Query {
    pub(super) fn typed(typed: args::Query, output: Output) -> Result<Verb> {
        let rows = Rows::typed(&typed.rows);
        let query = Query {
            filters: typed.rows.filters,
            filter: typed.rows.filter,
            select: typed.select,
            drop: typed.drop,
            sort: typed.sort,
            limit: typed.limit,
        };
        let needs = query_needs(&query, typed.raw);
        Ok(Verb::Query(query, load(typed.sources.sources, typed.load, needs, rows)?, output))
    }
}

impl Group {
    pub(super) fn typed(typed: args::Group, output: Output) -> Result<Verb> {
        let rows = Rows::typed(&typed.rows);
        let group = Group {
            filters: typed.rows.filters,
            filter: typed.rows.filter,
            by: typed.by,
            aggregates: typed.aggregates,
            minimize: typed.minimize,
            select: typed.select,
            sort: typed.sort,
            limit: typed.limit,
        };
        let needs = group_needs(&group);
        Ok(Verb::Group(group, load(typed.sources.sources, typed.load, needs, rows)?, output))
    }
}

impl Schema {
    pub(super) fn typed(typed: args::Schema, mut output: Output) -> Result<Verb> {
        // A list of columns with a hole is of no use.
        output.options.rows = None;
        let rows = Rows::typed(&typed.rows);
        let schema = Schema { filters: typed.rows.filters, filter: typed.rows.filter, select: typed.select };
        let needs = match schema.select.is_empty() {
            true => everything(false),
            false => needed(&schema.filters, schema.filter.as_deref(), schema.select.iter()),
        };
        Ok(Verb::Schema(schema, load(typed.sources.sources, typed.load, needs, rows)?, output))
    }
}

impl Show {
    pub(super) fn typed(typed: args::Show, output: Output) -> Result<Verb> {
        let show = Show { source: typed.source.clone(), run: typed.run };
        Ok(Verb::Show(show, load(vec![typed.source], typed.load, everything(false), Rows::default())?, output))
    }
}

/// What a query reads: everything, unless --select leaves parts or keys out that nothing else mentions.
fn query_needs(query: &Query, raw: bool) -> Needs {
    let mut needs = match query.select.is_empty() {
        true => everything(false),
        false => needed(&query.filters, query.filter.as_deref(), query.select.iter().chain(&query.sort)),
    };
    needs.wanted.raw |= raw;
    needs
}

/// What a grouping reads: what it names, and everything where whole rows are asked for.
fn group_needs(group: &Group) -> Needs {
    let best = group.aggregates.iter().any(|text| text.to_lowercase().contains("best"));
    if best && group.select.is_empty() {
        return everything(false);
    }
    let expressions: Vec<String> = group.by.iter().chain(&group.aggregates).chain(&group.filters).cloned().collect();
    let mut needs = needed(&expressions, group.filter.as_deref(), group.select.iter());
    // The default aggregates tell of states and runtimes.
    needs.wanted.heartbeat |= group.aggregates.is_empty();
    needs
}
