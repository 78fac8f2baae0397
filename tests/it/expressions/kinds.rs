//! Paths with values of several kinds, numbers that no column of numbers holds, and sums that no integer holds.

use runframe::expr::{parse_filter, parse_partial_filter};
use runframe::polars::prelude::*;
use runframe::{Document, Run, RunFrame, Timestamp};

fn names(frame: &DataFrame, keep: Expr) -> Result<Vec<String>, PolarsError> {
    let kept = frame.clone().lazy().filter(keep).collect()?;
    Ok(kept.column("name")?.str()?.iter().flatten().map(str::to_owned).collect())
}

/// Values at one path, one run each, called 1, 2, …
fn frame(values: &[&str]) -> RunFrame {
    let run = |(at, value): (usize, &&str)| Run {
        name: (at + 1).to_string(),
        config: Some(Document::plain(format!("{{\"x\": {value}, \"y\": {at}}}"))),
        ..Run::default()
    };
    RunFrame::from_runs(values.iter().enumerate().map(run).collect::<Vec<Run>>()).unwrap()
}

fn check(values: &[&str], table: &[(&str, &str)]) {
    let frame = frame(values).collect().unwrap();
    let kept = |text: &str| {
        let keep = parse_filter(text, frame.schema(), Timestamp::now()).map_err(|error| error.to_string())?;
        names(&frame, keep).map(|names| names.concat()).map_err(|error| error.to_string())
    };
    for (text, wanted) in table {
        let got = kept(text).unwrap_or_else(|error| error);
        assert_eq!(got, *wanted, "{text}\n{:?}", frame.schema());
    }
}

#[test]
fn a_bare_name_is_null_where_all_its_columns_are() {
    let values = ["1", "\"auto\"", "true", "[1, 2]", "{}", "null", "{\"deep\": 1}"];
    check(
        &values,
        &[
            ("config.x is null", "67"),
            ("config.x is not null", "12345"),
            ("not config.x is null", "12345"),
            ("runConfig.x is null", "67"),
            ("\"config.x\" is null", "67"),
            ("config.x is not distinct from null", "67"),
            ("null is distinct from config.x", "12345"),
            ("config.x:string is not null", "2"),
            ("\"config.x:string\" is not null", "2"),
            ("config.x:json is not null", "5"),
            ("config.x:list is null", "123567"),
            ("config.x + 0 is not null", "1"),
        ],
    );
    check(&["\"a\"", "{}"], &[("config.x is null", ""), ("config.x is not null", "12")]);
}

#[test]
fn lists_and_texts_are_taken_by_need() {
    let values = ["1", "\"abc\"", "[2, 3]", "null"];
    check(
        &values,
        &[
            ("contains(config.x, 2)", "3"),
            ("contains(config.x, 2.5)", ""),
            ("not contains(config.x, 5)", "3"),
            ("contains(config.x, 'b')", "2"),
            ("len(config.x) = 2", "3"),
            ("len(config.x) > 1", "23"),
        ],
    );
    let values = ["\"abc\"", "[\"b\"]", "[\"abc\", \"d\"]"];
    check(
        &values,
        &[("contains(config.x, 'b')", "12"), ("contains(config.x, 'abc')", "13"), ("len(config.x) = 1", "2")],
    );
}

#[test]
fn numbers_that_floats_cannot_hold_are_compared_with_their_digits() {
    // Beyond 2^53, 2^63 and all floats; the column is Float64.
    let values =
        ["0.5", "9007199254740993", "18446744073709551616", "1e400", "-9007199254740993", "9007199254740992", "[[1]]"];
    check(
        &values,
        &[
            ("config.x:json is not null", "23457"),
            ("config.x = 9007199254740993", "2"),
            ("9007199254740993 = config.x", "2"),
            ("config.x = 9007199254740992", "6"),
            ("config.x = 9007199254740994", ""),
            ("config.x != 9007199254740993", "13456"),
            ("config.x > 9007199254740992", "234"),
            ("config.x >= 9007199254740993", "234"),
            ("config.x < 9007199254740993", "156"),
            ("config.x <= 9007199254740993", "1256"),
            ("config.x = 18446744073709551616", "3"),
            ("config.x = -9007199254740993", "5"),
            ("config.x > 1", "2346"),
            ("config.x < 0", "5"),
            ("config.x < cast('inf' as double)", "16"),
            ("config.x in (9007199254740993, 0.5)", "12"),
            ("config.x not in (9007199254740993, 0.5)", "3456"),
            ("config.x in (18446744073709551616, 18446744073709551617)", "3"),
            ("config.x between 9007199254740993 and 18446744073709551616", "23"),
            ("config.x is distinct from 9007199254740993", "134567"),
            ("config.x is not distinct from 9007199254740993", "2"),
            ("case config.x when 9007199254740993 then true end", "2"),
        ],
    );
}

#[test]
fn integers_are_compared_as_integers() {
    let values =
        ["9223372036854775807", "9007199254740993", "9007199254740992", "18446744073709551615", "-9223372036854775808"];
    check(
        &values,
        &[
            ("config.x:json is not null", "4"),
            ("config.x = 9007199254740992.0", "3"),
            ("config.x in (9007199254740992.0, 0.5)", "3"),
            ("config.x in (1.5)", ""),
            ("config.x not in (1.5)", "12345"),
            ("config.x > 9007199254740992.0", "124"),
            ("config.x = 9223372036854775808", ""),
            ("config.x != 9223372036854775808", "12345"),
            ("config.x < 9223372036854775808", "1235"),
            ("config.x < 9223372036854775808.0", "1235"),
            ("config.x = 9223372036854775808.0", ""),
            ("config.x > 9223372036854775807", "4"),
            ("config.x >= -9223372036854775808", "12345"),
            ("config.x > -9223372036854775809", "12345"),
            ("config.x = -9223372036854775808", "5"),
            ("config.x in (18446744073709551615, 9223372036854775807)", "14"),
        ],
    );
}

#[test]
fn what_no_integer_holds_is_null() {
    check(
        &["9223372036854775807", "-9223372036854775808", "3"],
        &[
            ("config.x + 1 is null", "1"),
            ("config.x - 1 is null", "2"),
            ("config.x * 2 is null", "12"),
            ("config.x * 2 = 6", "3"),
            ("-config.x is null", "2"),
            ("abs(config.x) is null", "2"),
            ("abs(config.x) > 0", "13"),
            ("config.x + 1.0 > 9e18", "1"),
            ("9223372036854775807 + 1 is null", "123"),
            ("9223372036854775807 + 1 < 0", ""),
            ("-9223372036854775808 - 1 is null", "123"),
            ("-(-9223372036854775808) > 0", "123"),
            ("config.x % -1 = 0", "123"),
            (
                "now() + (now() - timestamp '1970-01-01') * 1 is null",
                "byte 9: * does not go with a value of type Duration[μs] and 1 (it takes numbers, or a time and an interval)",
            ),
        ],
    );
}

#[test]
fn a_part_of_the_runs_gives_the_same() {
    // Alone, the integer stands in a column of integers; with the text only, in the column of numbers, too.
    for (values, wanted) in
        [(vec!["9007199254740993"], "1"), (vec!["\"a\"", "9007199254740993"], "2"), (vec!["\"a\""], "")]
    {
        let frame = frame(&values).collect().unwrap();
        for text in ["config.x = 9007199254740993", "config.x > 5", "config.x in (9007199254740993, 4.5)"] {
            let keep = parse_partial_filter(text, frame.schema(), Timestamp::now()).unwrap();
            assert_eq!(names(&frame, keep).unwrap().concat(), wanted, "{text} {values:?}");
        }
        let keep = parse_partial_filter("config.x is null or config.no is not null", frame.schema(), Timestamp::now())
            .unwrap();
        assert!(names(&frame, keep).unwrap().is_empty());
    }
}
