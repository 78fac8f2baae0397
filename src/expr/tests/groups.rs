//! Groups over small tables: expectations computed by hand.

mod best;
mod buckets;
mod naive;

use super::super::{Context, Grouping};
use super::{now, runs};
use polars::prelude::*;

/// What grouping gives: the names of the columns, then a line for each row.
fn grouped(frame: &DataFrame, by: &str, aggregates: &str, context: &Context) -> Result<String, String> {
    let grouping = match by {
        "" => Ok(Grouping::all(frame.schema(), context)),
        by => Grouping::by(by, frame.schema(), context),
    };
    let grouping = match aggregates {
        "" => grouping,
        aggregates => grouping.and_then(|grouping| grouping.aggregates(aggregates)),
    };
    let table = grouping.and_then(|grouping| Ok(grouping.apply(frame.clone().lazy())?.collect()?));
    let table = table.map_err(|error| error.to_string())?;
    let cell = |column: &Column, row: usize| match column.get(row).unwrap() {
        AnyValue::List(list) => {
            let elements: Vec<String> = list.iter().map(|value| value.str_value().into_owned()).collect();
            format!("[{}]", elements.join(", "))
        }
        value => value.str_value().into_owned(),
    };
    let line = |row: usize| table.columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join(" ");
    let names = table.get_column_names().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    Ok(std::iter::once(names).chain((0..table.height()).map(line)).collect::<Vec<_>>().join("\n"))
}

/// As `grouped`, in UTC and with ` / ` between the lines.
fn lines(frame: &DataFrame, by: &str, aggregates: &str) -> String {
    match grouped(frame, by, aggregates, &Context::new(now())) {
        Ok(lines) => lines.replace('\n', " / "),
        Err(error) => format!("error: {error}"),
    }
}

/// The values of the first row without keys.
fn values(frame: &DataFrame, aggregates: &str) -> String {
    lines(frame, "", aggregates).split_once(" / ").map_or_else(String::new, |(_, values)| values.to_owned())
}

#[test]
fn aggregates_of_numbers() {
    let frame = runs();
    // runtime is 3600, 7200.5, 60, null, 0.
    assert_eq!(values(&frame, "n(), n(runtime), sum(runtime), mean(runtime)"), "5 4 10860.5 2715.125");
    assert_eq!(values(&frame, "median(runtime), min(runtime), max(runtime)"), "1830.0 0.0 7200.5");
    // 60, 3600: at 0.75 of the way from place 2 to 3, counted from 0: 3600 + 0.75 (7200.5 − 3600) is place 2.75.
    assert_eq!(
        values(&frame, "q(runtime, 0), q(runtime, 1), q(runtime, 0.5), q(runtime, 0.25)"),
        "0.0 7200.5 1830.0 45.0"
    );
    // Deviations of 2, 4, 4, 4, 5, 5, 7, 9 from 5 are 9, 1, 1, 1, 0, 0, 4, 16 squared: 32 in sum, over 7.
    let eight = df!("config.x" => [2i64, 4, 4, 4, 5, 5, 7, 9]).unwrap();
    assert_eq!(
        values(&eight, "round(std(config.x) * std(config.x) * 7, 9), round(pow(sem(config.x), 2) * 56, 9)"),
        "32.0 32.0"
    );
    assert_eq!(values(&eight, "sum(config.x), mean(config.x), median(config.x), nunique(config.x)"), "40 5.0 4.5 5");
    assert_eq!(values(&eight.head(Some(1)), "std(config.x), sem(config.x), q(config.x, 0.3)"), "null null 2.0");
    assert_eq!(values(&frame, "mean(state = 'finished'), sum(state = 'finished'), n(state = 'finished')"), "0.5 2 4");
    assert_eq!(
        values(&frame, "mean(heartbeat_at - created_at) > interval '3 days', sum(interval '1 hour')"),
        "true 5h"
    );
}

#[test]
fn nan_is_a_value_and_null_is_none() {
    // config.lr is 0.1, 0.01, 0.001, NaN, null.
    let frame = runs();
    assert_eq!(
        values(&frame, "n(config.lr), sum(config.lr), mean(config.lr), std(config.lr), sem(config.lr)"),
        "4 NaN NaN NaN NaN"
    );
    assert_eq!(
        values(&frame, "min(config.lr), max(config.lr), median(config.lr), nunique(config.lr)"),
        "0.001 0.1 0.055 4"
    );
    // Quantiles that fall on a number do not look at NaN above it.
    let nan = df!("config.x" => [1.0, 2.0, f64::NAN]).unwrap();
    assert_eq!(values(&nan, "q(config.x, 0.5), median(config.x), q(config.x, 0.6), q(config.x, 1)"), "2.0 2.0 NaN NaN");
    let only = df!("config.x" => [Some(f64::NAN), None, Some(f64::NAN)]).unwrap();
    assert_eq!(
        values(&only, "min(config.x), max(config.x), nunique(config.x), list(config.x)"),
        "NaN NaN 1 [NaN, NaN]"
    );
    let none = df!("config.x" => [None::<f64>, None], "config.b" => [None::<bool>, None]).unwrap();
    let all = "n(), n(config.x), sum(config.x), mean(config.x), min(config.x), q(config.x, 0.5), first(config.x), nunique(config.x), list(config.x)";
    assert_eq!(values(&none, all), "2 0 null null null null null 0 []");
    assert_eq!(values(&none, "any(config.b), all(config.b), sum(config.b)"), "null null null");
    assert_eq!(values(&none.head(Some(0)), all), "0 0 null null null null null 0 []");
}

#[test]
fn integers_beyond_64_bits_are_null_not_wrapped() {
    let frame = df!("config.k" => ["a", "a", "b"], "config.x" => [i64::MAX, 1, 5]).unwrap();
    assert_eq!(values(&frame, "sum(config.x), sum(config.x::double) > 9e18"), "null true");
    assert_eq!(values(&frame.head(Some(1)), "sum(config.x - 1000000000)"), "9223372035854775807");
    // Without optimization Polars panics here, where it wraps around with it.
    #[cfg(not(debug_assertions))]
    assert_eq!(lines(&frame, "config.k", "sum(config.x)"), "config.k sum(config.x) / a null / b 5");
    let least = df!("config.x" => [i64::MIN, -1]).unwrap();
    assert_eq!(values(&least, "sum(config.x)"), "null");
}

#[test]
fn first_last_and_list_go_by_creation() {
    // Created: r4, r1, r2, r3, and r5 at an unknown time.
    let frame = runs();
    assert_eq!(values(&frame, "list(name), first(name), last(name)"), "[r4, r1, r2, r3, r5] r4 r5");
    assert_eq!(values(&frame, "first(runtime), last(config.lr), first(user.name)"), "3600.0 0.001 Ada L");
    assert_eq!(values(&frame, "first(logged('model').version), last(logged('model:latest')).version"), "3 2");
    let same = df!("name" => ["b", "a"], "config.x" => [1i64, 2]).unwrap();
    assert_eq!(values(&same, "first(config.x), last(config.x)"), "2 1");
}

#[test]
fn keys_are_kept_and_sorted_nulls_last() {
    let frame = runs();
    assert_eq!(lines(&frame, "state", "n()"), "state n() / crashed 1 / finished 2 / running 1 / null 1");
    assert_eq!(
        lines(&frame, "group, state as s", "n() as m"),
        "group s m / 50%_x null 1 / g1 finished 2 / g2 crashed 1 / null running 1"
    );
    assert_eq!(lines(&frame, "user", "n()"), "user n() / Ada 1 / ada 1 / bob 1 / eve 1 / null 1");
    assert_eq!(lines(&frame, "runtime > 100 as long", "n()"), "long n() / false 2 / true 2 / null 1");
    assert_eq!(lines(&frame, "config.lr", "n()"), "config.lr n() / 0.001 1 / 0.01 1 / 0.1 1 / NaN 1 / null 1");
    assert_eq!(
        lines(&frame, "state", "group, 1"),
        "error: byte 0: group is neither grouped by nor inside an aggregate (write first(group))"
    );
    assert_eq!(
        lines(&frame, "group", "group || '!' as g, max(group) = group as same"),
        "group g same / 50%_x 50%_x! true / g1 g1! true / g2 g2! true / null null null"
    );
    assert_eq!(lines(&frame.head(Some(0)), "state, tags", "n(), mean(runtime)"), "state tags n() mean(runtime)");
    assert_eq!(
        lines(&frame, "config.a*", "n()"),
        "config.a config.a-b n() / 7 100 1 / 8 200 1 / 9 300 1 / 10 400 1 / 11 500 1"
    );
}

#[test]
fn a_run_counts_under_each_element_of_a_list() {
    let frame = runs();
    assert_eq!(
        lines(&frame, "tags", "n(), list(name)"),
        "tags n() list(name) / a 1 [r1] / b 2 [r4, r1] / it's 1 [r5] / null 2 [r2, r3]"
    );
    assert_eq!(
        lines(&frame, "tags, config.layers", "n()"),
        "tags config.layers n() / a 1 1 / a 2 1 / b 1 1 / b 2 1 / b null 1 / it's null 1 / null null 2"
    );
    let twice = Series::new("tags".into(), [Series::new("".into(), ["x", "x", "y"]), Series::new("".into(), ["x"])]);
    let frame = DataFrame::new(2, vec![twice.into_column(), Column::new("name".into(), ["r1", "r2"])]).unwrap();
    assert_eq!(lines(&frame, "tags as t", "n(), sum(1)"), "t n() sum(1) / x 2 2 / y 1 1");
    assert_eq!(lines(&frame, "element(tags, 1) as t", "n()"), "t n() / x 2");
    let long: Vec<String> = (0..20).chain([19]).map(|at| format!("{at:02}")).collect();
    let numbers = Series::new("".into(), [3i64, 3, 4]);
    let frame = DataFrame::new(
        1,
        vec![
            Series::new("tags".into(), [Series::new("".into(), long)]).into_column(),
            Series::new("config.x".into(), [numbers]).into_column(),
        ],
    );
    let frame = frame.unwrap();
    assert_eq!(lines(&frame, "config.x", "n()"), "config.x n() / 3 1 / 4 1");
    assert!(lines(&frame, "tags", "n()").ends_with("17 1 / 18 1 / 19 1"));
}

#[test]
fn paths_of_several_kinds_lose_no_value() {
    let frame = runs();
    assert_eq!(
        lines(&frame, "config.opt", "n()"),
        "config.opt config.opt:string config.opt:bool n() / 1 null null 1 / 2 null null 1 / null adam null 1 / null sgd null 1 / null null true 1"
    );
    assert_eq!(lines(&frame, "config.opt:string", "n()"), "config.opt:string n() / adam 1 / sgd 1 / null 3");
    assert_eq!(
        values(&frame, "n(config.opt), nunique(config.opt), sum(config.opt), any(config.opt), n(config.opt:string)"),
        "5 5 3 true 2"
    );
    assert_eq!(values(&frame, "max(config.opt), max(config.opt:string), mean(config.opt * 2)"), "2 sgd 3.0");
}

#[test]
fn the_default_tells_states_and_times() {
    let frame = runs();
    assert_eq!(
        lines(&frame, "group", ""),
        "group runs crashed finished running no state runtime first_created last_created \
         / 50%_x 1 0 0 0 1 0.0 null null \
         / g1 2 0 2 0 0 3600.0 2025-12-31 23:59:59 UTC 2026-01-01 00:00:00 UTC \
         / g2 1 1 0 0 0 7200.5 2026-01-02 10:00:00 UTC 2026-01-02 10:00:00 UTC \
         / null 1 0 0 1 0 60.0 2026-01-08 00:00:00 UTC 2026-01-08 00:00:00 UTC"
    );
    assert_eq!(lines(&frame.head(Some(0)), "state", ""), "state runs runtime first_created last_created");
    assert_eq!(lines(&frame.head(Some(0)), "", ""), "runs runtime first_created last_created / 0 null null null");
    let odd = df!("state" => ["it's \"x\"", "b"], "name" => ["r1", "r2"]).unwrap();
    assert_eq!(lines(&odd, "name as runs", ""), "runs b it's \"x\" / r1 0 1 / r2 1 0");
    assert_eq!(lines(&odd.drop("state").unwrap(), "", ""), "runs / 2");
    let taken = df!("state" => ["runs", "b"]).unwrap();
    assert_eq!(lines(&taken, "state = 'b' as b", ""), "b runs state = 'b' state = 'runs' / false 1 0 1 / true 1 1 0");
}

#[test]
fn columns_of_nothing_but_null_are_no_fault() {
    let mut frame = df!("name" => ["r1", "r2"]).unwrap();
    frame.with_column(Column::full_null("config.x".into(), 2, &DataType::Null)).unwrap();
    let all =
        "n(config.x), sum(config.x), mean(config.x), median(config.x), min(config.x), std(config.x), q(config.x, 0.5)";
    assert_eq!(values(&frame, all), "0 null null null null null null");
    let others = "first(config.x), any(config.x), nunique(config.x), list(config.x)";
    assert_eq!(values(&frame, others), "null null 0 []");
    assert_eq!(
        lines(&frame, "config.x", &format!("n(), {all}, {others}")).split(" / ").nth(1),
        Some("null 2 0 null null null null null null null null 0 []")
    );
    assert_eq!(lines(&frame, "name", others).split(" / ").nth(1), Some("r1 null null 0 []"));
}

#[test]
fn only_what_is_needed_is_read_and_polars_does_the_rest() {
    let frame = runs();
    let grouping = Grouping::by("user", frame.schema(), Context::new(now())).unwrap();
    let lazy = grouping.aggregates("n(), max(runtime), mean(config.lr)").unwrap().apply(frame.lazy()).unwrap();
    let plan = lazy.describe_optimized_plan().unwrap();
    assert!(plan.contains("3/28 COLUMNS"), "{plan}");
    assert_eq!(plan.matches("AGGREGATE").count(), 1, "{plan}");
    assert!(!plan.contains("map"), "{plan}");
}

#[test]
fn wrong_groupings_name_the_place_and_the_cure() {
    let frame = runs();
    for (by, aggregates, error) in [
        (
            "",
            "mean(name)",
            "byte 5: mean needs a number, but name (String) is text (check the column with the schema verb)",
        ),
        ("", "n(), mean(config.lrr)", "byte 10: unknown column config.lrr (did you mean config.lr?)"),
        ("", "maen(runtime)", "byte 0: unknown aggregate or function maen (did you mean mean?)"),
        ("", "avg(runtime)", "byte 0: unknown aggregate or function avg (write mean(x))"),
        (
            "",
            "2 * max(min(runtime))",
            "byte 8: min stands inside max, but aggregates do not nest (max takes values of the runs; group twice for more)",
        ),
        (
            "",
            "runtime / max(runtime)",
            "byte 0: runtime is neither grouped by nor inside an aggregate (write first(runtime))",
        ),
        (
            "",
            "logged('model').version",
            "byte 0: logged is neither grouped by nor inside an aggregate (write first(logged(…)))",
        ),
        (
            "",
            "mean(runtime, 2)",
            "byte 0: mean does not take 2 values (it is mean(number, boolean or interval) → float or interval)",
        ),
        ("", "q(runtime, 90)", "byte 11: q needs a fixed fraction from 0 to 1 (for example q(runtime, 0.9))"),
        (
            "",
            "max(config.flag)",
            "byte 4: max has no order: config.flag (Boolean) is true or false (write any(…) or all(…))",
        ),
        (
            "",
            "any(runtime)",
            "byte 4: any must be true or false, but runtime (Float64) is a number (compare it: … > 0)",
        ),
        (
            "",
            "n(distinct name)",
            "byte 0: n takes only values in its parentheses (nunique(value) counts different ones)",
        ),
        ("", "n() as x, max(runtime) as x", "byte 10: two columns are called x (give one another name: … as name)"),
        ("state as x", "n() as x", "byte 0: two columns are called x (give one another name: … as name)"),
        (
            "",
            "1 + best(runtime)",
            "byte 4: best gives a whole row, not a value (let it stand alone: -a 'best(summary.acc), n() as runs')",
        ),
        (
            "",
            "best(name)",
            "byte 5: best needs a number, but name (String) is text (check the column with the schema verb)",
        ),
        (
            "",
            "best(runtime), best(config.lr)",
            "byte 15: best stands twice (one best(…) without a name; -s chooses the columns of its row)",
        ),
        ("nam", "", "byte 0: unknown column nam (did you mean name?)"),
        ("state, created_at:1x", "", "byte 18: bad bucket '1x' (for example 1d, 1w, 1mo, 1q, 1y, 1h or 15m)"),
        ("created_at:day", "", "byte 11: bad bucket 'day' (for example 1d, 1w, 1mo, 1q, 1y, 1h or 15m)"),
        ("created_at:0d", "", "byte 11: bad bucket '0d' (for example 1d, 1w, 1mo, 1q, 1y, 1h or 15m)"),
        ("created_at:7h", "", "byte 11: 7h is no part of a day (for example 15m, 1h, 6h, or 1d for days)"),
        ("date(created_at):1h", "", "byte 0: a value of type Date has no hours (take days: 1d)"),
        (
            "name:1d",
            "",
            "byte 0: buckets are of times, but name (String) is text (for example created_at:1d; cast(… as timestamp) makes times)",
        ),
        ("config.lr:strin", "", "byte 0: unknown column config.lr:strin (did you mean config.lr?)"),
        ("state, state", "", "byte 7: state is grouped by twice (leave one out, or write … as name)"),
        ("n()", "", "byte 0: n is an aggregate, which stands for many runs (the group verb takes it, after -a)"),
        (
            "logged_artifacts",
            "",
            "byte 0: cannot group by logged_artifacts (List(Struct)) (group by a field or a part of it, such as logged('model').version)",
        ),
    ] {
        assert_eq!(lines(&frame, by, aggregates), format!("error: {error}"), "{by}; {aggregates}");
    }
    assert_eq!(
        super::kept("mean(runtime) > 1"),
        "byte 0: mean is an aggregate, which stands for many runs (the group verb takes it, after -a)"
    );
}
