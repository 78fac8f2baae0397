//! Every text of the columns shown to somebody who may replace it.

use super::sparse::{Sparse, Texts};
use super::{Columns, FIELDS, Fixed, OptionalTexts};
use crate::flatten::{List, NameId};
use crate::threads;

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// As it is.
    Plain,
    /// As JSON, which it is to stay.
    Json,
}

/// Somebody who looks at texts and may replace them.
pub trait TextEditor {
    /// The texts that follow are of this path of config or summary.
    fn begin(&mut self, path: &str);

    /// The texts that follow are of this field, if it wants to see them.
    fn field(&mut self, name: &str) -> bool;

    /// What a text is replaced by.
    fn edit(&mut self, text: &str, form: TextForm) -> Option<String>;
}

impl Columns {
    /// Shows all texts.
    pub fn edit_texts(&mut self, editor: &mut dyn TextEditor) {
        for (index, values) in self.sparse.iter_mut().enumerate().filter(|(_, values)| values.has_texts()) {
            editor.begin(self.flattener.name(NameId::from_index(index)));
            values.edit_texts(editor);
        }
        for (field, values) in FIELDS.iter().zip(&mut self.fixed) {
            if matches!(values, Fixed::Strs(_) | Fixed::Lists(_)) && editor.field(field.name) {
                values.edit_texts(editor);
            }
        }
    }

    /// Shows the texts of config and summary on all threads, to as many editors as it takes.
    pub fn edit_texts_apart<E: TextEditor + Send>(&mut self, editor: impl Fn() -> E + Sync + Send) -> Vec<E> {
        let flattener = &self.flattener;
        let paths = self.sparse.iter_mut().enumerate().filter(|(_, values)| values.has_texts());
        threads::share_out(paths, editor, |editor, (index, values)| {
            editor.begin(flattener.name(NameId::from_index(index)));
            values.edit_texts(editor);
        })
    }

    /// Counts secrets in the receipt, as [`Receipt::secrets`](crate::record::Receipt::secrets) has them.
    pub fn note(&mut self, note: impl FnOnce(&mut crate::record::Receipt)) {
        note(&mut self.receipt);
    }

    /// Replaces the untouched texts.
    pub fn edit_raw(&mut self, edit: impl Fn(&str) -> String) {
        for texts in &mut self.raw {
            *texts = edited(texts, |text| Some(edit(text)));
        }
    }
}

impl Sparse {
    fn has_texts(&self) -> bool {
        !(self.strs.is_empty() && self.lists.is_empty() && self.jsons.is_empty())
    }

    /// Shows the texts of this path, strings before lists before JSON.
    pub fn edit_texts(&mut self, editor: &mut dyn TextEditor) {
        self.strs.edit(&mut |text| editor.edit(text, TextForm::Plain));
        self.jsons.edit(&mut |text| editor.edit(text, TextForm::Json));
        for list in self.lists.values_mut() {
            let List::Strs(texts) = list else { continue };
            for text in texts.iter_mut().flatten() {
                if let Some(new) = editor.edit(text, TextForm::Plain) {
                    *text = new;
                }
            }
        }
    }
}

impl Texts {
    fn edit(&mut self, edit: &mut dyn FnMut(&str) -> Option<String>) {
        let mut new: Vec<(usize, String)> = Vec::new();
        for (at, (_, text)) in self.iter().enumerate() {
            if let Some(text) = edit(text) {
                new.push((at, text));
            }
        }
        if new.is_empty() {
            return;
        }
        let (mut edited, mut new) = (Texts::default(), new.into_iter().peekable());
        for (at, (row, text)) in self.iter().enumerate() {
            let replaced = new.next_if(|(changed, _)| *changed == at);
            edited.push(row as u32, replaced.as_ref().map_or(text, |(_, text)| text));
        }
        *self = edited;
    }
}

impl Fixed {
    fn edit_texts(&mut self, editor: &mut dyn TextEditor) {
        match self {
            Fixed::Strs(texts) => *texts = edited(texts, |text| editor.edit(text, TextForm::Plain)),
            Fixed::Lists(lists) => {
                for text in lists.iter_mut().flatten().flat_map(|list| list.iter_mut()) {
                    if let Some(new) = editor.edit(text, TextForm::Plain) {
                        *text = new;
                    }
                }
            }
            Fixed::Ints(_) | Fixed::Floats(_) | Fixed::Artifacts(_) => {}
        }
    }
}

fn edited(texts: &OptionalTexts, mut edit: impl FnMut(&str) -> Option<String>) -> OptionalTexts {
    let mut all = OptionalTexts::default();
    for text in texts.iter() {
        let new = text.and_then(&mut edit);
        all.push(new.as_deref().or(text));
    }
    all
}
