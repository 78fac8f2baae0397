//! Between trees and JSON: merging an object leaf by leaf, and writing a tree as one object.

use super::tree::{Node, ROOT, Tree};
use crate::json::{self, Event, JsonError, Reader, TOO_DEEP, max_depth};
use std::borrow::Cow;

/// A value that is no JSON, and so is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// `config.KEY` or `summary.KEY`.
    pub(super) place: String,
    /// What is wrong, and where in the value.
    pub(super) error: JsonError,
}

/// What is found out while JSON is read and written.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Values that are missing.
    pub(super) faults: Vec<Fault>,
    /// Texts with invalid UTF-8, repaired.
    pub(super) repaired: u64,
    /// Keys that one object named again.
    pub(super) repeated: u64,
}

impl Findings {
    /// The text, with U+FFFD for invalid UTF-8.
    fn text<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, str> {
        let text = String::from_utf8_lossy(bytes);
        self.repaired += u64::from(matches!(text, Cow::Owned(_)));
        text
    }
}

/// How a tree is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// `config` or `summary`, for faults.
    pub(super) name: &'static str,
    /// Leave leaves out that are `null`, as in a summary.
    pub(super) hide_null: bool,
    /// Keep the top-level `_wandb`, which is W&B's own.
    pub(super) internal: bool,
}

/// Writes all leaves as one JSON object. Values that are no JSON are left out.
pub(super) fn render(tree: &Tree, style: Style, findings: &mut Findings) -> String {
    let mut out = String::from("{");
    // The branches whose brace is open in `out`.
    let mut open: Vec<Node> = Vec::new();
    tree.leaves(|path, value| {
        let Some((leaf, above)) = path.split_last() else { return };
        let internal = path.first().is_some_and(|top| tree.name(*top) == b"_wandb");
        if internal && !style.internal {
            return;
        }
        let value = findings.text(value);
        let value = value.trim_ascii();
        if style.hide_null && value == "null" {
            return;
        }
        if let Err(error) = check(value, path.len()) {
            let names: Vec<_> = path.iter().map(|node| String::from_utf8_lossy(tree.name(*node))).collect();
            findings.faults.push(Fault { place: format!("{}.{}", style.name, names.join(".")), error });
            return;
        }
        let common = open.iter().zip(above).take_while(|(a, b)| a == b).count();
        for _ in open.drain(common..) {
            out.push('}');
        }
        for node in above.iter().skip(common) {
            key(tree, *node, findings, &mut out);
            out.push('{');
            open.push(*node);
        }
        key(tree, *leaf, findings, &mut out);
        out.push_str(value);
    });
    out.extend(open.iter().map(|_| '}'));
    out.push('}');
    out
}

fn key(tree: &Tree, node: Node, findings: &mut Findings, out: &mut String) {
    // No value ends with a brace that opens.
    if !out.ends_with('{') {
        out.push(',');
    }
    json::quote(&findings.text(tree.name(node)), out);
    out.push(':');
}

/// Checks a value that will lie `above` objects deep.
fn check(value: &str, above: usize) -> Result<(), JsonError> {
    json::validate(value)?;
    let brackets = value.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if above + brackets > max_depth() && above + depth(value)? > max_depth() {
        return Err(JsonError { offset: 0, reason: TOO_DEEP });
    }
    Ok(())
}

/// Containers that are open at once, at most.
fn depth(value: &str) -> Result<usize, JsonError> {
    let mut reader = Reader::new(value);
    let (mut now, mut most) = (0usize, 0);
    loop {
        match reader.next()? {
            Event::BeginObject | Event::BeginArray => now += 1,
            Event::EndObject | Event::EndArray => now = now.saturating_sub(1),
            Event::End => return Ok(most),
            _ => {}
        }
        most = most.max(now);
    }
}

/// Sets `value` at `node`: an object is merged leaf by leaf, so an empty one sets nothing; anything else replaces.
pub(super) fn merge(tree: &mut Tree, node: Node, value: &[u8], findings: &mut Findings) {
    if value.trim_ascii_start().first() != Some(&b'{') {
        return tree.set(node, value);
    }
    let text = findings.text(value);
    // First all of it is checked: half an object is not merged.
    let merged = json::validate(&text).and_then(|()| merge_object(tree, node, &text, findings));
    if let Err(error) = merged {
        findings.faults.push(Fault { place: place(tree, node), error });
    }
}

fn merge_object(tree: &mut Tree, node: Node, text: &str, findings: &mut Findings) -> Result<(), JsonError> {
    let mut reader = Reader::new(text);
    let (mut at, mut object) = (node, tree.next_object());
    // The nodes above the object that is being read, and the objects' numbers.
    let mut above: Vec<(Node, u32)> = Vec::new();
    reader.next()?;
    loop {
        match reader.next()? {
            Event::Key(name) => {
                let (name, repaired) = name.decode();
                findings.repaired += u64::from(repaired);
                let child = tree.child(at, name.as_bytes());
                findings.repeated += u64::from(tree.named_in(child, object));
                let start = reader.offset();
                let first = reader.next()?;
                if first == Event::BeginObject {
                    above.push((at, object));
                    (at, object) = (child, tree.next_object());
                } else {
                    reader.skip(first)?;
                    let value = text.get(start..reader.offset()).unwrap_or_default();
                    // `offset` stood behind the key's colon: white space may come before the value.
                    tree.set(child, value.trim_ascii_start().as_bytes());
                }
            }
            Event::EndObject => match above.pop() {
                Some(parent) => (at, object) = parent,
                None => return Ok(()),
            },
            _ => return Ok(()),
        }
    }
}

/// `config.KEY` of a node; only configs are merged.
fn place(tree: &Tree, node: Node) -> String {
    let mut names = Vec::new();
    let mut at = node;
    while at != ROOT {
        names.push(String::from_utf8_lossy(tree.name(at)).into_owned());
        at = tree.parent(at);
    }
    names.push("config".to_owned());
    names.reverse();
    names.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::MAX_DEPTH;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    const CONFIG: Style = Style { name: "config", hide_null: false, internal: false };
    const SUMMARY: Style = Style { name: "summary", hide_null: true, internal: false };

    fn set(tree: &mut Tree, path: &[&str], value: &str) {
        let node = path.iter().fold(ROOT, |node, part| tree.child(node, part.as_bytes()));
        tree.set(node, value.as_bytes());
    }

    fn merged(values: &[(&str, &str)]) -> (String, Findings) {
        let mut tree = Tree::default();
        let mut findings = Findings::default();
        for (name, value) in values {
            let node = tree.child(ROOT, name.as_bytes());
            merge(&mut tree, node, value.as_bytes(), &mut findings);
        }
        (render(&tree, CONFIG, &mut findings), findings)
    }

    #[test]
    fn objects_are_merged_leaf_by_leaf() {
        let cases: [(&[(&str, &str)], &str); 7] = [
            (
                &[("model", r#"{"depth": 3, "width": 8}"#), ("model", r#"{"depth":6}"#)],
                r#"{"model":{"depth":6,"width":8}}"#,
            ),
            (&[("a", "{}")], "{}"),
            (&[("a", "1"), ("a", "{}")], r#"{"a":1}"#),
            (&[("a", "1"), ("a", r#"{"b":{"c":{}}}"#)], r#"{"a":1}"#),
            (&[("a", "1"), ("a", r#" {"b": [1, {}] }"#)], r#"{"a":{"b":[1, {}]}}"#),
            (&[("a", r#"{"b":{"c":1},"d":null}"#), ("a", r#"{"b":2}"#)], r#"{"a":{"b":2,"d":null}}"#),
            (&[("a.b", "1"), ("a", r#"{"b":2}"#)], r#"{"a.b":1,"a":{"b":2}}"#),
        ];
        for (values, expected) in cases {
            assert_eq!(merged(values).0, expected);
        }
    }

    #[test]
    fn a_bad_value_is_left_out_and_named() {
        let (text, findings) =
            merged(&[("good", "1"), ("bad", "{\"x\": tru}"), ("ugly", "0x1"), ("nan", "NaN"), ("none", "")]);
        assert_eq!(text, r#"{"good":1,"nan":NaN}"#);
        let places: Vec<_> = findings.faults.iter().map(|f| (f.place.as_str(), f.error.offset)).collect();
        assert_eq!(places, [("config.bad", 6), ("config.ugly", 0), ("config.none", 0)]);
    }

    #[test]
    fn keys_given_twice_in_one_object_are_counted() {
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, u64);
        let cases: [Case<'_>; 4] = [
            (&[("m", r#"{"a":1,"b":2,"a":3,"a":4}"#)], r#"{"m":{"a":4,"b":2}}"#, 2),
            (&[("m", r#"{"a":{"x":1},"\u0061":{"x":2}}"#)], r#"{"m":{"a":{"x":2}}}"#, 1),
            (&[("m", r#"{"o":{"x":1,"y":{"x":1},"x":2},"x":1}"#)], r#"{"m":{"o":{"x":2,"y":{"x":1}},"x":1}}"#, 1),
            (&[("m", r#"{"a":1}"#), ("m", r#"{"a":2}"#), ("n", r#"{"a":2}"#)], r#"{"m":{"a":2},"n":{"a":2}}"#, 0),
        ];
        for (values, expected, repeated) in cases {
            let (text, findings) = merged(values);
            assert_eq!((text.as_str(), findings.repeated), (expected, repeated));
        }
    }

    #[test]
    fn summary_hides_null_and_empty_branches() {
        let mut tree = Tree::default();
        set(&mut tree, &["_wandb", "runtime"], "3");
        set(&mut tree, &["a", "b"], "null");
        set(&mut tree, &["c"], "{}");
        set(&mut tree, &["d", "\"q\"\n", ""], "1");
        let text = render(&tree, SUMMARY, &mut Findings::default());
        assert_eq!(text, r#"{"c":{},"d":{"\"q\"\n":{"":1}}}"#);
        let all = Style { internal: true, ..SUMMARY };
        assert!(render(&tree, all, &mut Findings::default()).starts_with(r#"{"_wandb":{"runtime":3},"#));
    }

    #[test]
    fn invalid_utf8_is_repaired() {
        let mut tree = Tree::default();
        let node = tree.child(ROOT, b"k\xff");
        tree.set(node, b"\"v\xff\"");
        let mut findings = Findings::default();
        assert_eq!(render(&tree, SUMMARY, &mut findings), "{\"k\u{fffd}\":\"v\u{fffd}\"}");
        assert_eq!(findings.repaired, 2);
    }

    #[test]
    fn depth_is_bounded_as_a_whole() {
        for (path, brackets, faults) in
            [(1, MAX_DEPTH - 1, 0), (1, MAX_DEPTH, 1), (MAX_DEPTH, 0, 0), (MAX_DEPTH + 1, 0, 1)]
        {
            let mut tree = Tree::default();
            let value = match brackets {
                0 => "1".to_owned(),
                n => "[".repeat(n) + &"]".repeat(n),
            };
            set(&mut tree, &vec!["k"; path], &value);
            let mut findings = Findings::default();
            let text = render(&tree, SUMMARY, &mut findings);
            assert_eq!(findings.faults.len(), faults, "{path} {brackets}");
            assert_eq!(json::validate(&text), Ok(()));
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(|n| json!(n)),
            any::<bool>().prop_map(|b| json!(b)),
            Just(Value::Null),
            Just(json!([]))
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            proptest::collection::btree_map("[a-c.\"]{0,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        })
    }

    /// The rule, on values.
    fn fold(into: &mut Value, value: &Value) {
        let Value::Object(members) = value else {
            *into = value.clone();
            return;
        };
        for (key, member) in members {
            if !sets_something(member) {
                continue;
            }
            if !into.is_object() {
                *into = Value::Object(Map::new());
            }
            fold(into.as_object_mut().unwrap().entry(key.clone()).or_insert(Value::Object(Map::new())), member);
        }
    }

    fn sets_something(value: &Value) -> bool {
        value.as_object().is_none_or(|members| members.values().any(sets_something))
    }

    proptest! {
        #[test]
        fn merging_follows_the_rule(steps in proptest::collection::vec(("[ab]", value()), 0..8)) {
            let mut expected = json!({});
            for (name, value) in &steps {
                fold(&mut expected, &json!({ name.clone(): value }));
            }
            let texts: Vec<_> = steps.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
            let texts: Vec<_> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
            let (text, findings) = merged(&texts);
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
            prop_assert!(findings.faults.is_empty());
        }
    }
}
