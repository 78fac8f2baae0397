//! HTML: one page with one table, which a browser, a notebook or a spreadsheet program opens.

use super::Options;
use super::cell::Grid;
use super::markup;
use crate::error::Result;
use std::io::Write;

/// Opens the page; the style is small enough to be dropped where the table is pasted elsewhere.
const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>runs</title>\n<style>\n\
    table { border-collapse: collapse; font: 14px/1.4 system-ui, sans-serif; }\n\
    th, td { padding: 0.2em 0.7em; text-align: left; border-bottom: 1px solid #ddd; vertical-align: top; }\n\
    th { position: sticky; top: 0; background: #fff; }\n\
    .n { text-align: right; font-variant-numeric: tabular-nums; }\n\
    .null { color: #bbb; }\n</style>\n</head>\n<body>\n<table>\n";

/// Writes a page with a header and one line per row. Nulls are a dimmed `·`; lists and structs are JSON.
pub(super) fn write(grid: &Grid, options: &Options, out: &mut dyn Write) -> Result<()> {
    let before = |page: &mut String, columns: &[super::Values<'_>]| {
        page.push_str(HEAD);
        page.push_str("<thead><tr>");
        for column in columns {
            page.push_str(if column.is_number() { "<th class=\"n\">" } else { "<th>" });
            escape(page, column.name());
            page.push_str("</th>");
        }
        page.push_str("</tr></thead>\n<tbody>\n");
    };
    let row = |page: &mut String, columns: &[super::Values<'_>], cells: &[Option<String>]| {
        page.push_str("<tr>");
        for (column, cell) in columns.iter().zip(cells) {
            match cell {
                None => {
                    page.push_str(if column.is_number() { "<td class=\"n null\">·" } else { "<td class=\"null\">·" })
                }
                Some(cell) => {
                    page.push_str(if column.is_number() { "<td class=\"n\">" } else { "<td>" });
                    escape(page, cell);
                }
            }
            page.push_str("</td>");
        }
        page.push_str("</tr>\n");
    };
    markup::write(grid, options, out, before, row, "</tbody>\n</table>\n</body>\n</html>\n")
}

/// Adds a text in which nothing is markup.
fn escape(page: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            '\n' => page.push_str("<br>"),
            '\t' => page.push(' '),
            c if c.is_control() => page.push('\u{fffd}'),
            c => page.push(c),
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
        let written = text(&sample(), Format::Html, &options);
        assert!(written.starts_with("<!doctype html>\n") && written.ends_with("</html>\n"));
        let head = "<thead><tr><th>name</th><th>created_at</th><th class=\"n\">config.n</th><th class=\"n\">summary.x</th>\
            <th>ok</th><th>tags</th></tr></thead>";
        let first = "<tr><td>r1</td><td>2024-05-01T12:33:10.000000Z</td><td class=\"n\">9007199254740993</td>\
            <td class=\"n\">0.3</td><td>true</td><td>[&quot;a&quot;,&quot;b|c&quot;]</td></tr>";
        let last = "<tr><td class=\"null\">·</td><td class=\"null\">·</td><td class=\"n null\">·</td>\
            <td class=\"n\">-Infinity</td><td>false</td><td class=\"null\">·</td></tr>";
        let lines: Vec<&str> = written.lines().collect();
        for line in [head, first, last] {
            assert!(lines.contains(&line), "{line}\n{written}");
        }
    }

    #[test]
    fn no_value_is_markup() {
        let df = df!("<b>" => ["</td><script>alert('x')</script>&amp;\n\u{1}"]).unwrap();
        let written = text(&df, Format::Html, &Options::default());
        assert!(written.contains("<th>&lt;b&gt;</th>"), "{written}");
        let cell = "<td>&lt;/td&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;<br>\u{fffd}</td>";
        assert!(written.contains(cell), "{written}");
    }
}
