//! Which columns a terminal has room for, and how wide each is.

use super::{Column, WIDEST};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Spaces between two columns.
const BETWEEN: usize = 2;

/// What stands side by side, from left to right.
pub(super) struct Layout {
    pub(super) slots: Vec<Slot>,
}

/// One column of the terminal table.
pub(super) struct Slot {
    /// The table's column; `None` for the `…` that stands for those without room.
    pub(super) column: Option<usize>,
    pub(super) width: usize,
}

impl Layout {
    /// Narrows wide columns first; then leaves out columns that hold nothing, then those in the middle.
    pub(super) fn fit(columns: &[Column], limit: Option<usize>) -> Self {
        let natural: Vec<usize> = columns.iter().map(natural).collect();
        let all: Vec<usize> = (0..columns.len()).collect();
        let Some(limit) = limit else {
            return Layout::of(&all, &natural, WIDEST, usize::MAX);
        };
        let filled: Vec<usize> =
            all.iter().copied().filter(|&c| columns[c].cells.iter().any(Option::is_some)).collect();
        let filled = if filled.is_empty() { all.clone() } else { filled };
        for (kept, caps) in [(&all, [WIDEST, 32, 24]), (&filled, [WIDEST, 32, 24])] {
            for cap in caps {
                if total(kept.iter().map(|&c| natural[c].min(cap))) <= limit {
                    return Layout::of(kept, &natural, widest_cap(kept, &natural, cap, limit), usize::MAX);
                }
            }
        }
        // Beside the `…`, one column fits in any case.
        let cap = 24.min(limit.saturating_sub(BETWEEN + 1).max(1));
        let (kept, gap) = ends(&filled, &natural, cap, limit);
        Layout::of(&kept, &natural, cap, gap)
    }

    /// These columns, with `…` before the one at `gap`.
    fn of(kept: &[usize], natural: &[usize], cap: usize, gap: usize) -> Self {
        let mut slots: Vec<Slot> = kept.iter().map(|&c| Slot { column: Some(c), width: natural[c].min(cap) }).collect();
        if gap <= slots.len() {
            slots.insert(gap, Slot { column: None, width: 1 });
        }
        Layout { slots }
    }
}

/// Columns from both ends that fit, two from the left for one from the right, and where the gap between them is.
fn ends(columns: &[usize], natural: &[usize], cap: usize, limit: usize) -> (Vec<usize>, usize) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut used = 1; // the `…`
    while left.len() + right.len() < columns.len() {
        let from_right = (left.len() + right.len()) % 3 == 2;
        let index = if from_right { columns.len() - 1 - right.len() } else { left.len() };
        let column = columns[index];
        used += natural[column].min(cap) + BETWEEN;
        // One column is shown even where there is no room for it.
        if used > limit && !left.is_empty() {
            break;
        }
        if from_right { right.push(column) } else { left.push(column) }
    }
    let gap = left.len();
    left.extend(right.into_iter().rev());
    let gap = if left.len() < columns.len() { gap } else { usize::MAX };
    (left, gap)
}

/// The widest cap from `cap` up under which the columns still fit.
fn widest_cap(kept: &[usize], natural: &[usize], cap: usize, limit: usize) -> usize {
    let fits = |cap: usize| total(kept.iter().map(|&c| natural[c].min(cap))) <= limit;
    (cap..=WIDEST).take_while(|&cap| fits(cap)).last().unwrap_or(cap)
}

fn total(widths: impl Iterator<Item = usize>) -> usize {
    widths.map(|width| width + BETWEEN).sum::<usize>().saturating_sub(BETWEEN)
}

/// The width that shows everything.
fn natural(column: &Column) -> usize {
    let cells = column.cells.iter().map(|cell| cell.as_deref().map_or(1, width));
    cells.max().unwrap_or(0).max(width(&column.name)).max(1)
}

/// Columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// The text cut to `limit` columns, with `…` for what is missing: in the middle or at the end.
pub(super) fn shorten(text: &str, limit: usize, middle: bool) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub(1);
    let tail = if middle { room / 2 } else { 0 };
    let start = take(text.chars(), room - tail);
    let end: String = take(text.chars().rev(), tail).chars().rev().collect();
    format!("{start}…{end}")
}

/// The text in lines of at most `limit` columns, broken between words; a longer word is cut.
pub(super) fn wrap(text: &str, limit: usize) -> String {
    let (mut page, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let word = shorten(word, limit, true);
        let fits = used + 1 + width(&word) <= limit;
        if !page.is_empty() {
            page.push(if fits { ' ' } else { '\n' });
        }
        used = if fits && !page.is_empty() { used + 1 } else { 0 } + width(&word);
        page.push_str(&word);
    }
    page
}

fn take(chars: impl Iterator<Item = char>, limit: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= limit
    };
    chars.take_while(fits).collect()
}

/// The text with spaces up to `limit` columns, after it or before it.
pub(super) fn pad(text: &str, limit: usize, right: bool) -> String {
    let spaces = " ".repeat(limit.saturating_sub(width(text)));
    if right { spaces + text } else { text.to_owned() + &spaces }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, cells: &[Option<&str>]) -> Column {
        Column { name: name.into(), right: false, cells: cells.iter().map(|cell| cell.map(str::to_owned)).collect() }
    }

    fn shown(layout: &Layout) -> Vec<Option<usize>> {
        layout.slots.iter().map(|slot| slot.column).collect()
    }

    #[test]
    fn empty_columns_give_way_before_full_ones() {
        let columns =
            [column("aaaaaaaaaa", &[Some("x")]), column("bbbbbbbbbb", &[None]), column("cccccccccc", &[Some("x")])];
        assert_eq!(shown(&Layout::fit(&columns, Some(40))), [Some(0), Some(1), Some(2)]);
        assert_eq!(shown(&Layout::fit(&columns, Some(25))), [Some(0), Some(2)]);
        assert_eq!(shown(&Layout::fit(&columns, Some(15))), [Some(0), None]);
    }

    #[test]
    fn the_middle_gives_way() {
        let columns: Vec<Column> = (0..10).map(|_| column("aaaaaaaaaa", &[Some("x")])).collect();
        let layout = Layout::fit(&columns, Some(50));
        assert_eq!(shown(&layout), [Some(0), Some(1), Some(2), None, Some(9)]);
    }

    #[test]
    fn wide_characters_count_double() {
        assert_eq!(width("日本"), 4);
        assert_eq!(shorten("日本語テキスト", 6, false), "日本…");
        assert_eq!(shorten("summary.validation/loss", 11, true), "summa…/loss");
        assert_eq!(pad("日", 4, true), "  日");
    }

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrap("2 rows × 3 columns; choose", usize::MAX), "2 rows × 3 columns; choose");
        assert_eq!(wrap("2 rows × 3 columns; choose", 19), "2 rows × 3 columns;\nchoose");
        assert_eq!(wrap("2 rows × 3 columns; choose", 18), "2 rows × 3\ncolumns; choose");
        assert_eq!(wrap("in America/St_Johns", 11), "in\nAmeri…Johns");
    }
}
