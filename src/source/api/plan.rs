//! Cutting a project into windows of creation time with about equally many runs, by asking the server for counts.

use super::filter::{Filter, Window};
use super::remote::Listing;
use crate::error::{ErrorKind, Result};

/// Counts that one request asks for.
const TOGETHER: usize = 64;
/// Rounds of cutting; each cuts a crowded window into up to 64.
const ROUNDS: usize = 8;
/// Windows are not cut finer: a second, the resolution of W&B's times.
const FINEST: i64 = 1_000_000;

/// A window and how many runs the server counted in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    pub window: Window,
    pub count: u64,
}

/// Windows that cover all time, in order, each of about `target` runs; `None` if the server does not do windows.
///
/// `oldest` and `newest` are creation times seen; runs outside of them are in the first and the last window.
///
/// # Errors
/// If the server cannot be reached or denies access; that it refuses the filter is no error.
pub(super) async fn plan<L: Listing>(
    listing: &L,
    filter: &Filter,
    (oldest, newest): (i64, i64),
    total: u64,
    target: u64,
) -> Result<Option<Vec<Slice>>> {
    let whole = Slice { window: Window::default(), count: total };
    if total <= target || newest.saturating_sub(oldest) < FINEST {
        return Ok(Some(vec![whole]));
    }
    let bounds = Window { from: Some(oldest), to: Some(newest + 1) };
    let first = cut(bounds, parts(total, target));
    let mut windows = first.clone();
    if let Some(window) = windows.first_mut() {
        window.from = None;
    }
    if let Some(window) = windows.last_mut() {
        window.to = None;
    }
    // The whole is counted in the same answer, so that runs that come or go meanwhile do not look like a refusal.
    let mut filters: Vec<String> = windows.iter().map(|window| filter.window(*window)).collect();
    filters.push(filter.all());
    let counts = match listing.counts(filters).await {
        Ok(counts) => counts,
        Err(error) if matches!(error.kind(), ErrorKind::Network | ErrorKind::Auth | ErrorKind::NotFound) => {
            return Err(error);
        }
        Err(_) => return Ok(None),
    };
    let Some((all, counts)) = counts.split_last() else { return Ok(None) };
    if counts.iter().sum::<u64>() != *all {
        return Ok(None);
    }
    // Beside each window its bounds in seen time: the outer ones are open.
    let mut slices: Vec<(Slice, Window)> =
        windows.iter().zip(counts).zip(first).map(|((w, c), b)| (Slice { window: *w, count: *c }, b)).collect();
    for _ in 0..ROUNDS {
        if !refine(listing, filter, &mut slices, target).await? {
            break;
        }
    }
    Ok(Some(merge(slices.into_iter().map(|(slice, _)| slice), target)))
}

/// Cuts crowded windows; false if there was none.
async fn refine<L: Listing>(
    listing: &L,
    filter: &Filter,
    slices: &mut Vec<(Slice, Window)>,
    target: u64,
) -> Result<bool> {
    let mut out = Vec::with_capacity(slices.len());
    let mut asked = Vec::new();
    for (slice, bounds) in slices.drain(..) {
        let width = bounds.to.unwrap_or_default() - bounds.from.unwrap_or_default();
        if slice.count <= target + target / 2 || width < 2 * FINEST {
            out.push((slice, bounds));
            continue;
        }
        let cuts = cut(bounds, parts(slice.count, target));
        let last = cuts.len().saturating_sub(1);
        for (at, bounds) in cuts.into_iter().enumerate() {
            let from = if at == 0 { slice.window.from } else { bounds.from };
            let to = if at == last { slice.window.to } else { bounds.to };
            asked.push(out.len());
            out.push((Slice { window: Window { from, to }, count: 0 }, bounds));
        }
    }
    *slices = out;
    for part in asked.chunks(TOGETHER) {
        let filters = part.iter().filter_map(|at| slices.get(*at)).map(|(slice, _)| filter.window(slice.window));
        let counts = listing.counts(filters.collect()).await?;
        for (at, count) in part.iter().zip(counts) {
            if let Some((slice, _)) = slices.get_mut(*at) {
                slice.count = count;
            }
        }
    }
    Ok(!asked.is_empty())
}

fn parts(count: u64, target: u64) -> i64 {
    count.div_ceil(target.max(1)).clamp(2, TOGETHER as u64 - 1) as i64
}

/// Cuts a closed window into `parts` of equal length, at whole seconds.
fn cut(window: Window, parts: i64) -> Vec<Window> {
    let (from, to) = (window.from.unwrap_or_default(), window.to.unwrap_or_default());
    let mut windows: Vec<Window> = Vec::new();
    let mut start = from;
    for part in 1..=parts {
        let end = from + ((i128::from(to - from) * i128::from(part)) / i128::from(parts)) as i64;
        let end = if part == parts { to } else { end - end.rem_euclid(FINEST) };
        if end > start {
            windows.push(Window { from: Some(start), to: Some(end) });
            start = end;
        }
    }
    windows
}

/// Joins neighbours while they stay within `target`.
pub(super) fn merge(slices: impl IntoIterator<Item = Slice>, target: u64) -> Vec<Slice> {
    let mut merged: Vec<Slice> = Vec::new();
    for slice in slices {
        match merged.last_mut() {
            Some(last) if last.count + slice.count <= target => {
                *last = Slice { window: last.window.join(slice.window), count: last.count + slice.count };
            }
            _ => merged.push(slice),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_touch_and_lie_at_whole_seconds() {
        let windows = cut(Window { from: Some(1_234_567), to: Some(100_000_001) }, 7);
        assert_eq!((windows[0].from, windows.last().unwrap().to), (Some(1_234_567), Some(100_000_001)));
        for pair in windows.windows(2) {
            assert_eq!(pair[0].to, pair[1].from);
            assert_eq!(pair[0].to.unwrap() % FINEST, 0);
        }
        assert_eq!(cut(Window { from: Some(5), to: Some(6) }, 7).len(), 1);
    }

    #[test]
    fn neighbours_are_joined() {
        let at = |from, to, count| Slice { window: Window { from, to }, count };
        let slices = [at(None, Some(1), 3), at(Some(1), Some(2), 0), at(Some(2), Some(3), 4), at(Some(3), None, 9)];
        let joined = [at(None, Some(3), 7), at(Some(3), None, 9)];
        assert_eq!(merge(slices, 7), joined);
    }
}
