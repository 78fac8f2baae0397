//! Texts that spreadsheet programs would run as formulas, made harmless: `--safe-cells`.

use std::borrow::Cow;

/// What a formula begins with, in the width of Latin letters or of Chinese ones.
const BEGINS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// The text with `'` before every place where a cell could begin with a formula: at its start, and after what a program that
/// parts cells otherwise (at `;`, at line ends, at quotes) could take for a cell's end. Plain numbers stay.
///
/// Where such a place has quotes before it already it gets one more, so that taking one away gives the text back.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    let mut places = places(text).peekable();
    if places.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let (mut out, mut copied) = (String::with_capacity(text.len() + 4), 0);
    for at in places {
        out.push_str(text.get(copied..at).unwrap_or_default());
        out.push('\'');
        copied = at;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// Where a `'` is needed.
fn places(text: &str) -> impl Iterator<Item = usize> {
    let ends = |c: char| matches!(c, ',' | ';' | '\t' | '\n' | '\r' | '|' | '"' | '\0');
    let starts = text.match_indices(ends).map(|(at, end)| at + end.len());
    let first = std::iter::once(0);
    // A cell that begins with a tab or a line's end is one of those that OWASP names, whatever follows.
    let odd = text.starts_with(['\t', '\r', '\n', '\0']);
    first
        .filter(move |_| odd || is_formula(text))
        .chain(starts.filter(move |at| is_formula(text.get(*at..).unwrap_or_default())))
}

/// True if a program would run a cell of this text, up to where another cell begins.
fn is_formula(text: &str) -> bool {
    let begin = text.trim_start_matches([' ', '\u{a0}', '\u{3000}', '\'']);
    if !begin.starts_with(BEGINS) {
        return false;
    }
    let cell =
        begin.split([',', ';', '\t', '\n', '\r', '|', '"', ']', '}', '\0']).next().unwrap_or_default().trim_end();
    let number =
        cell.strip_prefix(['-', '+']).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'));
    number.is_none_or(|number| number.parse::<f64>().is_err())
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::super::{Format, Options};
    use super::harmless;
    use polars::prelude::*;

    #[test]
    fn formulas_are_told_from_numbers_and_texts() {
        for (given, expected) in [
            ("=1+1", "'=1+1"),
            ("+1+1", "'+1+1"),
            ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("\rx", "'\rx"),
            ("\n=1", "'\n'=1"),
            ("＝1+1", "'＝1+1"),
            ("＠x", "'＠x"),
            (" =1", "' =1"),
            ("'=1", "''=1"),
            ("''=1", "'''=1"),
            ("a;=1+1", "a;'=1+1"),
            ("a\",=1", "a\",'=1"),
            ("a\n@x", "a\n'@x"),
            ("--flag", "'--flag"),
        ] {
            assert_eq!(harmless(given), expected, "{given:?}");
        }
        for same in [
            "",
            "-5",
            "+5",
            "-1.5e-3",
            "a=b",
            "lr=0.1, wd=0.2",
            "[-1,-2.5,+3]",
            "a-b",
            "x@y",
            "'quoted'",
            "a, b",
            "-.5",
        ] {
            assert_eq!(harmless(same), same);
        }
    }

    #[test]
    fn cells_names_and_lists_are_harmless_on_request_only() {
        let list = Series::new("".into(), ["=1", "-2"]);
        let lists = ListChunked::from_iter([Some(list)]).with_name("l".into());
        let df = df!("=name" => ["=HYPERLINK(\"http://x\")"], "n" => [-5_i64], "x" => [-0.5]).unwrap();
        let df = df.hstack(&[lists.into_series().into()]).unwrap();
        let plain = "=name,n,x,l\n\"=HYPERLINK(\"\"http://x\"\")\",-5,-0.5,\"[\"\"=1\"\",\"\"-2\"\"]\"\n";
        assert_eq!(text(&df, Format::Csv, &Options::default()), plain);
        let safe = Options { safe_cells: true, ..Options::default() };
        let expected = "'=name,n,x,l\n\"'=HYPERLINK(\"\"http://x\"\")\",-5,-0.5,\"[\"\"'=1\"\",\"\"-2\"\"]\"\n";
        assert_eq!(text(&df, Format::Csv, &safe), expected);
        assert!(text(&df, Format::Tsv, &safe).starts_with("'=name\tn\tx\tl\n\"'=HYPER"));
        assert_eq!(text(&df, Format::Jsonl, &safe), text(&df, Format::Jsonl, &Options::default()));
    }
}
