//! Whether the columns that a condition names exist, where the server has left out the runs that would show it.

use super::Loader;
use crate::error::{ErrorKind, Result};
use crate::expr::{self, Context, Needs};
use crate::frame::RunFrame;
use crate::record::Wanted;
use crate::source::api::Projection;
use polars::prelude::Schema;
use serde_json::json;
use std::collections::BTreeSet;

/// Runs that are loaded whole to learn which keys there are.
const SAMPLE: usize = 100;

impl Loader {
    /// Checks that each column of config and summary that a condition names is one of some run, be it of one that
    /// [`Loader::filter`] leaves out. All runs are asked for these keys.
    ///
    /// # Errors
    /// An unknown column, with the byte offset in `text` and the nearest names among those of 100 runs; or if the sources
    /// cannot be read.
    pub fn check_names(&self, text: &str, context: impl Into<Context>) -> Result<()> {
        let context = context.into();
        let unknown = |schema: &Schema| {
            expr::parse_filter(text, schema, context.clone()).err().filter(|e| e.kind() == ErrorKind::Column)
        };
        let needs = expr::needs(&[text], &[]);
        let wanted = needs.wanted;
        let mut all = self.unfiltered();
        all.wanted = Wanted { artifacts: false, raw: false, ..wanted };
        all.server.projection = needs.into();
        let found = all.load()?;
        if unknown(found.schema()).is_none() {
            return Ok(());
        }
        // What a few whole runs have beside it: names to compare with, and the parts that were left out above.
        all.wanted = Wanted { artifacts: wanted.artifacts, raw: wanted.raw, ..Wanted::default() };
        let mut schema = all.sample(&found)?;
        for (name, dtype) in found.schema().iter() {
            schema.with_column(name.clone(), dtype.clone());
        }
        unknown(&schema).map_or(Ok(()), Err)
    }

    /// The columns of some of the runs.
    fn sample(mut self, found: &RunFrame) -> Result<Schema> {
        let table = found.select(&["name"])?;
        let names = table.column("name")?.str()?;
        let step = names.len().div_ceil(SAMPLE).max(1);
        let some: Vec<&str> = names.iter().flatten().step_by(step).collect();
        self.server.filter = Some(json!({"name": {"$in": some}}).to_string());
        self.server.projection = Projection::default();
        Ok(Schema::clone(self.load()?.schema()))
    }
}

impl From<Needs> for Projection {
    fn from(needs: Needs) -> Self {
        let list = |keys: Option<BTreeSet<String>>| keys.map(|keys| keys.into_iter().collect());
        Projection { config: list(needs.config), summary: list(needs.summary) }
    }
}
