//! The rows in an answer of the server, found in one pass and left where they are.

#[cfg(any(test, fuzzing))]
#[path = "../../../fuzz/history.rs"]
pub(crate) mod fuzz;

use super::super::answer::{self, Fault};
use super::super::walk::Walk;
use super::flat::FlatRows;
use crate::json::{Event, JsonError};
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A row as JSON: a part of the answer that it came in.
#[derive(Debug, Clone)]
pub(super) struct RowText {
    answer: Arc<String>,
    place: Range<usize>,
}

impl From<String> for RowText {
    fn from(text: String) -> Self {
        RowText { place: 0..text.len(), answer: Arc::new(text) }
    }
}

impl Deref for RowText {
    type Target = str;

    fn deref(&self) -> &str {
        self.answer.get(self.place.clone()).unwrap_or_default()
    }
}

impl PartialEq for RowText {
    fn eq(&self, other: &RowText) -> bool {
        **self == **other
    }
}

/// Rows as they came: all of them flat and read, or as JSON.
#[derive(Debug)]
pub(super) enum List {
    /// As JSON.
    Texts(Vec<RowText>),
    /// Read, with the answer that they came in.
    Flat(Arc<String>, FlatRows),
}

impl List {
    fn len(&self) -> usize {
        match self {
            List::Texts(texts) => texts.len(),
            List::Flat(_, rows) => rows.len(),
        }
    }

    /// The text that a row's values stand in.
    pub(super) fn text(&self, row: usize) -> &str {
        match self {
            List::Texts(texts) => texts.get(row).map_or("", |text| text),
            List::Flat(answer, _) => answer,
        }
    }

    fn texts(&self) -> Vec<RowText> {
        match self {
            List::Texts(texts) => texts.clone(),
            List::Flat(answer, rows) => rows.places().map(|place| RowText { answer: answer.clone(), place }).collect(),
        }
    }
}

/// The rows of a window; of a key's rows there may be several to a step, in one list for each spec.
#[derive(Debug, Default)]
pub(super) struct Page(Vec<List>);

impl From<Vec<RowText>> for Page {
    fn from(texts: Vec<RowText>) -> Self {
        Page(vec![List::Texts(texts)])
    }
}

impl Page {
    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(List::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn lists(&self) -> &[List] {
        &self.0
    }

    /// Takes the rows of the first list, if they were read; it has none then.
    pub(super) fn take_flat(&mut self) -> Option<FlatRows> {
        match self.0.first_mut()? {
            List::Flat(_, rows) => Some(std::mem::take(rows)),
            List::Texts(_) => None,
        }
    }

    /// How many rows each list has.
    pub(super) fn lens(&self) -> Vec<usize> {
        self.0.iter().map(List::len).collect()
    }

    /// Takes the last list off.
    pub(super) fn drop_last(&mut self) {
        self.0.pop();
    }

    /// Each row as JSON.
    pub(super) fn texts(&self) -> Vec<RowText> {
        self.0.iter().flat_map(List::texts).collect()
    }
}

/// What an answer holds of each run.
pub(super) type PagesOf = Vec<Page>;

/// How answers are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// Runs in it.
    pub count: usize,
    /// There are lists of rows, one for each spec, rather than rows as texts of JSON.
    pub by_key: bool,
    /// Metrics that a row may have.
    pub most: u64,
}

/// Reads an answer, in one pass.
pub(super) fn rows(body: Vec<u8>, form: Form) -> std::result::Result<Option<PagesOf>, Fault> {
    let text = match String::from_utf8(body) {
        Ok(text) => text,
        Err(broken) => String::from_utf8_lossy(broken.as_bytes()).into_owned(),
    };
    let text = Arc::new(text);
    let mut read = Reading { text: &text, form, room: 0, refused: false, project: None, broken: None };
    let (mut walk, first) = Walk::new(&text)?;
    walk.members(first, &mut |walk, key, value| match key {
        "errors" => read.errors(walk, value),
        "data" => walk
            .members(value, &mut |walk, key, value| match key {
                "project" => read.project(walk, value),
                _ => walk.skip(value),
            })
            .map(drop),
        _ => walk.skip(value),
    })?;
    walk.end()?;
    if read.refused {
        return Err(answer::refusal(text.as_bytes()));
    }
    if let Some(broken) = read.broken {
        return Err(Fault::Malformed(broken));
    }
    read.project.ok_or_else(|| Fault::Malformed("no data in it".to_owned()))
}

/// An answer that is being read.
struct Reading<'t> {
    text: &'t Arc<String>,
    form: Form,
    /// Rows that the last list had: the next one is mostly as long.
    room: usize,
    refused: bool,
    /// The rows; `None` inside if there is no such project.
    project: Option<Option<PagesOf>>,
    broken: Option<String>,
}

impl<'t> Reading<'t> {
    fn errors(&mut self, walk: &mut Walk<'t>, value: Event<'t>) -> std::result::Result<(), JsonError> {
        let mut any = false;
        let is_list = value == Event::BeginArray;
        walk.items(value, &mut |walk, item| {
            any = true;
            walk.skip(item)
        })?;
        self.refused = if is_list { any } else { value != Event::Null };
        Ok(())
    }

    fn project(&mut self, walk: &mut Walk<'t>, value: Event<'t>) -> std::result::Result<(), JsonError> {
        let mut pages: PagesOf = Vec::new();
        pages.resize_with(self.form.count, Default::default);
        let there = walk.members(value, &mut |walk, key, value| {
            let at = key.strip_prefix("r_").and_then(|at| at.parse::<usize>().ok());
            match at.and_then(|at| pages.get_mut(at)) {
                Some(page) => walk.members(value, &mut |walk, _, value| self.list(walk, value, page)).map(drop),
                None => walk.skip(value),
            }
        })?;
        self.project = Some(there.then_some(pages));
        Ok(())
    }

    fn list(&mut self, walk: &mut Walk<'t>, value: Event<'t>, page: &mut Page) -> std::result::Result<(), JsonError> {
        let (text, form): (&'t Arc<String>, Form) = (self.text, self.form);
        if form.by_key {
            let room = &mut self.room;
            return walk
                .items(value, &mut |walk, item| Self::rows_of_key(walk, item, text, form, room, page))
                .map(drop);
        }
        let mut texts = Vec::new();
        let broken = &mut self.broken;
        walk.items(value, &mut |walk, item| {
            match item {
                Event::Str(row) => texts.push(row.decode().0.into_owned().into()),
                Event::Null => {}
                _ => *broken = Some("a row that is no text".to_owned()),
            }
            walk.skip(item)
        })?;
        page.0.push(List::Texts(texts));
        Ok(())
    }

    fn rows_of_key(
        walk: &mut Walk<'t>,
        first: Event<'t>,
        answer: &Arc<String>,
        form: Form,
        room: &mut usize,
        Page(lists): &mut Page,
    ) -> std::result::Result<(), JsonError> {
        let read = |text, at| FlatRows::list(text, at, form.most, *room);
        let list = match walk.array_by(first, read) {
            Some(rows) => List::Flat(answer.clone(), rows),
            None => {
                let mut texts = Vec::new();
                let mut push = |place| texts.push(RowText { answer: answer.clone(), place });
                walk.item_places(first, answer, &mut push)?;
                List::Texts(texts)
            }
        };
        *room = list.len();
        lists.push(list);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_answers() {
        let body = br#"{"data":{"project":{"r_0":{"rows":["{\"_step\":0}",null,"{\"_step\":1}"]},"r_1":null}}}"#;
        let form = |by_key, count| Form { count, by_key, most: 100 };
        let pages = rows(body.to_vec(), form(false, 2)).unwrap().unwrap();
        let texts = |page: &Page| page.texts().iter().map(|text| text.to_string()).collect::<Vec<String>>();
        assert_eq!(texts(&pages[0]), [r#"{"_step":0}"#, r#"{"_step":1}"#]);
        assert_eq!((pages[0].lens(), pages[1].lens()), (vec![2], vec![]));
        let body = br#"{"data":{"project":{"r_0":{"rows":[ [{"_step":0,"a":1}, {"_step":2,"a":NaN} ],[{"_step":2,"b":[3]}],null,[]]}}}}"#;
        let pages = rows(body.to_vec(), form(true, 1)).unwrap().unwrap();
        assert_eq!((pages[0].len(), pages[0].lens()), (3, vec![2, 1, 0, 0]));
        assert_eq!(texts(&pages[0]), [r#"{"_step":0,"a":1}"#, r#"{"_step":2,"a":NaN}"#, r#"{"_step":2,"b":[3]}"#]);
        let flat: Vec<bool> = pages[0].lists().iter().map(|list| matches!(list, List::Flat(..))).collect();
        assert_eq!(flat, [true, false, false, true]);
    }

    #[test]
    fn what_is_no_list_of_rows_is_told() {
        for list in [
            r#"[{"a":1},]"#,
            r#"[{"a":1}"#,
            r#"[{"a":1}}"#,
            r#"[{"a":1} {"a":1}]"#,
            r#"[{"a":1,}]"#,
            r#"[{"a":01}]"#,
            r#"[,{"a":1}]"#,
            r#"[{"a":truest}]"#,
        ] {
            let body = format!(r#"{{"data":{{"project":{{"r_0":{{"rows":[{list}]}}}}}}}}"#);
            let read = rows(body.into_bytes(), Form { count: 1, by_key: true, most: 100 });
            assert!(matches!(read, Err(Fault::Malformed(_))), "{list}: {read:?}");
        }
    }
}
