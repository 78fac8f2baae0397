//! Lists as keys: each element once.

use polars::prelude::*;
use polars_arrow::array::Utf8ViewArray;
use std::collections::HashSet;

/// The lists with each different element once. Few tables have an element twice, so they are looked for first.
pub(super) fn distinct(column: Column) -> PolarsResult<Column> {
    let lists = column.list()?;
    if !has_repeats(lists) {
        return Ok(column);
    }
    let unique = lists.try_apply_amortized(|list| list.as_ref().unique_stable())?;
    Ok(unique.into_column())
}

fn has_repeats(lists: &ListChunked) -> bool {
    if *lists.inner_dtype() == DataType::String {
        return lists.downcast_iter().any(|lists| {
            let Some(texts) = lists.values().as_any().downcast_ref::<Utf8ViewArray>() else { return true };
            let at = |at: usize| texts.get(at);
            lists.offsets().buffer().windows(2).any(|ends| repeats(ends[0] as usize, ends[1] as usize, at))
        });
    }
    let repeats = |list: Series| list.len() > 1 && list.n_unique().map_or(true, |different| different < list.len());
    lists.series_iter().flatten().any(repeats)
}

/// Whether two of the texts from `start` to `end` are equal.
fn repeats<'a>(start: usize, end: usize, text: impl Fn(usize) -> Option<&'a str>) -> bool {
    if end - start > 16 {
        let mut seen = HashSet::new();
        return (start..end).any(|at| !seen.insert(text(at)));
    }
    (start..end).any(|at| (start..at).any(|before| text(before) == text(at)))
}
