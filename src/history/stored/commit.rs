//! A changed data set put in the place of the old one: parts that stay are linked, the others rewritten, and then the folders change
//! places.
//!
//! ```text
//! runs.history                      what readers see
//! runs.history.partial/batch-…      rows that have arrived, in parts
//! runs.history.partial/next         the new data set, whole as soon as it has a state
//! runs.history.partial/previous     the old one, for the moment between two renames
//! ```

use super::Dataset;
use super::cursor::Cursor;
use super::state::{FILE, Part, Segment, State};
use super::write::{Names, rows_of_a_part, write};
use crate::error::{Error, Result};
use crate::history::layout::Layout;
use crate::history::query::Axis;
use crate::record::RunKey;
use crate::sink::row_groups;
use polars::prelude::DataFrame;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// Parts of fewer rows together are one.
const SMALL: usize = 1 << 17;
/// Parts that came with updates, at most, before all are sorted into the others.
const LATE: usize = 16;

/// What became of the parts.
#[derive(Debug, Default)]
pub(super) struct Committed {
    /// Parts that were written anew.
    pub(super) rewritten: u64,
}

/// Makes `state` the data set; its parts lie where they say.
///
/// # Errors
/// If something cannot be read or written; then the old data set stays.
pub(super) fn commit(dataset: &Dataset, mut state: State) -> Result<(State, Committed)> {
    let next = dataset.partial().join("next");
    clear(&next)?;
    fs::create_dir_all(&next).map_err(|error| Error::io(&next, error))?;
    state.generation += 1;
    let layout = Arc::new(Layout::new(Axis::Step, &state.digests));
    let taken: Vec<String> = state.parts.iter().map(|part| part.file.clone()).collect();
    let mut names = Names::new(state.generation, taken.iter().map(String::as_str));
    let (mut parts, mut committed) = (Vec::new(), Committed::default());
    for group in groups(&state.parts, layout.schema.len()) {
        let group = state.parts.get(group).unwrap_or_default();
        if let [part] = group
            && !part.is_stale()
            && Cursor::open(&part.path(), layout.clone())?.is_alike()
        {
            link(&part.path(), &next.join(&part.file))?;
            parts.push(Part { folder: next.clone(), ..part.clone() });
            continue;
        }
        let old = |part: &&Part| part.folder == dataset.folder();
        committed.rewritten += group.iter().filter(old).count() as u64;
        parts.extend(merge(group, &next, &mut names, &layout)?);
    }
    state.parts = parts;
    state.write(&next.join(FILE))?;
    sync(&next);
    dataset.swap()?;
    state.parts.iter_mut().for_each(|part| part.folder = dataset.folder().to_owned());
    Ok((state, committed))
}

/// Which parts become one: ranges of them, in order.
///
/// Parts that are sorted among each other stand in front, as the first pull wrote them. Small ones, and those that came with updates
/// behind them, are joined such that each has more than twice the rows of the next one; those of updates are sorted into the
/// others when they are many, or a quarter of all. So that a row is written again only a few times, however many updates there are.
fn groups(parts: &[Part], width: usize) -> Vec<std::ops::Range<usize>> {
    let rows: Vec<usize> = parts.iter().map(Part::rows).collect();
    let rows_of = |at: usize| rows.get(at).copied().unwrap_or_default();
    let (all, count, large) = (rows.iter().sum::<usize>(), parts.len(), rows_of_a_part(width) / 8);
    let sorted = 1 + parts.windows(2).take_while(|pair| matches!(pair, [a, b] if last(a) <= first(b))).count();
    let late: usize = rows.iter().skip(sorted).sum();
    if count > 1 && (all <= SMALL || late * 4 > all || count.saturating_sub(sorted) > LATE) {
        return std::iter::once(0..count).collect();
    }
    let (mut groups, mut end) = (VecDeque::new(), count);
    while end > 0 {
        let mut begin = end - 1;
        let mut sum = rows_of(begin);
        let joins = |at: usize, sum: usize| (at >= sorted || rows_of(at) < large) && rows_of(at) <= 2 * sum;
        while begin > 0 && joins(begin - 1, sum) {
            begin -= 1;
            sum += rows_of(begin);
        }
        groups.push_front(begin..end);
        end = begin;
    }
    groups.into()
}

fn first(part: &Part) -> Option<&RunKey> {
    part.segments.first().map(|segment| &segment.run)
}

fn last(part: &Part) -> Option<&RunKey> {
    part.segments.last().map(|segment| &segment.run)
}

/// Rows that are passed over, and then rows that are taken, of one part.
struct Step {
    part: usize,
    skip: usize,
    take: usize,
}

/// Writes the rows of these parts that are kept, run by run, to new parts.
fn merge(parts: &[Part], folder: &Path, names: &mut Names, layout: &Arc<Layout>) -> Result<Vec<Part>> {
    let (mut steps, segments) = plan(parts);
    let mut cursors = Vec::with_capacity(parts.len());
    for part in parts {
        cursors.push(Cursor::open(&part.path(), layout.clone())?);
    }
    let (rows, width) = (segments.iter().map(|segment| segment.rows).sum::<usize>(), layout.schema.len());
    let most = row_groups::rows_of_a_group(rows.min(rows_of_a_part(width)), width);
    let mut next = || -> Result<Option<DataFrame>> {
        let mut whole: Option<DataFrame> = None;
        while let Some(step) = steps.front_mut() {
            let room = most - whole.as_ref().map_or(0, DataFrame::height);
            let Some(cursor) = cursors.get_mut(step.part).filter(|_| room > 0) else { break };
            cursor.skip(std::mem::take(&mut step.skip));
            if step.take == 0 {
                steps.pop_front();
                continue;
            }
            let frame = cursor.take(room.min(step.take))?;
            step.take -= frame.height();
            match &mut whole {
                Some(whole) => drop(whole.vstack_mut_owned(frame)?),
                None => whole = Some(frame),
            }
        }
        Ok(whole)
    };
    write(folder, names, layout, segments, &mut next)
}

/// From where each row comes, and whose rows they are then.
fn plan(parts: &[Part]) -> (VecDeque<Step>, Vec<Segment>) {
    let mut order: BTreeMap<&RunKey, Vec<(usize, &Segment)>> = BTreeMap::new();
    let mut skips: Vec<VecDeque<usize>> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        // Rows in front of each segment that is kept.
        let (mut skip, mut own) = (0, VecDeque::new());
        for segment in &part.segments {
            if segment.keep {
                order.entry(&segment.run).or_default().push((at, segment));
                own.push_back(std::mem::take(&mut skip));
            } else {
                skip += segment.rows;
            }
        }
        skips.push(own);
    }
    let (mut steps, mut segments): (VecDeque<Step>, Vec<Segment>) = (VecDeque::new(), Vec::new());
    for (run, pieces) in order {
        let mut whole =
            Segment { run: run.clone(), rows: 0, steps: pieces.first().and_then(|(_, first)| first.steps), keep: true };
        for (part, piece) in pieces {
            whole.rows += piece.rows;
            whole.steps = whole.steps.zip(piece.steps).map(|((a, b), (c, d))| (a.min(c), b.max(d)));
            let skip = skips.get_mut(part).and_then(VecDeque::pop_front).unwrap_or_default();
            match steps.back_mut().filter(|step| step.part == part && skip == 0) {
                Some(step) => step.take += piece.rows,
                None => steps.push_back(Step { part, skip, take: piece.rows }),
            }
        }
        segments.push(whole);
    }
    (steps, segments)
}

impl Dataset {
    /// Puts the new data set in the place of the old one. Between the two renames there is none; [`Dataset::mend`] goes on there.
    fn swap(&self) -> Result<()> {
        let (next, previous) = (self.partial().join("next"), self.partial().join("previous"));
        clear(&previous)?;
        if self.folder().exists() {
            rename(self.folder(), &previous)?;
        }
        rename(&next, self.folder())?;
        sync(self.folder().parent().unwrap_or(Path::new(".")));
        self.clean()
    }

    /// Goes on where an earlier change was cut off.
    ///
    /// # Errors
    /// If a folder cannot be renamed or removed.
    pub(super) fn mend(&self) -> Result<()> {
        let (next, previous) = (self.partial().join("next"), self.partial().join("previous"));
        if !self.folder().exists() {
            if next.join(FILE).exists() {
                rename(&next, self.folder())?;
                // The rows that had arrived are in it.
                return self.clean();
            }
            if previous.join(FILE).exists() {
                rename(&previous, self.folder())?;
            }
        }
        clear(&next)?;
        clear(&previous)
    }

    /// Removes what had arrived.
    pub(super) fn clean(&self) -> Result<()> {
        clear(&self.partial())
    }
}

/// Removes a folder, if it is there.
fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder, error)),
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|error| Error::io(from, error))
}

/// Gives a file another name; where the file system has no links, a copy.
fn link(from: &Path, to: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).and_then(|_| File::open(to)?.sync_all()).map_err(|error| Error::io(from, error))
}

/// Makes renames last; folders cannot be synced everywhere.
fn sync(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(runs: &[(&str, usize)]) -> Part {
        let segment = |(name, rows): &(&str, usize)| Segment {
            run: RunKey { name: (*name).into(), ..RunKey::default() },
            rows: *rows,
            steps: Some((0, *rows as i64)),
            keep: !name.ends_with('-'),
        };
        Part { folder: "f".into(), file: "p".into(), segments: runs.iter().map(segment).collect() }
    }

    #[test]
    fn few_rows_are_one_part_and_late_ones_are_joined_like_with_like() {
        let sizes = |parts: &[Part]| groups(parts, 8).iter().map(ExactSizeIterator::len).collect::<Vec<_>>();
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&[part(&[("a", 9)])]), [1]);
        assert_eq!(sizes(&[part(&[("a", 9)]), part(&[("b", 9)])]), [2]);
        let base = [part(&[("a", 1_000_000)]), part(&[("a", 500_000), ("c", 500_000)])];
        let with = |late: &[usize]| {
            let parts: Vec<Part> = base.iter().cloned().chain(late.iter().map(|rows| part(&[("b", *rows)]))).collect();
            sizes(&parts)
        };
        assert_eq!(with(&[]), [1, 1]);
        assert_eq!(with(&[1_000, 100]), [1, 1, 1, 1]);
        assert_eq!(with(&[1_000, 300, 200]), [1, 1, 3]);
        assert_eq!(with(&[10_000, 300, 200]), [1, 1, 1, 2]);
        assert_eq!(with(&[900_000]), [3], "a quarter of all");
        let first: Vec<Part> =
            (10..40).map(|run| part(&[(&format!("r{run}"), if run < 12 { 60_000 } else { 500_000 })])).collect();
        assert_eq!(sizes(&first)[..2], [3, 1], "small ones are joined, and the others stay");
    }

    #[test]
    fn a_thousand_updates_leave_few_parts() {
        for run in ["a", "x"] {
            let mut parts = vec![part(&[("a", 1_000_000)]), part(&[("z", 1_000_000)])];
            let (mut most, mut written) = (0, 0);
            for _ in 0..1_000 {
                parts.push(part(&[(run, 500)]));
                let merged = groups(&parts, 8).into_iter().map(|group| {
                    let group = &parts[group];
                    let rows = group.iter().map(Part::rows).sum();
                    written += if group.len() > 1 { rows } else { 0 };
                    let whose = |part: &Part| part.segments.iter().map(|of| of.run.name.clone()).collect::<Vec<_>>();
                    match group {
                        [one] => one.clone(),
                        _ if group.iter().flat_map(whose).any(|name| name == "z") => part(&[("a", rows - 1), ("z", 1)]),
                        _ => part(&[(run, rows)]),
                    }
                });
                parts = merged.collect();
                most = most.max(parts.len());
            }
            assert!(most <= 14 && written < 16_000_000, "{run}: {most} parts, {written} rows written");
        }
    }

    #[test]
    fn rows_are_taken_run_by_run_and_stale_ones_passed_over() {
        let (steps, segments) =
            plan(&[part(&[("a", 3), ("b-", 5), ("c", 2)]), part(&[("a", 1), ("d", 4)]), part(&[("d", 1)])]);
        let steps: Vec<_> = steps.iter().map(|step| (step.part, step.skip, step.take)).collect();
        assert_eq!(steps, [(0, 0, 3), (1, 0, 1), (0, 5, 2), (1, 0, 4), (2, 0, 1)]);
        let whose: Vec<_> = segments.iter().map(|segment| (segment.run.name.as_str(), segment.rows)).collect();
        assert_eq!(whose, [("a", 4), ("c", 2), ("d", 5)]);
    }
}
