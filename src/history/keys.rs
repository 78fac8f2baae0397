//! The keys that rows have: whether they are asked for, and which column they mean.

use super::batch::Shared;
use crate::flatten::{Flattener, NameId, Root};
use crate::json;
use crate::record::Document;
use crate::source::log::history::Documents;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// What the summary's columns begin with, whose rules the names of metrics follow.
const PREFIX: &str = "summary.";

/// The keys that a thread has seen, and what they mean.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) flattener: Flattener,
    table: HashTable<(Box<[u8]>, Meaning)>,
    hasher: hashbrown::DefaultHashBuilder,
    /// By [`NameId`]: whether the column is asked for; `None` if nobody looked yet.
    pub(super) asked: Vec<Option<bool>>,
    pub(super) documents: Documents,
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

impl Keys {
    #[inline]
    pub(super) fn meaning(&mut self, key: &[u8], nested: bool, shared: &Shared<'_>) -> Meaning {
        let hash = self.hasher.hash_one(key);
        match self.table.find(hash, |(known, _)| **known == *key) {
            Some((_, meaning)) => *meaning,
            None => self.learn(key, hash, nested, shared),
        }
    }

    fn learn(&mut self, key: &[u8], hash: u64, nested: bool, shared: &Shared<'_>) -> Meaning {
        if self.table.len().max(self.flattener.names()) as u64 > shared.limits.keys {
            self.full = true;
            return Meaning { slot: Slot::Skip, below: false };
        }
        let special = |slot| Meaning { slot, below: false };
        let meaning = match key {
            b"_step" => special(Slot::Step),
            b"_timestamp" => special(Slot::Time),
            b"_runtime" => special(Slot::Runtime),
            _ => self.column(key, nested, shared),
        };
        let hasher = &self.hasher;
        self.table.insert_unique(hash, (key.into(), meaning), |(known, _)| hasher.hash_one(&**known));
        meaning
    }

    /// The column of a key that holds plain values; none if it is W&B's own or not asked for.
    fn column(&mut self, key: &[u8], nested: bool, shared: &Shared<'_>) -> Meaning {
        let mut text = String::from("{");
        json::quote(&String::from_utf8_lossy(key), &mut text);
        text.push_str(":0}");
        let mut found = None;
        // A text of our own; and were it wrong, the key would only be passed over.
        let _ = self.flattener.document(Root::Summary, &Document::plain(text), |id, _| found = Some(id));
        let Some(id) = found else { return Meaning { slot: Slot::Skip, below: false } };
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
