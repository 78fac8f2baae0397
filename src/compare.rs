//! Questions over several runs: what differs between them, what varies, and what was made from what.
//!
//! * [`RunFrame::find_run`](crate::RunFrame::find_run): the run that a person means by a name.
//! * [`RunFrame::diff`](crate::RunFrame::diff): runs side by side, key by key.
//! * [`vary`]: which config keys vary, over what, and which ones always move together.
//! * [`artifact_rows`], [`lacking`], [`used_by`], [`stale`]: artifact versions and who lacks, used or should have used them.
//! * [`lineage`]: from a run to what it was made from and to what was made from it, any number of steps.
//!
//! All but the first two take any frame that has the run table's columns, so that they go on from Polars and go on in it.

mod artifacts;
mod diff;
mod find;
mod lineage;
mod links;
#[cfg(test)]
mod tests;
mod tree;
mod value;
mod vary;

pub use artifacts::{ArtifactRows, artifact_rows, known_artifact, lacking, stale, used_by};
pub use diff::{Diff, DiffCell, DiffKey, DiffOptions};
pub use find::find_run;
pub use lineage::{Lineage, lineage};
pub use vary::{Vary, VaryKey, VaryOptions, vary};
