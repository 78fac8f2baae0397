//! Names and values that would be commands for a terminal, a browser, LaTeX or a spreadsheet program, in every form of output.

use crate::cli::runframe;
use polars::prelude::*;
use runframe::sink::{self, Format, Options};
use runframe::{Document, Run, RunFrame};

/// What a value may hold; each stands in a name, in a key of config and in a value.
const HOSTILE: &[&str] = &[
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\u{9b}31m red \u{202e}txt.exe",
    "a|b`c`*d*",
    "<script>alert('x')</script>\"&",
    "\\input{/etc/passwd}%$x$#~^_{}",
    "two\r\nlines\tand\u{0}zero\u{8}\u{7f}",
    "=HYPERLINK(\"http://x\")",
    "[x](javascript:alert(1)) ![y](http://x)",
];

fn frame() -> RunFrame {
    let run = |(number, text): (usize, &&str)| Run {
        entity: Some("me".into()),
        project: Some("p".into()),
        name: format!("r{number}{text}"),
        display_name: Some((*text).to_owned()),
        notes: Some((*text).to_owned()),
        tags: Some(vec![(*text).to_owned()]),
        config: Some(Document::plain(serde_json::json!({*text: text, "plain": number, "key": text}).to_string())),
        ..Run::default()
    };
    RunFrame::from_runs(HOSTILE.iter().enumerate().map(run)).unwrap()
}

fn written(format: Format, options: &Options) -> String {
    let mut out = Vec::new();
    sink::write(&frame().collect().unwrap(), format, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Nothing that steers a terminal, `\n` and the colours that we paint ourselves aside.
fn is_calm(text: &str) -> bool {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    !text.chars().any(|c| (c.is_control() && c != '\n') || turns(c))
}

/// The frame in a file, which every verb reads.
fn stored() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("runs.parquet");
    let options = {
        let mut options = Options::default();
        options.metadata = frame().metadata();
        options
    };
    sink::write_file(&frame().collect().unwrap(), &path, Format::Parquet, &options).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn nothing_steers_the_terminal() {
    assert!(is_calm(&written(Format::Table, &Options::default())));
    let (_dir, path) = stored();
    let all: Vec<Vec<&str>> = vec![
        vec!["query", &path, "--format", "table"],
        vec!["group", &path, "-b", "config.key", "--format", "table"],
        vec!["schema", &path, "--format", "table"],
        vec!["show", &path, "r0\u{1b}[2J\u{1b}]0;owned\u{7}"],
        vec!["show", &path, HOSTILE[1]],
        vec!["diff", &path, HOSTILE[0], HOSTILE[1], "--fields", "--format", "table"],
        vec!["vary", &path, "--format", "table"],
        vec!["artifacts", &path, "--lineage", HOSTILE[1]],
        // Errors that quote what is there, or what was typed.
        vec!["show", &path, "r0\u{1b}[2J\u{1b}]0;owne"],
        vec!["query", &path, "-w", "config.\u{1b}[2J = 1"],
        vec!["query", &path, "-s", "\"config.\u{1b}[2J\u{1b}]0;owne\""],
        vec!["query", &path, "-w", "name = '\u{9b}31m"],
        vec!["history", "\u{1b}[2Jnothing/here/at/all", "-k", "x"],
        vec!["query", &path, "-o", "/nowhere/\u{1b}[2J.csv"],
        vec!["sql", "select \u{1b}[2J from runs", &path],
    ];
    for words in all {
        let (_, stdout, stderr) = runframe(&words);
        assert!(is_calm(&stdout) && is_calm(&stderr), "{words:?}\n{stdout:?}\n{stderr:?}");
        assert!(!(stdout.is_empty() && stderr.is_empty()));
    }
}

#[test]
fn markdown_latex_and_html_hold_texts_and_no_markup() {
    let rows = HOSTILE.len();
    let markdown = written(Format::Md, &Options::default());
    assert_eq!(markdown.lines().count(), rows + 2, "{markdown}");
    let bars = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
    let width = bars(markdown.lines().nth(1).unwrap());
    assert!(markdown.lines().all(|line| bars(line) == width), "{markdown}");
    for raw in ["<script", "\u{1b}", "](javascript", "](http"] {
        let bare = markdown.match_indices(raw).any(|(at, _)| at == 0 || markdown.as_bytes()[at - 1] != b'\\');
        assert!(!bare, "{raw}: {markdown}");
    }
    let latex = written(Format::Latex, &Options::default());
    for raw in ["\\input", "\\etc", "$x$", "{}&\n"] {
        assert!(!latex.contains(raw), "{raw}: {latex}");
    }
    let body = latex.split_once("\\toprule").unwrap().1;
    assert!(!body.replace("\\%", "").contains('%') && !body.replace("\\#", "").contains('#'), "{latex}");
    let html = written(Format::Html, &Options::default());
    assert_eq!(html.matches("<tr>").count(), rows + 1);
    assert!(!html.contains("<script") && !html.contains("alert('") && !html.contains('\u{1b}'), "{html}");
    let text = html.split_once("<tbody>").unwrap().1.replace("<br>", "").replace("</", "<");
    let tags = text.match_indices('<').map(|(at, _)| text[at + 1..].split([' ', '>']).next().unwrap().to_owned());
    assert!(
        tags.into_iter().all(|tag| ["tr", "td", "tbody", "table", "body", "html"].contains(&tag.as_str())),
        "{text}"
    );
}

#[test]
fn spreadsheets_run_nothing_with_safe_cells_and_the_text_can_be_had_back() {
    let (_dir, path) = stored();
    let read = |words: &[&str]| {
        let (code, stdout, stderr) = runframe(words);
        assert_eq!(code, 0, "{stderr}");
        let cursor = std::io::Cursor::new(stdout.into_bytes());
        CsvReadOptions::default()
            .with_infer_schema_length(Some(0))
            .into_reader_with_file_handle(cursor)
            .finish()
            .unwrap()
    };
    let columns = "name,config.key,config.plain,tags,\"config.=HYPERLINK(\"\"http://x\"\")\" as \"=x\"";
    let plain = read(&["query", &path, "-s", columns, "--format", "csv"]);
    let safe = read(&["query", &path, "-s", columns, "--format", "csv", "--safe-cells"]);
    assert_eq!(safe.get_column_names()[4], "'=x");
    let text =
        |df: &DataFrame, at: usize, row: usize| df.columns()[at].str().unwrap().get(row).unwrap_or("").to_owned();
    let mut changed = 0;
    for row in 0..HOSTILE.len() {
        for at in 0..5 {
            let (before, after) = (text(&plain, at, row), text(&safe, at, row));
            let first = after.trim_start().chars().next();
            assert!(!first.is_some_and(|c| "=+-@\t\r".contains(c)), "{after:?}");
            if before.starts_with('=') {
                assert_eq!(after, format!("'{before}"));
                changed += 1;
            }
        }
        assert_eq!(text(&safe, 2, row), row.to_string(), "numbers stay numbers");
    }
    assert!(changed >= 2);
}
