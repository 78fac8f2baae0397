//! The verb history as meant, and which histories a pull stores.

use super::{Output, Rows, Verb, load, needed};
use crate::args;
use runframe::history::{HistoryQuery, metric_of};
use runframe::{Best, Error, ErrorKind, Result};

/// Which history, and in which form.
#[derive(Debug)]
pub(crate) struct History {
    /// All but the runs, which --where tells once they are loaded.
    pub(crate) query: HistoryQuery,
    pub(crate) form: Form,
    pub(crate) limit: Option<u32>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Long,
    Tidy,
    Wide(Vec<String>),
    AtBest { metric: String, best: Best },
}

impl History {
    pub(super) fn typed(typed: args::History, output: Output) -> Result<Verb> {
        let rows = Rows::typed(&typed.rows);
        let needs = needed(&typed.rows.filters, typed.rows.filter.as_deref(), [].iter());
        let load = load(typed.sources.sources.clone(), typed.load.clone(), needs, rows)?;
        Ok(Verb::History(history(typed)?, load, output))
    }
}

/// The metrics to store: `all`, or their names.
pub(super) fn stored(typed: &[String]) -> Result<Option<Vec<String>>> {
    let keys = listed(typed);
    match (typed.is_empty(), keys.as_slice()) {
        (true, _) => Ok(None),
        (false, []) => Err(Error::new(ErrorKind::Usage, "--history names no metric").hint("`--history all` means all")),
        (false, [all]) if all == "all" => Ok(Some(Vec::new())),
        (false, keys) if keys.iter().any(|key| key == "all") => {
            let error = Error::new(ErrorKind::Usage, "--history takes all, or metrics, not both");
            Err(error.hint("a metric of that name is spelled al?"))
        }
        (false, _) => Ok(Some(keys)),
    }
}

/// Which history is meant.
fn history(typed: args::History) -> Result<History> {
    let mut query = HistoryQuery::new().keys(listed(&typed.keys));
    if let Some(steps) = &typed.step {
        query = steps_of(steps, query)?;
    }
    if typed.system {
        query = query.system();
    }
    if let Some(rows) = typed.samples {
        query = query.samples(rows);
    }
    let form = match (listed(&typed.wide), typed.at_best) {
        (metrics, _) if !metrics.is_empty() => {
            query = query.keys(metrics.iter().map(|metric| metric_of(metric)));
            Form::Wide(metrics)
        }
        (_, Some(text)) => {
            let wrong = || {
                let error =
                    Error::new(ErrorKind::Usage, format!("--at-best takes METRIC:min or METRIC:max, not {text}"));
                error.hint("for example val/loss:min")
            };
            let (metric, best) = match text.rsplit_once(':') {
                Some((metric, "min")) => (metric, Best::Lowest),
                Some((metric, "max")) => (metric, Best::Highest),
                _ => return Err(wrong()),
            };
            query = query.keys([metric.to_owned()]).keys(listed(&typed.select));
            Form::AtBest { metric: metric.to_owned(), best }
        }
        (_, None) if typed.tidy => Form::Tidy,
        (_, None) => Form::Long,
    };
    Ok(History { query, form, limit: typed.limit })
}

/// The names in comma lists; a name that holds a comma stands in double quotes.
pub(super) fn listed(lists: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for list in lists {
        let (mut name, mut quoted) = (String::new(), false);
        for c in list.chars() {
            match c {
                '"' => quoted = !quoted,
                ',' if !quoted => names.push(std::mem::take(&mut name)),
                c => name.push(c),
            }
        }
        names.push(name);
    }
    names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// `100..200`, `100..`, `..200`, or one step.
fn steps_of(text: &str, query: HistoryQuery) -> Result<HistoryQuery> {
    let wrong = || {
        let error = Error::new(ErrorKind::Usage, format!("--step takes MIN..MAX, not {text}"));
        error.hint("for example 100..200, 100.. or ..200; both ends are included")
    };
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| wrong());
    let Some((min, max)) = text.split_once("..") else {
        let step = number(text)?;
        return Ok(query.steps(step..=step));
    };
    Ok(match (min.trim(), max.trim()) {
        ("", "") => return Err(wrong()),
        (min, "") => query.steps(number(min)?..),
        ("", max) => query.steps(..=number(max)?),
        (min, max) => query.steps(number(min)?..=number(max)?),
    })
}
