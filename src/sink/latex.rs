//! LaTeX tables for papers: a `tabular` with the rules of the package booktabs.

use super::Options;
use super::cell::Grid;
use super::markup;
use crate::error::Result;
use std::io::Write;

/// Writes a `tabular`, numbers to the right. Nulls are empty; lists and structs are JSON.
pub(super) fn write(grid: &Grid, options: &Options, out: &mut dyn Write) -> Result<()> {
    let before = |page: &mut String, columns: &[super::Values<'_>]| {
        page.push_str("% needs \\usepackage{booktabs}\n\\begin{tabular}{");
        page.extend(columns.iter().map(|column| if column.is_number() { 'r' } else { 'l' }));
        page.push_str("}\n\\toprule\n");
        for (i, column) in columns.iter().enumerate() {
            page.push_str(if i > 0 { " & " } else { "" });
            escape(page, column.name());
        }
        page.push_str(" \\\\\n\\midrule\n");
    };
    let row = |page: &mut String, columns: &[super::Values<'_>], cells: &[Option<String>]| {
        for (i, (column, cell)) in columns.iter().zip(cells).enumerate() {
            page.push_str(if i > 0 { " & " } else { "" });
            match cell.as_deref() {
                Some(cell) if column.is_number() => number(page, cell),
                Some(cell) => escape(page, cell),
                None => {}
            }
        }
        page.push_str(" \\\\\n");
    };
    markup::write(grid, options, out, before, row, "\\bottomrule\n\\end{tabular}\n")
}

/// A number as mathematics, so that a minus is no hyphen: `$-1.5$`, `$6.02 \times 10^{23}$`.
fn number(page: &mut String, text: &str) {
    let (sign, size) = text.strip_prefix('-').map_or(("", text), |size| ("-", size));
    match size.split_once('e') {
        _ if size == "Infinity" => page.extend(["$", sign, "\\infty$"]),
        Some((digits, exponent)) if size.starts_with(|c: char| c.is_ascii_digit()) => {
            page.extend(["$", sign, digits, " \\times 10^{", exponent, "}$"]);
        }
        _ if sign.is_empty() => page.push_str(size),
        _ => page.extend(["$-", size, "$"]),
    }
}

/// Adds a text in which nothing is a command.
fn escape(page: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => page.extend(['\\', c]),
            '~' => page.push_str("\\textasciitilde{}"),
            '^' => page.push_str("\\textasciicircum{}"),
            '\\' => page.push_str("\\textbackslash{}"),
            // Of `[` after a line's end LaTeX would make an argument; `<`, `>` and `"` are other signs in its old fonts.
            '[' | ']' => page.extend(['{', c, '}']),
            '<' => page.push_str("\\textless{}"),
            '>' => page.push_str("\\textgreater{}"),
            '|' => page.push_str("\\textbar{}"),
            '"' => page.push_str("\\textquotedbl{}"),
            // Two hyphens would become a dash.
            '-' if page.ends_with('-') => page.push_str("{}-"),
            c if c.is_control() => page.push(' '),
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
    fn cells_rules_and_alignment() {
        let options = Options { precision: Some(4), ..Options::default() };
        let expected = "% needs \\usepackage{booktabs}\n\\begin{tabular}{llrrll}\n\\toprule\n\
            name & created\\_at & config.n & summary.x & ok & tags \\\\\n\\midrule\n\
            r1 & 2024-05-01T12:33:10.000000Z & 9007199254740993 & 0.3 & true & \
            {[}\\textquotedbl{}a\\textquotedbl{},\\textquotedbl{}b\\textbar{}c\\textquotedbl{}{]} \\\\\n \
            & 2024-05-01T12:33:10.250000Z & $-1$ & NaN &  & {[}{]} \\\\\n \
            &  &  & $-\\infty$ & false &  \\\\\n\\bottomrule\n\\end{tabular}\n";
        assert_eq!(text(&sample(), Format::Latex, &options), expected);
    }

    #[test]
    fn no_value_is_a_command() {
        let df = df!("a_b" => ["\\input{x} 50% #1 --flag ~^ $x$ {}&\n"], "n" => [6.02e23]).unwrap();
        let written = text(&df, Format::Latex, &Options::default());
        let row = written.lines().nth(5).unwrap();
        assert_eq!(
            row,
            "\\textbackslash{}input\\{x\\} 50\\% \\#1 -{}-flag \\textasciitilde{}\\textasciicircum{} \\$x\\$ \\{\\}\\&  \
             & $6.02 \\times 10^{23}$ \\\\"
        );
    }
}
