//! Which typed columns the values of one path make: one for each kind that is present.

use super::sparse::Sparse;
use crate::flatten::List;
use std::fmt;

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A number, non-finite ones included.
    Number,
    /// A string.
    String,
    /// A boolean.
    Bool,
    /// A list of scalars of one kind.
    List,
    /// Anything else, as JSON text: media, tables, histograms, nested lists, numbers too large for any type.
    Json,
}

impl Kind {
    /// All kinds; the first one present gets a path's plain name.
    pub const ALL: [Kind; 5] = [Kind::Number, Kind::String, Kind::Bool, Kind::List, Kind::Json];

    /// The name, which is also the suffix of a column that is not the first of its path.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Bool => "bool",
            Kind::List => "list",
            Kind::Json => "json",
        }
    }

    /// Splits a column name into its path and, if it has a suffix, its kind.
    pub fn split(column: &str) -> (&str, Option<Kind>) {
        let suffixed = Kind::ALL.into_iter().find_map(|kind| {
            let path = column.strip_suffix(kind.name())?.strip_suffix(':')?;
            // A colon of the key's own is escaped by one backslash; backslashes of its own come in pairs, see flatten.
            let backslashes = path.len() - path.trim_end_matches('\\').len();
            (backslashes % 2 == 0).then_some((path, Some(kind)))
        });
        suffixed.unwrap_or((column, None))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The type of a flattened column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeafType {
    /// Integers only.
    Int64,
    /// Numbers.
    Float64,
    /// Strings; also JSON text.
    String,
    /// Booleans.
    Boolean,
    /// Lists of integers.
    ListInt64,
    /// Lists of numbers.
    ListFloat64,
    /// Lists of strings; also lists that are all empty.
    ListString,
    /// Lists of booleans.
    ListBoolean,
}

/// One typed column of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The kind of its values.
    pub kind: Kind,
    /// Its type.
    pub dtype: LeafType,
    /// Values it holds, nulls not counted.
    pub count: usize,
}

/// The facts about a path's values that decide its types. They are sums over the runs, so that order and split of the
/// runs change nothing.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Config's `"NaN"` strings are numbers: the path holds other numbers.
    pub spelled_are_numbers: bool,
    /// The number column is Float64.
    pub floats: bool,
    /// The type of the list column's elements.
    pub list: LeafType,
}

/// The largest integer up to which a float holds every one.
const EXACT: u64 = crate::flatten::EXACT as u64;

/// True if `value` stays itself in a column that is Float64 or not, as `floats` says.
pub fn fits(value: i64, floats: bool) -> bool {
    !floats || value.unsigned_abs() <= EXACT
}

impl Facts {
    /// Reads them off the values.
    pub fn of(values: &Sparse) -> Facts {
        let numbers = !values.ints.is_empty() || !values.floats.is_empty() || !values.bigs.is_empty();
        let spelled_are_numbers = numbers && !values.spelled.is_empty();
        let floats =
            !values.floats.is_empty() || spelled_are_numbers || values.is_declared(Kind::Number, LeafType::Float64);
        Facts { spelled_are_numbers, floats, list: list_type(values) }
    }

    /// True if `list` belongs in the list column; else it goes to the json column as text.
    pub fn takes(&self, list: &List) -> bool {
        match (self.list, list) {
            (_, List::Nulls(_)) | (LeafType::ListInt64 | LeafType::ListFloat64, List::Floats(_)) => true,
            (LeafType::ListInt64, List::Ints(_)) => true,
            (LeafType::ListFloat64, List::Ints(values)) => values.iter().flatten().all(|v| fits(*v, true)),
            (LeafType::ListInt64 | LeafType::ListFloat64, List::Strs(_)) => list.spelled_numbers().is_some(),
            (LeafType::ListString, List::Strs(_)) | (LeafType::ListBoolean, List::Bools(_)) => true,
            _ => false,
        }
    }
}

fn list_type(values: &Sparse) -> LeafType {
    let declared = |dtype| values.is_declared(Kind::List, dtype);
    let (mut ints, mut floats) = (declared(LeafType::ListInt64), declared(LeafType::ListFloat64));
    let (mut strs, mut bools, mut spelled) = (declared(LeafType::ListString), declared(LeafType::ListBoolean), false);
    for (_, list) in values.lists.iter() {
        match list {
            List::Nulls(_) => {}
            List::Ints(_) => ints = true,
            List::Floats(_) => floats = true,
            List::Strs(_) => {
                strs = true;
                spelled |= list.spelled_numbers().is_some();
            }
            List::Bools(_) => bools = true,
        }
    }
    match (floats || (ints && spelled), ints, strs, bools) {
        (true, ..) => LeafType::ListFloat64,
        (_, true, ..) => LeafType::ListInt64,
        (_, _, true, _) => LeafType::ListString,
        (_, _, _, true) => LeafType::ListBoolean,
        _ => LeafType::ListString,
    }
}

/// The columns of a path, in the order of [`Kind::ALL`]; the first gets the plain name. A path of nulls only is one
/// column of strings.
#[cfg(any(test, feature = "frame"))]
pub fn shapes(values: &Sparse) -> Vec<Shape> {
    let facts = Facts::of(values);
    let kept_ints = values.ints.iter().filter(|(_, v)| fits(**v, facts.floats)).count();
    let spelled = values.spelled.len();
    let kept_lists = values.lists.iter().filter(|(_, list)| facts.takes(list)).count();
    let displaced = values.ints.len() - kept_ints + values.lists.len() - kept_lists;
    let counts = [
        kept_ints + values.floats.len() + if facts.spelled_are_numbers { spelled } else { 0 },
        values.strs.len() + if facts.spelled_are_numbers { 0 } else { spelled },
        values.bools.len(),
        kept_lists,
        values.jsons.len() + values.bigs.len() + displaced,
    ];
    let dtypes = [
        if facts.floats { LeafType::Float64 } else { LeafType::Int64 },
        LeafType::String,
        LeafType::Boolean,
        facts.list,
        LeafType::String,
    ];
    let all = Kind::ALL.into_iter().zip(dtypes).zip(counts);
    let mut shapes: Vec<Shape> = all
        .filter(|((kind, _), count)| *count > 0 || values.declared.iter().any(|(declared, _)| declared == kind))
        .map(|((kind, dtype), count)| Shape { kind, dtype, count })
        .collect();
    if shapes.is_empty() && (!values.nulls.is_empty() || values.declared_empty) {
        shapes.push(Shape { kind: Kind::String, dtype: LeafType::String, count: 0 });
    }
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_split_unless_escaped() {
        assert_eq!(Kind::split("config.opt:string"), ("config.opt", Some(Kind::String)));
        assert_eq!(Kind::split("config.opt\\:string"), ("config.opt\\:string", None));
        assert_eq!(Kind::split("config.opt\\\\:string"), ("config.opt\\\\", Some(Kind::String)));
        assert_eq!(Kind::split(r"config.opt\\\:string"), (r"config.opt\\\:string", None));
        assert_eq!(Kind::split("config.opt:strings"), ("config.opt:strings", None));
    }
}
