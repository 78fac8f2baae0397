//! The artifact versions of all runs, field by field: a tenth of the memory of as many records.

use super::fixed::OptionalTexts;
use super::room::Growth;
use crate::record::{ArtifactVersion, Timestamp};
use std::ops::Range;

/// A list of artifact versions for each row, or none.
#[derive(Debug, Clone, Default)]
pub struct ArtifactLists {
    /// The end of each row's list among the versions, twice, and one more if the row has no list.
    ends: Vec<u64>,
    /// The collections' names.
    pub names: OptionalTexts,
    /// The artifact types.
    pub kinds: OptionalTexts,
    /// The version indices.
    pub versions: Vec<Option<i64>>,
    /// Bytes.
    pub sizes: Vec<Option<i64>>,
    /// The manifests' digests.
    pub digests: OptionalTexts,
    /// PENDING, COMMITTED or DELETED.
    pub states: OptionalTexts,
    /// Times of creation, in microseconds.
    pub created: Vec<Option<i64>>,
    /// The server's ids.
    pub ids: OptionalTexts,
    /// The end of each version's aliases among all aliases.
    alias_ends: Vec<u64>,
    /// The aliases of all versions, end to end.
    pub aliases: OptionalTexts,
}

impl ArtifactLists {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a row.
    pub fn push(&mut self, list: Option<&[ArtifactVersion]>) {
        for artifact in list.unwrap_or_default() {
            self.names.push(Some(&artifact.name));
            self.kinds.push(artifact.kind.as_deref());
            self.versions.push(artifact.version);
            self.sizes.push(artifact.size);
            self.digests.push(artifact.digest.as_deref());
            self.states.push(artifact.state.as_deref());
            self.created.push(artifact.created_at.map(Timestamp::micros));
            self.ids.push(artifact.id.as_deref());
            artifact.aliases.iter().for_each(|alias| self.aliases.push(Some(alias)));
            self.alias_ends.push(self.aliases.len() as u64);
        }
        self.ends.push(mark(self.versions.len(), list.is_some()));
    }

    /// Adds some rows of another column.
    pub fn append(&mut self, other: &ArtifactLists, rows: Range<usize>) {
        let (mine, theirs) = (self.versions.len(), other.within(&rows));
        let (alias, aliases) = (self.aliases.len(), other.aliases_within(&theirs));
        self.ends.extend(other.ends.get(rows).unwrap_or_default().iter().map(|end| {
            let (end, there) = (place(*end), end & 1 == 0);
            mark(end - theirs.start + mine, there)
        }));
        let ends = other.alias_ends.get(theirs.clone()).unwrap_or_default();
        self.alias_ends.extend(ends.iter().map(|end| end - aliases.start as u64 + alias as u64));
        self.aliases.append(&other.aliases, aliases);
        for (texts, more) in [
            (&mut self.names, &other.names),
            (&mut self.kinds, &other.kinds),
            (&mut self.digests, &other.digests),
            (&mut self.states, &other.states),
            (&mut self.ids, &other.ids),
        ] {
            texts.append(more, theirs.clone());
        }
        for (numbers, more) in [
            (&mut self.versions, &other.versions),
            (&mut self.sizes, &other.sizes),
            (&mut self.created, &other.created),
        ] {
            numbers.extend_from_slice(more.get(theirs.clone()).unwrap_or_default());
        }
    }

    /// These rows, in this order.
    pub fn take(&self, rows: impl Iterator<Item = usize>) -> ArtifactLists {
        let mut taken = ArtifactLists::default();
        rows.for_each(|row| taken.append(self, row..row + 1));
        taken
    }

    /// All columns of texts.
    fn texts(&mut self) -> [&mut OptionalTexts; 6] {
        [&mut self.names, &mut self.kinds, &mut self.digests, &mut self.states, &mut self.ids, &mut self.aliases]
    }

    /// All columns of numbers.
    fn numbers(&mut self) -> [&mut Vec<Option<i64>>; 3] {
        [&mut self.versions, &mut self.sizes, &mut self.created]
    }

    /// Forgets everything but the memory.
    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.alias_ends.clear();
        self.texts().into_iter().for_each(OptionalTexts::clear);
        self.numbers().into_iter().for_each(Vec::clear);
    }

    /// Room for the rows to come.
    pub(super) fn make_room(&mut self, growth: Growth) {
        growth.of(&mut self.ends);
        growth.of(&mut self.alias_ends);
        self.texts().into_iter().for_each(|texts| texts.make_room(growth));
        self.numbers().into_iter().for_each(|values| growth.of(values));
    }

    /// Gives back memory that growing left over.
    pub fn shrink(&mut self) {
        self.ends.shrink_to_fit();
        self.alias_ends.shrink_to_fit();
        self.texts().into_iter().for_each(OptionalTexts::shrink);
        self.numbers().into_iter().for_each(Vec::shrink_to_fit);
    }

    /// How many versions each of these rows has; `None` if it has no list.
    pub fn lengths(&self, rows: &Range<usize>) -> impl Iterator<Item = Option<usize>> {
        let mut start = self.within(rows).start;
        self.ends.get(rows.clone()).unwrap_or_default().iter().map(move |end| {
            let (stop, there) = (place(*end), end & 1 == 0);
            let length = stop - start;
            start = stop;
            there.then_some(length)
        })
    }

    /// Where the versions of these rows are.
    pub fn within(&self, rows: &Range<usize>) -> Range<usize> {
        let end = |row: usize| row.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| place(*end));
        end(rows.start)..end(rows.end)
    }

    /// How many aliases each of these versions has.
    pub fn alias_lengths(&self, versions: &Range<usize>) -> impl Iterator<Item = usize> {
        let mut start = self.aliases_within(versions).start as u64;
        self.alias_ends.get(versions.clone()).unwrap_or_default().iter().map(move |end| {
            let length = end - start;
            start = *end;
            length as usize
        })
    }

    /// Where the aliases of these versions are.
    pub fn aliases_within(&self, versions: &Range<usize>) -> Range<usize> {
        let end =
            |at: usize| at.checked_sub(1).and_then(|before| self.alias_ends.get(before)).map_or(0, |end| *end as usize);
        end(versions.start)..end(versions.end)
    }
}

fn mark(end: usize, there: bool) -> u64 {
    (end as u64) << 1 | u64::from(!there)
}

fn place(mark: u64) -> usize {
    (mark >> 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(name: &str, aliases: &[&str]) -> ArtifactVersion {
        let aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        ArtifactVersion { name: name.into(), aliases, ..ArtifactVersion::default() }
    }

    /// Names and aliases of each row.
    fn rows(lists: &ArtifactLists, rows: Range<usize>) -> Vec<Option<Vec<String>>> {
        let versions = lists.within(&rows);
        let mut aliases = lists.aliases.part(lists.aliases_within(&versions)).flatten();
        let mut named = lists.names.part(versions.clone()).flatten().zip(lists.alias_lengths(&versions));
        let mut next = || {
            let (name, count) = named.next().unwrap();
            let aliases: Vec<&str> = aliases.by_ref().take(count).collect();
            format!("{name}:{}", aliases.join(","))
        };
        lists.lengths(&rows).map(|length| length.map(|length| (0..length).map(|_| next()).collect())).collect()
    }

    #[test]
    fn lists_are_cut_joined_and_reordered() {
        let mut lists = ArtifactLists::default();
        lists.push(Some(&[artifact("a", &["x", "y"]), artifact("b", &[])]));
        lists.push(None);
        lists.push(Some(&[]));
        lists.push(Some(&[artifact("c", &["z"])]));
        let row = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let all = [row(&["a:x,y", "b:"]), None, row(&[]), row(&["c:z"])];
        assert_eq!(rows(&lists, 0..4), all);
        assert_eq!(rows(&lists, 1..4), all[1..]);
        assert_eq!(rows(&lists.take([3, 0, 1].into_iter()), 0..3), [all[3].clone(), all[0].clone(), None]);
        let mut twice = lists.take([2, 3].into_iter());
        twice.append(&lists, 0..4);
        assert_eq!(rows(&twice, 1..4), [all[3].clone(), all[0].clone(), None]);
    }
}
