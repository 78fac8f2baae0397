//! Polars frames as arrow-rs record batches, through the Arrow C data interface and without copying numbers; and our texts as
//! Polars' without copying them.

use crate::error::{Error, ErrorKind, Result};
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchIterator, RecordBatchReader, make_array};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use polars::prelude::{CompatLevel, DataFrame, DataType};
use polars_arrow::array::{Utf8ViewArray, View};
use polars_arrow::bitmap::MutableBitmap;
use polars_arrow::ffi;
use polars_buffer::Buffer;
use std::ops::Range;
use std::sync::Arc;

/// The frame as record batches: text as `Utf8View`, lists as `LargeList`, times as `Timestamp(µs, "UTC")`.
///
/// # Errors
/// If Arrow refuses a column.
pub fn record_batches(frame: &DataFrame) -> Result<Vec<RecordBatch>> {
    let mut frame = typed(frame)?;
    frame.align_chunks_par();
    let level = CompatLevel::newest();
    let schema = arrow_schema(&frame)?;
    if frame.width() == 0 {
        return Ok(Vec::new());
    }
    let batches = frame.iter_chunks(level, false).map(|chunk| {
        let arrays = chunk.into_arrays().into_iter().zip(schema.fields());
        let columns =
            arrays.map(|(array, field)| to_arrow(array, field)).collect::<Result<Vec<ArrayRef>, ArrowError>>()?;
        RecordBatch::try_new(schema.clone(), columns)
    });
    batches.collect::<Result<Vec<_>, ArrowError>>().map_err(refused)
}

/// The frame as a [`RecordBatchReader`], the trait that DataFusion, ADBC and pyarrow take.
///
/// # Errors
/// If Arrow refuses a column.
pub fn reader(frame: &DataFrame) -> Result<Box<dyn RecordBatchReader + Send>> {
    let schema = arrow_schema(&typed(frame)?)?;
    let batches = record_batches(frame)?;
    Ok(Box::new(RecordBatchIterator::new(batches.into_iter().map(Ok), schema)))
}

/// Columns of nulls without a type become text: the C data interface has no buffers for them.
fn typed(frame: &DataFrame) -> Result<DataFrame> {
    let columns = frame.columns().iter().map(|column| match column.dtype() {
        DataType::Null => column.cast(&DataType::String),
        _ => Ok(column.clone()),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Ok(DataFrame::new(frame.height(), columns)?)
}

fn refused(error: ArrowError) -> Error {
    Error::new(ErrorKind::Compute, error.to_string()).source(error)
}

fn arrow_schema(frame: &DataFrame) -> Result<SchemaRef> {
    let level = CompatLevel::newest();
    let fields = frame.schema().iter().map(|(name, dtype)| {
        let field = ffi::export_field_to_c(&dtype.to_arrow_field(name.clone(), level));
        Field::try_from(&schema_between(field))
    });
    let fields = fields.collect::<Result<Vec<_>, ArrowError>>().map_err(refused)?;
    Ok(Arc::new(Schema::new(fields)))
}

const _: () = assert!(
    size_of::<FFI_ArrowArray>() == size_of::<ffi::ArrowArray>()
        && size_of::<FFI_ArrowSchema>() == size_of::<ffi::ArrowSchema>()
);

#[allow(unsafe_code)]
fn schema_between(schema: ffi::ArrowSchema) -> FFI_ArrowSchema {
    // SAFETY: both types are `#[repr(C)]` pictures of the C data interface's `struct ArrowSchema`; ownership moves.
    unsafe { std::mem::transmute(schema) }
}

#[allow(unsafe_code)]
fn to_arrow(array: Box<dyn polars_arrow::array::Array>, field: &Field) -> Result<ArrayRef, ArrowError> {
    let schema = FFI_ArrowSchema::try_from(field)?;
    // SAFETY: both types are `#[repr(C)]` pictures of the C data interface's `struct ArrowArray`; ownership moves.
    let array: FFI_ArrowArray = unsafe { std::mem::transmute(ffi::export_array_to_c(array)) };
    // SAFETY: the array was exported just above with the type that `schema` tells.
    Ok(make_array(unsafe { from_ffi(array, &schema) }?))
}

/// Bytes that an array keeps alive.
struct Held(Arc<String>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// So many rows, of which these have the texts that stand at these places of `bytes`, at most 4 GiB; the others are null.
#[allow(unsafe_code)]
pub(super) fn texts(
    bytes: &Arc<String>,
    places: impl Iterator<Item = (usize, Range<usize>)>,
    rows: usize,
) -> Utf8ViewArray {
    let mut views = vec![View::default(); rows];
    let mut valid = MutableBitmap::from_len_zeroed(rows);
    for (row, place) in places {
        let found = u32::try_from(place.start).ok().zip(bytes.get(place));
        if let (Some((start, text)), Some(view)) = (found, views.get_mut(row)) {
            *view = View::new_from_bytes(text.as_bytes(), 0, start);
            valid.set(row, true);
        }
    }
    let valid = (valid.unset_bits() > 0).then(|| valid.into());
    let buffers = Buffer::from(vec![Buffer::from_owner(Held(bytes.clone()))]);
    // SAFETY: every view is the empty one or was made of a text in the only buffer, which is UTF-8, at its place there; there are
    // as many bits as views.
    unsafe {
        Utf8ViewArray::new_unchecked_unknown_md(
            polars_arrow::datatypes::ArrowDataType::Utf8View,
            views.into(),
            buffers,
            valid,
            None,
        )
    }
}
