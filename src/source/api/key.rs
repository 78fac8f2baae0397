//! The API key, in a type that cannot be printed.

use std::fmt;
use zeroize::Zeroizing;

/// A W&B API key. It has no `Display`, and its `Debug` hides it; its memory is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// Takes a key; the length is not checked, since W&B has had several.
    ///
    /// # Errors
    /// If it is empty or holds white space or control characters; the message does not quote it.
    pub fn new(text: impl Into<String>) -> Result<Self, &'static str> {
        let text = Zeroizing::new(text.into());
        match text.as_str() {
            "" => Err("the API key is empty"),
            text if text.chars().any(|c| c.is_whitespace() || c.is_control()) => {
                Err("the API key holds white space or control characters")
            }
            _ => Ok(ApiKey(text)),
        }
    }

    /// The text with `mark` wherever it has the key, what the header has in its place (base64), or 8 characters or more of either
    /// in a row, in small letters or capitals: servers echo what they were sent, and cut it off anywhere.
    pub(super) fn hide_in(&self, text: &str, mark: &str) -> String {
        let header = Zeroizing::new(base64(format!("api:{}", *self.0).as_bytes()));
        // Its first characters are those of `api:`, which anybody may see.
        let header = header.get(4..).unwrap_or_default();
        [self.0.as_str(), header].iter().fold(text.to_owned(), |text, secret| without(&text, secret, mark))
    }

    /// The key itself, for the one header that needs it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

/// How many characters in a row of a secret are not shown.
const PART: usize = 8;

/// The text with `mark` in the place of every part of the secret.
fn without(text: &str, secret: &str, mark: &str) -> String {
    let part = PART.min(secret.len());
    if part == 0 || text.len() < part {
        return text.to_owned();
    }
    let (bytes, secret) = (text.as_bytes(), secret.as_bytes());
    let equal = |at: usize, from: usize| {
        let pairs = bytes.iter().skip(at).zip(secret.iter().skip(from));
        pairs.take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
    };
    let (mut out, mut at, mut copied) = (String::new(), 0, 0);
    while at + part <= bytes.len() {
        let longest = (0..=secret.len() - part).map(|from| equal(at, from)).max().unwrap_or(0);
        if longest < part || !text.is_char_boundary(at) {
            at += 1;
            continue;
        }
        // Half of a character is a part too, but no text is cut there.
        let end = (at + longest..bytes.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(bytes.len());
        out.push_str(text.get(copied..at).unwrap_or_default());
        out.push_str(mark);
        (at, copied) = (end, end);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out
}

/// RFC 4648, without what fills it up at its end.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..=three.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    text
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_are_hidden_whole_and_in_part() {
        let key = ApiKey::new("5f4dcc3b5aa765d61d83\u{f6}").unwrap();
        for (said, told) in [
            ("no entry for 5f4dcc3b5aa765d61d83\u{f6}.", "no entry for [key]."),
            ("api:5F4DCC3B5AA765D61D83\u{f6}", "api:[key]"),
            ("cut off: 5f4dcc3b5", "cut off: [key]"),
            ("…a765d61d83\u{f6}, …aa765d61", "…[key], …[key]"),
            ("Basic YXBpOjVmNGRjYzNiNWFhNzY1ZDYxZDgzw7Y=", "Basic YXBp[key]="),
            ("5f4dcc3", "5f4dcc3"),
            ("\u{f6}\u{1f600}", "\u{f6}\u{1f600}"),
        ] {
            assert_eq!(key.hide_in(said, "[key]"), told);
        }
        assert_eq!(ApiKey::new("x").unwrap().hide_in("axb", "[key]"), "a[key]b");
        for (text, encoded) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn debug_hides_it_and_odd_keys_are_refused_unquoted() {
        assert_eq!(format!("{:?}", ApiKey::new("abc").unwrap()), "ApiKey(hidden)");
        for odd in ["", "a b", "a\n", "\u{7}a"] {
            assert!(ApiKey::new(odd).is_err(), "{odd:?}");
        }
        assert!(ApiKey::new(format!("wandb_v1_{}", "x".repeat(77))).is_ok());
    }
}
