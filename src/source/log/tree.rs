//! A tree of keys whose leaves are raw JSON texts: what config and summary are folded into.
//!
//! Nodes, names and values lie in three arenas and are found through one hash table, so that overwriting a value that is
//! there already, which is nearly all that a long log does, costs a hash and a copy.

use crate::record::Limits;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hasher};

/// A node of a [`Tree`].
pub(super) type Node = usize;

/// The node that holds all others.
pub(super) const ROOT: Node = 0;
/// Names that are remembered by a glance; a power of two.
const RECENT: usize = 256;
/// Bytes that values may take for each that the document may have: room grows by powers of two, and what is outgrown stays.
const LEFT: u64 = 4;
/// No node.
const NONE: Node = usize::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Known by name, but not there.
    Absent,
    /// Holds other nodes.
    Branch,
    /// Holds a value. Then no node above it is a leaf, and none below it is there.
    Leaf,
}

#[derive(Debug)]
struct Entry {
    parent: Node,
    first_child: Node,
    last_child: Node,
    next_sibling: Node,
    name: (usize, usize),
    state: State,
    /// True if it is in its parent's list. Only branches have a list; what is not in one is absent.
    listed: bool,
    /// The JSON object that named it last; see [`Tree::named_in`].
    object: u32,
    start: usize,
    length: usize,
    capacity: usize,
}

impl Entry {
    fn new(parent: Node, name: (usize, usize)) -> Self {
        Entry {
            parent,
            first_child: NONE,
            last_child: NONE,
            next_sibling: NONE,
            name,
            state: State::Absent,
            listed: false,
            object: 0,
            start: 0,
            length: 0,
            capacity: 0,
        }
    }
}

/// Where [`Tree::recent`] has a name: from its length and three of its bytes.
#[inline]
fn glance(parent: Node, name: &[u8]) -> usize {
    let byte = |at: usize| name.get(at).map_or(0, |b| usize::from(*b));
    let last = name.len().saturating_sub(1);
    (parent ^ name.len() << 3 ^ byte(0) << 1 ^ byte(name.len() / 2) << 2 ^ byte(last)) % RECENT
}

/// The tree. Children are in the order in which they came to be there; one that is overwritten, or removed and set again,
/// keeps its place until its parent is cleared.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Entry>,
    names: Vec<u8>,
    values: Vec<u8>,
    index: HashTable<Node>,
    hasher: DefaultHashBuilder,
    /// Nodes found before, by a glance at their names: a log's records repeat the same few keys.
    recent: [Node; RECENT],
    /// JSON objects that were merged.
    objects: u32,
    limits: Limits,
    /// Takes what is too much; made when there is something.
    spare: Option<Node>,
    full: Option<Full>,
}

/// Why a tree is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// It would have more nodes than a document may have keys.
    Keys,
    /// Its values would take more bytes than a document may have.
    Bytes,
}

impl Default for Tree {
    fn default() -> Self {
        Tree::new(Limits::default())
    }
}

impl Tree {
    /// An empty tree that keeps these limits.
    pub(super) fn new(limits: Limits) -> Self {
        let mut tree = Tree {
            nodes: Vec::new(),
            names: Vec::new(),
            values: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            recent: [ROOT; RECENT],
            objects: 0,
            limits,
            spare: None,
            full: None,
        };
        tree.clear();
        tree
    }

    /// Whether something was too much; then the tree does not hold all that was set.
    pub(super) fn full(&self) -> Option<Full> {
        self.full
    }

    /// Forgets everything but keeps the memory, unless that is much.
    pub(super) fn clear(&mut self) {
        const KEEP: usize = 4 << 20;
        if self.values.capacity() + self.names.capacity() + self.nodes.capacity() * size_of::<Entry>() > KEEP {
            self.nodes = Vec::new();
            self.names = Vec::new();
            self.values = Vec::new();
            self.index = HashTable::new();
        }
        self.nodes.clear();
        self.names.clear();
        self.values.clear();
        self.index.clear();
        self.recent = [ROOT; RECENT];
        (self.spare, self.full) = (None, None);
        self.nodes.push(Entry { state: State::Branch, ..Entry::new(ROOT, (0, 0)) });
    }

    /// True if nothing was ever set or looked for.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// The child of `parent` by that name; made if it is not known yet.
    #[inline]
    pub(super) fn child(&mut self, parent: Node, name: &[u8]) -> Node {
        let at = glance(parent, name);
        let node = self.recent[at];
        if node != ROOT && is(&self.nodes, &self.names, node, parent, name) {
            return node;
        }
        let node = self.look_up(parent, name);
        self.recent[at] = node;
        node
    }

    fn look_up(&mut self, parent: Node, name: &[u8]) -> Node {
        let hash = self.hash(parent, name);
        let Tree { nodes, names, index, .. } = self;
        let known = index.find(hash, |node| is(nodes, names, *node, parent, name));
        match known {
            Some(node) => *node,
            None => self.add(hash, parent, name),
        }
    }

    #[inline]
    fn hash(&self, parent: Node, name: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_usize(parent);
        hasher.write(name);
        hasher.finish()
    }

    fn add(&mut self, hash: u64, parent: Node, name: &[u8]) -> Node {
        let node = self.nodes.len();
        if node as u64 > self.limits.keys || self.names.len() as u64 > self.limits.value_bytes {
            return self.spare();
        }
        self.nodes.push(Entry::new(parent, (self.names.len(), name.len())));
        self.names.extend_from_slice(name);
        let Tree { nodes, names, index, hasher, .. } = self;
        index.insert_unique(hash, node, |node| {
            let entry = &nodes[*node];
            let mut hasher = hasher.build_hasher();
            hasher.write_usize(entry.parent);
            hasher.write(&names[entry.name.0..entry.name.0 + entry.name.1]);
            hasher.finish()
        });
        node
    }

    /// A node for what is too much: it has no name and no place in the index.
    #[cold]
    fn spare(&mut self) -> Node {
        let keys = self.nodes.len() as u64 > self.limits.keys;
        self.full.get_or_insert(if keys { Full::Keys } else { Full::Bytes });
        *self.spare.get_or_insert_with(|| {
            self.nodes.push(Entry::new(ROOT, (0, 0)));
            self.nodes.len() - 1
        })
    }

    /// Makes `node` a leaf with this value. A leaf above it, and everything below it, is thrown away.
    #[inline]
    pub(super) fn set(&mut self, node: Node, value: &[u8]) {
        if self.nodes[node].state != State::Leaf {
            self.make_leaf(node);
        }
        let entry = &mut self.nodes[node];
        if value.len() > entry.capacity && (self.values.len() + value.len()) as u64 / LEFT > self.limits.value_bytes {
            self.full.get_or_insert(Full::Bytes);
            return;
        }
        entry.length = value.len();
        if value.len() > entry.capacity {
            // Powers of two, so that all that is left behind is less than what is in use.
            entry.capacity = value.len().next_power_of_two().max(16);
            entry.start = self.values.len();
            self.values.resize(entry.start + entry.capacity, 0);
        }
        if let Some(room) = self.values.get_mut(entry.start..entry.start + value.len()) {
            room.copy_from_slice(value);
        }
    }

    fn make_leaf(&mut self, node: Node) {
        if self.nodes[node].state == State::Branch {
            self.clear_below(node);
        }
        self.nodes[node].state = State::Leaf;
        self.enlist(node);
        let mut above = self.nodes[node].parent;
        while self.nodes[above].state != State::Branch {
            self.nodes[above].state = State::Branch;
            self.enlist(above);
            above = self.nodes[above].parent;
        }
    }

    /// Puts a node at the end of its parent's list, unless it is in it.
    fn enlist(&mut self, node: Node) {
        if std::mem::replace(&mut self.nodes[node].listed, true) {
            return;
        }
        let parent = self.nodes[node].parent;
        match std::mem::replace(&mut self.nodes[parent].last_child, node) {
            NONE => self.nodes[parent].first_child = node,
            last => self.nodes[last].next_sibling = node,
        }
    }

    /// Takes away a leaf, or a branch with everything below it. Branches that are left empty count as absent.
    pub(super) fn remove(&mut self, node: Node) {
        if node == ROOT {
            return;
        }
        if self.nodes[node].state == State::Branch {
            self.clear_below(node);
        }
        self.nodes[node].state = State::Absent;
    }

    /// Empties the lists of a branch and of those below it. Each node that is walked was listed by a [`Tree::set`] since the
    /// last time, so that clearing costs no more than setting did, however often it happens.
    fn clear_below(&mut self, node: Node) {
        let mut open = vec![node];
        while let Some(branch) = open.pop() {
            let entry = &mut self.nodes[branch];
            entry.last_child = NONE;
            let mut at = std::mem::replace(&mut entry.first_child, NONE);
            while at != NONE {
                let child = &mut self.nodes[at];
                if child.state == State::Branch {
                    open.push(at);
                }
                child.state = State::Absent;
                child.listed = false;
                at = std::mem::replace(&mut child.next_sibling, NONE);
            }
        }
    }

    /// Notes that the JSON object with this number names `node`; true if it did so before.
    pub(super) fn named_in(&mut self, node: Node, object: u32) -> bool {
        if self.spare == Some(node) {
            return false;
        }
        std::mem::replace(&mut self.nodes[node].object, object) == object
    }

    /// A number for a JSON object that none had before it; never 0.
    pub(super) fn next_object(&mut self) -> u32 {
        self.objects = self.objects.checked_add(1).unwrap_or(1);
        self.objects
    }

    /// The value of a leaf.
    pub(super) fn value(&self, node: Node) -> Option<&[u8]> {
        let entry = self.nodes.get(node).filter(|entry| entry.state == State::Leaf)?;
        self.values.get(entry.start..entry.start + entry.length)
    }

    /// The node above.
    pub(super) fn parent(&self, node: Node) -> Node {
        self.nodes[node].parent
    }

    /// The name of a node.
    pub(super) fn name(&self, node: Node) -> &[u8] {
        let (start, length) = self.nodes[node].name;
        self.names.get(start..start + length).unwrap_or_default()
    }

    /// Calls `each` with the path and the value of every leaf, in order.
    pub(super) fn leaves(&self, mut each: impl FnMut(&[Node], &[u8])) {
        let mut path: Vec<Node> = Vec::new();
        let mut at = self.nodes[ROOT].first_child;
        loop {
            if at == NONE {
                let Some(above) = path.pop() else { return };
                at = self.nodes[above].next_sibling;
                continue;
            }
            path.push(at);
            let entry = &self.nodes[at];
            match entry.state {
                State::Branch => {
                    at = entry.first_child;
                    continue;
                }
                State::Leaf => each(&path, self.value(at).unwrap_or_default()),
                State::Absent => {}
            }
            path.pop();
            at = entry.next_sibling;
        }
    }
}

#[inline]
fn is(nodes: &[Entry], names: &[u8], node: Node, parent: Node, name: &[u8]) -> bool {
    let entry = &nodes[node];
    entry.parent == parent && names.get(entry.name.0..entry.name.0 + entry.name.1) == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn at(tree: &mut Tree, path: &[u8]) -> Node {
        path.iter().fold(ROOT, |node, part| tree.child(node, &[*part]))
    }

    fn leaves(tree: &Tree) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        tree.leaves(|path, value| {
            all.push((path.iter().flat_map(|n| tree.name(*n)).copied().collect(), value.to_vec()))
        });
        all
    }

    #[test]
    fn order_is_as_first_seen() {
        let mut tree = Tree::default();
        for (path, value) in [(&b"z"[..], "1"), (b"ay", "2"), (b"b", "3"), (b"ax", "4"), (b"z", "five")] {
            let node = at(&mut tree, path);
            tree.set(node, value.as_bytes());
        }
        let shown: Vec<_> = leaves(&tree)
            .into_iter()
            .map(|(p, v)| (String::from_utf8(p).unwrap(), String::from_utf8(v).unwrap()))
            .collect();
        let expected = [("z", "five"), ("ay", "2"), ("ax", "4"), ("b", "3")];
        assert_eq!(shown, expected.map(|(p, v)| (p.to_owned(), v.to_owned())));
    }

    #[test]
    fn order_among_those_that_are_there() {
        let mut tree = Tree::default();
        let order = |tree: &Tree| leaves(tree).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        for path in [b"ax", b"ay", b"bz"] {
            let node = at(&mut tree, path);
            tree.set(node, b"1");
        }
        let (a, x) = (at(&mut tree, b"a"), at(&mut tree, b"ax"));
        tree.remove(x);
        tree.set(x, b"2");
        assert_eq!(order(&tree), [b"ax", b"ay", b"bz"]);
        tree.set(a, b"3");
        for path in [b"ay", b"ax"] {
            let node = at(&mut tree, path);
            tree.set(node, b"4");
        }
        assert_eq!(order(&tree), [b"ay", b"ax", b"bz"]);
    }

    /// Nodes in the list below `node`: what clearing it walks.
    fn listed(tree: &Tree, node: Node) -> usize {
        let there = |at: Node| Some(at).filter(|at| *at != NONE);
        let next = |at: &Node| there(tree.nodes[*at].next_sibling);
        std::iter::successors(there(tree.nodes[node].first_child), next).count()
    }

    #[test]
    fn clearing_walks_only_what_was_set_since() {
        let mut tree = Tree::default();
        let a = tree.child(ROOT, b"a");
        let children: Vec<Node> = (0..1_000).map(|n| tree.child(a, format!("x{n}").as_bytes())).collect();
        assert_eq!(listed(&tree, a), 0, "named and not there");
        children.iter().for_each(|child| tree.set(*child, b"1"));
        assert_eq!(listed(&tree, a), 1_000);
        for _ in 0..3 {
            tree.set(a, b"1");
            assert_eq!(listed(&tree, a), 0);
            tree.set(children[0], b"1");
            tree.set(children[0], b"2");
            assert_eq!(listed(&tree, a), 1);
        }
        tree.remove(a);
        assert_eq!((listed(&tree, a), leaves(&tree).len()), (0, 0));
    }

    proptest! {
        /// The same steps on a map from paths to values, with the rules written out.
        #[test]
        fn behaves_like_a_map_of_paths(steps in proptest::collection::vec(
            (proptest::collection::vec(b'a'..b'd', 1..4), proptest::option::weighted(0.7, "[0-9]{0,40}")), 0..60)) {
            let mut tree = Tree::default();
            let mut map: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            for (path, value) in steps {
                let node = at(&mut tree, &path);
                map.retain(|known, _| !known.starts_with(&path));
                match value {
                    Some(value) => {
                        map.retain(|known, _| !path.starts_with(known));
                        map.insert(path, value.clone().into_bytes());
                        tree.set(node, value.as_bytes());
                    }
                    None => tree.remove(node),
                }
                let mut found = leaves(&tree);
                found.sort();
                prop_assert_eq!(&found, &map.clone().into_iter().collect::<Vec<_>>());
            }
        }
    }
}
