//! What filters keep.

use super::check;

#[test]
fn comparisons_and_logic() {
    check(&[
        ("config.lr > 0.005", "12"),
        ("config.lr >= 0.01 and config.epochs > 0", "1"),
        ("config.epochs = 10 or config.epochs == 30", "13"),
        ("config.epochs != 10", "235"),
        ("coalesce(2, 9223372036854775807) = 2", "12345"),
        ("- coalesce(9223372036854775807, 2) in (2.0)", ""),
        ("config.epochs <> 10.0", "235"),
        ("not config.epochs = 10", "235"),
        ("NOT (config.epochs = 10 OR config.epochs = 30)", "25"),
        ("config.epochs = -20", "2"),
        ("config.epochs < - 10", "2"),
        ("10 = config.epochs", "1"),
        ("config.epochs = 10.5", ""),
        ("config.epochs > 1e1", "35"),
        ("config.epochs > .5e2 - 1", "5"),
        ("config.flag", "14"),
        ("not config.flag", "25"),
        ("config.flag = true", "14"),
        ("config.flag != true", "25"),
        ("config.flag is true", "14"),
        ("config.flag is not true", "235"),
        ("config.flag is false", "25"),
        ("config.flag is not false", "134"),
        ("config.flag and state = 'finished'", "14"),
        ("config.flag is null", "3"),
        ("state is not null", "1234"),
        ("true", "12345"),
        ("false", ""),
        ("null", ""),
        ("state is distinct from 'finished'", "235"),
        ("state is not distinct from null", "5"),
        ("user.username = 'ada'", "1"),
        ("user.username > 'b'", "25"),
        ("(((config.a = 7)))", "1"),
    ]);
}

#[test]
fn ranges_lists_and_patterns() {
    check(&[
        ("config.epochs between 10 and 30", "13"),
        ("config.epochs not between 10 and 30", "25"),
        ("config.lr between 0 and 1", "123"),
        ("config.epochs in (10, 50)", "15"),
        ("config.epochs not in (10, 50)", "23"),
        ("config.lr in (0.1, 0.01)", "12"),
        ("config.epochs in (10.0, 0.5)", "1"),
        ("state in ('finished', 'running')", "134"),
        ("state not in ('finished')", "23"),
        ("config.flag in (true)", "14"),
        ("created_at in ('2026-01-01', '2026-01-08')", "13"),
        ("config.a in (config.b * 7, 8)", "12"),
        ("7 in (config.a, config.b)", "1"),
        ("group like 'g%'", "124"),
        ("group like '%1'", "14"),
        ("group not like 'g%'", "5"),
        ("group like 'g_'", "124"),
        ("group like '50!%!_x' escape '!'", "5"),
        ("group like '%\\%%' escape '\\'", "5"),
        ("group like 'g1'", "14"),
        ("user.username ilike 'ADA'", "13"),
        ("user.username like '%d%'", "13"),
        ("user.username ilike '%D%'", "13"),
        ("summary.note like 'a.c'", "2"),
        ("summary.note like 'a_c'", "23"),
        ("summary.note ilike 'a%d'", "5"),
        ("summary.note like '%'", "1235"),
        ("summary.note like ''", ""),
        ("summary.note regexp '^a.c$'", "23"),
        ("summary.note rlike '[0-9]'", "1"),
        ("summary.note ~ 'B'", "5"),
        ("summary.note ~* 'b'", "35"),
        ("summary.note !~ 'b'", "125"),
        ("summary.note !~* 'b'", "12"),
        ("summary.note not regexp 'b'", "125"),
    ]);
}

#[test]
fn names_take_the_longest_column() {
    check(&[
        ("summary.val/loss < 1", "15"),
        ("summary.val / config.b = 1", "12345"),
        ("summary.val/config.b = 1", "12345"),
        ("summary.val/2 > 2", "5"),
        ("config.a-b = 100", "1"),
        ("config.a - config.b = 6", "12345"),
        ("config.a -1 = 6", "1"),
        ("config.opt:string = 'adam'", "2"),
        ("config.opt:string is null", "135"),
        ("group = 'g1'", "14"),
        ("\"group\" = 'g1'", "14"),
        ("select = 2 and name != 'x'", "2"),
        ("user.name = 'Ada L'", "1"),
        ("\"summary.val loss\" = 3", "3"),
        ("`summary.val loss` = 3", "3"),
        ("\"summary.say \"\"hi\"\"\" = 4", "4"),
        ("summary.😀 = 4", "4"),
        ("\"summary.😀\" = 4", "4"),
        ("runName = 'r2'", "2"),
        ("id = 'r2'", "2"),
        ("run-name = 'r2'", "2"),
        ("summary_metrics.val/loss < 1", "15"),
        ("runConfig.epochs = 10", "1"),
        ("user = 'ada'", "1"),
        ("status = 'crashed'", "2"),
        ("run-createdAt > '2026-01-05'", "3"),
        ("duration > 100", "12"),
    ]);
}

#[test]
fn literals_choose_the_kind() {
    check(&[
        ("config.opt = 'adam'", "2"),
        ("'adam' = config.opt", "2"),
        ("config.opt = 1", "1"),
        ("config.opt > 0", "13"),
        ("config.opt = true", "5"),
        ("config.opt like 'a%'", "2"),
        ("config.opt in ('adam', 'sgd')", "24"),
        ("config.opt in ('adam', 2, true)", "235"),
        ("config.opt not in ('adam', 2)", "14"),
        ("config.opt between 'a' and 'b'", "2"),
        ("lower(config.opt) = 'sgd'", "4"),
        ("contains(config.opt, 'da')", "2"),
        ("config.opt and true", "5"),
        ("coalesce(config.opt, 'none') = 'none'", "135"),
    ]);
}

#[test]
fn nan_is_neither_above_nor_below() {
    check(&[
        ("config.lr > 0", "123"),
        ("config.lr >= 0", "123"),
        ("config.lr < 1e9", "123"),
        ("config.lr <= 1e9", "123"),
        ("0 < config.lr", "123"),
        ("1e9 > config.lr", "123"),
        ("config.lr = config.lr", "123"),
        // Of r4 it is NaN beside null, and so null.
        ("config.lr = summary.val/loss", ""),
        ("not config.lr = summary.val/loss", "123"),
        ("config.lr != summary.val/loss", "123"),
        ("not config.lr > summary.val/loss", "123"),
        ("not summary.val/loss <= config.lr", "123"),
        ("config.lr != config.lr", "4"),
        ("config.lr >= config.lr", "123"),
        ("config.lr <= config.lr", "123"),
        ("config.lr < config.lr", ""),
        ("config.lr != 0.1", "234"),
        ("not config.lr > 0", "4"),
        ("config.lr between 0 and 1e9", "123"),
        ("is_nan(config.lr)", "4"),
        ("not is_nan(config.lr)", "123"),
        ("summary.val/loss > 0", "135"),
        ("summary.val/loss > 1e300", "3"),
        ("config.lr * 2 > 0", "123"),
        ("config.lr = cast('NaN' as double)", ""),
        ("greatest(config.lr, 0) = 0", "45"),
        ("least(config.lr, 1) < 1", "123"),
    ]);
}

#[test]
fn times_and_intervals() {
    check(&[
        ("created_at > '2026-01-01'", "23"),
        ("created_at >= '2026-01-01'", "123"),
        ("created_at = '2026-01-01'", "1"),
        ("created_at < '2026-01-01'", "4"),
        ("'2026-01-01' <= created_at", "123"),
        ("created_at > '2026-01-02T09:59'", "23"),
        ("created_at > '2026-01-02 10:00:00'", "3"),
        ("created_at >= '2026-01-02T12:00:00+02:00'", "23"),
        ("created_at between '2026-01-01' and '2026-01-03'", "12"),
        ("created_at > timestamp '2026-01-01'", "23"),
        ("created_at >= date '2026-01-02'", "23"),
        ("date(created_at) = '2026-01-02'", "2"),
        ("date(created_at) = date '2026-01-02'", "2"),
        ("created_at > now() - interval '7 days'", "3"),
        ("created_at > now() - interval '1 week 2 days'", "23"),
        ("created_at > now() - interval 7 days", "3"),
        ("created_at > now() - interval '7' day", "3"),
        ("created_at < now() - interval '1 month'", ""),
        ("created_at + interval '1 month' > '2026-02-01T00:00:01'", "23"),
        ("created_at + interval '1 year' < '2027-01-01'", "4"),
        ("interval '1 day' + created_at > '2026-01-08'", "3"),
        ("heartbeat_at - created_at > interval '2 hours'", "13"),
        ("heartbeat_at - created_at = interval '1 hour'", "2"),
        ("now() - heartbeat_at < interval '5 minutes'", "1"),
        ("is_active('5m')", "1"),
        ("is_active()", "1"),
        ("is_active('2 days')", "13"),
        ("not is_active(interval '5 minutes')", "2345"),
        ("year(created_at) = 2025", "4"),
        ("month(created_at) = 1 and day(created_at) < 3 and hour(created_at) = 10 and minute(created_at) = 0", "2"),
        ("cast('2026-01-02' as date) = date(created_at)", "2"),
        ("created_at - '2026-01-01' > interval '1 day'", "23"),
        ("coalesce(created_at, '2020-01-01') < '2021-01-01'", "5"),
        ("cast(created_at as varchar) like '2026-01-02T10%'", "2"),
        ("created_at is null", "5"),
    ]);
}

#[test]
fn arithmetic_and_functions() {
    check(&[
        ("config.a + config.b * 2 = 9", "1"),
        ("(config.a + config.b) * 2 = 16", "1"),
        ("config.a / 2 = 3.5", "1"),
        ("(config.epochs * 0 + 5) / 49.0 = 0.10204081632653061", "1235"),
        ("epoch(cast('1970-01-01T00:00:00.000005Z' as timestamp)) = 0.000005", "12345"),
        ("1 / (0.0 - config.epochs * 0.0) > 0", "1235"),
        ("1 / (config.epochs * 0.0 * -1 + 0) > 0", "1235"),
        ("1 / - (config.epochs * 0.0) < 0", "135"),
        ("config.epochs % 3 = 1", "1"),
        ("config.epochs % 3 = -2", "2"),
        ("config.epochs % 0 is null", "12345"),
        ("7.5 % config.a = 0.5", "1"),
        ("-config.epochs = 20", "2"),
        ("- config.lr < 0", "123"),
        ("config.a--1 = 8", "1"),
        ("abs(config.epochs) = 20", "2"),
        ("round(runtime / 3600, 1) = 2.0", "2"),
        ("round(config.lr) = 0", "123"),
        ("floor(runtime) = 7200", "2"),
        ("ceil(runtime) = 7201", "2"),
        ("sqrt(runtime) = 60", "1"),
        ("ln(exp(1)) = 1", "12345"),
        ("ln(config.lr) < -5", "3"),
        ("log10(config.lr) = -1", "1"),
        ("least(config.a, config.b, 2) = 1", "1"),
        ("greatest(config.epochs, 20) = 20", "124"),
        ("greatest(state, group) = 'running'", "3"),
        ("least(created_at, '2026-01-01') < '2026-01-01'", "4"),
        ("greatest(config.lr, null) is null", "5"),
        ("is_nan(least(config.lr, config.lr))", "4"),
        ("upper(group) = 'G2'", "2"),
        ("lower(user.username) = 'ada'", "13"),
        ("length(user.name) = 5", "1"),
        ("trim('  x ') = 'x'", "12345"),
        ("replace(group, 'g', 'x') = 'x2'", "2"),
        ("starts_with(group, 'g') and ends_with(group, '1')", "14"),
        ("contains(group, '%')", "5"),
        ("contains(tags, 'b')", "14"),
        ("contains(tags, 'it''s')", "5"),
        ("not contains(tags, 'b')", "25"),
        ("contains(config.layers, 2)", "1"),
        ("contains(config.layers, 2.5)", ""),
        ("len(tags) > 1", "1"),
        ("len(tags) = 0", "2"),
        ("coalesce(group, 'none') = 'none'", "3"),
        ("coalesce(config.epochs, 0.5) = 0.5", "4"),
        ("case when config.epochs > 20 then 'many' when config.epochs > 0 then 'few' else 'odd' end = 'odd'", "24"),
        ("case state when 'finished' then 1 else 2 end = 1", "14"),
        ("case when config.flag then config.a end > 8", "4"),
        ("cast(summary.note as double) = 3.5", "1"),
        ("summary.note::double > 3 and config.a = 7", "1"),
        ("cast(config.epochs as varchar) = '10'", "1"),
        ("cast(config.lr as bigint) = 0", "123"),
        ("cast(config.a as boolean)", "12345"),
        ("cast(config.a as double precision) = 7", "1"),
        ("group || '-' || state = 'g1-finished'", "14"),
    ]);
}

#[test]
fn artifacts() {
    check(&[
        ("logged('model:latest').version >= 2", "13"),
        ("logged('model').version = 3", "1"),
        ("logged('model:best') is not null", "1"),
        ("logged('model:v2').size = 20", "13"),
        ("logged('model') is null", "245"),
        ("used('training-data').version != 3", "2"),
        ("used('training-data:latest').version = 2", "2"),
        ("contains(logged('model:latest').aliases, 'latest')", "13"),
        ("logged('model').created_at > '2025-12-31'", "13"),
        ("len(used_artifacts) > 0", "124"),
        ("len(used_artifacts) = 0", "3"),
    ]);
}

#[test]
fn times_of_other_tables_are_utc() {
    use polars::prelude::*;
    let naive = DataType::Datetime(TimeUnit::Milliseconds, None);
    let paris = TimeZone::opt_try_new(Some("Europe/Paris")).unwrap();
    let paris = DataType::Datetime(TimeUnit::Nanoseconds, paris);
    let hour = 1_767_229_200_000i64; // 2026-01-01T01:00:00Z
    let frame = df!("name" => ["r1"], "n" => [hour], "p" => [hour * 1_000_000]).unwrap().lazy();
    let frame = frame
        .with_columns([
            col("n").cast(naive),
            col("p")
                .cast(DataType::Datetime(TimeUnit::Nanoseconds, Some(TimeZone::UTC)))
                .dt()
                .convert_time_zone(TimeZone::opt_try_new(Some("Europe/Paris")).unwrap().unwrap()),
        ])
        .collect()
        .unwrap();
    assert_eq!(frame.column("p").unwrap().dtype(), &paris);
    for text in ["n = '2026-01-01T01:00'", "p = '2026-01-01T01:00'", "n = p", "hour(p) = 1", "date(n) = '2026-01-01'"] {
        let filter = super::super::parse_filter(text, frame.schema(), super::now()).unwrap();
        assert_eq!(crate::ops::frames::names(&frame, filter).unwrap(), ["r1"], "{text}");
    }
}
