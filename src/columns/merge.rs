//! Runs that were flattened apart, put below each other.

use super::{Columns, Fixed, Sparse, at};
use crate::flatten::NameId;
use rayon::prelude::*;

/// Columns that are worth another thread.
const COLUMNS: usize = 32;

impl Columns {
    /// Appends the runs of `other` below these.
    pub fn merge(&mut self, other: &Columns) {
        self.merge_fields(other);
        let mut theirs: Vec<Option<&Sparse>> = vec![None; self.sparse.len()];
        for (index, values) in other.sparse.iter().enumerate().filter(|(_, values)| !values.is_unused()) {
            let id = self.flattener.intern_name(other.flattener.name(NameId::from_index(index)));
            let _ = at(&mut self.sparse, id);
            theirs.resize(self.sparse.len(), None);
            theirs[id.index()] = Some(values);
        }
        // Of many runs this is gigabytes that are moved.
        let rows = self.rows;
        self.sparse.par_iter_mut().zip(theirs).with_min_len(COLUMNS).for_each(|(mine, theirs)| {
            theirs.into_iter().for_each(|theirs| mine.append(theirs, rows));
        });
        self.rows += other.rows;
        self.receipt.merge(other.receipt.clone());
    }

    /// Appends the runs of `part` below these and forgets them there, but not the paths: a part is faster to fill and to drain again.
    pub fn drain(&mut self, part: &mut Columns) {
        self.merge_fields(part);
        let (whole, ids) = &mut part.drained;
        if *whole != self.number {
            (*whole, *ids) = (self.number, Vec::new());
        }
        ids.resize(part.sparse.len().max(part.recent.paths()), None);
        for (index, id) in ids.iter_mut().enumerate() {
            let (values, held) = (part.sparse.get_mut(index), part.recent.of(index));
            let values = values.filter(|values| !values.is_unused());
            if values.is_none() && held.is_none() {
                continue;
            }
            let (mine, theirs) = (&mut self.flattener, &part.flattener);
            let id = *id.get_or_insert_with(|| mine.intern_name(theirs.name(NameId::from_index(index))));
            let mine = at(&mut self.sparse, id);
            if let Some(values) = values {
                mine.append(values, self.rows);
                // Now, while it is at hand.
                values.clear();
            }
            if let Some(held) = held {
                held.flush(self.rows, mine);
            }
        }
        self.rows += part.rows;
        self.receipt.merge(std::mem::take(&mut part.receipt));
        part.rows = 0;
        part.fixed.iter_mut().for_each(Fixed::clear);
        part.raw = Default::default();
        if self.rows >= self.room_at {
            self.make_room();
        }
    }

    /// Appends all but the flattened values.
    fn merge_fields(&mut self, other: &Columns) {
        for (column, more) in self.fixed.iter_mut().zip(&other.fixed) {
            column.append(more);
        }
        let (mine, theirs) = (self.rows as usize, other.rows as usize);
        for (column, more) in self.raw.iter_mut().zip(&other.raw) {
            column.pad(mine);
            more.iter().for_each(|text| column.push(text));
            column.pad(mine + theirs);
        }
        self.wanted = self.wanted.or(other.wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ArtifactVersion, Run, Wanted};

    #[test]
    fn a_part_that_is_filled_again_has_nothing_of_the_runs_before() {
        let version = |at: usize| ArtifactVersion {
            name: format!("model{at}"),
            version: at.is_multiple_of(2).then_some(at as i64),
            digest: at.is_multiple_of(3).then(|| format!("digest{at}")),
            aliases: (0..at % 4).map(|alias| format!("v{alias}")).collect(),
            ..ArtifactVersion::default()
        };
        let run = |at: usize| Run {
            name: format!("run{at}"),
            notes: (at % 3 == 1).then(|| format!("notes {at}")),
            tags: (!at.is_multiple_of(5)).then(|| (0..at % 5).map(|tag| format!("tag{tag}")).collect()),
            history_rows: (!at.is_multiple_of(4)).then_some(at as i64),
            compute_seconds: (at % 4 < 3).then_some(at as f64),
            logged_artifacts: (!at.is_multiple_of(6)).then(|| (1..at % 6).map(version).collect()),
            ..Run::default()
        };
        let runs: Vec<Run> = (0..60).map(run).collect();
        let [mut whole, mut drained, mut part] = [(); 3].map(|()| Columns::new(Wanted::default()));
        whole.push_all(&runs);
        for runs in runs.chunks(7) {
            part.push_all(runs);
            drained.drain(&mut part);
            assert!(part.fixed.iter().all(Fixed::is_empty));
        }
        assert_eq!(format!("{:?}", drained.fixed), format!("{:?}", whole.fixed));
    }
}
