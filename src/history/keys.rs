//! The keys that rows have: whether they are asked for, and which column they mean.

use super::shared::Shared;
use crate::flatten::{Flattener, NameId, Root};
use crate::json;
use crate::record::Document;
use crate::source::log::history::{Documents, RowItem};
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// What the summary's columns begin with, whose rules the names of metrics follow.
const PREFIX: &str = "summary.";

/// The keys that a thread has seen, and what they mean.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) flattener: Flattener,
    known: Vec<(Box<[u8]>, Meaning)>,
    /// Where a key is among those that are known.
    table: HashTable<u32>,
    hasher: hashbrown::DefaultHashBuilder,
    /// Keys that came last, by a few of their bytes.
    recent: Recent,
    /// By [`NameId`]: whether the column is asked for; `None` if nobody looked yet.
    pub(super) asked: Vec<Option<bool>>,
    pub(super) documents: Documents,
    /// How many integers and floats each column had in the last piece, by [`NameId`].
    pub(super) rooms: Vec<(usize, usize)>,
    /// There are more keys than may be remembered.
    pub(super) full: bool,
}

/// What a top-level key means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meaning {
    pub(super) slot: Slot,
    /// What lies below may be asked for.
    pub(super) below: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Slot {
    Step,
    Time,
    Runtime,
    Column(NameId),
    Skip,
}

impl Meaning {
    /// Nothing that is asked for.
    const NONE: Meaning = Meaning { slot: Slot::Skip, below: false };
}

/// A key's length, its first eight bytes and its last eight: all of a short key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print {
    head: u64,
    tail: u64,
    length: usize,
}

impl Print {
    /// Keys that are no longer are the same if this is.
    const WHOLE: usize = 16;

    #[inline]
    fn of(item: &RowItem<'_>) -> Print {
        let key = item.top();
        Print {
            head: item.head(),
            tail: key.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)),
            length: key.len(),
        }
    }

    #[inline]
    fn slot(self) -> usize {
        let mixed = (self.head ^ self.tail.rotate_left(29) ^ self.length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 56) as usize
    }
}

/// A few keys that were looked up, each in the only slot where it may be.
#[derive(Debug)]
struct Recent(Box<[(Print, u32, Meaning); 256]>);

impl Default for Recent {
    fn default() -> Self {
        // No key has this length.
        let nothing = Print { head: 0, tail: 0, length: usize::MAX };
        Recent(Box::new([(nothing, 0, Meaning::NONE); 256]))
    }
}

impl Recent {
    #[inline]
    fn find(&self, print: Print) -> Option<(u32, Meaning)> {
        let (known, place, meaning) = self.0.get(print.slot())?;
        (*known == print).then_some((*place, *meaning))
    }

    fn keep(&mut self, print: Print, place: u32, meaning: Meaning) {
        if let Some(slot) = self.0.get_mut(print.slot()) {
            *slot = (print, place, meaning);
        }
    }
}

impl Keys {
    /// What the item's first key means.
    #[inline]
    pub(super) fn meaning(&mut self, item: &RowItem<'_>, shared: &Shared<'_>) -> Meaning {
        let (key, print) = (item.top(), Print::of(item));
        if let Some((place, meaning)) = self.recent.find(print)
            && (key.len() <= Print::WHOLE || self.known.get(place as usize).is_some_and(|(known, _)| **known == *key))
        {
            return meaning;
        }
        let (place, meaning) = self.look_up(key, item.single().is_none(), shared);
        if let Some(place) = place {
            self.recent.keep(print, place, meaning);
        }
        meaning
    }

    /// What a key means, and its place among the known ones, unless there are too many.
    pub(super) fn look_up(&mut self, key: &[u8], nested: bool, shared: &Shared<'_>) -> (Option<u32>, Meaning) {
        let hash = self.hasher.hash_one(key);
        let known = |place: &u32| self.known.get(*place as usize);
        match self.table.find(hash, |place| known(place).is_some_and(|(known, _)| **known == *key)) {
            Some(place) => (Some(*place), known(place).map_or(Meaning::NONE, |(_, meaning)| *meaning)),
            None => self.learn(key, hash, nested, shared),
        }
    }

    fn learn(&mut self, key: &[u8], hash: u64, nested: bool, shared: &Shared<'_>) -> (Option<u32>, Meaning) {
        if self.known.len().max(self.flattener.names()) as u64 > shared.limits.keys {
            self.full = true;
            return (None, Meaning::NONE);
        }
        let special = |slot| Meaning { slot, below: false };
        let meaning = match key {
            b"_step" => special(Slot::Step),
            b"_timestamp" => special(Slot::Time),
            b"_runtime" => special(Slot::Runtime),
            _ => self.column(key, nested, shared),
        };
        let (hasher, place) = (&self.hasher, self.known.len() as u32);
        self.known.push((key.into(), meaning));
        let known = |place: &u32| self.known.get(*place as usize).map_or(0, |(known, _)| hasher.hash_one(&**known));
        self.table.insert_unique(hash, place, known);
        (Some(place), meaning)
    }

    /// The column of a key that holds plain values; none if it is W&B's own or not asked for.
    fn column(&mut self, key: &[u8], nested: bool, shared: &Shared<'_>) -> Meaning {
        let mut text = String::from("{");
        json::quote(&String::from_utf8_lossy(key), &mut text);
        text.push_str(":0}");
        let mut found = None;
        // A text of our own; and were it wrong, the key would only be passed over.
        let _ = self.flattener.document(Root::Summary, &Document::plain(text), |id, _| found = Some(id));
        let Some(id) = found else { return Meaning::NONE };
        let path = self.path(id, shared);
        let below = shared.query.may_take_below(&path);
        if self.is_asked(id, shared) {
            return Meaning { slot: Slot::Column(id), below };
        }
        if !nested {
            shared.sink.metric(&path);
        }
        Meaning { slot: Slot::Skip, below }
    }

    /// The path that a column is called by.
    pub(super) fn path(&self, id: NameId, shared: &Shared<'_>) -> String {
        let name = self.flattener.name(id);
        let path = name.strip_prefix(PREFIX).unwrap_or(name);
        if shared.query.is_system() { format!("system.{path}") } else { path.to_owned() }
    }

    pub(super) fn is_asked(&mut self, id: NameId, shared: &Shared<'_>) -> bool {
        if self.asked.len() <= id.index() {
            self.asked.resize(id.index() + 1, None);
        }
        if let Some(Some(asked)) = self.asked.get(id.index()) {
            return *asked;
        }
        let asked = shared.query.takes(&self.path(id, shared));
        if let Some(slot) = self.asked.get_mut(id.index()) {
            *slot = Some(asked);
        }
        asked
    }
}
