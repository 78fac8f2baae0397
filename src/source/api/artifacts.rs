//! Artifact versions as GraphQL gives them.

use super::walk::Walk;
use crate::json::{Event, JsonError};
use crate::record::ArtifactVersion;
use std::collections::HashSet;

/// One page of a run's artifact connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct List {
    /// The versions, in the server's order.
    pub versions: Vec<ArtifactVersion>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// Versions that the server says there are.
    pub total: Option<u64>,
    /// Nodes that are null or whose collection is hidden: deleted, or without permission.
    pub hidden: u64,
    /// DELETED versions, left out.
    pub deleted: u64,
    /// Nodes of any sort.
    pub nodes: u64,
}

impl List {
    /// Reads a connection; `None` if it is null.
    pub(super) fn read<'a>(walk: &mut Walk<'a>, first: Event<'a>) -> Result<Option<List>, JsonError> {
        let (mut list, mut more, mut cursor) = (List::default(), false, None);
        let there = walk.members(first, &mut |walk, key, value| match key {
            "totalCount" => walk.integer(value).map(|total| list.total = total.and_then(|n| u64::try_from(n).ok())),
            "pageInfo" => walk
                .members(value, &mut |walk, key, value| match key {
                    "hasNextPage" => walk.flag(value).map(|flag| more = flag),
                    "endCursor" => walk.text(value).map(|text| cursor = text),
                    _ => walk.skip(value),
                })
                .map(drop),
            "edges" => walk.items(value, &mut |walk, edge| list.edge(walk, edge)).map(drop),
            _ => walk.skip(value),
        })?;
        list.next = cursor.filter(|_| more);
        Ok(there.then_some(list))
    }

    fn edge<'a>(&mut self, walk: &mut Walk<'a>, edge: Event<'a>) -> Result<(), JsonError> {
        let mut found = None;
        walk.members(edge, &mut |walk, key, value| match key {
            "node" => node(walk, value).map(|node| found = node),
            _ => walk.skip(value),
        })?;
        self.nodes += 1;
        match found {
            None => self.hidden += 1,
            Some(version) if version.state.as_deref() == Some("DELETED") => self.deleted += 1,
            Some(version) => self.versions.push(version),
        }
        Ok(())
    }

    /// Adds the next page.
    pub(super) fn extend(&mut self, page: List) {
        self.versions.extend(page.versions);
        self.next = page.next;
        self.total = page.total.or(self.total);
        self.hidden += page.hidden;
        self.deleted += page.deleted;
        self.nodes += page.nodes;
    }

    /// Drops versions that came twice. A run that uses a version several times has it once.
    pub(super) fn dedupe(&mut self) {
        let mut seen = HashSet::new();
        self.versions.retain(|version| version.id.as_ref().is_none_or(|id| seen.insert(id.clone())));
    }
}

/// A collection: name, project, entity; what is not known is `None`.
#[derive(Default, PartialEq)]
struct Collection {
    name: Option<String>,
    project: Option<String>,
    entity: Option<String>,
    /// The project is null: not visible to this account.
    hidden: bool,
}

impl Collection {
    fn read<'a>(walk: &mut Walk<'a>, first: Event<'a>) -> Result<Option<Self>, JsonError> {
        let mut found = Collection::default();
        let there = walk.members(first, &mut |walk, key, value| match key {
            "name" => walk.text(value).map(|text| found.name = text),
            "project" if value == Event::Null => {
                found.hidden = true;
                Ok(())
            }
            "project" => walk
                .members(value, &mut |walk, key, value| match key {
                    "name" => walk.text(value).map(|text| found.project = text),
                    "entity" => named(walk, value).map(|text| found.entity = text),
                    _ => walk.skip(value),
                })
                .map(drop),
            _ => walk.skip(value),
        })?;
        Ok(there.then_some(found))
    }
}

/// An alias and the collection it belongs to.
#[derive(Default)]
struct Alias {
    alias: Option<String>,
    of: Option<Collection>,
    of_name: Option<String>,
}

impl Alias {
    /// Whether the alias is the source collection's own: a version carries aliases of every collection it is linked to.
    fn belongs_to(&self, source: &Collection) -> bool {
        match &self.of {
            Some(of) => of == source,
            None => self.of_name.is_none() || self.of_name == source.name,
        }
    }
}

/// Reads an artifact; `None` if it is null or its collection is not visible.
fn node<'a>(walk: &mut Walk<'a>, first: Event<'a>) -> Result<Option<ArtifactVersion>, JsonError> {
    let mut version = ArtifactVersion::default();
    let (mut source, mut aliases) = (None, Vec::new());
    let there = walk.members(first, &mut |walk, key, value| {
        match key {
            "id" => version.id = walk.text(value)?,
            "state" => version.state = walk.text(value)?,
            "versionIndex" => version.version = walk.integer(value)?,
            "size" => version.size = walk.integer(value)?,
            "digest" => version.digest = walk.text(value)?,
            "createdAt" => version.created_at = walk.time(value)?,
            "artifactType" => version.kind = named(walk, value)?,
            "artifactSequence" => source = Collection::read(walk, value)?,
            "aliases" => {
                walk.items(value, &mut |walk, item| {
                    aliases.extend(alias(walk, item)?);
                    Ok(())
                })?;
            }
            _ => walk.skip(value)?,
        }
        Ok(())
    })?;
    let Some(source) = source.filter(|source| there && !source.hidden) else { return Ok(None) };
    let own = aliases.into_iter().filter(|alias| alias.belongs_to(&source)).filter_map(|alias| alias.alias);
    // `v3` is no alias but the version; servers list it among them.
    let (numbers, mut texts): (Vec<String>, Vec<String>) = own.partition(|alias| version_number(alias).is_some());
    texts.sort_unstable();
    texts.dedup();
    version.aliases = texts;
    version.version = version.version.or_else(|| numbers.iter().find_map(|text| version_number(text)));
    version.name = source.name.unwrap_or_default();
    Ok(Some(version))
}

fn alias<'a>(walk: &mut Walk<'a>, first: Event<'a>) -> Result<Option<Alias>, JsonError> {
    let mut found = Alias::default();
    let there = walk.members(first, &mut |walk, key, value| {
        match key {
            "alias" => found.alias = walk.text(value)?,
            "artifactCollectionName" => found.of_name = walk.text(value)?,
            "artifactCollection" => found.of = Collection::read(walk, value)?,
            _ => walk.skip(value)?,
        }
        Ok(())
    })?;
    Ok(there.then_some(found))
}

/// The `name` of an object.
fn named<'a>(walk: &mut Walk<'a>, first: Event<'a>) -> Result<Option<String>, JsonError> {
    let mut name = None;
    walk.members(first, &mut |walk, key, value| match key {
        "name" => walk.text(value).map(|text| name = text),
        _ => walk.skip(value),
    })?;
    Ok(name)
}

/// 3 for `v3`; `v03` and `vx` are plain aliases.
fn version_number(alias: &str) -> Option<i64> {
    let digits = alias.strip_prefix('v')?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<List> {
        let (mut walk, first) = Walk::new(text).unwrap();
        List::read(&mut walk, first).unwrap()
    }

    const SOURCE: &str = r#""artifactSequence":{"name":"m","project":{"name":"p","entity":{"name":"e"}}}"#;

    #[test]
    fn nodes_aliases_and_states() {
        let own = r#"{"name":"m","project":{"name":"p","entity":{"name":"e"}}}"#;
        let linked = r#"{"name":"m","project":{"name":"registry","entity":{"name":"e"}}}"#;
        let aliases = format!(
            r#"[{{"alias":"z","artifactCollection":{own}}},{{"alias":"a","artifactCollectionName":"m","artifactCollection":null}},
               {{"alias":"prod","artifactCollection":{linked}}},{{"alias":"v3","artifactCollection":{own}}},
               {{"alias":"b","artifactCollectionName":"other","artifactCollection":null}}, null]"#
        );
        let text = format!(
            r#"{{"totalCount":5,"pageInfo":{{"hasNextPage":true,"endCursor":"c"}},"edges":[
              {{"node":{{"id":"1","state":"COMMITTED","versionIndex":3,"size":"7","digest":"d","createdAt":"2024-01-01T00:00:00",
                "artifactType":{{"name":"model"}},{SOURCE},"aliases":{aliases}}}}},
              {{"node":null}},
              {{"node":{{"id":"2","state":"DELETED","versionIndex":1,{SOURCE},"aliases":[]}}}},
              {{"node":{{"id":"3","state":"PENDING","versionIndex":null,{SOURCE},"aliases":null}}}},
              {{"node":{{"id":"4","state":"COMMITTED","artifactSequence":{{"name":"x","project":null}}}}}}]}}"#
        );
        let list = read(&text).unwrap();
        assert_eq!((list.hidden, list.deleted, list.nodes, list.total), (2, 1, 5, Some(5)));
        assert_eq!(list.next.as_deref(), Some("c"));
        let [first, pending] = list.versions.as_slice() else { panic!("{list:?}") };
        assert_eq!((first.name.as_str(), first.kind.as_deref(), first.version), ("m", Some("model"), Some(3)));
        assert_eq!((first.aliases.as_slice(), first.size), (&["a".to_owned(), "z".to_owned()][..], Some(7)));
        assert_eq!((pending.version, pending.state.as_deref()), (None, Some("PENDING")));
        assert_eq!(read("null"), None);
    }

    #[test]
    fn version_aliases_stand_in_for_a_missing_index() {
        let text = format!(
            r#"{{"edges":[{{"node":{{"id":"1",{SOURCE},"aliases":[{{"alias":"v12"}},{{"alias":"v01"}}]}}}}]}}"#
        );
        let version = read(&text).unwrap().versions.remove(0);
        assert_eq!((version.version, version.aliases.as_slice()), (Some(12), &["v01".to_owned()][..]));
    }

    #[test]
    fn twice_used_is_once_there() {
        let twice = ArtifactVersion { id: Some("a".into()), ..Default::default() };
        let mut list = List { versions: vec![twice.clone(), twice, ArtifactVersion::default()], ..Default::default() };
        list.dedupe();
        assert_eq!(list.versions.len(), 2);
    }
}
