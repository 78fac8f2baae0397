//! Histories of which only what is needed is read: the same answers as over the whole, and what it is that is read.

use crate::bundled::examples;
use crate::wandb::{HistoryRecipe, KEY, Recipe, Server, Switches, World};
use polars::prelude::*;
use runframe::expr::sql::{Statement, Tables};
use runframe::{HistoryFrame, HistoryNeeds, HistoryQuery, Loader, Settings, Surroundings, Timestamp};
use std::cell::RefCell;
use std::path::Path;

fn loader() -> Loader {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/wandb");
    Loader::default().source(logs.to_str().unwrap()).unwrap()
}

fn server() -> Server {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/wandb");
    Server::start(World::from_logs(logs, Timestamp::now()).unwrap(), Switches::default())
}

fn settled(server: &Server) -> Loader {
    let mut around = Surroundings::default();
    around.env.insert("WANDB_BASE_URL".into(), server.url());
    around.env.insert("WANDB_API_KEY".into(), KEY.into());
    Loader::default().settings(Settings::find_in(&around).unwrap())
}

fn of(server: &Server) -> Loader {
    settled(server).source("lab/mnist").unwrap().source("lab/translate").unwrap()
}

/// The answer, or the error's text; integers as floats, since rows that are whole may be of a metric that is not.
fn answer(text: &str, tables: Tables<'_>) -> Result<DataFrame, String> {
    let now = Timestamp::parse("2026-11-14T00:00:00Z").unwrap();
    let answer = Statement::parse(text).and_then(|statement| statement.collect(tables, now));
    let answer = answer.map_err(|error| error.to_string())?;
    let float = |column: &Column| match column.dtype() {
        dtype if dtype.is_integer() => column.cast(&DataType::Float64).unwrap(),
        _ => column.clone(),
    };
    Ok(DataFrame::new(answer.height(), answer.columns().iter().map(float).collect()).unwrap())
}

/// What was read for the statement, in the order of reading, and its answer.
fn lazily(text: &str, loader: &Loader, runs: &LazyFrame) -> (Vec<HistoryNeeds>, Result<DataFrame, String>) {
    let read = RefCell::new(Vec::new());
    let tables = Tables::from(runs.clone()).read_history(|needs| {
        read.borrow_mut().push(needs.clone());
        Ok(loader.history(&HistoryQuery::new().needs(needs.clone()))?.lazy())
    });
    let answer = answer(text, tables);
    (read.into_inner(), answer)
}

/// Every statement that can be put together of these parts, and some that cannot.
fn statements() -> Vec<String> {
    let selects = [
        ("count(*) as n", ""),
        ("name, min(val/loss) as best, count(loss) as n, count(*) as rows", "group by name order by name"),
        ("name, _step, loss, accuracy", "order by name, _step, loss limit 50"),
        ("_step, avg(h.loss) as mean", "group by _step order by _step"),
        ("sum(case when is_nan(loss) then 1 else 0 end) as bad, count(distinct name) as runs", ""),
        ("name, _step, row_number() over (partition by name order by _step) as at", "order by name, _step"),
        ("*", "order by name, _step, _timestamp"),
    ];
    let wheres = [
        "",
        "where name = '1ch3bknw'",
        "where h.name in ('1ch3bknw', 'z4ehlnsd') and _step >= 2",
        "where h._step between 1 and 3 and loss is not null",
        "where 3 > _step and project = 'mnist' and h.entity = 'lab'",
        "where loss is null and _step < 2",
        "where not (name = '1ch3bknw' and _step < 3)",
        "where name = '1ch3bknw' or _step = 0",
        "where _step > 4 and _step < 3",
        "where name = 'nobody'",
        "where _step = -1 or val/loss < 0.2",
    ];
    let mut all: Vec<String> = Vec::new();
    for (select, rest) in selects {
        all.extend(wheres.iter().map(|condition| format!("select {select} from history h {condition} {rest}")));
    }
    let others = [
        "select r.name, count(h._step) as n from runs r left join history h on r.name = h.name where r.state = 'finished' group by r.name order by r.name",
        "select r.name, h._step, h.loss from runs r left join history h on r.name = h.name where h._step < 2 order by r.name, h._step, h.loss",
        "select h._step, r.user.username, h.loss from history h join runs r on h.name = r.name where h.name = '1ch3bknw' and r.project = 'mnist' order by h._step",
        "select h.name, h._step, r.state from history h left join runs r on h.name = r.name where h._step = 0 order by h.name, h._step",
        "select name from runs where name not in (select name from history where _step > 3) order by name",
        "select name from runs where name in (select name from history where loss < 0.3) order by name",
        "with early as (select name, loss from history where _step = 0), late as (select name, loss from history where _step = 5) select e.name, e.loss - l.loss as gain from early e join late l on e.name = l.name order by e.name",
        "with h as (select name, _step from history where _step < 3) select a.name, count(*) as n from h a join h b on a.name = b.name group by a.name order by a.name",
        "select name, loss from history where _step = 0 union all select name, accuracy from history where _step = 1",
        "select distinct on (name) * from history order by name, _step",
        "select _step as name, name as run from history where name = '1ch3bknw' order by _step",
        "select loss as _step from history where _step = 1 order by loss",
        "select max(accuracy) from history where name = (select min(name) from runs)",
        "select nothing from history where _step = 0",
        "select los from history where name = '1ch3bknw'",
        "select \"val/loss\" from history where \"name\" = '1ch3bknw' and \"_step\" = 2",
        "from history where name = '1ch3bknw'",
        "select count(*) as n from history natural join runs where _step = 0",
        "select a.name from history a semi join history b on a.name = b.name where a._step = 0 order by a.name",
        "select phase, count(*) as n from history where _step < 9 group by phase order by n, phase",
    ];
    all.extend(others.map(str::to_owned));
    all
}

/// Compares every statement, with other names in it; how many read less than everything.
fn compare(loader: &Loader, runs: LazyFrame, names: &[(&str, &str)]) -> usize {
    let whole: HistoryFrame = loader.history(&HistoryQuery::new()).unwrap();
    let mut narrow = 0;
    for text in statements() {
        let text = names.iter().fold(text, |text, (here, there)| text.replace(here, there));
        let expected = answer(&text, Tables::from(runs.clone()).history(whole.lazy()));
        let (read, found) = lazily(&text, loader, &runs);
        narrow += usize::from(read.last() != Some(&HistoryNeeds::everything()));
        let same = match (&expected, &found) {
            (Ok(expected), Ok(found)) => expected.equals_missing(found),
            (expected, found) => expected.as_ref().err() == found.as_ref().err(),
        };
        assert!(same, "{text}\n{read:?}\n{found:?}\ninstead of\n{expected:?}");
    }
    narrow
}

#[test]
fn statements_answer_over_a_part_what_they_answer_over_the_whole() {
    let narrow = compare(&loader(), examples().lazy(), &[]);
    assert!(narrow > 60, "only {narrow} read less than everything");
}

#[test]
fn the_same_from_servers() {
    let server = server();
    assert!(compare(&of(&server), examples().lazy(), &[]) > 60);
}

#[test]
fn the_same_from_exported_files_and_live_rows_of_every_kind() {
    let history = HistoryRecipe { live: 12, overlap: 5, files: 2, row_group: 10, ..HistoryRecipe::rows(40) };
    let world = World::generate(&Recipe { history: Some(history), ..Recipe::small(4) });
    let server = Server::start(world, Switches::default());
    let loader = settled(&server).source("acme/fleet").unwrap();
    let runs = loader.load().unwrap().lazy();
    let names = [
        ("1ch3bknw", "r0000001"),
        ("z4ehlnsd", "r0000002"),
        ("'mnist'", "'fleet'"),
        ("'lab'", "'acme'"),
        ("accuracy", "mixed"),
        ("phase", "mixed:string"),
        ("max(mixed)", "max(grad.deep.max)"),
    ];
    assert!(compare(&loader, runs.clone(), &names) > 60);
    // Only strings are left: in these rows the plain name would be theirs.
    let text = "select status, mixed, list from history where name = 'r0000001' and _step < 9 order by _step";
    let (read, _) = lazily(text, &loader, &runs);
    assert!(read.len() == 2 && read[0].limits_rows() && !read[1].limits_rows(), "{read:?}");
}

#[test]
fn what_is_read_is_what_the_words_say() {
    let read = |text: &str| {
        let (mut read, _) = lazily(text, &loader(), &examples().lazy());
        let metrics = read.first_mut().and_then(|needs| needs.metrics.take());
        (read.remove(0), metrics)
    };
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let nothing = HistoryNeeds::default();
    let (needs, metrics) =
        read("select avg(val/loss) from history h where h.name = '1ch3bknw' and 2 <= _step and _step < 9");
    assert_eq!(
        needs,
        HistoryNeeds { names: names(&["1ch3bknw"]), first_step: Some(2), last_step: Some(8), ..nothing.clone() }
    );
    let metrics = metrics.unwrap();
    assert!(metrics.contains("val/loss") && !metrics.contains("loss2") && !metrics.contains("accuracy"));
    let (needs, _) =
        read("select count(*) from history where project in ('a', 'b') and (entity = 'lab' and _step = 4)");
    let expected = HistoryNeeds { projects: names(&["a", "b"]), entities: names(&["lab"]), ..nothing.clone() };
    assert_eq!(needs, HistoryNeeds { first_step: Some(4), last_step: Some(4), ..expected });
    for unsure in [
        "select * from history where _step = 1",
        "select loss from history where name = '1ch3bknw' or _step = 3",
        "select a.loss from history a join history b on a.name = b.name where a._step = 1",
        "select count(*) from runs r left join history h on r.name = h.name where h._step = 1",
        "select _step as name from history where name = 'x'",
        "select loss from history where _step < 0.5 and name <> 'x' and name like '1%'",
    ] {
        assert_eq!(read(unsure).0, nothing, "{unsure}");
    }
    assert_eq!(read("select * from history where _step = 1").1, None);
}

#[test]
fn runs_and_steps_that_are_not_needed_are_not_asked_for() {
    let server = server();
    let loader = of(&server);
    let runs = examples().lazy();
    let bytes = |text: &str| {
        server.forget_requests();
        lazily(text, &loader, &runs).1.unwrap();
        let asked = server.requests().into_iter().filter(|request| request.operation.as_deref() != Some("Names"));
        asked.map(|request| request.bytes_out).sum::<usize>()
    };
    let whole = bytes("select count(*), min(loss) from history where name <> '1ch3bknw'");
    let part = bytes("select count(*), min(loss) from history where name = '1ch3bknw'");
    assert!(part * 10 < whole, "{part} of {whole} bytes");
}

#[test]
fn scans_give_what_the_whole_gives() {
    let loader = loader();
    let whole = loader.history(&HistoryQuery::new()).unwrap();
    let late = col("_step").gt_eq(lit(3));
    let run = col("name").eq(lit("1ch3bknw"));
    let best = col("loss").eq(col("loss").min().over([col("name")]).unwrap());
    let filters: [Vec<Expr>; 9] = [
        vec![],
        vec![late.clone()],
        vec![run.clone().and(late.clone())],
        vec![run.clone(), best.clone()],
        vec![best.clone(), late.clone()],
        vec![late.clone().and(best)],
        vec![run.clone().or(late.clone()), col("val/loss").is_not_null()],
        vec![lit(2).gt(col("_step")), col("project").eq(lit("mnist"))],
        vec![run.and(col("name").eq(lit("nobody")))],
    ];
    let float = |frame: DataFrame| {
        let columns = frame.columns().iter().map(|c| match c.dtype().is_integer() {
            true => c.cast(&DataType::Float64).unwrap(),
            false => c.clone(),
        });
        DataFrame::new(frame.height(), columns.collect()).unwrap()
    };
    for filters in filters {
        for columns in [None, Some(vec!["name", "_step", "loss"]), Some(vec!["_step"]), Some(vec!["accuracy", "phase"])]
        {
            let mut scan = loader.scan_history(HistoryQuery::new());
            let mut expected = whole.lazy();
            for filter in &filters {
                scan = scan.filter(filter.clone());
                expected = expected.filter(filter.clone());
            }
            if let Some(columns) = &columns {
                scan = scan.select(columns.clone());
                expected = expected.select(columns.iter().map(|name| col(*name)).collect::<Vec<_>>());
            }
            let told = format!("{scan:?}");
            match (expected.collect(), scan.collect()) {
                (Ok(expected), Ok(found)) => {
                    assert!(float(expected).equals_missing(&float(found)), "{filters:?} {told}")
                }
                (expected, found) => {
                    assert!(expected.is_err() && found.is_err(), "{filters:?} {told} {expected:?} {found:?}")
                }
            }
        }
    }
    let scan =
        loader.scan_history(HistoryQuery::new()).filter(late.and(col("name").eq(lit("1ch3bknw")))).select(["loss"]);
    assert_eq!((scan.needs().first_step, scan.load().unwrap().height()), (Some(3), 3));
    // Of keys that no row has which is needed, others may.
    let keys = || HistoryQuery::new().keys(["loss"]);
    let nobody = loader.scan_history(keys()).filter(col("name").eq(lit("nobody"))).select(["name", "loss"]);
    let expected = loader.history(&keys()).unwrap().lazy().filter(col("name").eq(lit("nobody")));
    let expected = expected.select([col("name"), col("loss")]).collect().unwrap();
    assert_eq!(nobody.collect().unwrap(), expected);
    let unknown = loader.scan_history(HistoryQuery::new().keys(["los"])).filter(col("name").eq(lit("nobody")));
    assert!(unknown.select(["name"]).collect().unwrap_err().to_string().contains("no run logged los"));
    let error = loader.scan_history(HistoryQuery::new()).select(["los"]).collect().unwrap_err();
    assert!(error.to_string().contains("unknown column los (did you mean loss?)"), "{error}");
}
