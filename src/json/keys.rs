//! Counting the keys of a JSON text, where it is long enough to have many.

use super::{Event, Reader};

/// The fewest bytes that a key takes: `"":1,`.
const LEAST: u64 = 5;

/// True if a text has more keys than `most`, at any depth. One that is too short for that is not looked at; one that is no JSON is
/// counted up to its fault.
pub fn more_keys_than(text: &str, most: u64) -> bool {
    if (text.len() as u64) / LEAST < most {
        return false;
    }
    let (mut reader, mut keys) = (Reader::new(text), 0_u64);
    loop {
        match reader.next() {
            Ok(Event::Key(_)) => keys += 1,
            Ok(Event::End) | Err(_) => return false,
            Ok(_) => {}
        }
        if keys > most {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_count_at_any_depth() {
        let text = r#"{"a":1,"b":[{"c":2},{"d":{}}]}"#;
        assert!(more_keys_than(text, 3) && !more_keys_than(text, 4) && !more_keys_than(text, 5));
        assert!(!more_keys_than("{", 0) && more_keys_than(r#"{"a":1"#, 0));
    }
}
