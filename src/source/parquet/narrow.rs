//! Reading some fields only of columns that are lists of structs.

use polars::prelude::{ArrowDataType, ArrowField, PlSmallStr};

/// Where the name of a field stands in the path of a list of structs: `column.list.element.FIELD`.
pub(super) const DEPTH: usize = 3;

/// The column with only these of its fields, if it is a list of structs that has any of them.
pub(super) fn to(field: &ArrowField, names: &[&str]) -> Option<ArrowField> {
    let ArrowDataType::LargeList(inner) = &field.dtype else { return None };
    let ArrowDataType::Struct(fields) = &inner.dtype else { return None };
    let kept: Vec<ArrowField> = fields.iter().filter(|field| names.contains(&field.name.as_str())).cloned().collect();
    if kept.is_empty() {
        return None;
    }
    let element = ArrowField { dtype: ArrowDataType::Struct(kept), ..(**inner).clone() };
    Some(ArrowField { dtype: ArrowDataType::LargeList(Box::new(element)), ..field.clone() })
}

/// True if the leaf at this path belongs to the column as it is read.
pub(super) fn has(dtype: &ArrowDataType, path: &[PlSmallStr]) -> bool {
    let ArrowDataType::LargeList(inner) = dtype else { return true };
    let ArrowDataType::Struct(fields) = &inner.dtype else { return true };
    path.get(DEPTH).is_none_or(|name| fields.iter().any(|field| field.name == *name))
}
