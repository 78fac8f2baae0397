//! Comma- and tab-separated values, full precision, a null told from an empty text.

use super::cell::{Cell, Grid, Style};
use super::{Options, formula, json, output, text};
use crate::error::Result;
use std::io::Write;

/// Bytes gathered before they are handed on.
const CHUNK: usize = 1 << 16;

/// Writes a header and one line per row. Nulls are empty, empty texts are `""`, lists and structs are JSON.
///
/// In a table of one column a null is `""` as well, because readers skip empty lines and would lose the row.
pub(super) fn write(grid: &Grid, delimiter: u8, options: &Options, out: &mut dyn Write) -> Result<()> {
    let style = Style { zone: options.zone };
    let quote = |line: &mut String, value: &str| match options.safe_cells {
        true => quote(line, &formula::harmless(value), delimiter),
        false => quote(line, value, delimiter),
    };
    let columns = grid.columns(style);
    let (mut line, mut scratch) = (String::new(), String::new());
    let separator = char::from(delimiter);
    for (i, column) in columns.iter().enumerate() {
        if i > 0 {
            line.push(separator);
        }
        quote(&mut line, column.name());
    }
    line.push('\n');
    for row in 0..grid.height() {
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                line.push(separator);
            }
            match column.get(row) {
                Cell::Null if columns.len() == 1 => line.push_str("\"\""),
                Cell::Null => {}
                Cell::Str(value) => quote(&mut line, value),
                Cell::Text(value) => quote(&mut line, &value),
                cell => {
                    if !text::push_plain(&mut line, &cell, None) {
                        scratch.clear();
                        json::push(&mut scratch, &cell, style);
                        quote(&mut line, &scratch);
                    }
                }
            }
        }
        line.push('\n');
        if line.len() >= CHUNK {
            out.write_all(line.as_bytes()).map_err(output)?;
            line.clear();
        }
    }
    out.write_all(line.as_bytes()).map_err(output)?;
    out.flush().map_err(output)
}

/// Adds a text, in quotes where it must be.
fn quote(line: &mut String, value: &str, delimiter: u8) {
    let special = |byte: &u8| *byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    // Spaces at the ends: some readers trim them outside of quotes.
    let plain = !value.is_empty() && !value.as_bytes().iter().any(special) && value.trim_ascii().len() == value.len();
    if plain {
        return line.push_str(value);
    }
    line.push('"');
    for (i, part) in value.split('"').enumerate() {
        if i > 0 {
            line.push_str("\"\"");
        }
        line.push_str(part);
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::tests::{sample, text};
    use super::super::{Format, Options};
    use polars::prelude::*;

    #[test]
    fn every_rule_in_one_table() {
        let expected = "name,created_at,config.n,summary.x,ok,tags\n\
            r1,2024-05-01T12:33:10.000000Z,9007199254740993,0.30000000000000004,true,\"[\"\"a\"\",\"\"b|c\"\"]\"\n\
            \"\",2024-05-01T12:33:10.250000Z,-1,NaN,,[]\n\
            ,,,-Infinity,false,\n";
        assert_eq!(text(&sample(), Format::Csv, &Options::default()), expected);
        let zone = Some("Asia/Kolkata".parse().unwrap());
        assert!(
            text(&sample(), Format::Tsv, &Options { zone, ..Options::default() })
                .contains("\t2024-05-01T18:03:10.250000+05:30\t")
        );
    }

    #[test]
    fn hostile_texts_come_back() {
        let values = ["a,b", "say \"hi\"", "two\nlines", "\r\n", " padded ", "tab\there", "\u{1f600}", "=1+1", "\\"];
        let df = df!("a,b\n" => values, "n" => 0..values.len() as i64).unwrap();
        for (format, separator) in [(Format::Csv, b','), (Format::Tsv, b'\t')] {
            let bytes = text(&df, format, &Options::default());
            let options = CsvReadOptions::default().map_parse_options(|o| o.with_separator(separator));
            let back = options.into_reader_with_file_handle(std::io::Cursor::new(bytes)).finish().unwrap();
            assert!(back.equals(&df), "{back}");
        }
    }

    #[test]
    fn a_lone_null_is_still_a_line() {
        let df = df!("x" => [Some(1_i64), None]).unwrap();
        assert_eq!(text(&df, Format::Csv, &Options::default()), "x\n1\n\"\"\n");
    }

    #[test]
    fn durations_are_seconds_and_dates_iso() {
        let df = df!("d" => [1_500_000_i64], "e" => [19_844_i32]).unwrap();
        let df = df
            .lazy()
            .select([col("d").cast(DataType::Duration(TimeUnit::Microseconds)), col("e").cast(DataType::Date)]);
        assert_eq!(text(&df.collect().unwrap(), Format::Csv, &Options::default()), "d,e\n1.5,2024-05-01\n");
    }
}
