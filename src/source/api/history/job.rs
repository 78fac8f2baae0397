//! What is handed to the threads that make chunks.

use super::Steps;
use super::exported::Exported;
use super::lists::Page;

/// Row groups whose steps may overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cluster {
    /// How many row groups.
    pub groups: usize,
    /// First and last step, if they tell.
    pub span: Option<(i64, i64)>,
}

/// Rows that become one chunk.
pub(super) struct Job {
    /// The run's name, and its path for messages.
    pub run: String,
    pub path: String,
    /// The chunk's place among the run's.
    pub order: u32,
    /// Row groups of exported files.
    pub groups: Vec<Exported>,
    /// Rows of JSON, newer than what was exported.
    pub rows: Page,
    /// There is a row for each key, rather than for each step.
    pub by_key: bool,
    /// How the row groups lie; there are no rows of JSON beside several.
    pub clusters: Vec<Cluster>,
    /// From a chunk's place to the next one's.
    pub places: u32,
    /// Rows of other steps are left out.
    pub steps: Steps,
}

impl Job {
    /// Each cluster as a job of its own.
    pub(super) fn split(self) -> Vec<Job> {
        let Job { run, path, order, by_key, places, steps, .. } = self;
        let mut groups = self.groups.into_iter();
        let one = |(at, cluster): (usize, Cluster)| Job {
            run: run.clone(),
            path: path.clone(),
            order: order.saturating_add(places.saturating_mul(at as u32)),
            groups: groups.by_ref().take(cluster.groups).collect(),
            rows: Page::default(),
            by_key,
            clusters: vec![cluster],
            places,
            steps,
        };
        self.clusters.into_iter().enumerate().map(one).collect()
    }
}
