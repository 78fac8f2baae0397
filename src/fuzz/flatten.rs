//! Flattening, against the same rules written down over a plain tree.

use super::tree::{Parsed, Text, Tree, last, parse};
use crate::flatten::{EXACT, Flattener, Leaf, List, MAX_LEVELS, MAX_PATH, Root};
use crate::json::{NonFinite, compact, validate};
use crate::record::Document;
use std::collections::HashMap;

const KINDS: [&str; 5] = [":number", ":string", ":bool", ":list", ":json"];

/// The first byte chooses the rules, the others are a document.
pub(crate) fn target(data: &[u8]) {
    let Some((rules, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let root = if rules & 1 == 0 { Root::Config } else { Root::Summary };
    let document = if rules & 2 == 0 { Document::plain(text) } else { Document::wrapped(text) };
    let parsed = parse(text);
    assert!(parsed == Parsed::Deep || validate(text).is_ok() == matches!(parsed, Parsed::Json(_)), "{text:?}");
    let mut flattener = Flattener::default();
    let once = flat(&mut flattener, root, &document);
    assert_eq!(once, flat(&mut flattener, root, &document), "what came before matters: {text:?}");
    if let Some(leaves) = &once {
        let mut names: Vec<&str> = leaves.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "two values in one column: {text:?}");
    }
    let tree = match parsed {
        Parsed::Deep => return,
        Parsed::Not => return assert_eq!(once, None, "{text:?}"),
        Parsed::Json(tree) => tree,
    };
    let mut written = String::new();
    tree.write(&mut written);
    let mut compacted = String::new();
    assert_eq!(compact(text, &mut compacted), Ok(()));
    assert_eq!(compacted, written, "{text:?}");
    let expected = Reference { root, leaves: Vec::new() }.document(&tree, document.wrapped);
    assert_eq!(once, expected, "{root:?} {:?} {text:?}", document.wrapped);
}

type Flat = Vec<(String, String)>;

fn flat(flattener: &mut Flattener, root: Root, document: &Document) -> Option<Flat> {
    let mut leaves = Vec::new();
    let read = flattener.document(root, document, |id, leaf| leaves.push((id, format!("{leaf:?}"))));
    let leaves = leaves.into_iter().map(|(id, leaf)| (flattener.name(id).to_owned(), leaf)).collect();
    read.ok().map(|_| leaves)
}

/// The rules of flattening, as design and docs say them.
struct Reference<'t> {
    root: Root,
    leaves: Vec<(Vec<&'t str>, Leaf<'t>)>,
}

impl<'t> Reference<'t> {
    fn document(mut self, tree: &'t Tree, wrapped: bool) -> Option<Flat> {
        let members = match tree {
            Tree::Null => return Some(Vec::new()),
            Tree::Object(members) => members,
            _ => return None,
        };
        for (key, value) in lasting(members) {
            let key = key.value.as_str();
            let internal = key == "_wandb" || (key == "wandb_version" && wrapped && self.root == Root::Config);
            if internal {
                continue;
            }
            let inner = match value {
                Tree::Object(members) if wrapped => last(members, "value"),
                _ => None,
            };
            self.value(vec![key], inner.unwrap_or(value));
        }
        Some(self.named())
    }

    fn value(&mut self, path: Vec<&'t str>, tree: &'t Tree) {
        let leaf = match tree {
            Tree::Null => Leaf::Null,
            Tree::Bool(value) => Leaf::Bool(*value),
            Tree::Number(digits) => number(digits),
            Tree::NonFinite(value) => Leaf::Float(value.value()),
            Tree::Text(text) => match NonFinite::from_spelling(&text.value) {
                Some(value) if self.root == Root::Summary => Leaf::Float(value.value()),
                Some(value) => Leaf::Spelled(value, text.value.as_str().into()),
                None => Leaf::Str(text.value.as_str().into()),
            },
            Tree::List(items) => list(items, self.root).map_or_else(|| json(tree), Leaf::List),
            Tree::Object(members) => {
                let long = self.root.prefix().len() + path.iter().map(|key| 1 + key.len()).sum::<usize>() > MAX_PATH;
                let typed = members.iter().any(|(key, _)| key.value == "_type");
                if members.is_empty() || typed || long || path.len() > MAX_LEVELS {
                    json(tree)
                } else {
                    for (key, value) in lasting(members) {
                        let below = path.iter().copied().chain([key.value.as_str()]).collect();
                        self.value(below, value);
                    }
                    return;
                }
            }
        };
        self.leaves.push((path, leaf));
    }

    /// A plain name that two values of the document would share goes to the one whose keys have no dots.
    fn named(self) -> Flat {
        let mut uses: HashMap<String, usize> = HashMap::new();
        for (path, _) in &self.leaves {
            *uses.entry(name(self.root, path, false)).or_default() += 1;
        }
        let one = |(path, leaf): &(Vec<&str>, Leaf<'_>)| {
            let plain = name(self.root, path, false);
            let shared = uses.get(&plain).is_some_and(|uses| *uses > 1);
            let dotted = path.iter().any(|key| key.contains('.'));
            (if shared && dotted { name(self.root, path, true) } else { plain }, format!("{leaf:?}"))
        };
        self.leaves.iter().map(one).collect()
    }
}

/// The members that count: the last of each name, where that stands.
fn lasting(members: &[(Text, Tree)]) -> impl Iterator<Item = &(Text, Tree)> {
    let again = |at: usize, key: &Text| members.iter().skip(at + 1).any(|(other, _)| other.value == key.value);
    members.iter().enumerate().filter(move |(at, (key, _))| !again(*at, key)).map(|(_, member)| member)
}

fn name(root: Root, path: &[&str], escaped: bool) -> String {
    let mut text = root.prefix().to_owned();
    for key in path {
        let key = key.replace('\\', "\\\\");
        text = format!("{text}.{}", if escaped { key.replace('.', "\\.") } else { key });
    }
    match KINDS.iter().find_map(|kind| text.strip_suffix(kind).map(|head| format!("{head}\\{kind}"))) {
        Some(text) => text,
        None => text,
    }
}

fn number(digits: &str) -> Leaf<'_> {
    let whole = !digits.contains(['.', 'e', 'E']) && digits != "-0";
    match (whole, digits.parse::<i64>(), digits.parse::<f64>()) {
        (true, Ok(value), _) => Leaf::Int(value),
        (false, _, Ok(value)) if value.is_finite() => Leaf::Float(value),
        _ => Leaf::Big(digits),
    }
}

fn json(tree: &Tree) -> Leaf<'static> {
    let mut text = String::new();
    tree.write(&mut text);
    Leaf::Json(text.into())
}

/// A list of one kind of scalars, or nothing.
fn list(items: &[Tree], root: Root) -> Option<List> {
    let texts = items.iter().filter(|item| matches!(item, Tree::Text(_))).count();
    let numbers = items.iter().filter(|item| matches!(item, Tree::Number(_) | Tree::NonFinite(_))).count();
    let nulls = items.iter().filter(|item| **item == Tree::Null).count();
    let bools = items.iter().filter(|item| matches!(item, Tree::Bool(_))).count();
    if texts + numbers + nulls + bools < items.len() {
        return None;
    }
    let leaves: Vec<Leaf<'_>> = items
        .iter()
        .map(|item| match item {
            Tree::Number(digits) => number(digits),
            Tree::NonFinite(value) => Leaf::Float(value.value()),
            Tree::Bool(value) => Leaf::Bool(*value),
            Tree::Text(text) => match NonFinite::from_spelling(&text.value) {
                // Numbers in a summary, and in a config among other numbers.
                Some(value) if root == Root::Summary || numbers > 0 => Leaf::Float(value.value()),
                _ => Leaf::Str(text.value.as_str().into()),
            },
            _ => Leaf::Null,
        })
        .collect();
    // In a summary, where some texts are numbers and others are not, none of them is.
    let spelled = leaves.iter().zip(items).filter(|(l, i)| matches!((l, i), (Leaf::Float(_), Tree::Text(_)))).count();
    if spelled > 0 && spelled < texts && numbers == 0 && bools == 0 {
        return Some(List::Strs(
            items.iter().map(|i| if let Tree::Text(t) = i { Some(t.value.clone()) } else { None }).collect(),
        ));
    }
    let all = |of: fn(&Leaf<'_>) -> bool| leaves.iter().all(|leaf| *leaf == Leaf::Null || of(leaf));
    if nulls == items.len() {
        Some(List::Nulls(nulls))
    } else if all(|leaf| matches!(leaf, Leaf::Bool(_))) {
        Some(List::Bools(leaves.iter().map(|l| if let Leaf::Bool(v) = l { Some(*v) } else { None }).collect()))
    } else if all(|leaf| matches!(leaf, Leaf::Str(_))) {
        Some(List::Strs(leaves.iter().map(|l| if let Leaf::Str(v) = l { Some(v.to_string()) } else { None }).collect()))
    } else if all(|leaf| matches!(leaf, Leaf::Int(_))) {
        Some(List::Ints(leaves.iter().map(|l| if let Leaf::Int(v) = l { Some(*v) } else { None }).collect()))
    } else if all(|leaf| {
        matches!(leaf, Leaf::Float(_)) || matches!(leaf, Leaf::Int(v) if v.unsigned_abs() <= EXACT as u64)
    }) {
        let float = |leaf: &Leaf<'_>| match leaf {
            Leaf::Int(value) => Some(*value as f64),
            Leaf::Float(value) => Some(*value),
            _ => None,
        };
        Some(List::Floats(leaves.iter().map(float).collect()))
    } else {
        None
    }
}
