//! The trie of key paths seen so far, and the column names they get.

use super::leaves::{Leaves, Taker};
use super::{Leaf, Root};
use hashbrown::HashTable;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

/// A column path, numbered in the order of first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameId(u32);

impl NameId {
    /// The number, for indexing.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The id with this number.
    pub fn from_index(index: usize) -> Self {
        NameId(index as u32)
    }
}

/// A node of the trie: one key at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NodeId(u32);

const NONE: u32 = u32::MAX;
/// Nodes 0 and 1 are the roots of config and summary.
const ROOTS: [&str; 2] = ["config", "summary"];
/// The suffixes of columns that share a path; a key that ends like one has its colon escaped.
const KINDS: [&str; 5] = [":number", ":string", ":bool", ":list", ":json"];

#[derive(Debug)]
struct Node {
    parent: u32,
    key: Box<str>,
    /// Keys from the root to here.
    level: usize,
    /// Bytes of the keys from the root to here, with their dots.
    length: usize,
    escaped: u32,
}

/// What every value asks of its node, close together.
#[derive(Debug, Clone, Copy)]
struct Mark {
    name: u32,
    /// True if this key or one above it contains a dot, so that another path may have the same name.
    dotted: bool,
}

/// Where a key below a node leads. Most keys need no more than this: of many paths, each look elsewhere is one into far memory.
#[derive(Debug, Clone, Copy)]
struct Child {
    sign: Sign,
    /// Twice the node, and one more if [`Mark::dotted`].
    place: u32,
    /// The document that had it last.
    stamp: u32,
}

impl Child {
    fn node(&self) -> u32 {
        self.place >> 1
    }

    fn is_dotted(&self) -> bool {
        self.place & 1 == 1
    }
}

/// A parent, and a key's length, beginning and end: all of it, up to 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sign {
    parent: u32,
    length: u32,
    begin: u64,
    end: u64,
}

impl Sign {
    #[inline]
    fn new(parent: u32, key: &str) -> Self {
        let bytes = key.as_bytes();
        let (begin, end) = match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(begin), Some(end)) => (u64::from_le_bytes(*begin), u64::from_le_bytes(*end)),
            _ => (bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
        };
        // A longer key is compared as a whole.
        Sign { parent, length: bytes.len() as u32, begin, end }
    }

    #[inline]
    fn is_all(&self) -> bool {
        self.length <= 16
    }
}

#[derive(Debug)]
struct Name {
    text: Box<str>,
    /// The document that used it last, and how often.
    stamp: u32,
    uses: u32,
}

#[derive(Debug)]
pub(super) struct Paths {
    nodes: Vec<Node>,
    /// One for each node.
    marks: Vec<Mark>,
    children: HashTable<Child>,
    names: Vec<Name>,
    by_name: HashTable<u32>,
    hasher: hashbrown::DefaultHashBuilder,
    document: u32,
    /// True if a path of this document has a dot in a key.
    dotted: bool,
    /// Values that the last document had.
    leaves: usize,
}

impl Default for Paths {
    fn default() -> Self {
        let root = |key: &str| Node { parent: NONE, key: key.into(), level: 0, length: key.len(), escaped: NONE };
        Paths {
            nodes: ROOTS.iter().map(|key| root(key)).collect(),
            marks: vec![Mark { name: NONE, dotted: false }; ROOTS.len()],
            children: HashTable::new(),
            names: Vec::new(),
            by_name: HashTable::new(),
            hasher: hashbrown::DefaultHashBuilder::default(),
            document: 0,
            dotted: false,
            leaves: 0,
        }
    }
}

impl Paths {
    /// Starts a document; the node of its top.
    pub(super) fn begin(&mut self, root: Root) -> NodeId {
        self.document = self.document.checked_add(1).unwrap_or_else(|| self.first_document());
        self.dotted = false;
        NodeId(match root {
            Root::Config => 0,
            Root::Summary => 1,
        })
    }

    /// The number of a document after more than there are numbers for.
    #[cold]
    fn first_document(&mut self) -> u32 {
        self.children.iter_mut().for_each(|child| child.stamp = 0);
        self.names.iter_mut().for_each(|name| name.stamp = 0);
        1
    }

    /// About how many values a document has.
    pub(super) fn usual_leaves(&self) -> usize {
        (self.leaves + 8).min(4_096)
    }

    /// The node of `key` below `parent`, and whether this document had it before.
    pub(super) fn child(&mut self, parent: NodeId, key: &str) -> (NodeId, bool) {
        let sign = Sign::new(parent.0, key);
        let hash = hash_child(&self.hasher, &sign, key);
        let nodes = &self.nodes;
        let same = |child: &Child| {
            child.sign == sign && (sign.is_all() || nodes.get(child.node() as usize).is_some_and(|n| *n.key == *key))
        };
        if let Some(child) = self.children.find_mut(hash, same) {
            let seen = child.stamp == self.document;
            child.stamp = self.document;
            self.dotted |= child.is_dotted();
            return (NodeId(child.node()), seen);
        }
        (self.new_child(parent, key, sign, hash), false)
    }

    #[cold]
    fn new_child(&mut self, parent: NodeId, key: &str, sign: Sign, hash: u64) -> NodeId {
        let at = self.nodes.len() as u32;
        let (level, length) = self.node(parent).map_or((0, 0), |n| (n.level, n.length));
        let dotted = self.is_dotted(parent) || key.contains('.');
        self.dotted |= dotted;
        self.marks.push(Mark { name: NONE, dotted });
        self.nodes.push(Node {
            parent: parent.0,
            key: key.into(),
            level: level + 1,
            length: length + 1 + key.len(),
            escaped: NONE,
        });
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        let child = Child { sign, place: at << 1 | u32::from(dotted), stamp: self.document };
        self.children.insert_unique(hash, child, |child| {
            nodes.get(child.node() as usize).map_or(0, |n| hash_child(hasher, &child.sign, &n.key))
        });
        NodeId(at)
    }

    fn is_dotted(&self, id: NodeId) -> bool {
        self.marks.get(id.0 as usize).is_some_and(|mark| mark.dotted)
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    /// True for the node of a whole document.
    pub(super) fn is_root(node: NodeId) -> bool {
        (node.0 as usize) < ROOTS.len()
    }

    /// True if an object here is exploded, rather than kept as one value.
    pub(super) fn explodes(&self, node: NodeId) -> bool {
        self.node(node).is_some_and(|n| n.level <= super::MAX_LEVELS && n.length <= super::MAX_PATH)
    }

    /// The leaves that no later value of the same key has replaced; `dead` holds the nodes that came again and the
    /// number of leaves there were then.
    pub(super) fn without_dead<'a>(
        &self,
        leaves: Vec<(NodeId, Leaf<'a>)>,
        dead: &HashMap<NodeId, usize>,
    ) -> Vec<(NodeId, Leaf<'a>)> {
        if dead.is_empty() {
            return leaves;
        }
        let lives = |at: usize, leaf: NodeId| {
            let mut node = leaf;
            loop {
                if dead.get(&node).is_some_and(|count| at < *count) {
                    return false;
                }
                match self.node(node) {
                    Some(above) if above.parent != NONE => node = NodeId(above.parent),
                    _ => return true,
                }
            }
        };
        leaves.into_iter().enumerate().filter(|(at, (node, _))| lives(*at, *node)).map(|(_, leaf)| leaf).collect()
    }

    /// Hands out a document's leaves under their names.
    ///
    /// A path whose keys contain dots has the plain name (`a.b`) unless this very document has another path of that
    /// name; then its own dots are escaped (`a\.b`).
    pub(super) fn hand_out(&mut self, leaves: Leaves<'_>, taker: &mut impl Taker) {
        self.leaves = leaves.len();
        if self.dotted {
            for id in leaves.nodes() {
                let name = self.plain_name(id);
                let document = self.document;
                if let Some(name) = self.names.get_mut(name as usize) {
                    name.uses = if name.stamp == document { name.uses + 1 } else { 1 };
                    name.stamp = document;
                }
            }
        }
        leaves.hand_to(taker, |id| {
            let mut name = self.plain_name(id);
            let shared = self.dotted && self.names.get(name as usize).is_some_and(|n| n.uses > 1);
            if shared && self.is_dotted(id) {
                name = self.escaped_name(id);
            }
            NameId(name)
        });
    }

    #[inline]
    fn plain_name(&mut self, id: NodeId) -> u32 {
        match self.marks.get(id.0 as usize) {
            Some(mark) if mark.name != NONE => mark.name,
            _ => self.new_name(id),
        }
    }

    #[cold]
    fn new_name(&mut self, id: NodeId) -> u32 {
        let text = self.render(id, false);
        let NameId(name) = self.intern_name(&text);
        if let Some(mark) = self.marks.get_mut(id.0 as usize) {
            mark.name = name;
        }
        name
    }

    fn escaped_name(&mut self, id: NodeId) -> u32 {
        match self.node(id) {
            Some(node) if node.escaped != NONE => node.escaped,
            _ => {
                let text = self.render(id, true);
                let NameId(name) = self.intern_name(&text);
                if let Some(node) = self.nodes.get_mut(id.0 as usize) {
                    node.escaped = name;
                }
                name
            }
        }
    }

    /// The keys from the root to `id`, joined by dots.
    ///
    /// A backslash in a key is always doubled, so that an escaped name is never the plain name of another path.
    fn render(&self, id: NodeId, escape_dots: bool) -> String {
        let mut keys = Vec::new();
        let mut at = id.0;
        while let Some(node) = self.nodes.get(at as usize) {
            keys.push(&*node.key);
            at = node.parent;
        }
        let mut text = String::new();
        for (level, key) in keys.iter().rev().enumerate() {
            if level > 0 {
                text.push('.');
            }
            for c in key.chars() {
                if c == '\\' || (c == '.' && escape_dots) {
                    text.push('\\');
                }
                text.push(c);
            }
        }
        if let Some(kind) = KINDS.iter().find(|kind| text.ends_with(*kind)) {
            text.insert(text.len() - kind.len(), '\\');
        }
        text
    }

    pub(super) fn intern_name(&mut self, text: &str) -> NameId {
        let hash = self.hasher.hash_one(text);
        let names = &self.names;
        if let Some(&at) = self.by_name.find(hash, |at| names.get(*at as usize).is_some_and(|n| *n.text == *text)) {
            return NameId(at);
        }
        let at = self.names.len() as u32;
        self.names.push(Name { text: text.into(), stamp: 0, uses: 0 });
        let (names, hasher) = (&self.names, &self.hasher);
        self.by_name.insert_unique(hash, at, |at| names.get(*at as usize).map_or(0, |n| hasher.hash_one(&*n.text)));
        NameId(at)
    }

    pub(super) fn name(&self, id: NameId) -> &str {
        self.names.get(id.index()).map_or("", |n| &n.text)
    }

    pub(super) fn names(&self) -> usize {
        self.names.len()
    }
}

#[inline]
fn hash_child(hasher: &hashbrown::DefaultHashBuilder, sign: &Sign, key: &str) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u64(sign.begin);
    state.write_u64(sign.end);
    state.write_u64(u64::from(sign.parent) << 32 | u64::from(sign.length));
    if !sign.is_all() {
        state.write(key.as_bytes());
    }
    state.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_an_earlier_document_is_not_seen_when_numbers_begin_anew() {
        let mut paths = Paths::default();
        let top = paths.begin(Root::Config);
        let (first, seen) = paths.child(top, "a.b");
        assert!(!seen && paths.child(top, "a.b") == (first, true));
        let null = || {
            let mut leaves = Leaves::of("", 1);
            leaves.push(first, Leaf::Null);
            leaves
        };
        paths.hand_out(null(), &mut |_, _: Leaf<'_>| ());
        paths.document = u32::MAX;
        let top = paths.begin(Root::Config);
        assert_eq!(paths.document, 1);
        assert_eq!(paths.child(top, "a.b"), (first, false));
        assert_eq!(paths.child(top, "a.b"), (first, true));
        // The other path of the same name is another document's, too.
        let mut names = Vec::new();
        paths.hand_out(null(), &mut |id, _: Leaf<'_>| names.push(id));
        assert_eq!(names.iter().map(|id| paths.name(*id)).collect::<Vec<_>>(), ["config.a.b"]);
    }
}
