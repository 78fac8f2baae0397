//! `artifacts`: artifact versions, and the runs that lack, used or should have used one.

use crate::chat::Chat;
use crate::load::Loaded;
use crate::plan::{Artifacts, Output, Question};
use crate::query::{context, filtered, pairs, pointed};
use polars::prelude::*;
use runframe::expr::{self, Context};
use runframe::sink::{self, Format};
use runframe::{Error, Result, RunFrame, compare};

/// Where rows go and how.
struct Out<'a> {
    output: &'a Output,
    options: sink::Options,
    context: &'a Context,
}

/// What tells which run it is.
const RUN: [&str; 4] = ["entity", "project", "name", "display_name"];

/// Writes the answer; true if it is a finding that the exit code tells.
pub(crate) fn run(plan: &Artifacts, loaded: &Loaded, output: &Output, chat: &Chat) -> Result<bool> {
    let context = &context(output)?;
    let mut options = output.options.clone();
    options.json_columns = loaded.frame.json_columns().to_vec();
    let out = Out { output, options, context };
    let loaded = &Loaded { frame: frame(plan, loaded), ..*loaded };
    let mut runs = filtered(loaded, &plan.filters, plan.filter.as_deref(), context)?;
    match &plan.question {
        Question::Rows(which) => {
            let rows = compare::artifact_rows(runs, which)?;
            write(plan, &out, rows, &["entity", "project", "name", "direction", "artifact.*"])?;
        }
        Question::Require(required, used) => {
            let missing =
                if *used { runframe::run::missing_used(required) } else { runframe::run::missing_logged(required) };
            let lacking = compare::lacking(runs, missing)?;
            let shown = write(plan, &out, lacking.clone(), &["entity", "project", "name", "display_name", "missing"])?;
            // A limit does not make the finding smaller.
            let count = if plan.limit.is_none() { shown } else { count(&lacking)? };
            chat.tell(&format!("{} what is required", agreed(count, "lack")));
            return Ok(count > 0);
        }
        Question::UsedBy(reference) => {
            let rows = compare::used_by(runs.clone(), reference)?;
            if count(&rows)? == 0 {
                compare::known_artifact(runs, reference)?;
            }
            write(plan, &out, rows, &["entity", "project", "name", "display_name", "artifact.*"])?;
        }
        Question::Stale(name) => {
            let rows = compare::stale(runs.clone(), name)?;
            let (stale, all) = (count(&rows.clone().filter(col("stale")))?, count(&rows)?);
            if all == 0 {
                compare::known_artifact(runs, name)?;
            }
            let columns = ["entity", "project", "name", "display_name", "artifact.*", "newest", "stale"];
            write(plan, &out, rows, &columns)?;
            let unknown = match all - stale {
                0 => String::new(),
                unknown => format!("; of {} the version is not known", agreed(unknown, "").trim_end()),
            };
            chat.tell(&format!("{} an older version than the newest{unknown}", agreed(stale, "used")));
        }
        Question::Lineage(run) => {
            let schema = runs.collect_schema()?;
            let read = RUN.iter().chain(&["created_at", "logged_artifacts", "used_artifacts"]);
            let read = read.filter(|name| schema.contains(name)).map(|name| col(*name)).collect::<Vec<_>>();
            let lineage = compare::lineage(&runs.select(read).collect()?, run)?;
            if output.format != Format::Table {
                sink::write_file(&lineage.rows()?, &output.path, output.format, &output.options)?;
                return Ok(false);
            }
            let failed = |error| Error::io(&output.path, error);
            sink::save(&output.path, |out| out.write_all(lineage.tree().as_bytes()).map_err(failed))?;
        }
    }
    Ok(false)
}

fn count(rows: &LazyFrame) -> Result<usize> {
    let count = rows.clone().select([len().alias("rows")]).collect()?;
    Ok(count.column("rows")?.u32()?.get(0).unwrap_or(0) as usize)
}

/// `1 run lacks`, `2 runs lack`.
fn agreed(runs: usize, verb: &str) -> String {
    match (runs, verb) {
        (1, "lack") => "1 run lacks".to_owned(),
        (1, _) => format!("1 run {verb}"),
        _ => format!("{runs} runs {verb}"),
    }
}

/// The runs, of a stored table only with the fields of artifacts that are looked at.
fn frame(plan: &Artifacts, loaded: &Loaded) -> RunFrame {
    let texts = plan.filters.iter().chain(&plan.select).chain(&plan.sort);
    let named = texts.chain(&plan.filter).any(|text| expr::mentions(text).artifacts);
    match plan.question {
        Question::Require(..) if !named => loaded.frame.with_artifact_fields(&["name", "version", "aliases"]),
        _ => loaded.frame.clone(),
    }
}

/// Writes the rows, sorted and cut, with the columns that were asked for or else those of `columns` that there are; returns
/// how many.
fn write(plan: &Artifacts, out: &Out<'_>, mut rows: LazyFrame, columns: &[&str]) -> Result<usize> {
    let context = out.context;
    let schema = rows.collect_schema()?;
    if !plan.sort.is_empty() {
        let keys = pointed("--sort", &plan.sort.join(","), |text| expr::parse_sort(text, &schema, context))?;
        rows = runframe::sorted(rows, &pairs(keys))?;
    }
    if let Some(limit) = plan.limit {
        rows = rows.limit(limit);
    }
    let selected = match plan.select.is_empty() {
        false => pointed("--select", &plan.select.join(","), |text| expr::parse_select(text, &schema, context))?,
        true => {
            let there = columns.iter().filter(|name| name.contains('*') || schema.contains(name)).copied();
            let names = expr::expand_columns(&there.collect::<Vec<_>>(), &schema)?;
            names.into_iter().map(|name| Expr::Column(name.into())).collect()
        }
    };
    let table = rows.select(selected).collect()?;
    sink::write_file(&table, &out.output.path, out.output.format, &out.options)?;
    Ok(table.height())
}
