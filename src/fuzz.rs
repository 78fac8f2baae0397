//! What fuzzing checks: one function for each kind of foreign bytes, which panics where an invariant breaks or a plain second
//! reading disagrees. Built for tests and fuzzers only; see `docs/reliability.md`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[cfg(feature = "frame")]
pub(crate) mod conditions;
#[cfg(all(test, feature = "frame"))]
mod every_byte;
pub(crate) mod flatten;
#[cfg(test)]
mod mutate;
#[cfg(feature = "frame")]
mod parquet;
#[cfg(feature = "frame")]
pub(crate) mod rows;
#[cfg(test)]
mod smoke;
pub(crate) mod tree;

/// A kind of foreign bytes, and what is checked of them.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by the names of their corpora.
pub const TARGETS: &[Target] = &[
    ("framing", crate::source::log::fuzz::framing),
    ("records", crate::source::log::fuzz::records),
    ("flatten", flatten::target),
    #[cfg(feature = "api")]
    ("netrc", crate::source::api::fuzz_settings::netrc),
    #[cfg(feature = "api")]
    ("settings", crate::source::api::fuzz_settings::settings),
    #[cfg(feature = "api")]
    ("pages", crate::source::api::fuzz_pages::target),
    #[cfg(all(feature = "api", feature = "frame"))]
    ("history", crate::source::api::history::fuzz::target),
    #[cfg(feature = "frame")]
    ("expressions", crate::expr::fuzz::target),
    #[cfg(feature = "frame")]
    ("parquet", parquet::target),
];

/// Checks `data` as a target does.
pub fn check(target: &str, data: &[u8]) {
    let (_, check) = TARGETS.iter().find(|(name, _)| *name == target).expect("no such target");
    check(data);
}
