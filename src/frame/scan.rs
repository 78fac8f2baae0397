//! A lazy scan over any table, with pushdown of columns, of limits and, where the table can use them, of filters.

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

    fn allows_predicate_pushdown(&self) -> bool {
        self.0.filters()
    }

    fn scan(&self, args: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        let names: Vec<&str> = match &args.with_columns {
            Some(names) => names.iter().map(|name| name.as_str()).collect(),
            None => self.0.schema().iter_names().map(|name| name.as_str()).collect(),
        };
        Ok(match (args.n_rows, &args.predicate) {
            (None, None) => self.0.read(&names)?,
            (Some(rows), None) => self.0.read_first(&names, rows)?,
            (None, Some(predicate)) => self.0.read_where(&names, predicate)?,
            // Polars pushes no limit past a filter; a limit that came first holds first.
            (Some(rows), Some(predicate)) => {
                let all: Vec<&str> = self.0.schema().iter_names().map(|name| name.as_str()).collect();
                let first = self.0.read_first(&all, rows)?.lazy().filter(predicate.clone());
                first.select(names.iter().map(|name| col(*name)).collect::<Vec<_>>()).collect()?
            }
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
