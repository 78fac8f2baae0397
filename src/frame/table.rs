//! The table that was just loaded: columns are made dense when a frame asks for them.

use super::{Table, scatter, series, unknown_column};
use crate::columns::{Columns, FIELDS, Facts, Kind, LeafType, Shape, Sparse, shapes};
use crate::error::Result;
use crate::flatten::{NameId, Root};
use crate::record::Wanted;
use crate::threads;
use polars::prelude::{Column, DataFrame, DataType, PlSmallStr, Schema, SchemaRef};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Flattened runs and the names of the columns they make.
pub(super) struct Loaded {
    columns: Columns,
    schema: SchemaRef,
    made_from: HashMap<PlSmallStr, Origin>,
    json_columns: Vec<String>,
}

/// What a column is made from.
#[derive(Clone, Copy)]
enum Origin {
    Field(usize),
    Leaf(NameId, Kind, LeafType, Facts),
    Raw(Root),
}

impl Loaded {
    pub(super) fn new(columns: Columns) -> Self {
        let mut all: Vec<(PlSmallStr, DataType, Origin)> = Vec::new();
        let wanted = columns.wanted();
        for (index, field) in FIELDS.iter().enumerate().filter(|(_, field)| is_loaded(field.name, wanted)) {
            if field.name == "logged_artifacts" {
                all.extend(leaves(&columns));
            }
            all.push((field.name.into(), series::field_type(field.dtype), Origin::Field(index)));
        }
        if !wanted.artifacts {
            all.extend(leaves(&columns));
        }
        if wanted.raw {
            all.push(("config_json".into(), DataType::String, Origin::Raw(Root::Config)));
            all.push(("summary_json".into(), DataType::String, Origin::Raw(Root::Summary)));
        }
        let is_json = |name: &str, origin: &Origin| {
            matches!(origin, Origin::Leaf(_, Kind::Json, ..)) && Kind::split(name).1.is_none()
        };
        let json_columns =
            all.iter().filter(|(name, _, origin)| is_json(name, origin)).map(|(name, ..)| name.to_string());
        Loaded {
            json_columns: json_columns.collect(),
            schema: Arc::new(all.iter().map(|(name, dtype, _)| (name.clone(), dtype.clone())).collect::<Schema>()),
            made_from: all.into_iter().map(|(name, _, origin)| (name, origin)).collect(),
            columns,
        }
    }

    fn column(&self, name: &str, rows: &Range<usize>) -> Result<Column> {
        let unknown = || unknown_column(name, self.schema.iter_names().map(|n| n.as_str()));
        let series = match self.made_from.get(name).ok_or_else(unknown)? {
            Origin::Field(index) => {
                series::fixed(name, self.columns.fixed(*index).ok_or_else(unknown)?, rows, &self.schema)?
            }
            Origin::Leaf(id, kind, dtype, facts) => {
                let values = self.columns.values(*id).ok_or_else(unknown)?;
                scatter::column(name, values, *facts, (*kind, *dtype), rows)?
            }
            Origin::Raw(root) => series::texts(name, self.columns.raw(*root).part(rows.clone())),
        };
        Ok(series.into())
    }
}

/// True unless the field was not asked for, so that nothing is known of it.
fn is_loaded(field: &str, wanted: Wanted) -> bool {
    match field {
        "logged_artifacts" | "used_artifacts" => wanted.artifacts,
        "heartbeat_at" | "runtime" | "state" => wanted.heartbeat,
        _ => true,
    }
}

/// The flattened columns, sorted by name.
fn leaves(columns: &Columns) -> Vec<(PlSmallStr, DataType, Origin)> {
    let of_path = |(path, id, values): (&str, NameId, &Sparse)| {
        let facts = Facts::of(values);
        let leaf = |(at, shape): (usize, Shape)| {
            let name = if at == 0 { path.into() } else { PlSmallStr::from(format!("{path}:{}", shape.kind)) };
            (name, series::leaf_type(shape.dtype), Origin::Leaf(id, shape.kind, shape.dtype, facts))
        };
        shapes(values).into_iter().enumerate().map(leaf).collect::<Vec<_>>()
    };
    // Lists and JSON are looked through value by value.
    let mut leaves: Vec<_> = threads::map(columns.paths(), of_path).into_iter().flatten().collect();
    leaves.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    leaves
}

impl Table for Loaded {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn height(&self) -> usize {
        self.columns.height()
    }

    fn read(&self, columns: &[&str]) -> Result<DataFrame> {
        self.read_slice(columns, 0..self.columns.height())
    }

    fn read_slice(&self, columns: &[&str], rows: Range<usize>) -> Result<DataFrame> {
        let columns = threads::map(columns, |name| self.column(name, &rows));
        let columns = columns.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(DataFrame::new(rows.len(), columns)?)
    }

    fn json_columns(&self) -> &[String] {
        &self.json_columns
    }

    fn columns(&self) -> Result<Columns> {
        let mut copy = Columns::new(self.columns.wanted());
        copy.merge(&self.columns);
        Ok(copy)
    }

    fn nulls(&self, row: usize) -> Option<Vec<&str>> {
        Some(self.columns.nulls(row))
    }

    fn values(&self) -> Option<usize> {
        Some(self.columns.paths().into_iter().map(|(.., values)| values.len()).sum())
    }
}
