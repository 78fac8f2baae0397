//! A lazy scan over any table, with column pushdown.

use super::Table;
use polars::prelude::*;
use std::any::Any;
use std::sync::Arc;

struct Scan(Arc<dyn Table>);

impl AnonymousScan for Scan {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self, _: Option<usize>) -> PolarsResult<SchemaRef> {
        Ok(self.0.schema().clone())
    }

    fn allows_projection_pushdown(&self) -> bool {
        true
    }

    fn scan(&self, args: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        let names: Vec<&str> = match &args.with_columns {
            Some(names) => names.iter().map(|name| name.as_str()).collect(),
            None => self.0.schema().iter_names().map(|name| name.as_str()).collect(),
        };
        let frame = self.0.read(&names)?;
        Ok(match args.n_rows {
            Some(rows) => frame.head(Some(rows)),
            None => frame,
        })
    }
}

/// The lazy frame over `table`.
pub(super) fn lazy(table: Arc<dyn Table>) -> LazyFrame {
    let schema = table.schema().clone();
    let args = ScanArgsAnonymous { schema: Some(schema.clone()), name: "RUNS", ..Default::default() };
    // Building the plan reads nothing; if it fails, the frame fails when it is collected, as every lazy frame does.
    LazyFrame::anonymous_scan(Arc::new(Scan(table)), args)
        .unwrap_or_else(|_| DataFrame::empty_with_schema(&schema).lazy())
}
