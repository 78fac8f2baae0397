//! What wrong texts say, word for word; and that no text makes a panic.

use super::{check, kept, now, runs};
use proptest::prelude::*;

#[test]
fn unknown_names() {
    check(&[
        ("config.lrr > 1", "byte 0: unknown column config.lrr (did you mean config.lr?)"),
        ("config.a = 1 and lr > 1", "byte 17: unknown column lr (did you mean config.lr?)"),
        ("summary.val/lss > 1", "byte 12: unknown column lss (did you mean summary.val/loss?)"),
        ("config.opt:strin = 'x'", "byte 0: unknown column config.opt:strin (did you mean config.opt:string?)"),
        ("CONFIG.LR = 1", "byte 0: unknown column CONFIG.LR (did you mean config.lr?)"),
        ("zzzqqq = 1", "byte 0: unknown column zzzqqq (the schema verb lists all columns)"),
        ("state = \"finished\"", "byte 8: unknown column finished (text takes single quotes: 'finished')"),
        ("job_type = 'x'", "byte 0: unknown column job_type (job_type was not loaded)"),
        ("runJobType = 'x'", "byte 0: unknown column runJobType (job_type was not loaded)"),
        ("config.lr.x > 1", "byte 0: unknown column config.lr.x (did you mean config.lr?)"),
        ("lenght(tags) > 1", "byte 0: unknown function lenght (did you mean length?)"),
        (
            "config.a = 1 or frobnicate(1)",
            "byte 16: unknown function frobnicate (functions: lower, upper, trim, length, len, contains, \
             starts_with, ends_with, replace, substr, split, split_part, regexp_extract, abs, round, floor, ceil, sqrt, ln, log10, log2, \
             exp, pow, is_nan, least, greatest, coalesce, nullif, element, join, list_min, list_max, list_sum, list_mean, now, date, year, \
             month, day, hour, minute, second, quarter, week, weekday, date_trunc, strftime, epoch, is_active, logged, used)",
        ),
        (
            "logged('model').versoin = 1",
            "byte 0: there is no field versoin (fields: name, type, version, aliases, size, digest, state, created_at, id)",
        ),
    ]);
}

/// What SQL's parser reads and nothing here means is refused, not left out.
#[test]
fn parts_without_a_meaning() {
    check(&[
        (
            "abs(config.lr)(config.epochs) > 1",
            "byte 0: abs takes only values in its parentheses (write name(value, …))",
        ),
        ("other.abs(config.lr) > 1", "byte 0: unknown function other.abs (did you mean abs?)"),
        (
            "created_at > now() - interval '1' day(3)",
            "byte 30: INTERVAL '1' DAY (3) has more than a unit (for example interval '7 days' or interval '36' hour)",
        ),
    ]);
}

#[test]
fn types_that_do_not_fit() {
    check(&[
        ("config.epochs = 'x'", "byte 16: cannot compare config.epochs (Int64) with 'x' (it is a number)"),
        ("config.epochs = '3'", "byte 16: cannot compare config.epochs (Int64) with '3' (write 3 without quotes)"),
        ("state = 3", "byte 8: cannot compare state (String) with 3 (it is text: write 3 in single quotes)"),
        (
            "tags = 'a'",
            "byte 7: cannot compare tags (List(String)) with 'a' (for lists: contains(list, value), len(list) > 0)",
        ),
        (
            "created_at > 2026-01-31",
            "byte 13: cannot compare created_at (Datetime[μs, UTC]) with a value of type Int64 \
             (a time stands in single quotes: '2026-01-31' or '2026-01-31T17:30')",
        ),
        (
            "5 < created_at",
            "byte 4: cannot compare 5 with created_at (Datetime[μs, UTC]) \
             (a time stands in single quotes: '2026-01-31' or '2026-01-31T17:30')",
        ),
        ("config.flag > 1", "byte 14: cannot compare config.flag (Boolean) with 1 (it is true or false)"),
        (
            "config.lr",
            "byte 0: a filter must be true or false, but config.lr (Float64) is a number (compare it: … > 0)",
        ),
        (
            "config.lr + 1",
            "byte 0: a filter must be true or false, but a value of type Float64 is a number (compare it: … > 0)",
        ),
        (
            "config.flag and state",
            "byte 16: each side of and must be true or false, but state (String) is text (compare it: … = 'text')",
        ),
        (
            "not config.epochs",
            "byte 4: not must be true or false, but config.epochs (Int64) is a number (compare it: … > 0)",
        ),
        ("state = null", "byte 8: a comparison with null is never true (write state is null, or state is not null)"),
        ("state in ('x', null)", "byte 15: null is never equal to anything (leave it out and write: or state is null)"),
        (
            "state not in ('x', null)",
            "byte 19: null is never equal to anything (leave it out and write: and state is not null)",
        ),
        ("config.lr = nan", "byte 12: NaN is equal to nothing, itself included (write is_nan(config.lr))"),
        ("NaN != config.lr", "byte 0: NaN is equal to nothing, itself included (write is_nan(config.lr))"),
        ("config.lr in (nan)", "byte 14: unknown column nan (ask is_nan(…): NaN is equal to nothing)"),
        ("config.lr < inf", "byte 12: unknown column inf (write cast('inf' as double))"),
        ("config.lr = 'NaN'", "byte 12: cannot compare config.lr (Float64) with 'NaN' (write is_nan(config.lr))"),
        (
            "config.lr < 'Infinity'",
            "byte 12: cannot compare config.lr (Float64) with 'Infinity' (write cast('Infinity' as double))",
        ),
        ("'b' in tags", "byte 7: in takes values in parentheses (write contains(tags, 'b'))"),
        ("true and 'b' not in tags", "byte 20: in takes values in parentheses (write not contains(tags, 'b'))"),
        (
            "lower(config.lr) = 'x'",
            "byte 6: lower needs text, but config.lr (Float64) is a number (check the column with the schema verb)",
        ),
        (
            "config.lr like '1%'",
            "byte 0: like needs text, but config.lr (Float64) is a number (cast(… as varchar) makes text)",
        ),
        ("config.flag < true", "byte 0: true and false have no order (compare with = or !=)"),
        ("state + 1 = 2", "byte 0: + does not go with state (String) and 1 (|| joins text)"),
        (
            "created_at > now() - 7",
            "byte 13: - does not go with a value of type Datetime[μs, UTC] and 7 (add an interval: now() - interval '7 days')",
        ),
        (
            "round(config.lr, config.a) > 1",
            "byte 0: round needs a number of digits from 0 to 15 (for example round(summary.acc, 3))",
        ),
        ("abs() = 1", "byte 0: abs does not take 0 values (it is abs(number) → number)"),
        (
            "case when true then 1 else 'x' end = 1",
            "byte 27: 'x' is text, not a number (all results must be of one type; cast(… as varchar) makes text)",
        ),
        (
            "cast(tags as double) > 1",
            "byte 5: tags (List(String)) is a list and cannot become a number (check the column with the schema verb)",
        ),
        (
            "logged('model')",
            "byte 0: a filter must be true or false, but a value of type Struct is an artifact version (ask: … is not null)",
        ),
        (
            "contains(logged_artifacts, 'x')",
            "byte 9: logged_artifacts (List(Struct)) is a list of artifact versions (ask logged('name:alias') is not null)",
        ),
        (
            "logged(name) is null",
            "byte 7: logged needs an artifact's name in single quotes (for example logged('model:latest'))",
        ),
    ]);
}

#[test]
fn values_that_cannot_be_read() {
    check(&[
        (
            "created_at > 'yesterday'",
            "byte 13: 'yesterday' is not a time (for example '2026-01-31', '2026-01-31T10:00' or '2026-01-31T10:00:00+02:00'; no zone means UTC)",
        ),
        ("date(created_at) = '2026-13-01'", "byte 19: '2026-13-01' is not a date (for example '2026-01-31')"),
        (
            "created_at > now() - interval '7 parsecs'",
            "byte 30: bad interval '7 parsecs' (for example '7 days', '5 minutes', '1h30m', '2 weeks', '3 months')",
        ),
        (
            "heartbeat_at - created_at > interval '1 month'",
            "byte 37: months have no fixed length (compare with days: interval '30 days')",
        ),
        (
            "is_active('soon')",
            "byte 10: bad interval 'soon' (for example '7 days', '5 minutes', '1h30m', '2 weeks', '3 months')",
        ),
        ("is_active(config.a)", "byte 10: is_active needs a fixed window (for example is_active('5m'))"),
        (
            "state regexp '('",
            "byte 13: bad regular expression: unclosed group (put \\ before signs that stand for themselves)",
        ),
    ]);
}

#[test]
fn texts_that_do_not_parse() {
    check(&[
        ("", "byte 0: the expression is empty (for example config.lr > 0.01)"),
        ("  ", "byte 0: the expression is empty (for example config.lr > 0.01)"),
        ("config.lr >", "byte 11: expected an expression at the end (see docs/expressions.md)"),
        ("config.lr > )", "byte 12: expected an expression instead of ) (see docs/expressions.md)"),
        ("(config.lr > 1", "byte 14: expected ) at the end (see docs/expressions.md)"),
        (
            "config.lr > 1 config.a",
            "byte 14: config.a is not expected here (an operator such as and, or, =, > is missing before it)",
        ),
        ("state = 'x", "byte 8: string without an end (add the closing ')"),
        ("\"state = 1", "byte 0: quoted name without an end (add the closing \")"),
        ("config.lr ; 1", "byte 10: unexpected character ; (quote names with such characters: \"summary.val loss\")"),
        ("config.lr & 1", "byte 10: unexpected character & (quote names with such characters: \"summary.val loss\")"),
    ]);
}

#[test]
fn depth_is_an_error() {
    let deep = format!("{}true{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(kept(&deep), "byte 64: nested too deeply (at most 64 levels of parentheses)");
    assert_eq!(kept(&format!("{}true{}", "(".repeat(60), ")".repeat(60))), "12345");
    assert!(kept(&"not ".repeat(10_000)).contains("too many operators"));
    assert_eq!(kept(&format!("{}true", "not ".repeat(900))), "byte 3600: nested too deeply (at most 128 levels)");
    assert!(kept(&format!("1 {} = 1", "+ 1".repeat(900))).contains("nested too deeply"));
    assert_eq!(kept(&format!("config.a = 7{}", " or config.a = 8".repeat(400))), "12");
    assert!(kept(&"case when ".repeat(5_000)).starts_with("byte"));
    assert!(kept(&"interval ".repeat(5_000)).starts_with("byte"));
    assert!(kept(&"abs(".repeat(50)).starts_with("byte"));
    assert!(kept(&format!("{}1", "-".repeat(900))).contains("nested too deeply"));
    let branches: String = (0..100).map(|i| format!("when config.a = {i} then {i} ")).collect();
    assert_eq!(kept(&format!("case {branches} end = 8")), "2");
    let doubling = (0..60).fold("config.lr".to_owned(), |inner, _| format!("cast({inner} > 0 as double)"));
    assert!(kept(&format!("{doubling} > 0")).contains("the expression is too large"));
    assert_eq!(kept(&format!("config.a{} = 7", " % 100".repeat(100))), "1");
    let ids: Vec<String> = (0..20_000).map(|i| format!("'id{i}'")).collect();
    assert_eq!(kept(&format!("name in ('r3', {})", ids.join(", "))), "3");
}

#[test]
fn artifacts_that_were_not_loaded() {
    let frame = runs().drop("logged_artifacts").unwrap().drop("heartbeat_at").unwrap();
    let fault = |text: &str| super::super::parse_filter(text, frame.schema(), now()).unwrap_err().to_string();
    assert_eq!(
        fault("logged('x') is null"),
        "byte 0: logged needs the column logged_artifacts, which was not loaded (load the runs with their artifacts)"
    );
    assert_eq!(fault("is_active()"), "byte 0: unknown column heartbeat_at (heartbeat_at was not loaded)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        everything(&text);
    }

    #[test]
    fn no_soup_of_words_panics(words in proptest::collection::vec(word(), 0..24)) {
        everything(&words.concat());
        everything(&words.join(" "));
    }
}

fn everything(text: &str) {
    static RUNS: std::sync::OnceLock<polars::prelude::DataFrame> = std::sync::OnceLock::new();
    let frame = RUNS.get_or_init(runs);
    let schema = frame.schema();
    if let Err(error) = super::super::parse_filter(text, schema, now()) {
        super::super::point_at(text, &error);
    }
    let _ = super::super::parse_select(text, schema, now());
    let _ = super::super::parse_sort(text, schema, now());
    let _ = super::super::expand_columns(&[text], schema);
    super::super::mentions(text);
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "config.lr",
        "config.opt",
        "config.flag",
        "state",
        "created_at",
        "tags",
        "logged('model')",
        "summary.val/loss",
        "é",
        "😀",
        "\"",
        "'",
        "`",
        "(",
        ")",
        ",",
        "and",
        "or",
        "not",
        "in",
        "is",
        "null",
        "true",
        "like",
        "'a%'",
        "between",
        "case",
        "when",
        "then",
        "else",
        "end",
        "cast",
        "as",
        "double",
        "interval",
        "'7 days'",
        "now()",
        "+",
        "-",
        "*",
        "/",
        "%",
        "=",
        "<",
        ">",
        "~",
        "::",
        ".",
        ":",
        "1",
        "1e999",
        ".5",
        "99999999999999999999",
        "abs(",
        "len(",
        "least(",
        "round(",
        "date",
        "timestamp",
        "'2026-01-01'",
        "desc",
        "-",
        "||",
        "\n",
        "\\",
        "distinct",
        "from",
        "escape",
        "regexp",
        "[",
        "]",
    ])
}
