//! The last numbers of each path, close together: the columns of a wide table are all over the memory, and each look there costs.

use super::sparse::Sparse;
use crate::flatten::{Leaf, NameId, Taker};

/// Numbers that are held back of one path.
const ROOM: usize = 25;
/// Rows that numbers may be held back of.
pub(super) const ROWS: usize = 1 << 16;
/// Paths of which numbers are held back: 8 MB. Of more, they would be as far apart as in the columns.
const PATHS: usize = 1 << 15;

/// Numbers of one path that are not in its column yet, and their rows.
#[repr(align(64))]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    /// Integers, and the bits of floats.
    numbers: [u64; ROOM],
    /// Counted from the first row whose numbers are held back.
    rows: [u16; ROOM],
    /// A bit for each number: set if it is a float.
    floats: u32,
    count: u8,
}

const _: () = assert!(size_of::<Held>() == 256);

impl Held {
    /// Brings the numbers to their column, where the first row is `first`.
    pub(super) fn flush(&mut self, first: u32, values: &mut Sparse) {
        let count = usize::from(self.count).min(ROOM);
        let numbers = self.numbers.get(..count).unwrap_or_default().iter().copied();
        let rows = self.rows.get(..count).unwrap_or_default().iter().map(|row| first + u32::from(*row));
        if self.floats == (1 << count) - 1 {
            values.floats.extend(rows, numbers.map(f64::from_bits));
        } else if self.floats == 0 {
            values.ints.extend(rows, numbers.map(|bits| bits as i64));
        } else {
            for (at, (row, bits)) in rows.zip(numbers).enumerate() {
                match self.floats & 1 << at {
                    0 => values.ints.push(row, bits as i64),
                    _ => values.floats.push(row, f64::from_bits(bits)),
                }
            }
        }
        (self.count, self.floats) = (0, 0);
    }
}

/// What is held back of each path. All must be flushed before anybody reads the columns.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// By [`NameId`], as far as there was something to hold.
    held: Vec<Held>,
    first: u32,
}

impl Recent {
    /// Begins anew, with nothing held back, at this row; rows after it may be [`ROWS`] less one.
    pub(super) fn begin(&mut self, row: u32) {
        self.first = row;
    }

    /// Who takes the values of a row: what is no number goes to its column at once.
    pub(super) fn taker<'a>(&'a mut self, sparse: &'a mut Vec<Sparse>, row: u32) -> impl Taker + 'a {
        OfRow { recent: self, sparse, row }
    }

    /// Paths of which something was held back, ever.
    pub(super) fn paths(&self) -> usize {
        self.held.len()
    }

    /// What is held back of one of them.
    #[inline]
    pub(super) fn of(&mut self, index: usize) -> Option<&mut Held> {
        self.held.get_mut(index).filter(|held| held.count > 0)
    }

    /// Brings all numbers to their columns.
    pub(super) fn flush(&mut self, sparse: &mut Vec<Sparse>) {
        for (index, held) in self.held.iter_mut().enumerate().filter(|(_, held)| held.count > 0) {
            held.flush(self.first, super::at(sparse, NameId::from_index(index)));
        }
    }
}

/// Takes the values of one row.
struct OfRow<'a> {
    recent: &'a mut Recent,
    sparse: &'a mut Vec<Sparse>,
    row: u32,
}

impl Taker for OfRow<'_> {
    #[inline]
    fn number(&mut self, id: NameId, bits: u64, float: bool) {
        let (index, recent) = (id.index(), &mut *self.recent);
        if index >= recent.held.len() {
            if index >= PATHS {
                let values = super::at(self.sparse, id);
                return match float {
                    true => values.floats.push(self.row, f64::from_bits(bits)),
                    false => values.ints.push(self.row, bits as i64),
                };
            }
            recent.held.resize(index + 1, Held::default());
        }
        let held = &mut recent.held[index];
        if usize::from(held.count) >= ROOM {
            held.flush(recent.first, super::at(self.sparse, id));
        }
        let at = usize::from(held.count);
        if let (Some(to), Some(place)) = (held.numbers.get_mut(at), held.rows.get_mut(at)) {
            (*to, *place) = (bits, (self.row - recent.first) as u16);
            held.floats |= u32::from(float) << at;
            held.count += 1;
        }
    }

    #[inline]
    fn leaf(&mut self, id: NameId, leaf: &mut Leaf<'_>) {
        super::at(self.sparse, id).take(self.row, leaf);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Columns;
    use super::*;
    use crate::record::{Document, Run, Wanted};
    use proptest::prelude::*;

    fn run(config: String) -> Run {
        Run { name: "r".into(), config: Some(Document::plain(config)), ..Run::default() }
    }

    fn told(columns: &Columns) -> Vec<String> {
        columns.paths().iter().map(|(path, id, values)| format!("{path} {id:?} {values:?}")).collect()
    }

    #[cfg(feature = "frame")]
    fn values(columns: &Columns) -> Vec<String> {
        columns.paths().iter().map(|(path, _, values)| format!("{path} {values:?}")).collect()
    }

    /// The columns of all runs at once, which are those of one run after the other.
    fn checked(runs: &[Run]) -> Columns {
        let [mut at_once, mut one_by_one] = [(); 2].map(|()| Columns::new(Wanted::default()));
        at_once.push_all(runs);
        runs.iter().for_each(|run| one_by_one.push(run));
        assert_eq!((told(&at_once), at_once.height()), (told(&one_by_one), runs.len()));
        #[cfg(feature = "frame")]
        {
            let mut part = Columns::new(Wanted::default());
            let (front, back) = runs.split_at(runs.len() / 3);
            // The second whole gets its runs from a part that knows the paths; the third in goes that nobody drains between.
            for goes in [vec![runs, &[]], vec![front, back], Vec::new()] {
                let mut whole = Columns::new(Wanted::default());
                for runs in &goes {
                    part.fill(runs);
                    whole.drain(&mut part);
                }
                if goes.is_empty() {
                    [front, back].into_iter().for_each(|runs| part.fill(runs));
                    whole.drain(&mut part);
                }
                assert_eq!((values(&whole), whole.height()), (values(&at_once), runs.len()));
            }
        }
        at_once
    }

    #[test]
    fn numbers_of_more_rows_than_may_be_held_back() {
        let runs: Vec<Run> = (0..ROWS + 40).map(|at| run(format!("{{\"a\":{at}}}"))).collect();
        let columns = checked(&runs);
        let (_, _, values) = columns.paths()[0];
        assert!(values.ints.iter().eq((0..runs.len() as i64).collect::<Vec<_>>().iter().enumerate()));
    }

    #[test]
    fn numbers_of_more_paths_than_are_held_back() {
        let many: Vec<String> = (0..PATHS + 3).map(|at| format!("\"k{at}\":{at}")).collect();
        let mut runs = vec![run(format!("{{{}}}", many.join(",")))];
        runs.extend((0..40).map(|at| run(format!("{{\"k{}\":0.5,\"k{at}\":2}}", PATHS + 1))));
        let columns = checked(&runs);
        assert_eq!(columns.paths().len(), PATHS + 3);
    }

    proptest! {
        #[test]
        fn at_once_is_as_one_by_one(
            runs in prop::collection::vec(prop::collection::vec((0u8..6, 0u8..8), 0..5), 0..150),
            expected in 0u64..300,
        ) {
            let text = |members: Vec<(u8, u8)>| {
                let value = |value: u8, at: usize| match value {
                    0 => "\"x\"".to_owned(),
                    1 => "null".to_owned(),
                    2..=4 => at.to_string(),
                    _ => format!("{at}.5"),
                };
                let members: Vec<String> =
                    members.iter().enumerate().map(|(at, (key, kind))| format!("\"{key}\":{}", value(*kind, at))).collect();
                format!("{{{}}}", members.join(","))
            };
            let runs: Vec<Run> = runs.into_iter().map(|members| run(text(members))).collect();
            checked(&runs);
            // Room for rows to come is made meanwhile.
            let [mut with_room, mut without] = [(); 2].map(|()| Columns::new(Wanted::default()));
            with_room.expect(expected);
            with_room.push_all(&runs);
            without.push_all(&runs);
            prop_assert_eq!(told(&with_room), told(&without));
        }
    }
}
