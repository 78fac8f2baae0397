//! Command lines and what they mean.

use super::history::listed;
use super::output::TERMINAL_ROWS;
use super::*;
use crate::args::Cli;
use clap::Parser;
use runframe::history::HistoryQuery;
use runframe::{Best, Projection, Wanted};

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
    for words in ["history w --step x", "history w --step ..", "history w --at-best loss", "history w --at-best a:best"]
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
    assert_eq!(wanted("group w -b config.lr -a n() -w state='x'"), Wanted { config: true, heartbeat: true, ..nothing });
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
