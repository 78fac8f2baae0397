//! Rows of stored tables, chosen while reading: the same as reading everything and choosing afterwards.

use polars::prelude::*;
use polars_io::parquet::write::{ParquetWriter, StatisticsOptions};
use runframe::RunFrame;
use runframe::expr::{Context, parse_filter};
use std::fs::File;
use std::path::Path;

const ROWS: i64 = 1_000;
const GROUP: usize = 125;

/// Ordered columns, whose groups can be passed over, and mixed ones with nulls and NaN.
fn table() -> DataFrame {
    let all = || 0..ROWS;
    let mixed = |i: i64| (i * 7_919) % 1_009;
    let float = |i: i64| match mixed(i) {
        value if value % 11 == 0 => None,
        value if value % 13 == 0 => Some(f64::NAN),
        value if value % 17 == 0 => Some(if i % 2 == 0 { 0.0 } else { -0.0 }),
        value => Some(value as f64 / 100.0 - 3.0),
    };
    let text = |i: i64| (mixed(i) % 5 != 0).then(|| format!("t{}", mixed(i) % 40));
    // Two groups of rows have no value, and two no number.
    let patch = |i: i64| match i / (2 * GROUP as i64) {
        1 => None,
        3 => Some(f64::NAN),
        part => Some(part as f64),
    };
    let lists: Vec<Option<Series>> = all()
        .map(|i| (i % 6 != 0).then(|| Series::new("".into(), (0..i % 4).map(|at| at * i).collect::<Vec<i64>>())))
        .collect();
    let artifacts: Vec<Option<Series>> = all()
        .map(|i| {
            let names: Vec<String> = (0..i % 3).map(|at| format!("model{at}")).collect();
            let versions: Vec<Option<i64>> = (0..i % 3).map(|at| (at != 1).then_some(i)).collect();
            Some(df!("name" => names, "version" => versions).unwrap().into_struct("".into()).into_series())
        })
        .collect();
    let times: Vec<i64> = all().map(|i| 1_700_000_000_000_000 + i * 60_000_000).collect();
    let times =
        Series::new("created_at".into(), times).cast(&DataType::Datetime(TimeUnit::Microseconds, TimeZone::UTC.into()));
    df!(
        "name" => all().map(|i| format!("run{i:05}")).collect::<Vec<_>>(),
        "created_at" => times.unwrap(),
        "config.i" => all().collect::<Vec<_>>(),
        "config.none" => all().map(|_| None::<i64>).collect::<Vec<_>>(),
        "config.mixed" => all().map(|i| (i % 9 != 0).then(|| mixed(i))).collect::<Vec<_>>(),
        "config.flag" => all().map(|i| (i % 4 != 0).then_some(i % 3 == 0)).collect::<Vec<_>>(),
        "config.text" => all().map(text).collect::<Vec<_>>(),
        "config.list" => lists,
        "summary.x" => all().map(float).collect::<Vec<_>>(),
        "summary.patch" => all().map(patch).collect::<Vec<_>>(),
        "summary.y" => all().map(|i| if i % 100 == 99 { f64::NAN } else { i as f64 }).collect::<Vec<_>>(),
        "logged_artifacts" => artifacts,
    )
    .unwrap()
}

fn stored(path: &Path, statistics: StatisticsOptions) -> RunFrame {
    let writer = ParquetWriter::new(File::create(path).unwrap()).with_row_group_size(Some(GROUP));
    writer.with_statistics(statistics).finish(&mut table()).unwrap();
    RunFrame::open(path.to_str().unwrap()).unwrap()
}

/// Comparisons of every column with values below, at, between and above its own, and other conditions.
fn simple() -> Vec<Expr> {
    let time = |minute: i64| {
        let micros = 1_700_000_000_000_000 + minute * 60_000_000;
        lit(micros).cast(DataType::Datetime(TimeUnit::Microseconds, TimeZone::UTC.into()))
    };
    let ints = [-1, 0, 63, 64, 500, 999, 1_000].map(|i| lit(i as i64));
    let floats = [-5.0, -0.0, 0.0, 1.0, 2.5, 3.0, 7.0, 998.0, 1e9, f64::NAN, f64::INFINITY].map(lit);
    let texts = ["", "run00064", "run00500x", "t1", "t39", "zz"].map(lit);
    let times = [-1, 0, 64, 700, 5_000].map(time);
    let mut all = Vec::new();
    for (columns, values) in [
        (vec!["config.i", "config.mixed", "config.none"], ints.to_vec()),
        (vec!["summary.x", "summary.patch", "summary.y"], floats.to_vec()),
        (vec!["name", "config.text"], texts.to_vec()),
        (vec!["created_at"], times.to_vec()),
    ] {
        for column in columns {
            for value in &values {
                let (a, b) = (col(column), value.clone());
                all.extend([a.clone().lt(b.clone()), a.clone().lt_eq(b.clone()), a.clone().gt(b.clone())]);
                all.extend([a.clone().gt_eq(b.clone()), a.clone().eq(b.clone()), a.clone().neq(b.clone())]);
                all.extend([b.clone().lt(a.clone()), b.clone().gt_eq(a.clone()), a.clone().eq_missing(b.clone())]);
                all.push(a.lt(b).not());
            }
        }
    }
    for column in table().get_column_names() {
        all.extend([col(column.clone()).is_null(), col(column.clone()).is_not_null()]);
    }
    all.extend(["summary.x", "summary.patch", "summary.y"].map(|name| col(name).is_nan()));
    all.extend([
        col("config.flag"),
        col("config.flag").not(),
        lit(true),
        lit(false),
        lit(NULL).cast(DataType::Boolean),
    ]);
    all.push(col("config.list").list().len().gt(lit(2)));
    all.push(col("config.text").str().contains(lit("^t[12]$"), true));
    all.push(col("config.i").is_in(lit(Series::new("".into(), [3i64, 500, 998])).implode(true), false));
    all
}

/// Each condition, and each joined with two others in ways that change with its place.
fn predicates() -> Vec<Expr> {
    let simple = simple();
    let at = |i: usize| simple[i % simple.len()].clone();
    let joined = (0..simple.len()).step_by(2).map(|i| match i % 3 {
        0 => at(i).and(at(i * 31 + 7)).and(at(i * 17 + 3)),
        1 => at(i).or(at(i * 31 + 7)).and(at(i * 17 + 3)),
        _ => at(i).and(at(i * 31 + 7)).or(at(i * 17 + 3).not()),
    });
    simple.iter().cloned().chain(joined).collect()
}

#[test]
fn filtered_while_reading_is_filtered_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let table = table();
    let narrow = [col("config.list"), col("name"), col("summary.x")];
    for (at, statistics) in [StatisticsOptions::full(), StatisticsOptions::empty()].into_iter().enumerate() {
        let frame = stored(&dir.path().join(format!("{at}.parquet")), statistics);
        let mut hits = 0;
        // Without statistics no group is passed over, whatever the predicate: some are enough.
        for (at, predicate) in predicates().into_iter().enumerate().step_by(1 + 6 * at) {
            let expected = table.clone().lazy().filter(predicate.clone()).collect().unwrap();
            let found = frame.lazy().filter(predicate.clone()).collect().unwrap();
            assert!(found.equals_missing(&expected), "{predicate}: {} rows, not {}", found.height(), expected.height());
            hits += usize::from(found.height() > 0 && found.height() < table.height());
            if at % 4 == 0 {
                let found = frame.lazy().filter(predicate.clone()).select(&narrow).collect().unwrap();
                assert!(found.equals_missing(&expected.lazy().select(&narrow).collect().unwrap()), "{predicate}");
            }
        }
        assert!(hits > 40, "{hits}");
    }
}

#[test]
fn filters_in_the_language_find_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (table, frame) = (table(), stored(&dir.path().join("a.parquet"), StatisticsOptions::full()));
    for (text, rows) in [
        ("config.i >= 990", 10),
        ("created_at < '2023-11-14T22:23:20Z'", 10),
        ("config.i < 500 and config.i > 490 and summary.y != 495", 8),
        ("name = 'run00777' or config.i = 3", 2),
        ("summary.patch is null and config.i < 252", 2),
        ("summary.y > 990", 8),
        ("is_nan(summary.y)", 10),
        ("config.i between 100 and 102 or name like 'run0099%'", 13),
        ("len(config.list) = 3 and config.i < 20", 5),
        ("config.none = 1", 0),
    ] {
        let predicate = parse_filter(text, frame.schema(), Context::new(runframe::Timestamp::now())).unwrap();
        let found = frame.lazy().filter(predicate.clone()).collect().unwrap();
        assert_eq!(found.height(), rows, "{text}");
        assert!(found.equals_missing(&table.clone().lazy().filter(predicate).collect().unwrap()), "{text}");
    }
}

#[test]
fn what_looks_at_other_rows_is_not_asked_of_each_group() {
    let dir = tempfile::tempdir().unwrap();
    let (table, frame) = (table(), stored(&dir.path().join("a.parquet"), StatisticsOptions::full()));
    for predicate in [
        col("config.i").eq(col("config.i").max()),
        col("summary.y").gt(col("summary.y").drop_nans().mean()),
        col("config.i").shift(lit(1)).eq(lit(64)),
    ] {
        let expected = table.clone().lazy().filter(predicate.clone()).collect().unwrap();
        let found = frame.lazy().filter(predicate.clone()).collect().unwrap();
        assert!(found.equals_missing(&expected) && expected.height() > 0, "{predicate}");
    }
    let both = |lazy: LazyFrame| lazy.limit(100).filter(col("config.i").gt_eq(lit(95))).collect().unwrap();
    assert_eq!(both(frame.lazy()).height(), 5);
    assert!(both(frame.lazy()).equals_missing(&both(table.lazy())));
}

#[test]
fn limits_read_the_first_rows() {
    let dir = tempfile::tempdir().unwrap();
    let (table, frame) = (table(), stored(&dir.path().join("a.parquet"), StatisticsOptions::full()));
    for rows in [0, 1, 124, 125, 126, 250, 999, 1_000, 2_000] {
        let found = frame.lazy().limit(rows).collect().unwrap();
        assert!(found.equals_missing(&table.head(Some(rows as usize))), "{rows}");
    }
}

/// The columns are compared row by row with a sort that knows nothing of Polars.
#[test]
fn the_top_is_that_of_the_whole_table_sorted() {
    let dir = tempfile::tempdir().unwrap();
    let (table, frame) = (table(), stored(&dir.path().join("a.parquet"), StatisticsOptions::full()));
    let values: Vec<Option<f64>> = table.column("summary.x").unwrap().f64().unwrap().iter().collect();
    for (n, descending) in
        [(0, true), (1, true), (10, true), (10, false), (200, true), (400, false), (990, true), (5_000, false)]
    {
        let mut rows: Vec<IdxSize> = (0..ROWS as IdxSize).collect();
        let class = |row: IdxSize| values[row as usize].map_or(2, |value| u8::from(value.is_nan()));
        rows.sort_by(|a, b| {
            let order = || values[*a as usize].partial_cmp(&values[*b as usize]).filter(|_| class(*a) == 0);
            let order = || order().map(|order| if descending { order.reverse() } else { order });
            class(*a)
                .cmp(&class(*b))
                .then_with(|| if class(*a) == 0 { order().unwrap() } else { std::cmp::Ordering::Equal })
        });
        rows.truncate(n);
        let expected = table.take(&IdxCa::from_vec("".into(), rows)).unwrap();
        let top = frame.top(n, &[], &[(col("summary.x"), descending)]).unwrap();
        assert_eq!(top.height(), n.min(1_000));
        assert!(top.collect().unwrap().equals_missing(&expected), "{n} {descending}");
        let names = top.lazy().select([col("name")]).collect().unwrap();
        assert!(names.equals(&expected.select(["name"]).unwrap()));
    }
}

#[test]
fn the_top_meets_all_conditions() {
    let dir = tempfile::tempdir().unwrap();
    let (table, frame) = (table(), stored(&dir.path().join("a.parquet"), StatisticsOptions::full()));
    let conditions = [col("config.flag"), col("config.i").lt(lit(900))];
    let keys = [(col("config.text"), true), (col("config.mixed") % lit(10), false), (col("created_at"), true)];
    for n in [3, 50, 1_000] {
        let whole = table.clone().lazy().filter(conditions[0].clone().and(conditions[1].clone()));
        let expected = runframe::sorted(whole, &keys).unwrap().limit(n).collect().unwrap();
        let found = frame.top(n as usize, &conditions, &keys).unwrap().collect().unwrap();
        assert!(found.equals_missing(&expected), "{n}");
        let expected = table.clone().lazy().filter(conditions[0].clone()).limit(n).collect().unwrap();
        assert!(frame.top(n as usize, &conditions[..1], &[]).unwrap().collect().unwrap().equals_missing(&expected));
    }
    let error = frame.top(3, &[], &[(col("rov"), true)]).unwrap_err();
    assert_eq!(error.kind(), runframe::ErrorKind::Column);
    assert!(!error.to_string().contains('\0'), "{error}");
}

#[test]
fn a_filter_that_fails_fails_in_any_group() {
    let dir = tempfile::tempdir().unwrap();
    let (table, frame) = (table(), stored(&dir.path().join("a.parquet"), StatisticsOptions::full()));
    // The statistics say that no row can match, but the cast fails for each.
    let cast = col("name").strict_cast(DataType::Int64).gt(lit(1));
    let fails = col("config.i").gt(lit(5_000)).and(cast).or(col("config.i").gt(lit(6_000)));
    let expected: runframe::Error = table.lazy().filter(fails.clone()).collect().unwrap_err().into();
    let error: runframe::Error = frame.lazy().filter(fails).collect().unwrap_err().into();
    assert_eq!(error.kind(), expected.kind());
    assert!(error.to_string().contains("conversion from `str` to `i64` failed"), "{error}");
}

#[test]
fn the_file_that_was_opened_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) = (dir.path().join("a.parquet"), dir.path().join("b.parquet"));
    let (table, frame) = (table(), stored(&path, StatisticsOptions::full()));
    std::fs::write(&other, "something else").unwrap();
    // Replaced, as `pull` does: the old file is read on.
    std::fs::rename(&other, &path).unwrap();
    assert!(frame.collect().unwrap().equals_missing(&table));
    // Written to: what the footer said no longer holds.
    let frame = stored(&path, StatisticsOptions::full());
    std::fs::write(&path, "something else").unwrap();
    let error = frame.collect().unwrap_err();
    assert!(error.to_string().contains("wrote to the file while it was read"), "{error}");
}

/// Damage in what is read is an error or an answer, whichever way the rows are chosen.
#[test]
fn damage_is_met_while_filtering() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let mut small = table().select(["name", "config.mixed", "config.list"]).unwrap().head(Some(300));
    let writer = ParquetWriter::new(File::create(&path).unwrap()).with_row_group_size(Some(GROUP));
    writer.finish(&mut small).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut errors = 0;
    for at in (0..bytes.len()).step_by(5) {
        let mut copy = bytes.clone();
        copy[at] ^= 0x5A;
        std::fs::write(&path, copy).unwrap();
        let Ok(frame) = RunFrame::open(path.to_str().unwrap()) else {
            errors += 1;
            continue;
        };
        errors += usize::from(frame.lazy().filter(col("config.mixed").gt(lit(900))).collect().is_err());
        errors += usize::from(frame.top(3, &[], &[(col("config.mixed"), true)]).and_then(|top| top.collect()).is_err());
    }
    std::panic::set_hook(quiet);
    assert!(errors > 50, "{errors}");
}

#[test]
fn some_fields_of_artifacts_are_those_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let examples = crate::bundled::examples();
    ParquetWriter::new(File::create(&path).unwrap())
        .with_row_group_size(Some(7))
        .finish(&mut examples.collect().unwrap())
        .unwrap();
    let frame = RunFrame::open(path.to_str().unwrap()).unwrap();
    for fields in [&["name"][..], &["aliases", "name", "version"], &["created_at"], &["id", "type"]] {
        let narrow = frame.with_artifact_fields(fields);
        for column in ["logged_artifacts", "used_artifacts"] {
            let whole = frame
                .select(&[column])
                .unwrap()
                .explode([column], ExplodeOptions { empty_as_null: true, keep_nulls: true });
            let some = narrow
                .select(&[column])
                .unwrap()
                .explode([column], ExplodeOptions { empty_as_null: true, keep_nulls: true });
            let (whole, some) =
                (whole.unwrap().unnest([column], None).unwrap(), some.unwrap().unnest([column], None).unwrap());
            assert_eq!(some.width(), fields.len());
            let names = some.get_column_names_owned();
            assert!(some.equals_missing(&whole.select(names).unwrap()), "{column} {fields:?}");
        }
    }
    let narrow = frame.with_artifact_fields(&["name", "version", "aliases"]);
    let lacking = |frame: &RunFrame| {
        let missing = runframe::run::missing_logged(["model:latest"]).list().len().gt(lit(0));
        frame.lazy().filter(missing).select([col("name")]).collect().unwrap()
    };
    assert!(lacking(&frame).height() > 0 && lacking(&frame).equals(&lacking(&narrow)));
    // What is not there to be left out changes nothing.
    assert_eq!(frame.with_artifact_fields(&["nothing"]).schema(), frame.schema());
    assert_eq!(examples.with_artifact_fields(&["name"]).schema(), examples.schema());
}
