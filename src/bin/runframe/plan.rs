//! The command line as meant: plain values, decided without touching a file but those of a statement and of a key.

mod compare;

pub(crate) use compare::{Artifacts, Diff, Question, Vary};

use crate::args::{self, Cli, When};
use crate::query::pointed;
use runframe::expr::sql::Statement;
use runframe::expr::{self, Needs, mongo};
use runframe::history::HistoryQuery;
use runframe::history::metric_of;
use runframe::sink::{self, Format};
use runframe::{ApiOptions, Best, Error, ErrorKind, Limits, Projection, Redaction, Result, Wanted};
use std::path::PathBuf;
use std::time::Duration;

/// Rows of a terminal table unless -n says otherwise.
const TERMINAL_ROWS: usize = 50;

/// What is known about the surroundings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    pub(crate) stdout_is_terminal: bool,
    pub(crate) stderr_is_terminal: bool,
    /// Columns of the terminal.
    pub(crate) width: Option<usize>,
    /// NO_COLOR is set to something, or the terminal is dumb.
    pub(crate) no_color: bool,
    /// CLICOLOR_FORCE is set to something but 0.
    pub(crate) force_color: bool,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) verb: Verb,
    pub(crate) chat: Chat,
}

#[derive(Debug)]
pub(crate) enum Verb {
    Pull(Pull, Load),
    Query(Query, Load, Output),
    Group(Group, Load, Output),
    Schema(Schema, Load, Output),
    Show(Show, Load, Output),
    History(History, Load, Output),
    Diff(Diff, Load, Output),
    Vary(Vary, Load, Output),
    Artifacts(Artifacts, Load, Output),
    Sql(Sql, Load, Output),
    Completions(clap_complete::Shell),
}

/// What is said on the standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chat {
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) progress: bool,
    pub(crate) color: bool,
}

/// Where runs come from and how they are read.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) sources: Vec<String>,
    /// What the work needs.
    pub(crate) wanted: Wanted,
    /// The keys of config and summary that it needs.
    pub(crate) keys: Projection,
    /// All that the user lets us read.
    pub(crate) all: Wanted,
    pub(crate) strict: bool,
    pub(crate) receipt: Option<PathBuf>,
    /// How much one run, one answer and one file may take.
    pub(crate) limits: Limits,
    pub(crate) rows: Rows,
    /// What replaces secrets.
    pub(crate) redaction: Option<Redaction>,
}

/// Which runs are wanted, where that is told before loading.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    /// The conditions of --where; all must be true.
    pub(crate) filters: Vec<String>,
    /// Mongo's JSON.
    pub(crate) filter: Option<String>,
    /// Tell how the conditions are split, and do nothing.
    pub(crate) explain: bool,
}

impl Rows {
    fn typed(typed: &args::Rows) -> Self {
        Rows { filters: typed.filters.clone(), filter: typed.filter.clone(), explain: typed.explain }
    }
}

/// Where data goes and how.
#[derive(Debug)]
pub(crate) struct Output {
    /// `-` is the standard output.
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) options: sink::Options,
}

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

/// What to pull into which file.
#[derive(Debug)]
pub(crate) struct Pull {
    pub(crate) output: PathBuf,
    pub(crate) full: bool,
    /// The metrics whose histories are stored; all, if there are none; `None` for what is stored already.
    pub(crate) history: Option<Vec<String>>,
    pub(crate) no_history: bool,
    pub(crate) options: ApiOptions,
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

/// A statement of SQL, read.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) statement: Statement,
}

/// What the command line means here.
pub(crate) fn plan(cli: Cli, around: &Surroundings) -> Result<Plan> {
    let color = |is_terminal: bool| match cli.chat.color {
        When::Always => true,
        When::Never => false,
        When::Auto => !around.no_color && (around.force_color || is_terminal),
    };
    let chat = Chat {
        quiet: cli.chat.quiet,
        verbose: cli.chat.verbose,
        progress: around.stderr_is_terminal && !cli.chat.quiet && !cli.chat.no_progress,
        color: color(around.stderr_is_terminal),
    };
    let out = |typed, fallback, limit| output(typed, fallback, limit, around, color(around.stdout_is_terminal));
    let verb = match cli.verb {
        args::Verb::Pull(typed) => {
            if Format::from_path(&typed.output) != Some(Format::Parquet) {
                let error = Error::new(ErrorKind::Usage, "pull writes Parquet").file(typed.output);
                return Err(error.hint("end the file in .parquet; `query` writes the other formats"));
            }
            let mut options = ApiOptions::default();
            options.concurrency = usize::from(typed.concurrency);
            options.timeout = typed.timeout.map(Duration::from_secs);
            let (history, no_history) = (stored(&typed.history)?, typed.no_history);
            let pull = Pull { output: typed.output, full: typed.full, history, no_history, options };
            Verb::Pull(pull, load(typed.sources.sources, typed.load, everything(typed.raw), Rows::typed(&typed.rows))?)
        }
        args::Verb::Query(typed) => {
            let out = out(typed.output, None, typed.limit)?;
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
            Verb::Query(query, load(typed.sources.sources, typed.load, needs, rows)?, out)
        }
        args::Verb::Group(typed) => {
            let out = out(typed.output, None, typed.limit)?;
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
            Verb::Group(group, load(typed.sources.sources, typed.load, needs, rows)?, out)
        }
        args::Verb::Schema(typed) => {
            let mut out = out(typed.output, None, None)?;
            // A list of columns with a hole is of no use.
            out.options.rows = None;
            let rows = Rows::typed(&typed.rows);
            let schema = Schema { filters: typed.rows.filters, filter: typed.rows.filter, select: typed.select };
            let needs = match schema.select.is_empty() {
                true => everything(false),
                false => needed(&schema.filters, schema.filter.as_deref(), schema.select.iter()),
            };
            Verb::Schema(schema, load(typed.sources.sources, typed.load, needs, rows)?, out)
        }
        args::Verb::Show(typed) => {
            let out = out(typed.output, Some(Format::Table), None)?;
            let show = Show { source: typed.source.clone(), run: typed.run };
            Verb::Show(show, load(vec![typed.source], typed.load, everything(false), Rows::default())?, out)
        }
        args::Verb::History(typed) => {
            let out = out(typed.output.clone(), None, typed.limit)?;
            let rows = Rows::typed(&typed.rows);
            let needs = needed(&typed.rows.filters, typed.rows.filter.as_deref(), [].iter());
            let (sources, typed_load) = (typed.sources.sources.clone(), typed.load.clone());
            Verb::History(history(typed)?, load(sources, typed_load, needs, rows)?, out)
        }
        args::Verb::Diff(mut typed) => {
            let out = out(std::mem::take(&mut typed.output), None, None)?;
            let (diff, load, out) = Diff::typed(typed, out)?;
            Verb::Diff(diff, load, out)
        }
        args::Verb::Vary(mut typed) => {
            let out = out(std::mem::take(&mut typed.output), None, None)?;
            let (vary, load, out) = Vary::typed(typed, out)?;
            Verb::Vary(vary, load, out)
        }
        args::Verb::Artifacts(mut typed) => {
            let fallback = Artifacts::fallback(&typed);
            let out = out(std::mem::take(&mut typed.output), fallback, typed.limit)?;
            let (artifacts, load, out) = Artifacts::typed(typed, out)?;
            Verb::Artifacts(artifacts, load, out)
        }
        args::Verb::Sql(typed) => {
            let out = out(typed.output, None, None)?;
            let (text, sources) = statement(typed.words, typed.file)?;
            let statement = pointed("sql", &text, Statement::parse)?;
            let needs = statement.needs();
            Verb::Sql(Sql { text, statement }, load(sources, typed.load, needs, Rows::default())?, out)
        }
        args::Verb::Completions { shell } => Verb::Completions(shell),
    };
    Ok(Plan { verb, chat })
}

/// The metrics to store: `all`, or their names.
fn stored(typed: &[String]) -> Result<Option<Vec<String>>> {
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
fn listed(lists: &[String]) -> Vec<String> {
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

/// The statement, from its file or as the first word, and the sources.
fn statement(mut words: Vec<String>, file: Option<PathBuf>) -> Result<(String, Vec<String>)> {
    let text = match file {
        Some(path) => std::fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?,
        None => words.remove(0),
    };
    if words.is_empty() {
        let error = Error::new(ErrorKind::Usage, "no source is named");
        return Err(error.hint("runframe sql 'select … from runs' SOURCE"));
    }
    Ok((text, words))
}

/// `fallback` is the format where neither a flag nor a file's ending says one; `None`: a table on a terminal, else CSV.
fn output(
    typed: args::Output,
    fallback: Option<Format>,
    limit: Option<u32>,
    around: &Surroundings,
    color: bool,
) -> Result<Output> {
    let path = typed.output.unwrap_or_else(|| "-".into());
    let is_stdout = sink::is_stdout(&path);
    let is_terminal = is_stdout && around.stdout_is_terminal;
    let default = fallback.unwrap_or(if is_terminal { Format::Table } else { Format::Csv });
    let format = match typed.format.or_else(|| Format::from_path(&path)) {
        Some(format) => format,
        // Devices have no ending: what would go to a pipe goes there.
        None if is_stdout || ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder)) => default,
        None => {
            let error = Error::new(ErrorKind::Usage, "the file's ending tells no format").file(path);
            return Err(error.hint("add --format, or end it in .parquet, .csv, .json, …"));
        }
    };
    if format.is_binary() && is_terminal {
        let error = Error::new(ErrorKind::Usage, format!("{format} is no format for a terminal"));
        return Err(error.hint("name a file with -o, or pipe it on"));
    }
    let mut options = sink::Options::default();
    options.precision = typed.precision.map(usize::from);
    options.zone = typed.tz;
    options.safe_cells = typed.safe_cells;
    options.color = color && is_stdout;
    options.width = is_terminal.then_some(around.width).flatten();
    options.rows = (is_terminal && limit.is_none()).then_some(TERMINAL_ROWS);
    Ok(Output { path, format, options })
}

fn load(sources: Vec<String>, typed: args::Load, mut needs: Needs, rows: Rows) -> Result<Load> {
    let redaction = match typed.redact {
        None => None,
        Some(columns) => {
            // They are loaded, so that a name that is none is told.
            columns.iter().for_each(|name| needs.add_list(name));
            Some(Redaction::find(typed.redact_key_file.as_deref())?.columns(columns))
        }
    };
    let allowed = |wanted: Wanted| Wanted { artifacts: wanted.artifacts && !typed.no_artifacts, ..wanted };
    let wanted = allowed(needs.wanted);
    let all = allowed(Wanted { raw: wanted.raw, ..Wanted::default() });
    let (keys, strict, receipt, limits) = (needs.into(), typed.strict, typed.receipt, typed.limits.into());
    Ok(Load { sources, wanted, keys, all, strict, receipt, limits, rows, redaction })
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

fn everything(raw: bool) -> Needs {
    let mut needs = Needs::everything();
    needs.wanted.raw = raw;
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

/// What any of the texts may need. The untouched texts only if one is named: a glob such as `*` does not mean them.
fn needed<'a>(filters: &'a [String], filter: Option<&str>, lists: impl Iterator<Item = &'a String>) -> Needs {
    let lists: Vec<&String> = lists.collect();
    let mut needs = expr::needs(&filters.iter().collect::<Vec<_>>(), &lists);
    let named = |text: &String| ["config_json", "summary_json"].iter().any(|name| text.contains(name));
    needs.wanted.raw = filters.iter().chain(lists).any(named);
    match filter.map(mongo::parse) {
        None => {}
        Some(Ok(filter)) => needs.add_mongo(&filter),
        // It is told with its place when it is used.
        Some(Err(_)) => return everything(needs.wanted.raw),
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn terminal() -> Surroundings {
        Surroundings { stdout_is_terminal: true, stderr_is_terminal: true, width: Some(80), ..Surroundings::default() }
    }

    fn planned(words: &str, around: &Surroundings) -> Result<Plan> {
        let words = std::iter::once("runframe").chain(words.split_whitespace());
        plan(Cli::try_parse_from(words).unwrap(), around)
    }

    fn query(words: &str, around: &Surroundings) -> (Query, Load, Output) {
        match planned(words, around).unwrap().verb {
            Verb::Query(query, load, output) => (query, load, output),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn formats_follow_flag_ending_and_terminal() {
        let format = |words: &str, around: &Surroundings| query(words, around).2.format;
        let pipe = Surroundings::default();
        assert_eq!(format("query w", &terminal()), Format::Table);
        assert_eq!(format("query w", &pipe), Format::Csv);
        assert_eq!(format("query w -o -", &pipe), Format::Csv);
        assert_eq!(format("query w -o a.parquet", &terminal()), Format::Parquet);
        assert_eq!(format("query w -o a.parquet --format json", &pipe), Format::Json);
        assert_eq!(format("query w -o /dev/null", &pipe), Format::Csv);
        assert_eq!(format("query w -o /proc/self/fd/3", &terminal()), Format::Csv);
        #[cfg(unix)]
        assert_eq!(format("query w -o /dev/stdout", &terminal()), Format::Table);
        assert_eq!(format("query w --format parquet", &pipe), Format::Parquet);
        let Verb::Show(_, _, output) = planned("show w r", &pipe).unwrap().verb else { panic!() };
        assert_eq!(output.format, Format::Table);
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error() {
        for (words, around) in [("query w -o runs", Surroundings::default()), ("query w --format arrow", terminal())] {
            let error = planned(words, &around).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.cure().is_some());
        }
        for words in
            ["query", "query w --format ods", "query w --tz Mars/North", "show w", "query w -q -v", "query w -n -1"]
        {
            let words = std::iter::once("runframe").chain(words.split_whitespace());
            assert_eq!(Cli::try_parse_from(words).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn histories_are_asked_for_in_many_forms() {
        let history = |words: &str| match planned(words, &Surroundings::default()).map(|plan| plan.verb) {
            Ok(Verb::History(history, load, _)) => Ok((history, load)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        let (long, load) = history("history a b -k loss,acc -k x* --step 5..9").unwrap();
        assert_eq!(long.query, HistoryQuery::new().keys(["loss", "acc", "x*"]).steps(5..=9));
        assert_eq!((long.form, load.sources.len(), load.wanted.config), (Form::Long, 2, false));
        assert_eq!(history("history w --step -3..").unwrap().0.query, HistoryQuery::new().steps(-3..));
        assert_eq!(history("history w --step 7").unwrap().0.query, HistoryQuery::new().steps(7..8));
        let (wide, _) = history("history w --wide loss,acc:string --wide x").unwrap();
        assert_eq!(wide.form, Form::Wide(vec!["loss".into(), "acc:string".into(), "x".into()]));
        assert_eq!(wide.query, HistoryQuery::new().keys(["loss", "acc", "x"]));
        let (best, _) = history("history w --at-best a:b:max -s c,d").unwrap();
        assert_eq!(best.form, Form::AtBest { metric: "a:b".into(), best: Best::Highest });
        assert_eq!(best.query, HistoryQuery::new().keys(["a:b", "c", "d"]));
        assert_eq!(listed(&["\"a, b\", c".into()]), ["a, b", "c"]);
        for words in
            ["history w --step x", "history w --step ..", "history w --at-best loss", "history w --at-best a:best"]
        {
            assert_eq!(history(words).unwrap_err().kind(), ErrorKind::Usage, "{words}");
        }
    }

    #[test]
    fn only_terminals_cut_tables() {
        let options = |words: &str, around: &Surroundings| query(words, around).2.options;
        assert_eq!(options("query w", &terminal()).rows, Some(TERMINAL_ROWS));
        assert_eq!(options("query w", &terminal()).width, Some(80));
        assert_eq!(options("query w -n 100", &terminal()).rows, None);
        let piped = options("query w --format table", &Surroundings { width: Some(80), ..Surroundings::default() });
        assert_eq!((piped.rows, piped.width), (None, None));
        assert_eq!(options("query w -o a.txt", &terminal()).width, None);
    }

    #[test]
    fn colours_by_flag_then_environment_then_terminal() {
        let color = |words: &str, around: &Surroundings| query(words, around).2.options.color;
        let pipe = Surroundings::default();
        assert!(color("query w", &terminal()));
        assert!(!color("query w", &pipe));
        assert!(!color("query w", &Surroundings { no_color: true, ..terminal() }));
        assert!(color("query w --color always", &Surroundings { no_color: true, ..pipe.clone() }));
        assert!(color("query w", &Surroundings { force_color: true, ..pipe.clone() }));
        assert!(!color("query w --color never", &terminal()));
        assert!(!color("query w -o a.txt --color always", &terminal()));
    }

    #[test]
    fn progress_only_on_terminals() {
        let progress = |words: &str, around: &Surroundings| planned(words, around).unwrap().chat.progress;
        assert!(progress("query w", &terminal()));
        assert!(!progress("query w --no-progress", &terminal()));
        assert!(!progress("-q query w", &terminal()));
        assert!(!progress("query w", &Surroundings::default()));
    }

    #[test]
    fn groups_read_what_they_name() {
        let wanted = |words: &str| match planned(words, &Surroundings::default()).unwrap().verb {
            Verb::Group(_, load, _) => load.wanted,
            other => panic!("{other:?}"),
        };
        let nothing = Wanted { config: false, summary: false, artifacts: false, heartbeat: false, raw: false };
        assert_eq!(wanted("group w -b user -a n()"), nothing);
        assert_eq!(wanted("group w -b user"), Wanted { heartbeat: true, ..nothing });
        assert_eq!(wanted("group w -b tags -a max(summary.acc)"), Wanted { summary: true, ..nothing });
        assert_eq!(
            wanted("group w -b config.lr -a n() -w state='x'"),
            Wanted { config: true, heartbeat: true, ..nothing }
        );
        assert_eq!(wanted("group w -a best(summary.acc)"), Wanted::default());
        assert_eq!(wanted("group w -a best(summary.acc) -s name"), Wanted { summary: true, ..nothing });
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let wanted = |words: &str| query(words, &Surroundings::default()).1.wanted;
        assert_eq!(wanted("query w"), Wanted::default());
        assert!(!wanted("query w --no-artifacts").artifacts);
        assert!(wanted("query w --raw").raw);
        let narrow = wanted("query w -s name,config.lr -w created_at>now()");
        assert!(narrow.config && !narrow.summary && !narrow.artifacts && !narrow.heartbeat && !narrow.raw);
        assert!(wanted("query w -s name --sort -summary.x").summary);
        assert!(wanted("query w -s config.lr,summary_json").raw);
        assert_eq!(wanted("query w -s *"), Wanted::default());
        let keys = |words: &str| query(words, &Surroundings::default()).1.keys;
        assert_eq!(keys("query w -w config.lr>1"), Projection::default());
        let narrow = keys("query w -s name,config.lr --sort -summary.acc -w summary.loss<1");
        assert_eq!(narrow.config, Some(vec!["lr".to_owned()]));
        assert_eq!(narrow.summary, Some(vec!["acc".to_owned(), "loss".to_owned()]));
        assert_eq!(keys("query w -s config.*,summary.x").config, None);
        assert_eq!(keys(r#"query w -s name --filter {"config.a":1}"#).config, Some(vec!["a".to_owned()]));
        let (query, load, _) = query("query a b --sort -summary.acc,name -n 3 -s name -w x>1 -w y<2", &terminal());
        assert_eq!((query.sort, query.limit, query.filters.len()), (vec!["-summary.acc,name".to_owned()], Some(3), 2));
        assert_eq!(load.sources, ["a", "b"]);
    }
}
