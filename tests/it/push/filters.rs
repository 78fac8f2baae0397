//! Random conditions of the expression language, and random filters in W&B's JSON.

use super::runs::{Dice, TEXTS, TIMES};
use serde_json::{Value, json};

const SIGNS: [&str; 6] = ["=", "!=", "<", "<=", ">", ">="];
const NUMBERS: [&str; 6] = ["0.5", "1", "-3", "0", "2.0", "1e-3"];
const PATHS: [&str; 9] = [
    "config.lr",
    "summary.lr",
    "config.acc",
    "summary.acc",
    "summary_metrics.acc",
    "summary.val/loss",
    "\"summary.val loss\"",
    "config.a.b",
    "summary.a.b",
];

/// A condition on fields, config and summary.
pub(super) fn condition(dice: &mut Dice) -> String {
    let terms: Vec<String> = (0..=dice.roll(3)).map(|_| term(dice, 2)).collect();
    terms.join(*dice.pick(&[" and ", " AND ", "\n and "]))
}

fn term(dice: &mut Dice, depth: usize) -> String {
    match if depth == 0 { 9 } else { dice.roll(10) } {
        0 => format!("({} or {})", term(dice, depth - 1), term(dice, depth - 1)),
        1 => format!("not ({})", term(dice, depth - 1)),
        2 => format!("({} and {})", term(dice, depth - 1), term(dice, depth - 1)),
        _ => leaf(dice),
    }
}

fn leaf(dice: &mut Dice) -> String {
    match dice.roll(7) {
        0 | 1 => field(dice),
        2 => time(dice),
        3 | 4 => number(dice),
        5 => other(dice),
        _ => (*dice.pick(&[
            "contains(tags, 'a')",
            "len(tags) = 0",
            "not contains(tags, 'b')",
            "contains(tags, 'zz')",
            "runtime > 100",
        ]))
        .to_owned(),
    }
}

fn field(dice: &mut Dice) -> String {
    let (field, texts) = dice.pick(&TEXTS);
    let field = match *field {
        "username" => *dice.pick(&["user.username", "username"]),
        "display_name" => *dice.pick(&["display_name", "displayName"]),
        other => other,
    };
    let one = dice.pick(texts).replace('\'', "''");
    let other = dice.pick(texts).replace('\'', "''");
    match dice.roll(11) {
        0 => format!("{field} != '{one}'"),
        1 => format!("{field} in ('{one}', '{other}')"),
        2 => format!("{field} not in ('{one}', '{other}')"),
        3 => format!("{field} is null"),
        4 => format!("{field} is not null"),
        5 => format!("{field} like '{}%'", &one[..1]),
        6 => format!("{field} < '{one}'"),
        7 => format!("{field} = ''"),
        8 => format!("name in ('r1', 'r{}')", dice.roll(12)),
        _ => format!("{field} = '{one}'"),
    }
}

fn time(dice: &mut Dice) -> String {
    let field = *dice.pick(&["created_at", "heartbeat_at", "runCreatedAt"]);
    let (one, other) = (*dice.pick(&TIMES), *dice.pick(&TIMES));
    match dice.roll(8) {
        0 => format!("{field} between '{one}' and '{other}'"),
        1 => format!("{field} not between '{one}' and '{other}'"),
        2 => format!("{field} > now() - interval '{} hours'", dice.roll(100)),
        3 => format!("{field} is null"),
        4 => format!("{field} < date '2026-01-02'"),
        5 => format!("'{one}' {} {field}", dice.pick(&SIGNS)),
        _ => format!("{field} {} '{one}'", dice.pick(&SIGNS)),
    }
}

fn number(dice: &mut Dice) -> String {
    let (path, one, other) = (*dice.pick(&PATHS), *dice.pick(&NUMBERS), *dice.pick(&NUMBERS));
    match dice.roll(12) {
        0 => format!("{path} between {one} and {other}"),
        1 => format!("{path} not between {one} and {other}"),
        2 => format!("{path} in ({one}, {other})"),
        3 => format!("{path} not in ({one}, {other})"),
        4 => format!("{path} * 2 + 1 > {one}"),
        5 => format!("round({path}, 1) <= {one}"),
        6 => format!("{one} {} {path}", dice.pick(&SIGNS)),
        _ => format!("{path} {} {one}", dice.pick(&SIGNS)),
    }
}

fn other(dice: &mut Dice) -> String {
    let path = *dice.pick(&["config.lr", "summary.acc", "config.opt", "config.flag", "summary.flag"]);
    let texts = ["adam", "sgd", "Adam", "1", "NaN"];
    match dice.roll(15) {
        0 => format!("{path} is null"),
        1 => format!("{path} is not null"),
        2 => format!("is_nan({})", dice.pick(&["summary.acc", "summary.lr"])),
        3 => format!("config.flag = {}", dice.pick(&["true", "false"])),
        4 => "summary.flag".to_owned(),
        5 => format!("config.opt != '{}'", dice.pick(&texts)),
        6 => format!("config.opt in ('{}', '{}')", dice.pick(&texts), dice.pick(&texts)),
        7 => "config.lr > summary.acc".to_owned(),
        8 => "upper(config.opt) = 'ADAM'".to_owned(),
        9 => "summary.acc/2 > 0.1".to_owned(),
        10 => {
            let path = *dice.pick(&["config.big", "summary.big"]);
            let number = *dice.pick(&["9007199254740993", "9007199254740992", "0.5", "-9007199254740993", "3"]);
            match dice.roll(3) {
                0 => format!("{path} in ({number}, 9007199254740995)"),
                1 => format!("{path} is null"),
                _ => format!("{path} {} {number}", dice.pick(&SIGNS)),
            }
        }
        11 => {
            (*dice.pick(&["contains(config.lr, 2)", "len(config.acc) = 2", "contains(config.flag, 'ad')"])).to_owned()
        }
        12 => format!("config.flag:string {}", dice.pick(&["is null", "= 'adam'"])),
        _ => format!("{} = '{}'", dice.pick(&["config.opt", "summary.opt"]), dice.pick(&texts)),
    }
}

/// A filter in JSON.
pub(super) fn query(dice: &mut Dice, depth: usize) -> Value {
    match if depth == 0 { 9 } else { dice.roll(8) } {
        0 => json!({ "$and": [query(dice, depth - 1), query(dice, depth - 1)] }),
        1 => json!({ "$or": [query(dice, depth - 1), query(dice, depth - 1)] }),
        2 => json!({ "$nor": [query(dice, depth - 1), query(dice, depth - 1)] }),
        _ => test(dice),
    }
}

fn test(dice: &mut Dice) -> Value {
    let order = *dice.pick(&["$gt", "$gte", "$lt", "$lte"]);
    let equal = *dice.pick(&["$eq", "$ne"]);
    let among = *dice.pick(&["$in", "$nin"]);
    let path = *dice.pick(&[
        "config.lr",
        "config.acc.value",
        "summary_metrics.acc",
        "summary_metrics.val/loss",
        "config.flag",
        "summary_metrics.lr",
        "config.nope",
    ]);
    let number: Value = serde_json::from_str(dice.pick::<&str>(&NUMBERS)).unwrap();
    let (field, texts) = dice.pick(&TEXTS);
    let (one, other) = (*dice.pick(texts), *dice.pick(texts));
    let odd = [json!("NaN"), json!(true), json!(null), json!("adam"), number.clone()][dice.roll(5)].clone();
    match dice.roll(12) {
        0 => json!({ path: { order: number } }),
        1 => json!({ path: { equal: odd_spelling(odd) } }),
        2 => json!({ path: { among: [number, odd_spelling(odd), "sgd"] } }),
        3 => json!({ path: { "$gte": number, "$lt": 2 } }),
        4 => json!({ *field: one }),
        5 => json!({ *field: { equal: one } }),
        6 => json!({ *field: { among: [one, other, null] } }),
        7 => json!({ *field: { order: one } }),
        8 => json!({ *dice.pick(&["created_at", "heartbeat_at"]): { order: dice.pick(&TIMES) } }),
        9 => json!({ "tags": { *dice.pick(&["$eq", "$ne"]): "a" } }),
        10 => {
            json!({ *dice.pick(&["config.opt", "summary_metrics.opt.x", "summary_metrics.opt", "state", "tags"]): { "$regex": dice.pick(&["^a", "^s", "^fin"]) } })
        }
        _ => json!({ *dice.pick(&["state", "heartbeat_at", "config.opt"]): { "$exists": dice.roll(2) == 0 } }),
    }
}

/// `"NaN"` and `"nan"` are one number here, and two texts at the server.
fn odd_spelling(value: Value) -> Value {
    if value == json!("NaN") { json!("none") } else { value }
}
