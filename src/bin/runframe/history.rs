//! `history`: the logged steps of many runs.

use crate::chat::Chat;
use crate::load::{self, Loaded};
use crate::plan::{Form, History, Load, Output};
use crate::query::{context, filtered};
use polars::prelude::*;
use runframe::history::{HistoryVerbs, at_best};
use runframe::sink;
use runframe::{Error, ErrorKind, HistoryFrame, HistoryQuery, Progress, Receipt, Result, RunFrame, RunKey, run_keys};
use std::sync::Arc;

/// Writes the history; what reading it has to tell.
pub(crate) fn run(history: &History, plan: &Load, chat: &Chat, output: &Output) -> Result<Receipt> {
    if plan.rows.explain {
        load::explain(&plan.rows)?;
        return Ok(Receipt::default());
    }
    let query = history.query.clone();
    let query = match chosen(plan, chat, output)? {
        Some(runs) => query.runs(runs),
        None => query,
    };
    let frame = read(&query, plan, chat)?;
    chat.receipt(frame.receipt());
    if let Some(path) = &plan.receipt {
        load::save(frame.receipt(), path)?;
    }
    match (&history.form, history.limit) {
        (Form::Long, None) => frame.write(&output.path, output.format, &output.options)?,
        (Form::Long, Some(limit)) => write(frame.lazy().limit(limit).collect()?, None, &frame, output)?,
        (Form::Tidy, limit) => write(frame.tidy()?, limit, &frame, output)?,
        (Form::Wide(metrics), limit) => write(frame.wide_of(metrics)?, limit, &frame, output)?,
        (Form::AtBest { metric, best }, limit) => {
            number(&frame, metric)?;
            let others = frame.metrics().filter(|name| name != metric);
            let shown = ["_step", metric.as_str()].into_iter().chain(others);
            let values: Vec<Expr> = shown.map(|column| at_best(column, metric, *best)).collect();
            write(frame.lazy().per_run(values).collect()?, limit, &frame, output)?;
        }
    }
    Ok(frame.receipt().clone())
}

/// The runs for which --where is true; `None` if it says nothing.
fn chosen(plan: &Load, chat: &Chat, output: &Output) -> Result<Option<Vec<RunKey>>> {
    let rows = &plan.rows;
    if rows.filters.is_empty() && rows.filter.is_none() {
        return Ok(None);
    }
    let choose = |loaded: &Loaded| {
        let runs = filtered(loaded, &rows.filters, rows.filter.as_deref(), &context(output)?)?;
        run_keys(&runs.select(["entity", "project", "name"].map(col)).collect()?)
    };
    // The receipt of the history is the one that is told.
    load::attempt(plan, chat, |_| Ok(()), choose).map(|(runs, _)| Some(runs))
}

/// The history of the sources.
pub(crate) fn read(query: &HistoryQuery, plan: &Load, chat: &Chat) -> Result<HistoryFrame> {
    let progress = Arc::new(Progress::default());
    let mut loader = chat.following(RunFrame::loader()).limits(plan.limits).progress(progress.clone());
    for source in &plan.sources {
        loader = loader.source(source)?;
    }
    if let Some(redaction) = &plan.redaction {
        loader = loader.redact(redaction.clone());
    }
    let _bar = chat.follow(&progress);
    loader.history(query)
}

/// # Errors
/// If the metric is no number, so that none of its values is best.
fn number(frame: &HistoryFrame, metric: &str) -> Result<()> {
    match frame.schema().get(metric) {
        Some(dtype) if dtype.is_primitive_numeric() => Ok(()),
        _ => Err(Error::new(ErrorKind::Column, format!("{metric} is no number"))),
    }
}

fn write(table: DataFrame, limit: Option<u32>, frame: &HistoryFrame, output: &Output) -> Result<()> {
    let table = match limit {
        Some(limit) => table.head(Some(limit as usize)),
        None => table,
    };
    let mut options = output.options.clone();
    options.metadata = frame.metadata();
    options.json_columns = frame.json_columns().to_vec();
    sink::write_file(&table, &output.path, output.format, &options)
}
