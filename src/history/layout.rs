//! The columns that metrics make: their names, types, and what each is made from.

use super::query::Axis;
use super::store::FIXED;
use crate::columns::{Kind, LeafType, Sparse, shapes};
use crate::frame::series;
use polars::prelude::{DataType, Field, PlSmallStr, Schema, SchemaRef};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The columns of a history.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) schema: SchemaRef,
    /// By column.
    pub(super) metrics: HashMap<PlSmallStr, Metric>,
    /// Columns with a plain name that hold JSON text.
    pub(super) json_columns: Vec<String>,
}

/// What a metric's column is made from.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) path: Arc<str>,
    pub(super) kind: Kind,
    pub(super) dtype: LeafType,
    /// All columns of the path.
    pub(super) all: Vec<(Kind, LeafType)>,
}

impl Layout {
    /// The columns that these values make, given what of each path's values decides that.
    pub(super) fn new(axis: Axis, digests: &BTreeMap<Arc<str>, Sparse>) -> Self {
        let mut metrics: Vec<(PlSmallStr, Metric)> = Vec::new();
        for (path, digest) in digests {
            let shapes = shapes(digest);
            let all: Vec<(Kind, LeafType)> = shapes.iter().map(|shape| (shape.kind, shape.dtype)).collect();
            for (at, shape) in shapes.into_iter().enumerate() {
                // A metric that is called `name` is not the run's name.
                let plain = at == 0 && !FIXED.contains(&&**path);
                let name = if plain { path.to_string() } else { format!("{path}:{}", shape.kind) };
                let metric = Metric { path: path.clone(), kind: shape.kind, dtype: shape.dtype, all: all.clone() };
                metrics.push((name.into(), metric));
            }
        }
        metrics.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let fixed = FIXED.iter().filter(|name| axis == Axis::Step || **name != "_step");
        let mut schema: Schema = fixed.map(|name| Field::new((*name).into(), fixed_type(name))).collect();
        metrics.iter().for_each(|(name, metric)| {
            schema.insert(name.clone(), series::leaf_type(metric.dtype));
        });
        let is_json = |name: &str, metric: &Metric| metric.kind == Kind::Json && Kind::split(name).1.is_none();
        let json = metrics.iter().filter(|(name, metric)| is_json(name, metric)).map(|(name, _)| name.to_string());
        Layout { schema: Arc::new(schema), json_columns: json.collect(), metrics: metrics.into_iter().collect() }
    }

    /// The metrics' columns, in the order of the table.
    pub(super) fn metrics(&self) -> impl Iterator<Item = &str> {
        self.schema.iter_names().map(|name| name.as_str()).filter(|name| self.metrics.contains_key(*name))
    }
}

fn fixed_type(name: &str) -> DataType {
    match name {
        "_step" => DataType::Int64,
        "_timestamp" => series::utc(),
        "_runtime" => DataType::Float64,
        _ => DataType::String,
    }
}
