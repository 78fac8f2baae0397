//! The run table's columns: the table of fixed fields, and the sparse, typed, mergeable columns of what was flattened.

mod fields;

pub use fields::{Cell, FIELDS, Field, Type, field, resolve_alias};
