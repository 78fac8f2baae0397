//! What the flattening rules give, one by one.

use super::*;
use crate::json::quote;
use proptest::prelude::*;

fn flat(root: Root, document: Document) -> Vec<(String, String)> {
    let mut flattener = Flattener::default();
    flat_with(&mut flattener, root, document)
}

fn flat_with(flattener: &mut Flattener, root: Root, document: Document) -> Vec<(String, String)> {
    let mut leaves = Vec::new();
    flattener.document(root, &document, |id, leaf| leaves.push((id, format!("{leaf:?}")))).unwrap();
    leaves.into_iter().map(|(id, leaf)| (flattener.name(id).to_owned(), leaf)).collect()
}

fn config(text: &str) -> Vec<(String, String)> {
    flat(Root::Config, Document::plain(text))
}

fn names(leaves: &[(String, String)]) -> Vec<&str> {
    leaves.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn nested_objects_become_dotted_paths() {
    let leaves = config(r#"{"model": {"depth": 3, "act": "relu"}, "lr": 0.1, "none": null, "on": true}"#);
    assert_eq!(
        leaves,
        [
            ("config.model.depth".into(), "Int(3)".into()),
            ("config.model.act".into(), "Str(\"relu\")".into()),
            ("config.lr".into(), "Float(0.1)".into()),
            ("config.none".into(), "Null".into()),
            ("config.on".into(), "Bool(true)".into()),
        ]
    );
}

#[test]
fn internal_keys_are_dropped_at_the_top_only() {
    assert_eq!(
        names(&config(r#"{"_wandb":{"a":1},"wandb_version":1,"x":{"_wandb":2}}"#)),
        ["config.wandb_version", "config.x._wandb"]
    );
    let wrapped = flat(Root::Config, Document::wrapped(r#"{"_wandb":{"value":1},"wandb_version":1,"x":{"value":2}}"#));
    assert_eq!(names(&wrapped), ["config.x"]);
    let summary = flat(Root::Summary, Document::plain(r#"{"_wandb":{"runtime":1},"_step":2,"wandb_version":3}"#));
    assert_eq!(names(&summary), ["summary._step", "summary.wandb_version"]);
}

#[test]
fn api_config_is_unwrapped_exactly_once() {
    let text = r#"{"a":{"desc":null,"value":{"value":1}},"b":{"value":2},"c":{"x":3,"y":{"value":4}},"d":5,"e":{},"f":{"value":{}},
        "g":{"desc":{"z":1},"value":7,"value":8},"h":{"_type":"t","v":1},"i":{"_type":"t","value":9}}"#;
    let leaves = flat(Root::Config, Document::wrapped(text));
    let expected = [
        ("config.a.value", "Int(1)"),
        ("config.b", "Int(2)"),
        ("config.c.x", "Int(3)"),
        ("config.c.y.value", "Int(4)"),
        ("config.d", "Int(5)"),
        ("config.e", "Json(\"{}\")"),
        ("config.f", "Json(\"{}\")"),
        ("config.g", "Int(8)"),
        ("config.h", r#"Json("{\"_type\":\"t\",\"v\":1}")"#),
        ("config.i", "Int(9)"),
    ];
    assert_eq!(leaves, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(names(&flat(Root::Summary, Document::plain(r#"{"a":{"value":1}}"#))), ["summary.a.value"]);
}

#[test]
fn typed_objects_are_one_value_wherever_the_type_stands() {
    for text in [
        r#"{"h":{"_type":"histogram","bins":[1,2]}}"#,
        r#"{"h":{"bins" : [1,2], "x":{"y":1}, "_type":"histogram", "z":{"_type":1}}}"#,
    ] {
        let leaves = config(text);
        assert_eq!(names(&leaves), ["config.h"], "{text}");
        assert!(leaves[0].1.starts_with("Json("), "{leaves:?}");
    }
}

#[test]
fn numbers_keep_what_they_are() {
    let leaves = config(
        r#"{"a":1,"b":1.0,"c":9223372036854775807,"d":9223372036854775808,"e":1e400,"f":-0,"g":NaN,"h":"NaN","i":1.5777777777770001,"j":1e+15}"#,
    );
    let values: Vec<&str> = leaves.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(
        values,
        [
            "Int(1)",
            "Float(1.0)",
            "Int(9223372036854775807)",
            "Big(\"9223372036854775808\")",
            "Big(\"1e400\")",
            "Float(-0.0)",
            "Float(NaN)",
            "Spelled(Nan, \"NaN\")",
            "Float(1.5777777777770001)",
            "Float(1000000000000000.0)"
        ]
    );
    let summary = flat(Root::Summary, Document::plain(r#"{"a":"-Inf","b":"nan","c":"NAN"}"#));
    assert_eq!(summary[0].1, "Float(-inf)");
    assert_eq!(summary[1].1, "Float(NaN)");
    assert_eq!(summary[2].1, "Str(\"NAN\")");
}

#[test]
fn lists_of_one_kind_are_lists() {
    let leaves = config(
        r#"{"a":[1,2],"b":[1,null,2.5],"c":["x"],"d":[true],"e":[],"f":[1,"x"],"g":[[1]],"h":[{"a":1}],"i":["NaN"],"j":["NaN",1],"k":[9007199254740993,0.5],"l":[99999999999999999999]}"#,
    );
    let values: Vec<&str> = leaves.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(
        values,
        [
            "List(Ints([Some(1), Some(2)]))",
            "List(Floats([Some(1.0), None, Some(2.5)]))",
            "List(Strs([Some(\"x\")]))",
            "List(Bools([Some(true)]))",
            "List(Nulls(0))",
            "Json(\"[1,\\\"x\\\"]\")",
            "Json(\"[[1]]\")",
            "Json(\"[{\\\"a\\\":1}]\")",
            "List(Strs([Some(\"NaN\")]))",
            "List(Floats([Some(NaN), Some(1.0)]))",
            "Json(\"[9007199254740993,0.5]\")",
            "Json(\"[99999999999999999999]\")",
        ]
    );
}

#[test]
fn a_flat_dotted_key_shares_the_path_unless_the_run_has_both() {
    assert_eq!(names(&config(r#"{"optimizer.lr":1}"#)), ["config.optimizer.lr"]);
    let both = config(r#"{"optimizer":{"lr":1},"optimizer.lr":2}"#);
    assert_eq!(names(&both), ["config.optimizer.lr", "config.optimizer\\.lr"]);
    let tied = config(r#"{"a.b":{"c":1},"a":{"b.c":2}}"#);
    assert_eq!(names(&tied), ["config.a\\.b.c", "config.a.b\\.c"]);
    let backslash = config(r#"{"a":{"b":1},"a.b":2,"a\\.b":3}"#);
    assert_eq!(names(&backslash), ["config.a.b", "config.a\\.b", "config.a\\\\.b"]);
}

#[test]
fn what_came_before_changes_nothing() {
    let mut flattener = Flattener::default();
    flat_with(&mut flattener, Root::Config, Document::plain(r#"{"a":{"b":1},"a.b":2}"#));
    let after = flat_with(&mut flattener, Root::Config, Document::plain(r#"{"a.b":2}"#));
    assert_eq!(names(&after), ["config.a.b"]);
}

#[test]
fn odd_keys_keep_their_own_columns() {
    let leaves = config("{\"\":1,\"a\":{\"\":2},\".\":3,\"x:string\":4,\"né\\n\\\"😀\":5,\"name\":6,\"a/b c\":7}");
    assert_eq!(
        names(&leaves),
        ["config.", "config.a.", "config..", "config.x\\:string", "config.né\n\"😀", "config.name", "config.a/b c"]
    );
}

#[test]
fn the_last_of_a_repeated_key_counts() {
    let mut flattener = Flattener::default();
    let mut leaves = Vec::new();
    let document = Document::plain(r#"{"a":{"x":1,"y":2},"b":1,"a":{"x":3},"b":2}"#);
    let notes = flattener.document(Root::Config, &document, |id, leaf| leaves.push((id, format!("{leaf:?}")))).unwrap();
    let leaves: Vec<_> = leaves.iter().map(|(id, leaf)| (flattener.name(*id), leaf.as_str())).collect();
    assert_eq!(leaves, [("config.a.x", "Int(3)"), ("config.b", "Int(2)")]);
    assert!(notes.repeated_keys >= 2);
}

#[test]
fn an_invalid_text_gives_nothing() {
    let mut flattener = Flattener::default();
    let document = Document::plain(r#"{"a":1,"b":tru}"#);
    let fault = flattener.document(Root::Config, &document, |_, _| panic!("handed out")).unwrap_err();
    assert_eq!((fault.offset, fault.reason), (11, "unknown word"));
    let list = flattener.document(Root::Config, &Document::plain("[1]"), |_, _| panic!("handed out"));
    assert_eq!(list.unwrap_err().reason, "not an object");
    assert!(flattener.document(Root::Config, &Document::plain("null"), |_, _| panic!("handed out")).is_ok());
}

#[test]
fn deep_nesting_and_long_keys_are_read() {
    let deep = format!("{}1{}", "{\"k\":".repeat(200), "}".repeat(200));
    assert_eq!(names(&config(&deep))[0].matches(".k").count(), 200);
    let long = "k".repeat(1 << 20);
    assert_eq!(names(&config(&format!("{{\"{long}\":1}}")))[0].len(), "config.".len() + (1 << 20));
    let wide: Vec<String> = (0..20_000).map(|k| format!("\"k{k}\":{k}")).collect();
    assert_eq!(config(&format!("{{{}}}", wide.join(","))).len(), 20_000);
}

#[test]
fn what_lies_too_deep_is_one_value() {
    let deep = |levels: usize| format!("{}1{}", "{\"k\":".repeat(levels), "}".repeat(levels));
    assert_eq!(config(&deep(MAX_LEVELS + 1))[0].1, "Int(1)");
    let deeper = config(&deep(MAX_LEVELS + 3));
    assert_eq!(deeper[0].0.matches(".k").count(), MAX_LEVELS + 1);
    assert_eq!(deeper[0].1, r#"Json("{\"k\":{\"k\":1}}")"#);
    let wrapped = deep(MAX_LEVELS + 2).replacen("{\"k\":", "{\"k\":{\"value\":", 1) + "}";
    assert_eq!(flat(Root::Config, Document::wrapped(wrapped)), config(&deep(MAX_LEVELS + 2)));
    let long = "k".repeat(MAX_PATH);
    assert_eq!(config(&format!(r#"{{"{long}":{{"a":1}}}}"#))[0].1, r#"Json("{\"a\":1}")"#);
    for (wrapped, value) in [
        (r#"{"value":{"a":1}}"#, r#"Json("{\"a\":1}")"#),
        (r#"{"value":2}"#, "Int(2)"),
        (r#"{"a":3}"#, r#"Json("{\"a\":3}")"#),
    ] {
        let leaves = flat(Root::Config, Document::wrapped(format!(r#"{{"{long}":{wrapped}}}"#)));
        assert_eq!((leaves.len(), leaves[0].1.as_str()), (1, value));
    }
}

#[test]
fn nested_types_are_compacted_once() {
    let levels = 3_000;
    let text = format!("{}{}{}", "{\"a\":".repeat(levels), "\"x\"", ",\"_type\":\"t\"}".repeat(levels));
    let leaves = config(&text);
    // At the top `_type` is a key like any other.
    assert_eq!(names(&leaves), ["config.a", "config._type"]);
    assert!(leaves[0].1.starts_with("Json("));
}

/// What each of the two walks makes of a text; `None` for the swift one where it gives up.
type Found = (Vec<(String, String)>, u64, u64);

fn told((leaves, notes): (Leaves<'_>, Notes)) -> Found {
    let nodes: Vec<NodeId> = leaves.nodes().collect();
    let mut values = Vec::new();
    leaves.hand_to(&mut |_, leaf: Leaf<'_>| values.push(format!("{leaf:?}")), |_| NameId::from_index(0));
    let leaves = nodes.iter().map(|node| format!("{node:?}")).zip(values).collect();
    (leaves, notes.repeated_keys, notes.repaired_texts)
}

/// Checks the swift walk over `text`, as it is and inside a string, against the careful one; true if it did not give up.
fn same(root: Root, wrapped: bool, text: &str) -> bool {
    let mut flattener = Flattener::default();
    let slow = flattener.carefully(root, text, wrapped).ok().map(told);
    let top = flattener.paths.begin(root);
    let plain = Swift::<false>::read(root, text, wrapped, top, &mut flattener.paths);
    let plain = plain.map(told);
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    let top = flattener.paths.begin(root);
    let quoted = Swift::<true>::read(root, &escaped, wrapped, top, &mut flattener.paths);
    let quoted = quoted.map(told);
    assert_eq!(plain, quoted, "{text}");
    if plain.is_some() {
        assert_eq!(plain, slow, "{text}");
    }
    plain.is_some()
}

#[test]
fn the_usual_sort_is_flattened_swiftly() {
    for text in [
        r#"{}"#,
        r#" { "a" : { "b" : [ 1 , null ] , "c" : -1.5e-7 } , "d\u00e9\n" : "\"x\\" } "#,
        r#"{"h":{"_type":"histogram","bins":[0.5,1],"values":[1,2]},"i":{"a":"\u00e9\"\\","_type":"t"},"j":{"a":NaN,"_type":"t"}}"#,
        r#"{"_wandb":{"a":"\ud800"},"a":true,"b":false,"c":null,"d":NaN,"e":-Infinity,"f":Infinity,"g":"NaN","h":-0,"i":1e400}"#,
        r#"{"a":9223372036854775807,"b":9223372036854775808,"c":[1,"x"],"d":[[1]],"e":["\ud800"],"f":"\ud800","g":[]}"#,
        r#"{"a":{"value":1},"b":{"desc":"\ud800","value":{"x":{"value":"\t"}}},"c":5,"d":{"value":{}}}"#,
    ] {
        for (root, wrapped) in [(Root::Config, false), (Root::Config, true), (Root::Summary, false)] {
            let given_up = wrapped && (text.contains("_type") || text.contains(r#""a" : {"#));
            assert_eq!(same(root, wrapped, text), !given_up, "{root:?} {wrapped} {text}");
        }
    }
    let page = (0..300).map(|at| format!("\"key{at}\":{at}.25")).collect::<Vec<_>>().join(",");
    assert!(same(Root::Summary, false, &format!("{{{page}}}")));
    for odd in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1"#,
        "[1]",
        "null",
        "",
        r#"{"a":tru}"#,
        r#"{"a":1}x"#,
        r#"{"a":01}"#,
        r#"{"a":1,}"#,
    ] {
        assert!(!same(Root::Summary, false, odd), "{odd}");
    }
}

fn json() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[a-c._:/é\\\\\"\n ]{0,20}".prop_map(|text| {
            let mut out = String::new();
            quote(&text, &mut out);
            out
        }),
        prop::sample::select(vec![
            r#""\ud83d\ude00""#,
            r#""\ud800""#,
            r#""\/\u0041""#,
            r#""NaN""#,
            r#""-Inf""#,
            r#""_type""#,
            r#""value""#,
            "\"\u{1}\""
        ])
        .prop_map(str::to_owned),
    ];
    let number = "-?(0|[1-9][0-9]{0,19})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?";
    let word = prop::sample::select(vec!["null", "true", "false", "NaN", "Infinity", "-Infinity", "-0", "{}", "[]"]);
    let leaf = prop_oneof![text.clone(), number, word.prop_map(str::to_owned)];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let space = || prop::sample::select(vec!["", "", "", " ", "\n"]);
        let member = (text.clone(), space(), inner.clone(), space());
        let object = prop::collection::vec(member, 0..6).prop_map(|members| {
            let members: Vec<String> =
                members.iter().map(|(key, a, value, b)| format!("{key}{a}:{b}{value}{a}")).collect();
            format!("{{{}}}", members.join(","))
        });
        let list = prop::collection::vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(",")));
        prop_oneof![object, list]
    })
}

proptest! {
    #[test]
    fn swiftly_is_carefully(members in prop::collection::vec(json(), 0..6), wrapped: bool, summary: bool) {
        let root = if summary { Root::Summary } else { Root::Config };
        let members = members.iter().enumerate().map(|(at, value)| format!("\"k{at}\":{value}"));
        same(root, wrapped, &format!("{{{}}}", members.collect::<Vec<_>>().join(",")));
    }

    #[test]
    fn swiftly_is_carefully_with_a_flaw(value in json(), at: prop::sample::Index, flaw in ".{0,2}", cut in 0usize..3) {
        let text = format!("{{\"k\":{value}}}");
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let start = places[at.index(places.len())];
        let end = text.char_indices().map(|(at, _)| at).find(|end| *end >= start + cut).unwrap_or(text.len());
        same(Root::Config, true, &format!("{}{flaw}{}", &text[..start], &text[end..]));
    }
}
