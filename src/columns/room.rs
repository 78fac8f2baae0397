//! Room for the runs that are still to come, so that columns need not be moved while they grow.

/// Rows from which on those to come are foreseen.
const FIRST: u32 = 64;
/// No column gets room for more than so many times its rows, whatever number of runs was promised.
const STEP: u32 = 32;
/// Bytes of room that one column gets at most.
const MOST: usize = 64 << 20;

/// Room is made in steps, the last of them the widest: what was there before is moved.
fn until(rows: u32, expected: u32) -> u32 {
    let mut until = expected;
    while until.div_ceil(STEP) > rows.max(FIRST) {
        until = until.div_ceil(STEP);
    }
    until
}

/// At how many rows room is to be made next, when there are `rows` without it.
pub(super) fn next(rows: u32, expected: u32) -> u32 {
    match until(rows, expected) {
        until if until < expected => until,
        _ => rows.max(FIRST),
    }
}

/// How many rows are to come beside those that are there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    rows: u32,
    more: u32,
}

impl Growth {
    /// From `rows` on; `None` if no more are to come.
    pub(super) fn new(rows: u32, expected: u32) -> Option<Self> {
        let until = until(rows, expected).min(rows.saturating_mul(STEP));
        let more = until.checked_sub(rows)?;
        (more > 0 && rows > 0).then_some(Growth { rows, more })
    }

    /// How many rows there will be then.
    pub(super) fn until(self) -> u32 {
        self.rows + self.more
    }

    /// Room for as many more values as the rows to come should have, and a few beyond.
    pub(super) fn of<T>(self, values: &mut Vec<T>) {
        // What has no room for it does without: it is only a wish.
        let _ = values.try_reserve_exact(self.count(values.len(), size_of::<T>()));
    }

    /// The same for bytes of text.
    pub(super) fn of_text(self, text: &mut String) {
        let _ = text.try_reserve_exact(self.count(text.len(), 1));
    }

    fn count(self, len: usize, size: usize) -> usize {
        let more = len as u128 * u128::from(self.more) / u128::from(self.rows);
        usize::try_from(more + more / 16).unwrap_or(usize::MAX).min(MOST / size.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_for_what_is_to_come_and_never_for_more_than_a_step() {
        let room = |rows, expected, len: usize| {
            let mut values = vec![0u64; len];
            values.shrink_to_fit();
            Growth::new(rows, expected).into_iter().for_each(|growth| growth.of(&mut values));
            values.capacity()
        };
        assert_eq!(room(100, 300, 100), 100 + 200 + 12);
        assert_eq!(room(100, 300, 50), 50 + 100 + 6);
        assert_eq!(room(100, 3_200, 160), 160 + 31 * 160 + 310);
        assert!((161..=34 * 160).contains(&room(100, u32::MAX, 160)));
        assert_eq!(room(100, 100, 100), 100);
        assert_eq!((room(100, 0, 100), room(0, 100, 100)), (100, 100));
        assert_eq!(room(u32::MAX, u32::MAX, 3), 3);
        let most = Growth { rows: 1, more: 7 }.count(usize::MAX, 8);
        assert_eq!(most, MOST / 8);
    }

    #[test]
    fn the_last_step_is_the_widest() {
        for expected in [1, 63, 64, 65, 1_000, 2_048, 2_049, 10_000, 1_000_000, u32::MAX] {
            let (mut at, mut steps) = (next(0, expected), Vec::new());
            while let Some(growth) = Growth::new(at, expected) {
                assert!(growth.until() > at && growth.until() <= at.saturating_mul(STEP), "{expected}: {at}");
                steps.push((at, growth.until()));
                at = growth.until();
            }
            assert!(expected <= FIRST || at == expected, "{expected}: {steps:?}");
            assert!(steps.len() <= 6, "{steps:?}");
            let last = steps.last().map_or(STEP, |(from, until)| until / from);
            assert!(expected <= FIRST * STEP || last >= STEP - 1, "{expected}: {steps:?}");
        }
    }
}
