//! The JSON reader against serde_json, and its faults with their offsets.

use super::*;
use proptest::prelude::*;

fn compacted(text: &str) -> String {
    let mut out = String::new();
    compact(text, &mut out).unwrap();
    out
}

#[test]
fn bare_tokens_become_strict_json() {
    assert_eq!(
        compacted(r#" { "a" : [ NaN , -Infinity,1.50 ], "b":{} } "#),
        r#"{"a":["NaN","-Infinity",1.50],"b":{}}"#
    );
}

#[test]
fn faults_have_offsets() {
    for (text, offset) in [
        ("", 0),
        ("{", 1),
        ("[1,]", 3),
        ("{\"a\":01}", 5),
        ("nul", 0),
        ("\"a", 2),
        ("1 2", 2),
        ("[1}", 2),
        ("\"\\x\"", 1),
        ("NaNs", 0),
        ("-", 0),
    ] {
        assert_eq!(validate(text).map_err(|e| e.offset), Err(offset), "{text}");
    }
}

#[test]
fn passing_over_a_value_is_reading_it() {
    let texts = [
        r#"{"a":1,"b":"x","c":true,"d":false,"e":null,"f":-1.5e-3}"#,
        r#"{"a":01}"#,
        r#"{"a":truer}"#,
        r#"{"a":1,}"#,
        r#"{"a":1"#,
        r#"{"a" : 1}"#,
        r#"{"a"":"\"}"#,
        r#"{"a":NaN,"b":{"c":[{"d":1},{}]}}"#,
        r#"[{"a":1},{"a":[{"b":2}]},3]"#,
        r#"[{"a":1},{"a":}]"#,
        r#"{"a":1]"#,
    ];
    for text in texts {
        let behind = format!("{text} ,");
        let mut reader = Reader::new(&behind);
        let first = reader.next().unwrap();
        let skipped = reader.skip(first).map(|()| reader.offset());
        // One event after the other, as deep as the value goes.
        let mut slow = Reader::new(&behind);
        let (mut depth, mut read) = (0, Ok(0));
        loop {
            match slow.next() {
                Ok(Event::BeginObject | Event::BeginArray) => depth += 1,
                Ok(Event::EndObject | Event::EndArray) => depth -= 1,
                Ok(_) => {}
                Err(fault) => read = Err(fault),
            }
            if depth == 0 || read.is_err() {
                break;
            }
        }
        assert_eq!(skipped, read.map(|_| slow.offset()), "{text}");
    }
}

#[test]
fn members_are_slices() {
    let mut seen = Vec::new();
    assert!(members(r#"{"a": {"x": [1]}, "b" :2}"#, |key, value| seen.push((key.raw, value))).unwrap());
    assert_eq!(seen, [("a", r#"{"x": [1]}"#), ("b", "2")]);
    assert!(!members("[1]", |_, _| unreachable!()).unwrap());
}

#[test]
fn escapes_are_resolved() {
    let mut reader = Reader::new(r#""a\n\u0437\ud83d\ude00\ud800\/""#);
    let Event::Str(text) = reader.next().unwrap() else { panic!() };
    assert_eq!(text.decode(), ("a\nз😀\u{fffd}/".into(), true));
}

#[test]
fn depth_is_bounded() {
    let deep = "[".repeat(MAX_DEPTH + 1);
    assert_eq!(validate(&deep).unwrap_err().reason, TOO_DEEP);
    let fine = "[".repeat(200) + &"]".repeat(200);
    assert!(validate(&fine).is_ok());
}

proptest! {
    #[test]
    fn accepts_what_serde_json_accepts(text in r#"[\[\]{}:,"0-9a-z\\ .\-+eE]{0,24}"#) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(validate(&text).is_ok(), theirs, "{}", text);
    }

    #[test]
    fn quote_is_read_back(text in any::<String>()) {
        let mut quoted = String::new();
        quote(&text, &mut quoted);
        prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text.clone());
        let mut reader = Reader::new(&quoted);
        let Ok(Event::Str(read)) = reader.next() else { panic!() };
        prop_assert_eq!(read.decode().0, text);
    }
}
