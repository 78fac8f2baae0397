//! What of a condition is sent to the server, in which words, and what stays; word for word.

use super::super::{mongo, parse_partial_filter, push_down};
use super::{now, runs};
use crate::ops::frames::names;

/// `JSON | rest`, each `-` if there is none; with `~` in front if the rest depends on other runs.
fn split(text: &str) -> String {
    match push_down(text, now()) {
        Ok(split) => {
            let json = split.pushed.map_or("-".to_owned(), |json| json.to_string());
            let doubt = if split.exact { "" } else { "~" };
            format!("{doubt}{json} | {}", split.rest.unwrap_or("-".to_owned()))
        }
        Err(error) => error.to_string(),
    }
}

fn check(table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .map(|(text, wanted)| (text, wanted, split(text)))
        .filter(|(_, wanted, got)| *wanted != got)
        .map(|(text, wanted, got)| format!("{text}\n  wanted: {wanted}\n  got:    {got}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn fields_go_to_the_server() {
    check(&[
        ("state = 'finished'", r#"{"state":"finished"} | -"#),
        ("'finished' = runState", r#"{"state":"finished"} | -"#),
        ("runJobType in ('a','b')", r#"{"jobType":{"$in":["a","b"]}} | -"#),
        ("user = 'ada' and id = 'r1'", r#"{"$and":[{"username":"ada"},{"name":"r1"}]} | -"#),
        ("(state = 'a' and (name = 'b'))", r#"{"$and":[{"state":"a"},{"name":"b"}]} | -"#),
        ("state = 'a' or name = 'b'", r#"{"$or":[{"state":"a"},{"name":"b"}]} | -"#),
        ("not (state != 'a' or name != 'b')", r#"{"$and":[{"state":"a"},{"name":"b"}]} | -"#),
        ("state != 'a'", r#"{"state":{"$ne":"a"}} | state != 'a'"#),
        ("group = ''", r#"{"$or":[{"group":null},{"group":""}]} | group = ''"#),
        ("sweep is null", r#"{"$or":[{"sweep":null},{"sweep":""}]} | sweep is null"#),
        ("heartbeat_at is null", r#"{"heartbeat_at":null} | -"#),
        ("contains(tags, 'a')", r#"{"tags":{"$in":["a"]}} | -"#),
        ("not contains(tags, 'a')", r#"{"$or":[{"tags":null},{"tags":{"$ne":"a"}}]} | not contains(tags, 'a')"#),
        ("created_at >= '2026-01-01'", r#"{"created_at":{"$gte":"2026-01-01T00:00:00Z"}} | -"#),
        (
            "created_at > now() - interval '1 day'",
            r#"{"created_at":{"$gt":"2026-01-09T00:00:00Z"}} | created_at > now() - interval '1 day'"#,
        ),
        (
            "created_at <= '2026-01-01T00:00:00.5'",
            r#"{"created_at":{"$lt":"2026-01-01T00:00:01Z"}} | created_at <= '2026-01-01T00:00:00.5'"#,
        ),
        (
            "created_at >= '2026-01-01T00:00:00.5+01:00'",
            r#"{"created_at":{"$gte":"2025-12-31T23:00:00.500000Z"}} | created_at >= '2026-01-01T00:00:00.5+01:00'"#,
        ),
        (
            "created_at between '2026-01-01' and '2026-01-02' and state = 'a'",
            r#"{"$and":[{"$and":[{"created_at":{"$gte":"2026-01-01T00:00:00Z"}},{"created_at":{"$lt":"2026-01-02T00:00:01Z"}}]},{"state":"a"}]} | created_at between '2026-01-01' and '2026-01-02'"#,
        ),
    ]);
}

#[test]
fn paths_narrow_the_load() {
    check(&[
        (
            "config.lr > 0.1",
            r#"{"$or":[{"config.lr.value":{"$gt":0.1}},{"config.lr.value":{"$in":["Infinity","Inf"]}}]} | config.lr > 0.1"#,
        ),
        (
            "0.1 > summary.val/loss",
            r#"{"$or":[{"summary_metrics.val/loss":{"$lt":0.1}},{"summary_metrics.val/loss":{"$in":["-Infinity","-Inf"]}}]} | 0.1 > summary.val/loss"#,
        ),
        ("summary_metrics.acc = 1", r#"{"summary_metrics.acc":1} | summary_metrics.acc = 1"#),
        ("config.opt = 'adam'", r#"{"config.opt.value":"adam"} | config.opt = 'adam'"#),
        ("config.opt in ('a', 'b')", r#"{"config.opt.value":{"$in":["a","b"]}} | config.opt in ('a', 'b')"#),
        ("config.n between -1 and 2", r#"{"config.n.value":{"$gte":-1,"$lte":2}} | config.n between -1 and 2"#),
        (
            "state = 'a' or config.opt = 'b'",
            r#"{"$or":[{"state":"a"},{"config.opt.value":"b"}]} | state = 'a' or config.opt = 'b'"#,
        ),
        (
            "(state = 'a' and config.x is null) or name = 'b'",
            r#"{"$or":[{"state":"a"},{"name":"b"}]} | (state = 'a' and config.x is null) or name = 'b'"#,
        ),
    ]);
}

#[test]
fn the_rest_stays_here() {
    let here = [
        "config.opt like 'a%'",
        "config.lr:string is null",
        "config.lr:string = 'a'",
        "config.lr:number > 1",
        "config.lr is not distinct from null",
        "config.opt != 'a'",
        "lower(config.opt) = 'a'",
        "config.lr > summary.acc",
        "summary.val/2 > 1",
        "summary.val/name > 1",
        "config.opt = 'NaN'",
        "config.opt = '{}'",
        "config.opt = '1'",
    ];
    for text in here {
        assert_eq!(split(text), format!("~- | {text}"));
    }
    let same = [
        "config.lr is null",
        "config.a.b.c is not null",
        "not (config.lr is null)",
        "state like 'f%'",
        "state < 'g'",
        "state is not null",
        "tags is null",
        "runtime > 1",
        "notes = 'x'",
        "config.a.b > 1",
        "config.a-b > 1",
        "config.lr != 1",
        "not (config.lr > 1)",
        "config.lr * 2 > 1",
        "config.n = 9007199254740993",
        "created_at != '2026-01-01'",
        "length(name) > 3",
        "is_active()",
        "\"config.a b\" = 1",
        "\"summary.$x\" = 1",
    ];
    for text in same {
        assert_eq!(split(text), format!("- | {text}"));
    }
}

#[test]
fn what_cannot_be_right_is_said_before_any_request() {
    check(&[
        ("stat = 'x'", "byte 0: unknown column stat (did you mean state?)"),
        ("state = 'x' and lr > 1", "byte 16: unknown column lr (the schema verb lists all columns)"),
        ("state =", "byte 7: expected an expression at the end (see docs/expressions.md)"),
        ("", "byte 0: the expression is empty (for example config.lr > 0.01)"),
    ]);
}

#[test]
fn names_are_those_of_the_text() {
    let split =
        push_down("config.lr > 1 and summary_metrics.val/loss < config.lr and \"summary.a b\" = 'config.no'", now())
            .unwrap();
    assert_eq!(split.names, ["config.lr", "summary.val/loss", "summary.a b"]);
    assert_eq!(split.conjuncts.len(), 3);
}

#[test]
fn no_text_makes_a_panic() {
    for text in [
        "(",
        ")",
        "a)",
        "((state = 'x')",
        "summary.",
        "config./",
        "summary.a/",
        "'",
        "\"",
        "case when state = 'x' and true then true else false end and name = 'a'",
        "\u{1F600}",
        "config.\u{1F600} > 1 and state = 'é'",
    ] {
        let _ = push_down(text, now());
    }
    let deep = format!("{}state = 'x'{}", "(".repeat(60), ")".repeat(60));
    assert_eq!(split(&deep), r#"{"state":"x"} | -"#);
    let many = vec!["config.lr > 1"; 400].join(" or ");
    assert!(push_down(&many, now()).unwrap().exact);
    let nots = format!("{}(state = 'x')", "not ".repeat(300));
    assert!(push_down(&nots, now()).is_ok());
}

#[test]
fn what_the_runs_lack_is_null() {
    let frame = runs();
    let kept = |text: &str| {
        let filter = parse_partial_filter(text, frame.schema(), now()).map_err(|error| error.to_string())?;
        names(&frame, filter).map(|names| names.concat().replace('r', "")).map_err(|error| error.to_string())
    };
    for (text, wanted) in [
        ("config.nope > 1", ""),
        ("not (config.nope > 1)", ""),
        ("config.nope is null", "12345"),
        ("config.nope is null and config.lr > 0.05", "1"),
        ("summary.val/other < 1 or state = 'running'", "3"),
        ("config.nope = 'a' or config.nope in (1, 'b') or name = 'r2'", "2"),
        ("contains(config.nope, 'x') is null", "12345"),
        ("length(config.nope) > 1", ""),
        ("config.lr = 'text' or name = 'r4'", "4"),
        ("config.flag > 3 or upper(config.lr) = 'X' or config.nope", ""),
        ("config.nope * 2 > 1 or config.nope < config.lr or config.nope = config.no2", ""),
        ("coalesce(config.nope, 7) = 7", "12345"),
        ("summary.note + 1 > 0 or summary.note * 2 < 1 or name = 'r5'", "5"),
        ("config.opt > 1", "3"),
    ] {
        assert_eq!(kept(text), Ok(wanted.to_owned()), "{text}");
    }
    assert_eq!(kept("stat = 'x'").unwrap_err(), "byte 0: unknown column stat (did you mean state?)");
}

#[test]
fn explanations() {
    let text = "state = 'finished' and config.lr > 0.1 and config.opt:string is null";
    let wanted = r#"1. the server keeps the runs with {"$and":[{"state":"finished"},{"$or":[{"config.lr.value":{"$gt":0.1}},{"config.lr.value":{"$in":["Infinity","Inf"]}}]}]}
     state = 'finished'
     config.lr > 0.1   (asked again here)
2. of these, here are kept the runs with
     config.lr > 0.1
       here, because the server also matches lists that hold such a value
     config.opt:string is null
       here, because it depends on the kinds of all runs' values
note: what is evaluated here sees only the runs that the server sends; their values decide which kind of column a path is
"#;
    assert_eq!(push_down(text, now()).unwrap().explain(), wanted);
    assert!(push_down("runtime > 3", now()).unwrap().explain().starts_with("the server sends all runs\n1. of these"));
}

#[test]
fn mongo_faults_name_the_place_and_the_right_thing() {
    let fault = |text: &str| mongo::parse(text).unwrap_err().to_string();
    for (text, wanted) in [
        (r#"{"summary.acc": 1}"#, "unknown field summary.acc (W&B calls it summary_metrics.acc)"),
        (r#"{"$or": [{"state": "a"}, {"id": "x"}]}"#, "$or[1]: unknown field id (W&B calls it name)"),
        (r#"{"State": "a"}"#, "unknown field State (did you mean state?)"),
        (r#"{"user.username": "a"}"#, "unknown field user.username (W&B calls it username)"),
        (r#"{"config": 1}"#, "unknown field config (a key must follow: config.lr, summary_metrics.acc)"),
        (
            r#"{"state": {"$not": {"$eq": 1}}}"#,
            "state: unknown operator $not (write $ne or $nin, or {\"$nor\": [{…}]})",
        ),
        (r#"{"state": {"$gtt": 1}}"#, "state: unknown operator $gtt (did you mean $gt?)"),
        (r#"{"state": {"$in": "a"}}"#, "state: $in takes a list ({\"$in\": [\"a\"]})"),
        (
            r#"{"state": {"$or": []}}"#,
            "state: $or stands above fields, with a list of filters (for example {\"$or\": [{\"state\": {\"$eq\": \"failed\"}}]})",
        ),
        (r#"{"$eq": 1}"#, "$eq stands below a field (for example {\"$or\": [{\"state\": {\"$eq\": \"failed\"}}]})"),
        (r#"{"config.a": {"b": 1}}"#, "config.a: b is no operator (write the path with dots: \"config.a.b\")"),
        (r#"{"tags": ["a"]}"#, "tags: a list is compared with nothing (one of several values is {\"$in\": […]})"),
        (
            r#"{"config.a": {"$gt": null}}"#,
            "config.a: $gt takes a number or a text (null, true and false are compared with $eq and $ne)",
        ),
        ("[1]", "a filter must be an object (for example {\"state\": \"finished\"})"),
        (
            "{\n\"state\" 1}",
            "byte 10: the filter is not JSON: expected `:` (for example {\"state\": \"finished\", \"summary_metrics.acc\": {\"$gt\": 0.9}})",
        ),
    ] {
        assert_eq!(fault(text), wanted, "{text}");
    }
}

#[test]
fn mongo_on_a_table() {
    let frame = runs();
    let kept = |text: &str| {
        let filter =
            mongo::parse(text).and_then(|filter| filter.to_expr(frame.schema())).map_err(|error| error.to_string())?;
        names(&frame, filter).map(|names| names.concat().replace('r', "")).map_err(|error| error.to_string())
    };
    for (text, wanted) in [
        ("{}", "12345"),
        (r#"{"state": "finished", "config.lr": {"$gt": 0.05}}"#, "1"),
        (r#"{"state": {"$ne": "finished"}}"#, "235"),
        (r#"{"state": null}"#, "5"),
        (r#"{"tags": "b"}"#, "14"),
        (r#"{"tags": {"$nin": ["b"]}}"#, "235"),
        (r#"{"tags": {"$regex": "^it"}}"#, "5"),
        (r#"{"config.opt": {"$in": [1, "adam", true]}}"#, "125"),
        (r#"{"config.opt.value": {"$exists": false}}"#, ""),
        (r#"{"summary_metrics.val/loss": {"$gt": 0.1}}"#, "1"),
        (r#"{"summary_metrics.val/loss": "NaN"}"#, "2"),
        (r#"{"summary_metrics.val/loss": "Infinity"}"#, "3"),
        (r#"{"config.layers": 2}"#, "1"),
        (r#"{"config.layers": {"$gt": 1.5}}"#, "1"),
        (r#"{"created_at": {"$gte": "2026-01-01T00:00:00", "$lt": "2026-01-03"}}"#, "12"),
        (r#"{"$nor": [{"heartbeat_at": null}, {"name": "r1"}]}"#, "23"),
        (r#"{"config.nope": {"$ne": 1}}"#, "12345"),
    ] {
        assert_eq!(kept(text), Ok(wanted.to_owned()), "{text}");
    }
    assert!(kept(r#"{"created_at": {"$gt": "soon"}}"#).unwrap_err().starts_with("created_at: 'soon' is not a time"));
    assert!(kept(r#"{"state": {"$regex": "("}}"#).unwrap_err().starts_with("state: bad regular expression"));
    assert!(kept(r#"{"keys_info.keys.loss": {"$exists": true}}"#).unwrap_err().contains("known to the server only"));
    assert_eq!(kept(r#"{"host": "x"}"#).unwrap_err(), "host: host was not loaded (load the runs with it)");
    assert_eq!(mongo::parse(r#"{"config.nope": 1}"#).unwrap().missing(frame.schema()), ["config.nope"]);
}
