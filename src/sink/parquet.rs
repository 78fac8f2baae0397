//! Parquet: zstd, statistics, row groups that a reader can skip, and our own key-value pairs.

use super::spy::Spy;
use crate::error::Result;
use polars::prelude::*;
use polars_io::parquet::write::{KeyValueMetadata, ParquetCompression, ParquetWriter, StatisticsOptions};
use polars_parquet::write::schema_to_metadata_key;
use std::borrow::Cow;
use std::io::Write;

/// Rows of one group: enough to compress well, few enough to skip and to read in parallel.
const GROUP: usize = 65_536;

/// Writes the table with `metadata` in the file's footer.
pub(super) fn write(df: &DataFrame, metadata: &[(String, String)], out: &mut dyn Write) -> Result<()> {
    let mut df = without_null_types(df)?.into_owned();
    let mut spy = Spy::new(out);
    let result = writer(&mut spy, df.schema(), metadata).with_row_group_size(Some(GROUP)).finish(&mut df);
    let result = result.and_then(|_| Ok(spy.flush()?));
    spy.result(result)
}

fn writer<'s, 'o>(
    spy: &'s mut Spy<'o>,
    schema: &Schema,
    metadata: &[(String, String)],
) -> ParquetWriter<&'s mut Spy<'o>> {
    let pairs = [arrow_schema(schema)].into_iter().chain(metadata.iter().cloned()).collect();
    ParquetWriter::new(spy)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::full())
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(pairs)))
}

/// Writes a table that `parts` hands over in parts, each a row group, so that only one of them need be in memory. The schema has no
/// columns that know no type.
pub(super) fn write_parts(
    schema: &Schema,
    metadata: &[(String, String)],
    out: &mut dyn Write,
    parts: impl FnOnce(&mut dyn FnMut(&DataFrame) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let mut spy = Spy::new(out);
    let written = (|| {
        let mut writer = writer(&mut spy, schema, metadata).batched(schema)?;
        parts(&mut |part| Ok(writer.write_batch(part)?))?;
        writer.finish()?;
        Ok(())
    })();
    let flushed = written.and_then(|()| spy.flush().map_err(super::output));
    spy.first_of(flushed)
}

/// The Arrow schema as the footer has it, with plain strings: Polars would say string views, which pyarrow before 16 refuses.
fn arrow_schema(schema: &Schema) -> (String, String) {
    let field = |field: Field| (field.name.clone(), field.dtype.to_arrow_field(field.name, CompatLevel::oldest()));
    let pair = schema_to_metadata_key(&schema.iter_fields().map(field).collect());
    (pair.key, pair.value.unwrap_or_default())
}

/// The table with text in place of columns that know no type, which many readers refuse.
pub(super) fn without_null_types(df: &DataFrame) -> Result<Cow<'_, DataFrame>> {
    if !df.dtypes().iter().any(DataType::contains_null_type) {
        return Ok(Cow::Borrowed(df));
    }
    let columns = df.columns().iter().map(|column| column.cast(&typed(column.dtype())));
    let columns = columns.collect::<PolarsResult<Vec<_>>>()?;
    Ok(Cow::Owned(DataFrame::new(df.height(), columns)?))
}

trait ContainsNull {
    fn contains_null_type(&self) -> bool;
}

impl ContainsNull for DataType {
    fn contains_null_type(&self) -> bool {
        match self {
            DataType::Null => true,
            DataType::List(inner) => inner.contains_null_type(),
            DataType::Struct(fields) => fields.iter().any(|field| field.dtype().contains_null_type()),
            _ => false,
        }
    }
}

fn typed(dtype: &DataType) -> DataType {
    match dtype {
        DataType::Null => DataType::String,
        DataType::List(inner) => DataType::List(Box::new(typed(inner))),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|f| Field::new(f.name().clone(), typed(f.dtype()))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::super::{Format, Options, write};
    use polars::prelude::*;
    use std::io::Cursor;

    #[test]
    fn reads_back_with_types_and_metadata() {
        let mut df = sample();
        df.with_column(Column::full_null("nothing".into(), 3, &DataType::Null)).unwrap();
        let options = Options { metadata: vec![("runframe.version".into(), "1".into())], ..Options::default() };
        let mut bytes = Vec::new();
        write(&df, Format::Parquet, &options, &mut bytes).unwrap();
        let mut reader = ParquetReader::new(Cursor::new(bytes));
        let pairs = reader.get_metadata().unwrap().key_value_metadata().clone().unwrap();
        assert!(pairs.iter().any(|pair| pair.key == "runframe.version" && pair.value.as_deref() == Some("1")));
        let back = reader.finish().unwrap();
        assert_eq!(back.column("nothing").unwrap().dtype(), &DataType::String);
        assert!(back.drop("nothing").unwrap().equals_missing(&sample()), "{back}");
    }

    #[test]
    fn long_tables_are_written_in_groups() {
        let df = df!("i" => 0..200_000_i64).unwrap();
        let mut bytes = Vec::new();
        write(&df, Format::Parquet, &Options::default(), &mut bytes).unwrap();
        let mut reader = ParquetReader::new(Cursor::new(bytes));
        assert!(reader.get_metadata().unwrap().row_groups.len() >= 3);
        assert!(reader.finish().unwrap().equals(&df));
    }
}
