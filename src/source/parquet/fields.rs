//! The columns of a stored table and their types.

use super::outline::Outline;
use crate::record::seal::TYPES;
use polars::prelude::*;
use polars_arrow::datatypes::Metadata;
use polars_parquet::parquet::read::deserialize_metadata;
use polars_parquet::read::infer_schema;
use polars_parquet::read::schema::{parquet_to_arrow_schema, read_schema_from_metadata};

/// The key of the Arrow schema, by which Arrow's programs tell types that Parquet does not have.
const ARROW: &str = "ARROW:schema";

/// The columns that are read.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub(super) schema: SchemaRef,
    /// Of each column of the schema, its type among `kinds` and its place in the file.
    columns: Vec<(usize, usize)>,
    /// Types, each with the name of one of its columns.
    kinds: Vec<ArrowField>,
    /// What is told of each column whose type cannot be read.
    pub(super) skipped: Vec<String>,
}

impl Fields {
    /// The columns that a footer tells of; `sealed` if we wrote it.
    ///
    /// # Errors
    /// If it cannot be decoded, or two columns have the same name.
    pub(super) fn of(outline: &Outline, footer: &[u8], sealed: bool) -> PolarsResult<Fields> {
        match outline.value(footer, TYPES).filter(|_| sealed) {
            Some(types) => Fields::sealed(outline, footer, types),
            None => Fields::told(outline, footer),
        }
    }

    /// Those of any file: the type of each column as the footer tells it.
    fn told(outline: &Outline, footer: &[u8]) -> PolarsResult<Fields> {
        let all: Vec<usize> = (0..outline.columns.len()).collect();
        let arrow = infer_schema(&deserialize_metadata(outline.part(footer, &all, &[], &[ARROW]).into())?)?;
        let places: PlHashMap<&[u8], usize> = all.iter().map(|at| (outline.name(footer, *at), *at)).collect();
        let kinds: Vec<ArrowField> = arrow.into_iter_values().map(plain).collect();
        let place = |field: &ArrowField| {
            let place = places.get(field.name.as_bytes()).copied();
            place.ok_or_else(|| polars_err!(ComputeError: "a group of rows has no column {}", field.name))
        };
        let columns = kinds.iter().enumerate().map(|(at, field)| Ok((field.name.clone(), at, place(field)?)));
        let columns = columns.collect::<PolarsResult<Vec<_>>>()?;
        Fields::new(kinds, columns)
    }

    /// Those of a file that we wrote: nearly all columns have the type that follows from what Parquet's schema says of them, so
    /// that it is found once for all that are alike. `types` is the Arrow schema of the others.
    fn sealed(outline: &Outline, footer: &[u8], types: &str) -> PolarsResult<Fields> {
        let mut kinds: Vec<ArrowField> = read_schema(types)?.into_iter_values().collect();
        let others: PlHashMap<PlSmallStr, usize> =
            kinds.iter().enumerate().map(|(at, f)| (f.name.clone(), at)).collect();
        let (mut shapes, mut first) = (PlHashMap::new(), Vec::new());
        let mut columns = Vec::with_capacity(outline.columns.len());
        for (at, place) in outline.columns.iter().enumerate() {
            let name = str::from_utf8(outline.name(footer, at));
            let name = PlSmallStr::from_str(
                name.map_err(|_| polars_err!(ComputeError: "the name of column {at} is no text"))?,
            );
            let kind = others.get(&name).copied().unwrap_or_else(|| {
                *shapes.entry(place.shape(footer)).or_insert_with(|| {
                    first.push(at);
                    others.len() + first.len() - 1
                })
            });
            columns.push((name, kind, at));
        }
        let alike = deserialize_metadata(outline.part(footer, &first, &[], &[]).into())?;
        let alike = parquet_to_arrow_schema(alike.schema().fields());
        polars_ensure!(alike.len() == first.len(), ComputeError: "a column of its schema has no type");
        kinds.extend(alike.into_iter_values());
        Fields::new(kinds, columns)
    }

    /// `columns` are names, which of the kinds each is of, and places in the file.
    fn new(kinds: Vec<ArrowField>, columns: Vec<(PlSmallStr, usize, usize)>) -> PolarsResult<Fields> {
        let read = |kind: &ArrowField| is_readable(&kind.dtype).then(|| DataType::from_arrow_field(kind));
        let types: Vec<Option<DataType>> = kinds.iter().map(read).collect();
        let (mut schema, mut kept) = (Schema::with_capacity(columns.len()), Vec::with_capacity(columns.len()));
        let mut skipped = Vec::new();
        for (name, kind, place) in columns {
            match types.get(kind) {
                Some(Some(dtype)) => {
                    let twice = schema.insert(name.clone(), dtype.clone()).is_some();
                    polars_ensure!(!twice, duplicate = name);
                    kept.push((kind, place));
                }
                _ => {
                    let dtype = kinds.get(kind).map_or(&ArrowDataType::Null, |kind| &kind.dtype);
                    skipped.push(format!("column {name}: type {dtype:?} is not supported"));
                }
            }
        }
        Ok(Fields { schema: Arc::new(schema), columns: kept, kinds, skipped })
    }

    /// The type of a column, and its place in the file.
    ///
    /// # Errors
    /// If there is none of this name.
    pub(super) fn get(&self, name: &str) -> PolarsResult<(ArrowField, usize)> {
        let found = self.schema.index_of(name).and_then(|at| self.columns.get(at));
        let found = found.and_then(|(kind, place)| Some((self.kinds.get(*kind)?, *place)));
        let (kind, place) = found.ok_or_else(|| polars_err!(col_not_found = name))?;
        Ok((ArrowField { name: name.into(), ..kind.clone() }, place))
    }

    /// The types and places of these columns.
    ///
    /// # Errors
    /// If there is none of such a name, or one is named twice.
    pub(super) fn all(&self, names: &[&str]) -> PolarsResult<(ArrowSchema, Vec<usize>)> {
        let (mut fields, mut places) = (ArrowSchema::with_capacity(names.len()), Vec::with_capacity(names.len()));
        for name in names {
            let (field, place) = self.get(name)?;
            places.push(place);
            polars_ensure!(fields.insert(field.name.clone(), field).is_none(), duplicate = name);
        }
        Ok((fields, places))
    }

    /// The same columns, where those that `change` gives another type have it; it gets type and place.
    pub(super) fn changed(&self, change: impl Fn(&ArrowField, usize) -> Option<ArrowField>) -> Fields {
        let mut changed = self.clone();
        let schema = Arc::make_mut(&mut changed.schema);
        for (at, (kind, place)) in changed.columns.iter_mut().enumerate() {
            let new = self.kinds.get(*kind).and_then(|field| change(field, *place));
            let (Some(new), Some((_, dtype))) = (new, schema.get_at_index_mut(at)) else { continue };
            *dtype = DataType::from_arrow_field(&new);
            *kind = changed.kinds.len();
            changed.kinds.push(new);
        }
        changed
    }
}

/// The Arrow schema that a footer has as text.
fn read_schema(text: &str) -> PolarsResult<ArrowSchema> {
    let mut pair = Metadata::from([(ARROW.into(), text.into())]);
    Ok(read_schema_from_metadata(&mut pair)?.unwrap_or_default())
}

/// Texts in place of categories, which are texts in Parquet: pandas and Polars write them.
fn plain(mut field: ArrowField) -> ArrowField {
    use ArrowDataType as T;
    field.dtype = match field.dtype {
        T::Dictionary(_, texts, _) if *texts == T::Utf8View => {
            field.metadata = None;
            *texts
        }
        T::List(inner) => T::List(Box::new(plain(*inner))),
        T::LargeList(inner) => T::LargeList(Box::new(plain(*inner))),
        T::Struct(fields) => T::Struct(fields.into_iter().map(plain).collect()),
        other => other,
    };
    field
}

/// True for types that the features of Polars which we build can hold; it panics on others.
fn is_readable(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as T;
    match dtype {
        T::Null | T::Boolean | T::Int32 | T::Int64 | T::UInt32 | T::UInt64 | T::Float32 | T::Float64 => true,
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView => true,
        T::Date32 | T::Date64 | T::Timestamp(..) | T::Duration(_) => true,
        T::List(inner) | T::LargeList(inner) => is_readable(&inner.dtype),
        T::Struct(fields) => fields.iter().all(|field| is_readable(&field.dtype)),
        _ => false,
    }
}
