//! XLSX workbooks: typed cells, as far as spreadsheet programs have types.

use super::cell::{Cell, Grid, Style, Time, Values};
use super::{Options, formula, json, output, text};
use crate::error::{Error, ErrorKind, Result};
use chrono::{DateTime, Datelike};
use polars::prelude::DataFrame;
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};
use std::borrow::Cow;
use std::io::Write;

/// What a sheet holds at most, with the header.
const ROWS: usize = 1_048_576;
const COLUMNS: usize = 16_384;
/// Characters of a cell, as UTF-16 counts them.
const LONGEST: usize = 32_767;
/// Integers beyond are rounded by spreadsheet programs.
const EXACT: u64 = 1 << 53;
/// Pixels of the widest column.
const WIDEST: u32 = 400;
/// Rows that decide how wide columns are.
const MEASURED: u32 = 200;

/// Writes one sheet: a bold header that stays, filters, numbers as numbers and times as times.
///
/// Numbers that a cell would round or cannot hold (integers beyond 2^53, NaN, infinities) are text; times are those of
/// the zone that is shown, without its name; lists and structs are JSON; nulls are empty. Texts are never formulas.
///
/// # Errors
/// If the sheet has no room: 1,048,576 rows, 16,384 columns, 32,767 characters in a cell.
pub(super) fn write(df: &DataFrame, options: &Options, out: &mut dyn Write) -> Result<()> {
    let grid = Grid::new(df);
    let style = Style { zone: options.zone };
    let columns = grid.columns(style);
    if grid.height() + 1 > ROWS || columns.len() > COLUMNS {
        let size = format!("{} rows × {} columns are more than an XLSX sheet holds", grid.height(), columns.len());
        let error = Error::new(ErrorKind::Unsupported, size);
        return Err(error.hint("at most 1,048,575 rows and 16,384 columns; write Parquet or CSV, or fewer with -n, -s"));
    }
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    fill(sheet, &columns, grid.height(), style, options.safe_cells)?;
    sheet.set_autofit_max_row(MEASURED).set_autofit_max_width(WIDEST).autofit();
    let bytes = book.save_to_buffer().map_err(|error| refused(&error))?;
    out.write_all(&bytes).and_then(|()| out.flush()).map_err(output)
}

fn fill(sheet: &mut Worksheet, columns: &[Values<'_>], height: usize, style: Style, safe: bool) -> Result<()> {
    let bold = Format::new().set_bold();
    let (day, moment) =
        (Format::new().set_num_format("yyyy-mm-dd"), Format::new().set_num_format("yyyy-mm-dd hh:mm:ss.000"));
    sheet.set_name("runs").map_err(|error| refused(&error))?;
    for (at, column) in (0u16..).zip(columns) {
        text_fits(column.name(), column.name(), 0)?;
        sheet.write_string_with_format(0, at, harmless(column.name(), safe), &bold).map_err(|error| refused(&error))?;
        for row in 0..height {
            let place = (row as u32 + 1, at);
            let cell = column.get(row);
            let written = match &cell {
                Cell::Null => continue,
                Cell::Bool(value) => sheet.write_boolean(place.0, place.1, *value),
                Cell::Int(value) if value.unsigned_abs() <= EXACT => {
                    sheet.write_number(place.0, place.1, *value as f64)
                }
                Cell::UInt(value) if *value <= EXACT => sheet.write_number(place.0, place.1, *value as f64),
                Cell::Float(value) | Cell::Duration(value) if value.is_finite() => {
                    sheet.write_number(place.0, place.1, *value)
                }
                Cell::Float32(value) if value.is_finite() => sheet.write_number(place.0, place.1, *value),
                Cell::Date(days) if serial(i64::from(*days) * 86_400_000_000).is_some() => {
                    let serial = serial(i64::from(*days) * 86_400_000_000).unwrap_or_default();
                    sheet.write_number_with_format(place.0, place.1, serial, &day)
                }
                Cell::Time(time) if shown(*time).is_some() => {
                    sheet.write_number_with_format(place.0, place.1, shown(*time).unwrap_or_default(), &moment)
                }
                cell => {
                    let mut shown = String::new();
                    if !text::push_plain(&mut shown, cell, None) {
                        json::push(&mut shown, cell, style);
                    }
                    let shown = match cell {
                        Cell::Str(_) | Cell::Text(_) | Cell::List(_) | Cell::Struct(_) => harmless(&shown, safe),
                        _ => Cow::Borrowed(shown.as_str()),
                    };
                    text_fits(&shown, column.name(), row)?;
                    sheet.write_string(place.0, place.1, shown)
                }
            };
            written.map_err(|error| refused(&error))?;
        }
    }
    if !columns.is_empty() {
        sheet.set_freeze_panes(1, 0).map_err(|error| refused(&error))?;
        let (last_row, last_column) = (height as u32, columns.len() as u16 - 1);
        sheet.autofilter(0, 0, last_row, last_column).map_err(|error| refused(&error))?;
    }
    Ok(())
}

fn harmless(text: &str, safe: bool) -> Cow<'_, str> {
    if safe { formula::harmless(text) } else { Cow::Borrowed(text) }
}

fn text_fits(text: &str, column: &str, row: usize) -> Result<()> {
    if text.len() <= LONGEST || text.encode_utf16().count() <= LONGEST {
        return Ok(());
    }
    let what =
        format!("column {column}, row {}: a text of {} bytes is longer than an XLSX cell holds", row + 1, text.len());
    let cure = "at most 32,767 characters; leave the column out with --drop, or write Parquet or CSV";
    Err(Error::new(ErrorKind::Unsupported, what).hint(cure))
}

/// The time of the clocks in its zone, as spreadsheets count: days since the end of 1899.
fn shown(time: Time) -> Option<f64> {
    let utc = DateTime::from_timestamp_micros(time.micros)?;
    let zone = time.zone.unwrap_or_default();
    serial(time.micros + i64::from(zone.offset(utc)) * 1_000_000)
}

/// Days since the end of 1899; `None` before 1 March 1900, where spreadsheets count a day that was not, and after 9999.
fn serial(micros: i64) -> Option<f64> {
    let year = DateTime::from_timestamp_micros(micros)?.year();
    let days = micros as f64 / 86_400e6 + 25_569.0;
    ((1900..=9999).contains(&year) && days >= 61.0).then_some(days)
}

fn refused(error: &XlsxError) -> Error {
    Error::new(ErrorKind::Io, format!("the workbook cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::super::{Format, Options, write};
    use super::serial;
    use crate::error::ErrorKind;
    use polars::prelude::*;

    #[test]
    fn days_are_counted_as_spreadsheets_do() {
        // 2024-05-01 12:00 is 45413.5 in Excel and LibreOffice.
        assert_eq!(serial(1_714_564_800_000_000), Some(45_413.5));
        assert_eq!(serial(-2_208_988_800_000_000), None);
        assert_eq!(serial(253_402_300_800_000_000), None);
    }

    #[test]
    fn a_zip_with_the_sheet() {
        let mut bytes = Vec::new();
        write(&sample(), Format::Xlsx, &Options::default(), &mut bytes).unwrap();
        assert!(bytes.starts_with(b"PK\x03\x04"));
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_place() {
        let df = df!("a" => ["x".to_owned(), "y".repeat(32_768)]).unwrap();
        let error = write(&df, Format::Xlsx, &Options::default(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("column a, row 2"), "{error}");
        let df = df!("a" => vec![0_i64; 1_048_576]).unwrap();
        let error = write(&df, Format::Xlsx, &Options::default(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("1048576 rows"), "{error}");
    }
}
