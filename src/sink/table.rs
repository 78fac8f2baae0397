//! Tables for eyes: fitted to the terminal, numbers to the right, long things shortened.

mod layout;

use super::cell::{Cell, Fields, Grid, Style, Values, items};
use super::{Options, output, text};
use crate::error::Result;
use layout::{Layout, pad, shorten, wrap};
use std::io::Write;

/// Significant digits of a float unless the user says otherwise.
const PRECISION: usize = 6;

/// Columns that a cell may take where there is no width to fit in.
const WIDEST: usize = 60;

/// A table of finished texts: what is shown, already cut to the rows that are.
pub(super) struct Shown {
    pub(super) columns: Vec<Column>,
    /// Rows of the table that are left out after this many shown ones.
    gap: Option<(usize, usize)>,
}

/// A column of finished texts.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) right: bool,
    /// `None` is a null.
    pub(super) cells: Vec<Option<String>>,
}

/// Writes header, rule, rows and a line that says how many rows and columns there are.
pub(super) fn write(grid: &Grid, options: &Options, out: &mut dyn Write) -> Result<()> {
    let style = Style { zone: options.zone };
    let columns = grid.columns(style);
    let shown = show(&columns, grid.height(), style, options);
    let layout = Layout::fit(&shown.columns, options.width);
    let mut page = String::new();
    let paint = Paint(options.color);
    let limit = options.width.unwrap_or(usize::MAX);
    if !columns.is_empty() {
        header(&mut page, &shown, &layout, paint);
        let rows = shown.columns.first().map_or(0, |column| column.cells.len());
        for row in 0..rows {
            if let Some((_, missing)) = shown.gap.filter(|(at, _)| *at == row) {
                page.push_str(&paint.dim(&shorten(&format!("… {}", count(missing, "more row")), limit, false)));
                page.push('\n');
            }
            line(
                &mut page,
                &layout,
                |c| {
                    let column = &shown.columns[c];
                    column.cells[row].as_ref().map_or((None, column.right), |text| (Some(text.clone()), column.right))
                },
                paint,
            );
        }
    }
    page.push_str(&paint.dim(&wrap(&footer(grid.height(), &columns, &shown, &layout, style), limit)));
    page.push('\n');
    out.write_all(page.as_bytes()).and_then(|()| out.flush()).map_err(output)
}

/// The texts of the rows that are shown: the first and, if there are too many, the last ones.
fn show(columns: &[Values<'_>], height: usize, style: Style, options: &Options) -> Shown {
    let limit = options.rows.filter(|rows| *rows < height);
    let head = limit.map_or(height, |rows| rows - rows / 4);
    let tail = limit.map_or(0, |rows| rows / 4);
    let precision = options.precision.unwrap_or(PRECISION);
    let columns = columns.iter().map(|column| {
        let rows = (0..head).chain(height - tail..height);
        let cells = rows.map(|row| show_cell(&column.get(row), style, precision)).collect();
        Column { name: visible(column.name()), right: column.is_number(), cells }
    });
    Shown { columns: columns.collect(), gap: limit.map(|rows| (head, height - rows)) }
}

/// A cell's text; `None` for a null.
fn show_cell(cell: &Cell<'_>, style: Style, precision: usize) -> Option<String> {
    let mut shown = String::new();
    match cell {
        Cell::Null => return None,
        Cell::Time(time) => text::push_short_time(&mut shown, *time),
        Cell::List(list) => {
            for (i, item) in items(list, style).enumerate() {
                shown.push_str(if i > 0 { ", " } else { "" });
                shown.push_str(&show_cell(&item, style, precision).unwrap_or_else(|| "·".into()));
                // Enough for the widest cell: the rest would be cut anyway.
                if shown.len() > 4 * WIDEST {
                    break;
                }
            }
            shown = format!("[{shown}]");
        }
        Cell::Struct(fields) => shown = show_struct(fields, style, precision),
        plain => drop(text::push_plain(&mut shown, plain, Some(precision))),
    }
    Some(visible(&shown))
}

/// An artifact version as W&B spells it, `model:v3`; other structs as `{a: 1, b: 2}`.
fn show_struct(fields: &Fields<'_>, style: Style, precision: usize) -> String {
    let find = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
    match (find("name"), find("version"), find("digest")) {
        (Some(Cell::Text(name)), Some(Cell::Int(version)), Some(_)) => format!("{name}:v{version}"),
        (Some(Cell::Text(name)), Some(Cell::Null), Some(_)) => name.clone(),
        _ => {
            let value = |value| show_cell(value, style, precision).unwrap_or_else(|| "·".into());
            let parts: Vec<_> = fields.iter().map(|(name, cell)| format!("{name}: {}", value(cell))).collect();
            format!("{{{}}}", parts.join(", "))
        }
    }
}

/// Text for terminals that cannot steer them: control characters become pictures, marks that turn text around are replaced.
pub fn visible(text: &str) -> String {
    let picture = |c: char| match c {
        '\n' => '⏎',
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(picture).collect()
}

fn header(page: &mut String, shown: &Shown, layout: &Layout, paint: Paint) {
    let mut names = String::new();
    for (i, slot) in layout.slots.iter().enumerate() {
        names.push_str(if i > 0 { "  " } else { "" });
        match slot.column {
            Some(c) => {
                let column = &shown.columns[c];
                let name = pad(&shorten(&column.name, slot.width, true), slot.width, column.right);
                names.push_str(&paint.bold(&name));
            }
            None => names.push('…'),
        }
    }
    page.push_str(names.trim_end());
    let rules: Vec<String> = layout.slots.iter().map(|slot| "─".repeat(slot.width)).collect();
    page.push('\n');
    page.push_str(&paint.dim(&rules.join("  ")));
    page.push('\n');
}

/// One row; `cell` gives a column's text and whether it goes to the right.
fn line(page: &mut String, layout: &Layout, cell: impl Fn(usize) -> (Option<String>, bool), paint: Paint) {
    let mut row = String::new();
    for (i, slot) in layout.slots.iter().enumerate() {
        row.push_str(if i > 0 { "  " } else { "" });
        match slot.column.map(&cell) {
            None => row.push('…'),
            Some((None, right)) => row.push_str(&paint.dim(&pad("·", slot.width, right))),
            Some((Some(text), right)) => row.push_str(&pad(&shorten(&text, slot.width, false), slot.width, right)),
        }
    }
    page.push_str(row.trim_end());
    page.push('\n');
}

/// `1,234 rows × 56 columns`, and what of them is not seen and how to see it.
fn footer(height: usize, columns: &[Values<'_>], shown: &Shown, layout: &Layout, style: Style) -> String {
    let mut parts = vec![format!("{} × {}", count(height, "row"), count(columns.len(), "column"))];
    let seen = layout.slots.iter().filter_map(|slot| slot.column);
    if seen.clone().any(|c| columns[c].is_zoned()) {
        parts.push(format!("times in {}", style.zone.unwrap_or_default()));
    }
    let seen = seen.count();
    if seen < columns.len() {
        parts.push(format!("{} shown; choose with -s", count(seen, "column")));
    }
    if let Some((_, missing)) = shown.gap {
        parts.push(format!("… {}; use -n or -o", count(missing, "more row")));
    }
    parts.join("; ")
}

/// `1 row`, `12,345 rows`.
fn count(number: usize, noun: &str) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Terminal styles, or none.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{sample, text};
    use super::super::{Format, Options};
    use super::layout::width;
    use polars::prelude::*;

    #[test]
    fn a_small_table() {
        let expected = "\
name  created_at                   config.n  summary.x  ok     tags
────  ───────────────────  ────────────────  ─────────  ─────  ────────
r1    2024-05-01 12:33:10  9007199254740993        0.3  true   [a, b|c]
      2024-05-01 12:33:10                -1        NaN  ·      []
·     ·                                   ·  -Infinity  false  ·
3 rows × 6 columns; times in UTC
";
        assert_eq!(text(&sample(), Format::Table, &Options::default()), expected);
    }

    #[test]
    fn it_always_fits() {
        let columns = (0..30)
            .map(|i| Column::new(format!("config.optimizer.key_{i}").into(), ["some 日本語 text that is long"; 3]));
        let df = DataFrame::new_infer_height(columns.collect()).unwrap();
        for limit in [1, 4, 8, 10, 11, 20, 40, 80, 133] {
            let table = text(&df, Format::Table, &Options { width: Some(limit), rows: Some(2), ..Options::default() });
            for line in table.lines() {
                assert!(width(line) <= limit.max(4), "{limit}: {line}");
            }
            assert!(limit < 8 || table.replace('\n', " ").contains("3 rows × 30 columns; "), "{table}");
        }
    }

    #[test]
    fn long_tables_show_both_ends() {
        let df = df!("i" => 0..1_000_i64).unwrap();
        let table = text(&df, Format::Table, &Options { rows: Some(40), ..Options::default() });
        let lines: Vec<&str> = table.lines().map(str::trim).collect();
        assert_eq!(
            (lines[2], lines[31], lines[32], lines[33], lines[42]),
            ("0", "29", "… 960 more rows", "990", "999")
        );
        assert_eq!(lines[43], "1,000 rows × 1 column; … 960 more rows; use -n or -o");
        assert_eq!(text(&df, Format::Table, &Options::default()).lines().count(), 1_003);
    }

    #[test]
    fn values_cannot_steer_the_terminal() {
        let df = df!("\u{1b}[2Jx" => ["\u{1b}]0;title\u{7}", "a\nb", "\u{202e}abc\u{9b}1m"]).unwrap();
        let table = text(&df, Format::Table, &Options::default());
        assert!(!table.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}']), "{table}");
        assert!(table.contains("a⏎b"));
    }

    #[test]
    fn colour_only_when_asked() {
        assert!(!text(&sample(), Format::Table, &Options::default()).contains('\u{1b}'));
        let table = text(&sample(), Format::Table, &Options { color: true, ..Options::default() });
        assert!(table.contains("\u{1b}[2m·"), "nulls are dim");
    }

    #[test]
    fn artifacts_are_short() {
        let df = df!("name" => ["m", "d"], "version" => [Some(3_i64), None], "digest" => ["x", "y"]).unwrap();
        let list = df.into_struct("a".into()).into_series().implode().unwrap().into_series();
        let df = DataFrame::new_infer_height(vec![list.into()]).unwrap();
        assert!(text(&df, Format::Table, &Options::default()).contains("[m:v3, d]"));
    }
}
