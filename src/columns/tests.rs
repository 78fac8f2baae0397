//! The law of flattening (any order, any split) and its losslessness, on random runs, against a tree-building reference.

use super::*;
use crate::flatten::List;
use crate::json;
use crate::record::Document;
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A table as plain values: column name → type and cells.
type Table = BTreeMap<String, (LeafType, Vec<String>)>;

fn table(columns: &Columns) -> Table {
    let mut table = Table::new();
    for (path, _, values) in columns.paths() {
        for (at, shape) in shapes(values).into_iter().enumerate() {
            let name = if at == 0 { path.to_owned() } else { format!("{path}:{}", shape.kind) };
            let dense = Dense::of(values, shape.kind, columns.height());
            let cells = cells(&dense, shape.dtype);
            assert_eq!(cells.iter().filter(|c| *c != "-").count(), shape.count, "{name}");
            assert!(table.insert(name, (shape.dtype, cells)).is_none());
        }
    }
    table
}

fn cells(dense: &Dense<'_>, dtype: LeafType) -> Vec<String> {
    fn show<T>(values: &[Option<T>], each: impl Fn(&T) -> String) -> Vec<String> {
        values.iter().map(|v| v.as_ref().map_or("-".to_owned(), &each)).collect()
    }
    match dense {
        Dense::Ints(values) => show(values, i64::to_string),
        Dense::Floats(values) => show(values, |v| format!("{v:?}")),
        Dense::Texts(values) => show(values, |v| format!("{v:?}")),
        Dense::Bools(values) => show(values, bool::to_string),
        Dense::Lists(values) => show(values, |v| match (dtype, v) {
            (LeafType::ListFloat64, List::Ints(ints)) => {
                format!("{:?}", ints.iter().map(|i| i.map(|i| i as f64)).collect::<Vec<_>>())
            }
            (LeafType::ListFloat64, List::Floats(floats)) => format!("{floats:?}"),
            (LeafType::ListFloat64, List::Strs(_)) => format!("{:?}", v.spelled_numbers().unwrap()),
            _ => v.to_json(),
        }),
    }
}

fn columns(configs: &[String]) -> Columns {
    let mut columns = Columns::new(Wanted { raw: true, ..Wanted::default() });
    fill(&mut columns, configs);
    columns
}

fn fill(columns: &mut Columns, configs: &[String]) {
    for text in configs {
        columns.push(&Run {
            name: "r".into(),
            config: Some(Document::plain(text.as_str())),
            summary: Some(Document::plain(text.as_str())),
            ..Run::default()
        });
    }
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|i| i.to_string()),
        (-3i64..3).prop_map(|i| i.to_string()),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| format!("{f:?}")),
        Just("0.5".to_owned()),
        Just("123456789012345678901234567890".to_owned()),
        Just("9007199254740993".to_owned()),
        prop_oneof![
            Just("NaN"),
            Just("Infinity"),
            Just("-Infinity"),
            Just("\"NaN\""),
            Just("\"-Inf\""),
            Just("\"nan\"")
        ]
        .prop_map(str::to_owned),
        "[a-z\\\\\"\u{1f600}]{0,3}".prop_map(|s| quoted(&s)),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop_oneof![
            Just("a"),
            Just("b"),
            Just("a.b"),
            Just("b.a"),
            Just(""),
            Just("."),
            Just("a\\"),
            Just("x:list"),
            Just("_step"),
            Just("a.b.a")
        ]
        .prop_map(str::to_owned),
        "[ab./\\\\ é]{0,3}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(", "))),
            proptest::collection::vec(scalar(), 0..3).prop_map(|v| format!("[{}]", v.join(","))),
            object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = String> {
    (proptest::collection::btree_map(key(), inner, 0..4), proptest::bool::weighted(0.1)).prop_map(|(members, typed)| {
        let mut texts: Vec<String> = members.into_iter().map(|(k, v)| format!("{}: {v}", quoted(&k))).collect();
        if typed {
            texts.push("\"_type\":\"t\"".into());
        }
        format!("{{{}}}", texts.join(" , "))
    })
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    json::quote(text, &mut out);
    out
}

fn document() -> impl Strategy<Value = String> {
    object(value())
}

/// `PATH:kind` → value, as text, by the documented rules over a tree; an implementation of its own.
mod reference {
    use super::*;

    pub(super) fn paths(text: &str) -> BTreeMap<String, String> {
        let mut strict = String::new();
        json::compact(text, &mut strict).unwrap();
        let Value::Object(top) = serde_json::from_str(&strict).unwrap() else { panic!("not an object") };
        let mut leaves = Vec::new();
        for (key, value) in top.iter().filter(|(key, _)| *key != "_wandb") {
            walk(vec![key.clone()], value, &mut leaves);
        }
        let plain = |keys: &[String]| keys.iter().map(|k| k.replace('\\', "\\\\")).collect::<Vec<_>>().join(".");
        let mut uses: BTreeMap<String, usize> = BTreeMap::new();
        leaves.iter().for_each(|(keys, _)| *uses.entry(plain(keys)).or_default() += 1);
        let name = |keys: &[String]| {
            let name = plain(keys);
            if uses[&name] == 1 || !keys.iter().any(|k| k.contains('.')) {
                return name;
            }
            keys.iter().map(|k| k.replace('\\', "\\\\").replace('.', "\\.")).collect::<Vec<_>>().join(".")
        };
        leaves.iter().map(|(keys, value)| (name(keys), value.to_string())).collect()
    }

    fn walk(keys: Vec<String>, value: &Value, leaves: &mut Vec<(Vec<String>, Value)>) {
        match value {
            Value::Object(members) if !members.is_empty() && !members.contains_key("_type") => {
                for (key, value) in members {
                    walk([keys.clone(), vec![key.clone()]].concat(), value, leaves);
                }
            }
            _ => leaves.push((keys, value.clone())),
        }
    }
}

/// The values of one row, rebuilt from the columns: path → JSON text.
fn rebuilt(columns: &Columns, row: usize) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut put = |path: &str, text: String| assert!(values.insert(path.to_owned(), text).is_none(), "{path} twice");
    for (path, _, sparse) in columns.paths().into_iter().filter(|(path, ..)| path.starts_with("config.")) {
        let path = path.strip_prefix("config.").unwrap();
        let path = path.strip_suffix("\\:list").map_or(path.to_owned(), |p| format!("{p}:list"));
        for shape in shapes(sparse) {
            let dense = Dense::of(sparse, shape.kind, columns.height());
            let text = match &dense {
                Dense::Ints(v) => v[row].map(|v| v.to_string()),
                Dense::Floats(v) => v[row].map(crate::flatten::float_text),
                Dense::Texts(v) if shape.kind == Kind::Json => v[row].as_ref().map(ToString::to_string),
                Dense::Texts(v) => v[row].as_ref().map(|v| quoted(v)),
                Dense::Bools(v) => v[row].map(|v| v.to_string()),
                Dense::Lists(v) => v[row].map(List::to_json),
            };
            if let Some(text) = text {
                put(&path, text);
            }
        }
        if sparse.nulls.iter().any(|(at, ())| at == row) {
            put(&path, "null".to_owned());
        }
    }
    values
}

/// Equal up to the documented rules: `1` is `1.0`, and every spelling of NaN and the infinities is the same.
fn same(a: &str, b: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    fn eq(a: &Value, b: &Value) -> bool {
        let spelling = |v: &Value| v.as_str().and_then(json::NonFinite::from_spelling);
        match (a, b) {
            (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
            (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(a, b)| eq(a, b)),
            (Value::Object(x), Value::Object(y)) => {
                x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| eq(v, w)))
            }
            _ => a == b || (spelling(a).is_some() && spelling(a) == spelling(b)),
        }
    }
    // Numbers beyond a float are compared as text.
    a == b || eq(&parse(a), &parse(b))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn merging_parts_is_flattening_the_whole(docs in proptest::collection::vec(document(), 0..8), cut in 0usize..9, cut2 in 0usize..9) {
        let (a, b) = (cut.min(cut2).min(docs.len()), cut.max(cut2).min(docs.len()));
        let whole = table(&columns(&docs));
        let mut parts = columns(&docs[..a]);
        parts.merge(&columns(&docs[a..b]));
        parts.merge(&columns(&docs[b..]));
        prop_assert_eq!(&table(&parts), &whole);
        let mut right = columns(&docs[a..b]);
        right.merge(&columns(&docs[b..]));
        let mut nested = columns(&docs[..a]);
        nested.merge(&right);
        prop_assert_eq!(&table(&nested), &whole);
        prop_assert_eq!(nested.raw(Root::Config).iter().count(), docs.len());
        // One part, filled and drained again and again, into two wholes.
        let mut part = columns(&[]);
        for mut drained in [columns(&[]), columns(&docs[..a])] {
            for docs in if a > 0 && drained.height() == a { [&docs[a..b], &docs[b..], &[]] } else { [&docs[..a], &docs[a..b], &docs[b..]] } {
                fill(&mut part, docs);
                drained.drain(&mut part);
                prop_assert_eq!((part.height(), part.receipt()), (0, Receipt::default()));
            }
            prop_assert_eq!(&table(&drained), &whole);
            prop_assert_eq!(drained.raw(Root::Config).iter().count(), docs.len());
        }
    }

    #[test]
    fn order_changes_only_the_order(docs in proptest::collection::vec(document(), 1..6), shift in 0usize..6) {
        let shift = shift % docs.len();
        let mut turned = docs.clone();
        turned.rotate_left(shift);
        let mut expected = table(&columns(&docs));
        expected.values_mut().for_each(|(_, cells)| cells.rotate_left(shift));
        prop_assert_eq!(table(&columns(&turned)), expected);
    }

    #[test]
    fn keeping_some_rows_is_flattening_those(docs in proptest::collection::vec(document(), 0..6), flags in proptest::collection::vec(any::<bool>(), 6)) {
        let keep = &flags[..docs.len()];
        let kept: Vec<String> = docs.iter().zip(keep).filter(|(_, k)| **k).map(|(d, _)| d.clone()).collect();
        let mut all = columns(&docs);
        all.retain(keep);
        prop_assert_eq!(table(&all), table(&columns(&kept)));
    }

    #[test]
    fn nothing_is_lost(docs in proptest::collection::vec(document(), 1..5)) {
        let columns = columns(&docs);
        for (row, text) in docs.iter().enumerate() {
            let (expected, got) = (reference::paths(text), rebuilt(&columns, row));
            prop_assert_eq!(expected.keys().collect::<Vec<_>>(), got.keys().collect::<Vec<_>>(), "{}", text);
            for (path, value) in &expected {
                prop_assert!(same(value, &got[path]), "{path}: {value} became {} in {text}", got[path]);
            }
        }
    }
}

fn one(configs: &[&str]) -> Table {
    let mut all = table(&columns(&configs.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>()));
    all.retain(|name, _| name.starts_with("config."));
    all
}

fn shown(table: &Table) -> Vec<String> {
    table.iter().map(|(name, (dtype, cells))| format!("{name} {dtype:?} {}", cells.join(" "))).collect()
}

#[test]
fn kinds_that_conflict_get_a_column_each() {
    let table = one(&[r#"{"k":1}"#, r#"{"k":"x"}"#, r#"{"k":true}"#, r#"{"k":[1]}"#, r#"{"k":{}}"#]);
    assert_eq!(
        shown(&table),
        [
            "config.k Int64 1 - - - -",
            "config.k:bool Boolean - - true - -",
            "config.k:json String - - - - \"{}\"",
            "config.k:list ListInt64 - - - [1] -",
            "config.k:string String - \"x\" - - -",
        ]
    );
}

#[test]
fn numbers_of_a_column_share_a_type_and_keep_their_digits() {
    assert_eq!(shown(&one(&[r#"{"k":1}"#, r#"{"k":9007199254740993}"#])), ["config.k Int64 1 9007199254740993"]);
    let table = one(&[r#"{"k":1}"#, r#"{"k":9007199254740993}"#, r#"{"k":0.5}"#]);
    assert_eq!(shown(&table), ["config.k Float64 1.0 - 0.5", "config.k:json String - \"9007199254740993\" -"]);
    assert_eq!(shown(&one(&[r#"{"k":18446744073709551616}"#])), ["config.k String \"18446744073709551616\""]);
}

#[test]
fn spelled_nan_is_a_number_where_the_path_holds_numbers() {
    assert_eq!(shown(&one(&[r#"{"k":"NaN"}"#, r#"{"k":"x"}"#])), ["config.k String \"NaN\" \"x\""]);
    assert_eq!(shown(&one(&[r#"{"k":"NaN"}"#, r#"{"k":2}"#])), ["config.k Float64 NaN 2.0"]);
}

#[test]
fn lists_of_a_column_share_a_type() {
    let table = one(&[r#"{"k":[1]}"#, r#"{"k":[0.5,null]}"#, r#"{"k":["x"]}"#, r#"{"k":[]}"#]);
    assert_eq!(
        shown(&table),
        ["config.k ListFloat64 [Some(1.0)] [Some(0.5), None] - []", "config.k:json String - - \"[\\\"x\\\"]\" -"]
    );
}

#[test]
fn nulls_alone_are_a_string_column() {
    assert_eq!(shown(&one(&[r#"{"k":null}"#, "{}"])), ["config.k String - -"]);
}

#[test]
fn invalid_json_is_one_runs_problem() {
    let columns = columns(&[r#"{"k":1}"#.into(), r#"{"k":2,}"#.into(), r#"{"k":3}"#.into()]);
    let receipt = columns.receipt();
    assert_eq!((receipt.runs, receipt.json_errors), (3, 2));
    assert_eq!(receipt.json_faults[0].run, "-/-/r");
    assert_eq!(receipt.json_faults[0].offset, 7);
    let table = table(&columns);
    assert_eq!(table["config.k"].1, ["1", "-", "3"]);
}

#[test]
fn memory_follows_the_values() {
    let mut columns = Columns::new(Wanted::default());
    for run in 0..2_000usize {
        let members: Vec<String> = (0..100).map(|k| format!("\"k{}\":{run}", (run * 37 + k * 53) % 5_000)).collect();
        columns.push(&Run { config: Some(Document::plain(format!("{{{}}}", members.join(",")))), ..Run::default() });
    }
    let held: usize = columns.paths().iter().map(|(_, _, v)| v.ints.len()).sum();
    assert_eq!(held, 200_000);
    let _ = Map::<String, Value>::new();
}
