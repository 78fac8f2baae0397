//! Arrow IPC files (Feather version 2), without the view types that older readers lack.

use super::parquet::without_null_types;
use super::spy::Spy;
use crate::error::Result;
use polars::prelude::*;
use polars_io::SerWriter;
use polars_io::ipc::IpcWriter;
use std::io::Write;
use std::sync::Arc;

/// Writes the table with `metadata` in its schema. Not compressed, so that readers can map the file into memory.
pub(super) fn write(df: &DataFrame, metadata: &[(String, String)], out: &mut dyn Write) -> Result<()> {
    let mut df = without_null_types(df)?.into_owned();
    let mut spy = Spy::new(out);
    let mut writer = IpcWriter::new(&mut spy).with_compat_level(CompatLevel::oldest());
    if !metadata.is_empty() {
        let pairs = metadata.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into()));
        writer.set_custom_schema_metadata(Arc::new(pairs.collect()));
    }
    let result = writer.finish(&mut df).and_then(|()| Ok(spy.flush()?));
    spy.result(result)
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::super::{Format, Options, write};
    use polars_io::prelude::*;
    use std::io::Cursor;

    #[test]
    fn reads_back() {
        let options = Options { metadata: vec![("runframe.version".into(), "1".into())], ..Options::default() };
        let mut bytes = Vec::new();
        write(&sample(), Format::Arrow, &options, &mut bytes).unwrap();
        let mut reader = IpcReader::new(Cursor::new(bytes));
        let back = reader.custom_metadata().unwrap().is_some_and(|pairs| pairs.contains_key("runframe.version"));
        assert!(back);
        assert!(reader.finish().unwrap().equals_missing(&sample()));
    }
}
