//! Markdown tables, for issues, pull requests and notebooks.

use super::Options;
use super::cell::Grid;
use super::markup;
use crate::error::Result;
use std::io::Write;

/// Writes a header, the line of alignments and one line per row. Nulls are empty; lists and structs are JSON.
pub(super) fn write(grid: &Grid, options: &Options, out: &mut dyn Write) -> Result<()> {
    let before = |page: &mut String, columns: &[super::Values<'_>]| {
        if columns.is_empty() {
            return;
        }
        for column in columns {
            page.push_str("| ");
            escape(page, column.name());
            page.push(' ');
        }
        page.push_str("|\n");
        for column in columns {
            page.push_str(if column.is_number() { "| ---: " } else { "| --- " });
        }
        page.push_str("|\n");
    };
    let row = |page: &mut String, _: &[super::Values<'_>], cells: &[Option<String>]| {
        for cell in cells {
            page.push_str("| ");
            escape(page, cell.as_deref().unwrap_or_default());
            page.push(' ');
        }
        page.push_str("|\n");
    };
    markup::write(grid, options, out, before, row, "")
}

/// Adds a text so that it neither ends its cell nor its line, nor becomes markup.
fn escape(line: &mut String, value: &str) {
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // The middle of a link or an image.
            ']' if chars.peek() == Some(&'(') => line.push_str("\\]"),
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
        let df = df!("a|b" => ["x\ny|z\\|", "\u{1b}[31m", "[x](y)"]).unwrap();
        let written = text(&df, Format::Md, &Options::default());
        assert_eq!(written, "| a\\|b |\n| --- |\n| x<br>y\\|z\\\\\\| |\n|  [31m |\n| [x\\](y) |\n");
    }
}
