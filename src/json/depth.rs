//! How deep a JSON text may be nested: one number for the whole process, since what is read must be readable again.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Containers that may be open at once, unless more are allowed. Deeper texts are refused.
pub const MAX_DEPTH: usize = 10_000;

/// Why a deeper text is refused.
pub const TOO_DEEP: &str = "nested deeper than --max-depth allows";

static DEEPEST: AtomicUsize = AtomicUsize::new(MAX_DEPTH);

/// Containers that may be open at once now.
#[inline]
pub fn max_depth() -> usize {
    DEEPEST.load(Ordering::Relaxed)
}

/// Allows so many, if that is more than were allowed.
#[cfg(feature = "frame")]
pub fn allow_depth(depth: usize) {
    DEEPEST.fetch_max(depth, Ordering::Relaxed);
}
