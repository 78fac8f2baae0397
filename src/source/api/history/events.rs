//! System metrics: a server has them by run, without steps or pages. A sample as large as their number is all of them.

use super::super::query::{Queries, Query};
use super::super::remote::Remote;
use super::job::Job;
use super::lists::RowText;
use super::load::Reader;
use super::lock;
use super::open::{Parts, each_run};
use crate::error::Result;
use crate::json;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// Rows that a run is asked for first: those of some hours.
const FIRST: usize = 1_000;
/// Rows that one request asks for, of all its runs together.
const ROWS: usize = 16_000;
/// No server is asked for more rows of a run.
const MOST: usize = 50_000_000;

/// A run's system metrics.
#[derive(Debug, Clone, Default, PartialEq)]
struct Events {
    /// The run's name.
    run: String,
    /// False if there is no such run.
    found: bool,
    /// Rows that the server counts, if it does.
    lines: Option<usize>,
    /// Rows that were asked for.
    asked: usize,
    /// The rows as JSON.
    rows: Vec<RowText>,
}

impl Events {
    /// True if there are rows that did not come.
    fn is_cut(&self) -> bool {
        self.lines.map_or(self.rows.len() >= self.asked, |lines| self.rows.len() < lines)
    }

    /// How many rows to ask for next; `None` if all are there, or more would not come.
    fn next(&self) -> Option<usize> {
        // A server that gives fewer than it was asked for gives no more.
        let full = self.rows.len() >= self.asked;
        let next = self.lines.unwrap_or(self.asked.saturating_mul(8)).min(MOST);
        (self.found && self.is_cut() && full && next > self.asked).then_some(next)
    }
}

impl Reader<'_> {
    /// Reads the system metrics of these runs.
    ///
    /// # Errors
    /// If the server does not answer, or nobody takes the rows.
    pub(super) async fn system(&self, runs: &[String]) -> Result<()> {
        let samples = self.load.ask.samples;
        for of in events(self.remote, self.parts, runs, samples.map(|rows| rows as usize)).await? {
            let path = self.path_of(&of.run);
            {
                let mut totals = lock(self.load.totals);
                match of.found {
                    true => totals.found += 1,
                    false => totals.incomplete.push(format!("{path}: there is no such run")),
                }
                if samples.is_none() && of.is_cut() {
                    let lines = of.lines.map_or_else(|| "more".to_owned(), |lines| lines.to_string());
                    let came = of.rows.len();
                    let told =
                        format!("{path}: {came} rows of system metrics came of {lines}: the server samples them");
                    totals.incomplete.push(told);
                }
            }
            self.pages.pages.fetch_add(1, Ordering::Relaxed);
            let (steps, groups, clusters) = (self.load.ask.steps, Vec::new(), Vec::new());
            let (order, places, by_key, rows) = (0, 1, false, of.rows.into());
            let job = Job { run: of.run, path, order, groups, rows, by_key, clusters, places, steps };
            self.job(job).await?;
        }
        self.load.progress.advance(runs.len() as u64);
        Ok(())
    }
}

/// The system metrics of these runs: all of them as far as the server gives them, or `samples` rows of each.
///
/// # Errors
/// If the project is not there, or the server does not answer.
async fn events(remote: &Remote<'_>, parts: &Parts, runs: &[String], samples: Option<usize>) -> Result<Vec<Events>> {
    let mut found: Vec<Events> = Vec::new();
    let mut open: Vec<(String, usize)> = runs.iter().map(|run| (run.clone(), samples.unwrap_or(FIRST))).collect();
    while !open.is_empty() {
        let mut weight = 0;
        let fits = |(_, rows): &&(String, usize)| {
            weight += rows;
            weight <= ROWS
        };
        let count = open.iter().take_while(fits).count().max(1);
        let now: Vec<(String, usize)> = open.drain(..count).collect();
        for events in parts.ask(&now, async |part| ask(remote, part).await).await? {
            match events.next().filter(|_| samples.is_none()) {
                Some(rows) => open.push((events.run, rows)),
                None => found.push(events),
            }
        }
    }
    Ok(found)
}

async fn ask(remote: &Remote<'_>, runs: &[(String, usize)]) -> Result<Option<Vec<Events>>> {
    let variables = || {
        let mut variables = remote.place();
        for (at, (run, rows)) in runs.iter().enumerate() {
            variables[format!("run_{at}")] = run.as_str().into();
            variables[format!("samples_{at}")] = json!(rows);
        }
        variables
    };
    let text = |queries: &Queries| queries.repeated(Query::HistoryEvents, runs.len());
    let asked = runs.to_vec();
    let decode = move |body: Vec<u8>| {
        let Some(answers) = each_run(&body, asked.len())? else { return Ok(None) };
        let mut all = Vec::with_capacity(asked.len());
        for ((run, asked), answer) in asked.iter().zip(answers) {
            let mut events = Events { run: run.clone(), asked: *asked, found: answer.is_some(), ..Events::default() };
            let mut inner = Ok(true);
            json::members(answer.as_deref().unwrap_or("{}"), |key, value| match key.raw {
                "eventsLineCount" => events.lines = value.parse().ok(),
                "rows" => {
                    let rows = &mut events.rows;
                    inner = json::items(value, |row| match serde_json::from_str::<Value>(row) {
                        Ok(Value::String(text)) => rows.push(text.into()),
                        Ok(Value::Null) | Err(_) => {}
                        // Some servers may give them as they are.
                        Ok(_) => rows.push(row.to_owned().into()),
                    });
                }
                _ => {}
            })?;
            inner?;
            all.push(events);
        }
        Ok(Some(all))
    };
    let found = remote.ask_in_parts(Query::HistoryEvents, text, &variables, runs.len(), decode).await?;
    found.map(|found| found.ok_or_else(|| remote.missing(true))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_asked_for_until_all_is_there_or_no_more_comes() {
        let events = |lines, asked, rows| {
            let rows = vec![String::new().into(); rows];
            Events { run: "r".into(), found: true, lines, asked, rows }
        };
        let told = |events: &Events| (events.next(), events.is_cut());
        assert_eq!(told(&events(Some(10), 1_000, 10)), (None, false));
        assert_eq!(told(&events(Some(9_000), 1_000, 1_000)), (Some(9_000), true));
        assert_eq!(told(&events(Some(9_000), 9_000, 500)), (None, true));
        assert_eq!(told(&events(Some(9_000), 1_000, 500)), (None, true));
        assert_eq!(told(&events(None, 1_000, 1_000)), (Some(8_000), true));
        assert_eq!(told(&events(None, 8_000, 1_500)), (None, false));
        assert_eq!(told(&events(None, MOST, MOST.min(10))), (None, false));
    }
}
