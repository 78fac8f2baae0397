//! Markdown tables, for issues, pull requests and notebooks.

use super::cell::{Cell, Grid, Style};
use super::{Options, json, output, text};
use crate::error::Result;
use std::io::Write;

/// Writes a header, the line of alignments and one line per row. Nulls are empty; lists and structs are JSON.
pub(super) fn write(grid: &Grid, options: &Options, out: &mut dyn Write) -> Result<()> {
    let style = Style { zone: options.zone };
    let columns = grid.columns(style);
    let mut line = String::new();
    let mut cell_text = String::new();
    if !columns.is_empty() {
        for column in &columns {
            line.push_str("| ");
            escape(&mut line, column.name());
            line.push(' ');
        }
        line.push_str("|\n");
        for column in &columns {
            line.push_str(if column.is_number() { "| ---: " } else { "| --- " });
        }
        line.push_str("|\n");
    }
    out.write_all(line.as_bytes()).map_err(output)?;
    for row in 0..if columns.is_empty() { 0 } else { grid.height() } {
        line.clear();
        for column in &columns {
            cell_text.clear();
            let cell: Cell<'_> = column.get(row);
            if !text::push_plain(&mut cell_text, &cell, options.precision) {
                json::push(&mut cell_text, &cell, style);
            }
            line.push_str("| ");
            escape(&mut line, &cell_text);
            line.push(' ');
        }
        line.push_str("|\n");
        out.write_all(line.as_bytes()).map_err(output)?;
    }
    out.flush().map_err(output)
}

/// Adds a text so that it neither ends its cell nor its line, nor becomes markup.
fn escape(line: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '|' | '\\' | '`' | '*' | '<' => line.extend(['\\', c]),
            '\n' => line.push_str("<br>"),
            '\r' => {}
            c if c.is_control() => line.push(' '),
            c => line.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{sample, text};
    use super::super::{Format, Options};
    use polars::prelude::*;

    #[test]
    fn cells_and_alignment() {
        let options = Options { precision: Some(4), ..Options::default() };
        let expected = "| name | created_at | config.n | summary.x | ok | tags |\n\
            | --- | --- | ---: | ---: | --- | --- |\n\
            | r1 | 2024-05-01T12:33:10.000000Z | 9007199254740993 | 0.3 | true | [\"a\",\"b\\|c\"] |\n\
            |  | 2024-05-01T12:33:10.250000Z | -1 | NaN |  | [] |\n\
            |  |  |  | -Infinity | false |  |\n";
        assert_eq!(text(&sample(), Format::Md, &options), expected);
    }

    #[test]
    fn no_value_breaks_the_table() {
        let df = df!("a|b" => ["x\ny|z\\|", "\u{1b}[31m"]).unwrap();
        let written = text(&df, Format::Md, &Options::default());
        assert_eq!(written, "| a\\|b |\n| --- |\n| x<br>y\\|z\\\\\\| |\n|  [31m |\n");
    }
}
