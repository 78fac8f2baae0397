//! The rows in an answer of the server, found in one pass and left where they are.

#[cfg(any(test, fuzzing))]
#[path = "../../../fuzz/history.rs"]
pub(crate) mod fuzz;

use super::super::answer::{self, Fault};
use super::super::walk::Walk;
use crate::json::{Event, JsonError};
use std::ops::{Deref, Range};
use std::sync::Arc;

/// The rows of a window, as JSON texts; of a key's rows there may be several to a step.
pub(super) type Page = Vec<RowText>;

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

/// What an answer holds of each run: its rows, and how many each list has.
pub(super) type PagesOf = Vec<(Page, Vec<usize>)>;

/// Reads an answer, in one pass: rows as texts of JSON, or as lists of rows, one for each spec.
pub(super) fn rows(body: Vec<u8>, count: usize, by_key: bool) -> std::result::Result<Option<PagesOf>, Fault> {
    let text = match String::from_utf8(body) {
        Ok(text) => text,
        Err(broken) => String::from_utf8_lossy(broken.as_bytes()).into_owned(),
    };
    let text = Arc::new(text);
    let mut read = Reading { text: &text, by_key, count, refused: false, project: None, broken: None };
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
    by_key: bool,
    count: usize,
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
        pages.resize_with(self.count, Default::default);
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

    fn list(
        &mut self,
        walk: &mut Walk<'t>,
        value: Event<'t>,
        (page, lists): &mut (Page, Vec<usize>),
    ) -> std::result::Result<(), JsonError> {
        let text: &'t Arc<String> = self.text;
        if self.by_key {
            let mut push = |place| page.push(RowText { answer: text.clone(), place });
            walk.items(value, &mut |walk, item| {
                let mut count = 0;
                walk.item_places(item, text, &mut |place| {
                    count += 1;
                    push(place);
                })?;
                lists.push(count);
                Ok(())
            })?;
            return Ok(());
        }
        let broken = &mut self.broken;
        walk.items(value, &mut |walk, item| {
            match item {
                Event::Str(row) => page.push(row.decode().0.into_owned().into()),
                Event::Null => {}
                _ => *broken = Some("a row that is no text".to_owned()),
            }
            walk.skip(item)
        })?;
        *lists = vec![page.len()];
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_answers() {
        let body = br#"{"data":{"project":{"r_0":{"rows":["{\"_step\":0}",null,"{\"_step\":1}"]},"r_1":null}}}"#;
        let pages = rows(body.to_vec(), 2, false).unwrap().unwrap();
        let row = |text: &str| RowText::from(text.to_owned());
        assert_eq!(pages[0], (vec![row(r#"{"_step":0}"#), row(r#"{"_step":1}"#)], vec![2]));
        assert_eq!(pages[1], (Vec::new(), Vec::new()));
        let body =
            br#"{"data":{"project":{"r_0":{"rows":[[{"_step":0,"a":1}, {"_step":2,"a":NaN}],[{"_step":2,"b":3}]]}}}}"#;
        let pages = rows(body.to_vec(), 1, true).unwrap().unwrap();
        assert_eq!((pages[0].0.len(), &pages[0].1), (3, &vec![2, 1]));
        assert_eq!(&*pages[0].0[1], r#"{"_step":2,"a":NaN}"#);
    }
}
