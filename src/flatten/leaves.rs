//! The values of one document, in their order.
//!
//! Numbers, words and texts as they stand, which are most of them, take two words each. A [`Leaf`] would be put together in pieces and
//! then moved as a whole, which waits for the stores of the pieces, and would have to be dropped.

use super::Leaf;
use super::paths::{NameId, NodeId};
use std::borrow::Cow;

/// What the bits of a value are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Int,
    /// A float's own bits.
    Float,
    Null,
    Bool,
    /// Where a text stands in the document: its start, and above it its length.
    Text,
    /// Which of the other leaves it is.
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Value {
    node: NodeId,
    sort: Sort,
    bits: u64,
}

/// Values, and the nodes where they stand.
#[derive(Debug)]
pub(super) struct Leaves<'a> {
    text: &'a str,
    values: Vec<Value>,
    /// Those that two words do not hold.
    others: Vec<Leaf<'a>>,
}

/// How many values there were, to go back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    values: usize,
    others: usize,
}

/// Who takes a document's values.
pub(crate) trait Taker {
    /// An integer or, if `float`, the bits of a float.
    fn number(&mut self, id: NameId, bits: u64, float: bool) {
        self.leaf(id, &mut if float { Leaf::Float(f64::from_bits(bits)) } else { Leaf::Int(bits as i64) });
    }

    /// Any other value.
    fn leaf(&mut self, id: NameId, leaf: &mut Leaf<'_>);
}

impl<Each: FnMut(NameId, Leaf<'_>)> Taker for Each {
    fn leaf(&mut self, id: NameId, leaf: &mut Leaf<'_>) {
        self(id, std::mem::replace(leaf, Leaf::Null));
    }
}

impl<'a> Leaves<'a> {
    /// No values of this document, but room for so many.
    pub(super) fn of(text: &'a str, room: usize) -> Self {
        Leaves { text, values: Vec::with_capacity(room), others: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    #[inline]
    pub(super) fn push_int(&mut self, node: NodeId, value: i64) {
        self.values.push(Value { node, sort: Sort::Int, bits: value as u64 });
    }

    #[inline]
    pub(super) fn push_float(&mut self, node: NodeId, value: f64) {
        self.values.push(Value { node, sort: Sort::Float, bits: value.to_bits() });
    }

    /// The text that stands at `start` in the document, as it is.
    #[inline]
    pub(super) fn push_text(&mut self, node: NodeId, start: usize, text: &'a str) {
        match (u32::try_from(start), u32::try_from(text.len())) {
            (Ok(start), Ok(length)) => {
                let bits = u64::from(length) << 32 | u64::from(start);
                self.values.push(Value { node, sort: Sort::Text, bits });
            }
            _ => self.push_other(node, Leaf::Str(Cow::Borrowed(text))),
        }
    }

    pub(super) fn push(&mut self, node: NodeId, leaf: Leaf<'a>) {
        let (sort, bits) = match leaf {
            Leaf::Int(value) => return self.push_int(node, value),
            Leaf::Float(value) => return self.push_float(node, value),
            Leaf::Null => (Sort::Null, 0),
            Leaf::Bool(value) => (Sort::Bool, u64::from(value)),
            other => return self.push_other(node, other),
        };
        self.values.push(Value { node, sort, bits });
    }

    fn push_other(&mut self, node: NodeId, leaf: Leaf<'a>) {
        self.values.push(Value { node, sort: Sort::Other, bits: self.others.len() as u64 });
        self.others.push(leaf);
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { values: self.values.len(), others: self.others.len() }
    }

    /// Takes back what came since.
    pub(super) fn back_to(&mut self, mark: Mark) {
        self.values.truncate(mark.values);
        self.others.truncate(mark.others);
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.values.iter().map(|value| value.node)
    }

    /// Gives each value to `taker`, under the name of its node.
    #[inline]
    pub(super) fn hand_to(mut self, taker: &mut impl Taker, mut name: impl FnMut(NodeId) -> NameId) {
        for value in &self.values {
            let id = name(value.node);
            match value.sort {
                Sort::Int | Sort::Float => taker.number(id, value.bits, value.sort == Sort::Float),
                Sort::Null => taker.leaf(id, &mut Leaf::Null),
                Sort::Bool => taker.leaf(id, &mut Leaf::Bool(value.bits != 0)),
                Sort::Text => taker.leaf(id, &mut Leaf::Str(Cow::Borrowed(text_at(self.text, value.bits)))),
                Sort::Other => {
                    if let Some(leaf) = self.others.get_mut(value.bits as usize) {
                        taker.leaf(id, leaf);
                    }
                }
            }
        }
    }
}

fn text_at(text: &str, place: u64) -> &str {
    let (start, length) = (place as u32 as usize, (place >> 32) as usize);
    text.get(start..start + length).unwrap_or_default()
}
