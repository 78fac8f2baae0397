//! Tests of statements: what they answer, and where they point when they cannot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::Statement;
use crate::error::Error;
use crate::record::Timestamp;
use polars::prelude::*;

/// Three runs: ada's r1 and r2, and r3 of nobody; r1 logged two versions of a model and used a data set.
fn runs() -> LazyFrame {
    let time = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
    let version = |name: &str, index: i64, alias: &str| {
        df!("name" => [name], "type" => ["t"], "version" => [index], "aliases" => [Series::new("".into(), [alias])],
            "size" => [10_i64], "digest" => ["d"], "state" => ["COMMITTED"], "created_at" => [0_i64], "id" => ["i"])
        .unwrap()
        .lazy()
        .with_column(col("created_at").cast(time.clone()))
        .collect()
        .unwrap()
    };
    let list = |frames: &[DataFrame]| {
        let mut all = version("none", 0, "x").clear();
        frames.iter().for_each(|frame| {
            all.vstack_mut(frame).unwrap();
        });
        all.into_struct("a".into()).into_series()
    };
    let (model0, model1, data) = (version("model", 0, "best"), version("model", 1, "latest"), version("data", 3, "v"));
    let tags = |tags: &[&str]| Series::new("".into(), tags);
    df!(
        "name" => ["r1", "r2", "r3"],
        "created_at" => [Timestamp::parse("2026-11-01T10:00:00").unwrap().micros(), 1_793_700_000_000_000, 0],
        "group" => [Some("wide"), Some("wide"), None],
        "user.username" => [Some("ada"), Some("ada"), None],
        "tags" => [tags(&["good"]), tags(&[]), tags(&["bad", "good"])],
        "config.lr" => [0.1, 0.2, 0.3],
        "config.opt:string" => [Some("adam"), None, None],
        "summary.val/acc" => [0.5, 0.9, f64::NAN],
        "summary.loss" => [Some(4_i64), None, Some(8)],
        "logged_artifacts" => [list(&[model0, model1]), list(&[]), list(&[])],
        "used_artifacts" => [list(&[data]), list(&[]), list(&[])],
    )
    .unwrap()
    .lazy()
    .with_column(col("created_at").cast(time))
}

fn answer(text: &str) -> DataFrame {
    let now = Timestamp::parse("2026-11-14T00:00:00").unwrap();
    let frame = Statement::parse(text).and_then(|statement| statement.collect(runs(), now));
    frame.unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn names(text: &str) -> Vec<String> {
    let answer = answer(text);
    answer.columns()[0].str().unwrap().iter().map(|name| name.unwrap_or("null").to_owned()).collect()
}

fn fault(text: &str) -> Error {
    let frame = Statement::parse(text).and_then(|statement| statement.over(runs(), Timestamp::from_micros(0)));
    match frame {
        Err(error) => error,
        Ok(_) => panic!("{text} is no error"),
    }
}

#[test]
fn dotted_names_stand_bare() {
    assert_eq!(names("select name from runs where summary.val/acc > 0.6 and config.lr < 0.3"), ["r2"]);
    assert_eq!(names("select name from runs where summary.loss/2 = 4"), ["r3"]);
    assert_eq!(names("select r.name from runs r where r.config.lr = 0.1"), ["r1"]);
    assert_eq!(names("select runs.name from runs where config.opt:string = 'adam'"), ["r1"]);
    assert_eq!(names("select runName from runs where \"summary.val/acc\" = 0.5"), ["r1"]);
    assert_eq!(
        answer("select summary_metrics.loss, user from runs").get_column_names(),
        ["summary.loss", "user.username"]
    );
}

#[test]
fn group_is_a_column_and_a_word_of_sql() {
    let answer = answer("select group, count(*) as n from runs where group is not null group by group");
    assert_eq!(answer.get_column_names(), ["group", "n"]);
    assert_eq!((answer.height(), answer.columns()[1].get(0).unwrap().try_extract::<u32>().unwrap()), (1, 2));
}

#[test]
fn names_that_the_statement_gives_are_its_own() {
    // `id` is another spelling of name, `user` of user.username, but here they are what `as` says.
    assert_eq!(names("select name as id from runs order by id desc"), ["r3", "r2", "r1"]);
    assert_eq!(
        names("with best as (select name, config.lr as lr from runs) select name from best where lr > 0.25"),
        ["r3"]
    );
    assert_eq!(answer("select max(config.lr) as duration from runs").get_column_names(), ["duration"]);
    assert_eq!(names("select t.who from (select user as who from runs) t where t.who is not null"), ["ada", "ada"]);
}

#[test]
fn nulls_come_last_unless_asked_for() {
    assert_eq!(names("select name from runs order by summary.loss"), ["r1", "r3", "r2"]);
    assert_eq!(names("select name from runs order by summary.loss desc"), ["r3", "r1", "r2"]);
    assert_eq!(names("select name from runs order by summary.loss desc nulls first"), ["r2", "r3", "r1"]);
    assert_eq!(
        names("select name from runs where not is_nan(summary.val/acc) order by summary.val/acc desc"),
        ["r2", "r1"]
    );
}

#[test]
fn our_functions_are_known() {
    assert_eq!(names("select name from runs where contains(tags, 'good')"), ["r1", "r3"]);
    assert_eq!(names("select name from runs where logged('model:latest').version = 1"), ["r1"]);
    assert_eq!(names("select name from runs where used('data').version = 3 and len(tags) = 1"), ["r1"]);
    assert_eq!(names("select name from runs where created_at > now() - interval '30 days'"), ["r1", "r2"]);
    let answer = answer("select logged('model:latest').version as v, is_nan(summary.val/acc) from runs");
    assert_eq!(answer.get_column_names(), ["v", "is_nan(summary.val/acc)"]);
    assert_eq!(answer.column("v").unwrap().i64().unwrap().to_vec(), [Some(1), None, None]);
}

#[test]
fn what_is_computed_is_no_part_of_a_wildcard() {
    let plain = answer("select * from runs");
    let answer = answer("select * from runs where len(tags) = 2");
    assert_eq!(answer.get_column_names(), plain.get_column_names());
    assert_eq!(answer.height(), 1);
    let with = self::answer("select *, len(tags) as n from runs where len(tags) = 2");
    assert_eq!(with.width(), plain.width() + 1);
}

#[test]
fn times_are_compared_with_text() {
    assert_eq!(
        names("select name from runs where created_at >= '2026-11-01T10:00:00' and created_at < '2026-11-02'"),
        ["r1"]
    );
    assert_eq!(names("select name from runs where created_at between '2026-11-01' and '2026-11-02'"), ["r1"]);
}

#[test]
fn artifacts_are_a_table() {
    assert_eq!(Statement::parse("select artifact.name from artifacts").unwrap().tables(), [super::Table::Artifacts]);
    let text = "select a.artifact.name, a.direction, r.config.lr from artifacts a join runs r on a.name = r.name order by a.direction, a.artifact.version";
    let answer = answer(text);
    assert_eq!((answer.height(), answer.width()), (3, 3));
    assert_eq!(answer.columns()[0].str().unwrap().get(2), Some("data"));
    assert_eq!(
        names("select artifact.name from artifacts where direction = 'logged' and contains(artifact.aliases, 'best')"),
        ["model"]
    );
    assert_eq!(
        names("select name from runs where name not in (select name from artifacts where artifact.name = 'model')"),
        ["r2", "r3"]
    );
}

#[test]
fn rows_of_unions_are_counted() {
    let text = "select count(*) as n from (select name from runs union all select name from artifacts) t";
    assert_eq!(answer(text).columns()[0].get(0).unwrap().try_extract::<u32>().unwrap(), 6);
    let text = "select count(*) as n from artifacts where direction = 'used'";
    assert_eq!(answer(text).columns()[0].get(0).unwrap().try_extract::<u32>().unwrap(), 1);
}

#[test]
fn only_what_is_named_is_wanted() {
    let wanted = |text: &str| Statement::parse(text).unwrap().needs().wanted;
    let few = wanted("select name from runs where config.lr > 1");
    assert!(few.config && !few.summary && !few.artifacts && !few.heartbeat);
    assert!(wanted("select count(*) from runs") == wanted("select name from runs"));
    assert!(wanted("select * from runs").artifacts && wanted("select r.* from runs r").summary);
    let artifacts = wanted("select * from artifacts");
    assert!(artifacts.artifacts && !artifacts.config && !artifacts.summary);
    assert!(!wanted("select config.lr * 2 from runs").summary);
    let needs = Statement::parse("select r.config.lr from runs r where summary.val/loss < 2").unwrap().needs();
    assert!(needs.config.unwrap().contains("lr") && needs.summary.unwrap().contains("val/loss"));
}

#[test]
fn faults_are_pointed_at() {
    let faults = [
        ("select nam from runs", 7, "unknown column nam (did you mean name?)"),
        ("select name from runs\nwhere config.lrr > 1", 28, "unknown column config.lrr (did you mean config.lr?)"),
        ("select r.config.lrr from runs r", 9, "unknown column config.lrr (did you mean config.lr?)"),
        ("select name from run where 1 = 1 -- runs", 40, "no table is named"),
        ("select name from runs join foo on 1 = 1", 27, "unknown table foo"),
        ("select name from runs where", 27, "expected an expression at the end"),
        ("select name, from runs where name = 'x", 36, "unterminated string literal"),
        ("drop table runs", 0, "only questions are answered"),
        ("select name from runs; select name from runs", 21, "there is more than one statement"),
        ("", 0, "the statement is empty"),
        ("select name from runs where contains(tag, 'x')", 37, "unknown column tag (did you mean tags?)"),
        ("select a.name from runs a join runs b on a.name = b.name where len(tags) = 1", 63, "named twice"),
        ("select nope(name) from runs", 7, "nope"),
        ("select name, upper(state)(name) from runs", 13, "upper has two lists of arguments"),
    ];
    for (text, at, message) in faults {
        let error = fault(text);
        assert!(error.to_string().contains(message), "{text}: {error}");
        assert_eq!(error.place().offset, Some(at), "{text}: {error}");
    }
}

#[test]
fn quotes_in_texts_stay_as_many_as_they_are() {
    for text in ["it's", "''", "a''b", "'''", r"a\'b", r"\", "a'", r"\''", "''x'"] {
        let quoted = text.replace('\'', "''");
        let table = df!("name" => [text, "other"]).unwrap();
        let statement = Statement::parse(&format!("select name, '{quoted}' as same from runs where name = '{quoted}'"));
        let answer = statement.unwrap().collect(table.lazy(), Timestamp::from_micros(0)).unwrap();
        assert_eq!(answer.height(), 1, "{text}");
        assert_eq!(answer.column("same").unwrap().str().unwrap().get(0), Some(text));
    }
    for name in ["say \"hi\"", "two\"\"quotes", "\"", "back\\\"slash"] {
        let table = df!(name => [1i64, 2], "name" => ["r1", "r2"]).unwrap();
        let quoted = name.replace('"', "\"\"");
        let statement = Statement::parse(&format!("select name from runs where \"{quoted}\" = 2")).unwrap();
        let answer = statement.collect(table.lazy(), Timestamp::from_micros(0)).unwrap();
        assert_eq!(answer.column("name").unwrap().str().unwrap().get(0), Some("r2"), "{name}");
    }
}
