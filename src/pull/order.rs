//! The order of runs in a file, which does not depend on how they arrived: entity, project, time of creation, name.

use crate::columns::{Columns, Fixed};
use crate::load::keys;

/// Nulls stand last.
pub(super) type Rank<'a> = ((bool, &'a str), (bool, &'a str), (bool, i64), (bool, &'a str));

/// What each row is sorted by.
pub(super) fn ranks(columns: &Columns) -> Vec<Rank<'_>> {
    fn text(text: Option<&str>) -> (bool, &str) {
        (text.is_none(), text.unwrap_or_default())
    }
    let created = match columns.fixed_by_name("created_at") {
        Some(Fixed::Ints(times)) => times.as_slice(),
        _ => &[],
    };
    let times = created.iter().copied().chain(std::iter::repeat(None));
    let rows = keys(columns).into_iter().zip(times);
    rows.map(|((entity, project, name), time)| {
        (text(entity), text(project), (time.is_none(), time.unwrap_or_default()), text(name))
    })
    .collect()
}

/// Sorts the rows.
pub(super) fn sort(columns: &mut Columns) {
    let ranks = ranks(columns);
    if ranks.is_sorted() {
        return;
    }
    let mut rows: Vec<usize> = (0..ranks.len()).collect();
    rows.sort_by_key(|row| ranks.get(*row));
    columns.reorder(&rows);
}
