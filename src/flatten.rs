//! W&B JSON to (path, kind, value), streaming: a pure function of each document, whatever came before it.

mod leaves;
mod list;
mod paths;
mod swift;

pub(crate) use leaves::Taker;
pub(crate) use list::EXACT;
pub use list::List;
#[cfg(test)]
pub(crate) use list::float_text;
pub use paths::NameId;

use crate::json::{Event, JsonError, NonFinite, Reader, Text, compact};
use crate::record::{Document, Form};
use leaves::Leaves;
use paths::{NodeId, Paths};
use std::borrow::Cow;
use std::collections::HashMap;
use swift::Swift;

/// Which of a run's two documents is flattened; it decides the prefix and a few rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Root {
    /// Hyper-parameters: columns `config.*`.
    Config,
    /// Final metrics: columns `summary.*`.
    Summary,
}

impl Root {
    /// The columns' prefix, without the dot.
    pub fn prefix(self) -> &'static str {
        match self {
            Root::Config => "config",
            Root::Summary => "summary",
        }
    }

    /// Top-level keys that are W&B's own and not the user's (SDK `runs.py`, config and summary readers).
    ///
    /// `wandb_version` stands beside the wrapped values of an API config only; in a log it is a user's key.
    fn is_internal(self, key: &str, wrapped: bool) -> bool {
        key == "_wandb" || (self == Root::Config && wrapped && key == "wandb_version")
    }
}

/// One value of a document, as it was written.
#[derive(Debug, Clone, PartialEq)]
pub enum Leaf<'a> {
    /// `null`.
    Null,
    /// An integer within Int64.
    Int(i64),
    /// Any other number that a float can hold.
    Float(f64),
    /// A number that neither Int64 nor a float can hold: its digits.
    Big(&'a str),
    /// A config string that may mean a non-finite number: `"NaN"`. What it is depends on the other runs' values.
    Spelled(NonFinite, Cow<'a, str>),
    /// A string.
    Str(Cow<'a, str>),
    /// A boolean.
    Bool(bool),
    /// A list of one kind of scalars.
    List(List),
    /// Anything else: its JSON text without white space.
    Json(Cow<'a, str>),
}

/// What flattening a document had to change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notes {
    /// Keys that one object held twice; the last one counts.
    pub repeated_keys: u64,
    /// Texts with a lone surrogate, now U+FFFD.
    pub repaired_texts: u64,
}

/// Levels of objects that are exploded; what lies deeper is one value of JSON text.
pub const MAX_LEVELS: usize = 256;
/// Bytes of path up to which objects are exploded; below a longer one the object is one value of JSON text. Without this a
/// small hostile text would make names that take its size squared.
pub const MAX_PATH: usize = 2_048;

/// Flattens documents, remembering the paths it has seen so that each name is made once.
#[derive(Debug, Default)]
pub struct Flattener {
    paths: Paths,
}

impl Flattener {
    /// The column path of `id`: `config.optimizer.lr`.
    pub fn name(&self, id: NameId) -> &str {
        self.paths.name(id)
    }

    /// How many names there are; ids run from 0 to here.
    pub fn names(&self) -> usize {
        self.paths.names()
    }

    /// The id of a column path that another flattener made.
    pub fn intern_name(&mut self, name: &str) -> NameId {
        self.paths.intern_name(name)
    }

    /// Hands every value of `document` to `each`. Nothing is handed out unless the whole text is JSON.
    ///
    /// # Errors
    /// If the text is not JSON, or not one object; `null` is an empty object.
    pub fn document(
        &mut self,
        root: Root,
        document: &Document,
        mut each: impl FnMut(NameId, Leaf<'_>),
    ) -> Result<Notes, JsonError> {
        self.document_to(root, document, &mut each)
    }

    /// The same, to somebody who takes numbers apart.
    pub(crate) fn document_to(
        &mut self,
        root: Root,
        document: &Document,
        taker: &mut impl Taker,
    ) -> Result<Notes, JsonError> {
        let top = self.paths.begin(root);
        let swiftly = match document.form() {
            Form::Plain(text) => Swift::<false>::read(root, text, document.wrapped, top, &mut self.paths),
            #[cfg(feature = "api")]
            Form::Quoted(text) => Swift::<true>::read(root, text, document.wrapped, top, &mut self.paths),
        };
        let text;
        let (leaves, notes) = match swiftly {
            Some(read) => read,
            None => {
                text = document.text();
                self.carefully(root, &text, document.wrapped)?
            }
        };
        self.paths.hand_out(leaves, taker);
        Ok(notes)
    }

    /// The values of a text of any sort.
    fn carefully<'a>(&mut self, root: Root, text: &'a str, wrapped: bool) -> Result<(Leaves<'a>, Notes), JsonError> {
        let top = self.paths.begin(root);
        let mut walk = Walk {
            root,
            text,
            reader: Reader::new(text),
            paths: &mut self.paths,
            leaves: Vec::new(),
            open: Vec::new(),
            dead: HashMap::new(),
            notes: Notes::default(),
        };
        walk.document(top, wrapped)?;
        let Walk { leaves, dead, notes, .. } = walk;
        let mut kept = Leaves::of(text, leaves.len());
        for (node, mut leaf) in self.paths.without_dead(leaves, &dead) {
            if let Leaf::Json(text) = &mut leaf {
                compact_json(text)?;
            }
            kept.push(node, leaf);
        }
        Ok((kept, notes))
    }
}

/// One pass over one document, or over one value in it.
struct Walk<'a, 'p> {
    root: Root,
    text: &'a str,
    reader: Reader<'a>,
    paths: &'p mut Paths,
    leaves: Vec<(NodeId, Leaf<'a>)>,
    open: Vec<Open>,
    /// Nodes that came again, and how many leaves there were then: earlier ones at or below the node do not count.
    dead: HashMap<NodeId, usize>,
    notes: Notes,
}

/// An object that is being exploded.
struct Open {
    node: NodeId,
    /// Where its text begins.
    start: usize,
    /// Leaves there were before it, to take its own back.
    mark: usize,
    empty: bool,
    wrapper: Wrapper,
}

/// Whether an object is the `{"value": …, "desc": …}` around a top-level config value.
#[derive(Clone, Copy, PartialEq)]
enum Wrapper {
    No,
    /// It would be, if it has a `value`.
    Perhaps,
    Yes,
}

impl<'a> Walk<'a, '_> {
    fn document(&mut self, top: NodeId, wrapped: bool) -> Result<(), JsonError> {
        match self.reader.next()? {
            Event::BeginObject => {}
            Event::Null => return self.end(),
            _ => return Err(JsonError { offset: 0, reason: "not an object" }),
        }
        self.begin_object(top, 0, Wrapper::No);
        self.members(wrapped)?;
        self.end()
    }

    fn end(&mut self) -> Result<(), JsonError> {
        while self.reader.next()? != Event::End {}
        Ok(())
    }

    /// Reads on until every open object is closed.
    fn members(&mut self, wrapped: bool) -> Result<(), JsonError> {
        while let Some(open) = self.open.last() {
            let (node, wrapper) = (open.node, open.wrapper);
            match self.reader.next()? {
                Event::Key(key) if wrapper == Wrapper::No => self.member(node, key, wrapped)?,
                Event::Key(key) => self.wrapper_member(node, key)?,
                _ => self.end_object()?,
            }
        }
        Ok(())
    }

    fn member(&mut self, parent: NodeId, key: Text<'a>, wrapped: bool) -> Result<(), JsonError> {
        let (key, repaired) = key.decode();
        self.notes.repaired_texts += u64::from(repaired);
        let top = Paths::is_root(parent);
        if top && self.root.is_internal(&key, wrapped) {
            return self.skip_value();
        }
        if !top && key == "_type" {
            return self.take_back_as_json();
        }
        if let Some(open) = self.open.last_mut() {
            open.empty = false;
        }
        let (node, seen) = self.paths.child(parent, &key);
        if seen {
            self.repeated(node);
        }
        let event = self.reader.next()?;
        let wrapper = if top && wrapped { Wrapper::Perhaps } else { Wrapper::No };
        self.value(node, event, wrapper)
    }

    fn wrapper_member(&mut self, node: NodeId, key: Text<'a>) -> Result<(), JsonError> {
        if key.decode().0 != "value" {
            return self.skip_value();
        }
        if let Some(open) = self.open.last_mut() {
            let before = std::mem::replace(&mut open.wrapper, Wrapper::Yes);
            if before == Wrapper::Yes {
                self.repeated(node);
            }
        }
        let event = self.reader.next()?;
        self.value(node, event, Wrapper::No)
    }

    /// This object had the key before: its earlier value does not count.
    fn repeated(&mut self, node: NodeId) {
        self.notes.repeated_keys += 1;
        self.dead.insert(node, self.leaves.len());
    }

    fn skip_value(&mut self) -> Result<(), JsonError> {
        let first = self.reader.next()?;
        self.reader.skip(first)
    }

    fn value(&mut self, node: NodeId, event: Event<'a>, wrapper: Wrapper) -> Result<(), JsonError> {
        let leaf = match event {
            Event::BeginObject => {
                let start = self.reader.offset() - 1;
                // A wrapper is no level of its own: it is taken off below any key.
                if wrapper == Wrapper::Perhaps || self.paths.explodes(node) {
                    self.begin_object(node, start, wrapper);
                    return Ok(());
                }
                self.reader.skip(event)?;
                self.json(start)
            }
            Event::BeginArray => self.array()?,
            Event::Null => Leaf::Null,
            Event::Bool(value) => Leaf::Bool(value),
            Event::Number(text) => number(text),
            Event::NonFinite(value) => Leaf::Float(value.value()),
            Event::Str(text) => self.string(text),
            Event::Key(_) | Event::EndObject | Event::EndArray | Event::End => return Ok(()),
        };
        self.leaves.push((node, leaf));
        Ok(())
    }

    fn string(&mut self, text: Text<'a>) -> Leaf<'a> {
        let (text, repaired) = text.decode();
        self.notes.repaired_texts += u64::from(repaired);
        swift::spelled(text, self.root)
    }

    fn array(&mut self) -> Result<Leaf<'a>, JsonError> {
        let start = self.reader.offset() - 1;
        match list::read(&mut self.reader, self.root)? {
            (Some(list), repaired) => {
                self.notes.repaired_texts += repaired;
                Ok(Leaf::List(list))
            }
            (None, _) => Ok(self.json(start)),
        }
    }

    /// What was read from `start` on. It is compacted when the whole document is read: a value around it may take it back.
    fn json(&self, start: usize) -> Leaf<'a> {
        Leaf::Json(Cow::Borrowed(self.text.get(start..self.reader.offset()).unwrap_or_default()))
    }

    fn begin_object(&mut self, node: NodeId, start: usize, wrapper: Wrapper) {
        self.open.push(Open { node, start, mark: self.leaves.len(), empty: true, wrapper });
    }

    fn end_object(&mut self) -> Result<(), JsonError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        if open.wrapper == Wrapper::Perhaps {
            return self.walk_again(&open);
        }
        if open.empty && open.wrapper == Wrapper::No && !Paths::is_root(open.node) {
            self.leaves.push((open.node, Leaf::Json(Cow::Borrowed("{}"))));
        }
        Ok(())
    }

    /// The object at the top of a wrapped config had no `value`: it is the value itself.
    fn walk_again(&mut self, open: &Open) -> Result<(), JsonError> {
        let end = self.reader.offset();
        let reader = std::mem::replace(&mut self.reader, Reader::from_offset(self.text, open.start));
        let outer = std::mem::take(&mut self.open);
        let first = self.reader.next()?;
        self.value(open.node, first, Wrapper::No)?;
        self.members(false)?;
        debug_assert_eq!(self.reader.offset(), end);
        (self.reader, self.open) = (reader, outer);
        Ok(())
    }

    /// The object turns out to have a `_type`: what it gave so far is taken back, and all of it is one value.
    fn take_back_as_json(&mut self) -> Result<(), JsonError> {
        self.skip_value()?;
        while let Event::Key(_) = self.reader.next()? {
            self.skip_value()?;
        }
        let Some(open) = self.open.pop() else { return Ok(()) };
        self.leaves.truncate(open.mark);
        let leaf = self.json(open.start);
        self.leaves.push((open.node, leaf));
        Ok(())
    }
}

/// Takes the white space out of a JSON text.
fn compact_json(text: &mut Cow<'_, str>) -> Result<(), JsonError> {
    let mut out = String::with_capacity(text.len());
    compact(text, &mut out)?;
    if out != **text {
        *text = Cow::Owned(out);
    }
    Ok(())
}

/// The value of a JSON text that a json column held: numbers and lists that stood there because their path had no room
/// for them elsewhere are themselves again.
#[cfg(feature = "frame")]
pub fn reread(text: &str) -> Leaf<'_> {
    let mut reader = Reader::new(text);
    match reader.next() {
        Ok(Event::Number(digits)) if digits.len() == text.len() => number(digits),
        Ok(Event::BeginArray) => match list::read(&mut reader, Root::Config) {
            Ok((Some(list), _)) => Leaf::List(list),
            _ => Leaf::Json(Cow::Borrowed(text)),
        },
        _ => Leaf::Json(Cow::Borrowed(text)),
    }
}

/// A number as written: Int64 if it is an integer that fits, else a float if one can hold it, else its digits.
pub(crate) fn number(text: &str) -> Leaf<'_> {
    let is_integer = !text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E'));
    if is_integer && text != "-0" {
        return text.parse().map_or(Leaf::Big(text), Leaf::Int);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Leaf::Float(value),
        _ => Leaf::Big(text),
    }
}

#[cfg(test)]
mod tests;
