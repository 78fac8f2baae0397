//! Functions that take texts, lists and times apart: places, nulls, and wrong arguments.

use super::check;

#[test]
fn places_count_from_one_and_back_from_minus_one() {
    check(&[
        // summary.note is 3.5, a.c, abc, null, and ABC, newline, d.
        ("substr(summary.note, 2) = 'bc'", "3"),
        ("substr(summary.note, -1) = 'c'", "23"),
        ("substr(summary.note, -2, 1) = 'b'", "3"),
        ("substr(summary.note, 9) = ''", "1235"),
        ("substr('größe', 3, 3) = 'öße'", "12345"),
        (
            "substr(name, 0) = ''",
            "byte 13: substr counts from 1, or from -1 at the end (write a whole number that is not 0)",
        ),
        ("substr(name, 1, -1) = ''", "byte 0: substr needs a fixed length (for example substr(name, 1, 4))"),
        ("split_part(summary.note, '.', 2) is null", "345"),
        ("split_part(summary.note, '.', -1) = 'c'", "2"),
        ("split(summary.note, '.') is null", "4"),
        ("len(split('a,b,', ',')) = 3", "12345"),
        ("split(name, '') is null", "byte 12: split needs what stands between the parts (for example '-')"),
        ("element(tags, 2) = 'b'", "1"),
        ("element(tags, -1) = 'b'", "14"),
        ("element(tags, 1) is null", "23"),
        ("element(config.layers, 1) + 1 = 2", "1"),
        (
            "element(name, 1) = 'r'",
            "byte 8: element needs a list, but name (String) is text (check the column with the schema verb)",
        ),
        ("join(tags, '-') = 'a-b'", "1"),
        ("join(tags, '') = ''", "2"),
        ("join(config.layers, '+') = '1+2'", "1"),
        ("regexp_extract(summary.note, '[a-z]+$') = 'c'", "2"),
        ("regexp_extract(summary.note, '(.)[.](.)', 2) = '5'", "1"),
        ("regexp_extract(summary.note, 'x') is null", "12345"),
        (
            "regexp_extract(name, '(') = ''",
            "byte 21: bad regular expression: unclosed group (put \\ before signs that stand for themselves)",
        ),
    ]);
}

#[test]
fn numbers_of_lists_and_others() {
    check(&[
        ("list_sum(config.layers) = 3 and list_min(config.layers) = 1 and list_max(config.layers) = 2", "1"),
        ("list_mean(config.layers) = 1.5", "1"),
        ("list_sum(config.layers) is null", "2345"),
        (
            "list_max(tags) > 1",
            "byte 9: list_max needs a list of numbers, but tags (List(String)) is none (check the column with the schema verb)",
        ),
        ("nullif(state, 'finished') is null", "145"),
        ("nullif(config.opt, 'adam') = 'sgd'", "4"),
        ("nullif(config.opt, 1) = 2", "3"),
        ("pow(config.b, 2) = 9", "3"),
        ("pow(runtime, 0.5) = 60", "1"),
        ("log2(config.b) = 2", "4"),
    ]);
}

#[test]
fn parts_of_times() {
    check(&[
        // 2026-01-01 was a Thursday; 2025-12-31 lies in the ISO week 1 of 2026.
        ("week(created_at) = 1", "124"),
        ("weekday(created_at) = 4", "13"),
        ("quarter(created_at) = 4 and second(created_at) = 59", "4"),
        ("date_trunc('year', created_at) = '2026-01-01'", "123"),
        ("date_trunc('WEEK', created_at) = date '2025-12-29'", "124"),
        ("date_trunc('hour', created_at) = '2026-01-02T10:00'", "2"),
        ("date_trunc('day', date '2026-01-02') = '2026-01-02'", "12345"),
        (
            "date_trunc('fortnight', created_at) = '2026-01-02'",
            "byte 11: date_trunc begins with a unit in single quotes ('year', 'quarter', 'month', 'week', 'day', 'hour', 'minute' or 'second')",
        ),
        (
            "date_trunc('day', name) = '2026-01-02'",
            "byte 18: date_trunc needs a time, but name (String) is text (check the column with the schema verb)",
        ),
        ("strftime(created_at, '%Y-%m') = '2026-01'", "123"),
        ("strftime(date(created_at), '%d.%m.') = '31.12.'", "4"),
        (
            "strftime(created_at, '%Q') = ''",
            "byte 21: strftime needs a format in single quotes (for example '%Y-%m-%d %H:%M')",
        ),
        ("epoch(created_at) = 1767225600", "1"),
        ("epoch(created_at) % 1 = 0", "1234"),
    ]);
}
