//! Parquet: zstd, statistics, row groups that a reader can skip, and our own key-value pairs.

use super::row_groups::{self, Chunk};
use crate::error::Result;
use polars::prelude::*;
use std::borrow::Cow;
use std::io::Write;

/// Writes the table with `metadata` in the file's footer.
pub(super) fn write(df: &DataFrame, metadata: &[(String, String)], out: &mut dyn Write) -> Result<()> {
    let df = without_null_types(df)?;
    row_groups::write(out, df.schema(), metadata, |file| {
        for rows in row_groups::groups(df.height(), df.width(), None) {
            let column = |at: usize| {
                let column = df.select_at_idx(at).map(|column| column.slice(rows.start as i64, rows.len()));
                Ok(Chunk::Values(column.unwrap_or_default()))
            };
            file.group(rows.len(), &column)?;
        }
        Ok(())
    })
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
