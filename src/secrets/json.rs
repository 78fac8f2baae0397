//! The texts inside of a JSON text, each with what its key tells; the rest of it stays byte by byte.

use super::names::Named;
use memchr::memchr2;
use std::borrow::Cow;

/// What `replace` makes of the JSON text's strings; `None` if it changes none. Keys are not replaced.
///
/// Strings in lists, and in objects whose keys tell nothing, have the name of `outer`, or of the key before them.
pub(super) fn edit(text: &str, outer: Named, mut replace: impl FnMut(&str, Named) -> Option<String>) -> Option<String> {
    let bytes = text.as_bytes();
    let mut edited: Option<String> = None;
    let (mut at, mut copied, mut named) = (0, 0, outer);
    while let Some(open) = bytes.get(at..).and_then(|rest| memchr::memchr(b'"', rest)).map(|found| at + found) {
        let Some(close) = end(bytes, open + 1) else { break };
        let inside = text.get(open + 1..close).unwrap_or_default();
        at = close + 1;
        let rest = bytes.get(at..).unwrap_or_default();
        let is_key = rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
        if is_key {
            named = Named::of(inside);
            // W&B wraps values, and the name is that of what is wrapped.
            if named == Named::Plain && outer != Named::Plain {
                named = outer;
            }
        } else if let Some(new) = replace(&plain(inside), named) {
            let out = edited.get_or_insert_default();
            out.push_str(text.get(copied..open).unwrap_or_default());
            out.push_str(&serde_json::Value::from(new).to_string());
            copied = at;
        }
    }
    if let Some(out) = &mut edited {
        out.push_str(text.get(copied..).unwrap_or_default());
    }
    edited
}

/// Where the string that began before `at` ends.
fn end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let found = at + memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(found) == Some(&b'"') {
            return Some(found);
        }
        at = found + 2;
    }
}

fn plain(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    serde_json::from_str::<String>(&format!("\"{inside}\"")).map_or(Cow::Borrowed(inside), Cow::Owned)
}
