//! Secrets that are known by what they look like, wherever in a text they stand.

use super::{Form, SECRET_RULES, Secret, SecretRule};
use memchr::memmem;

/// The shortest word that any rule takes.
const SHORTEST: usize = 16;
/// The shortest URL with a password that is looked at.
const SHORTEST_URL: usize = 11;

/// Letters, digits, `_` and `-`: what words of secrets are made of.
const WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_' || byte as u8 == b'-';
        byte += 1;
    }
    table
};

fn is_word(byte: u8) -> bool {
    WORD.get(usize::from(byte)).copied().unwrap_or(false)
}

/// The first secret at or after byte `from`.
pub(super) fn find(text: &str, from: usize) -> Option<Secret> {
    let bytes = text.as_bytes();
    if bytes.len() < from + SHORTEST_URL {
        return None;
    }
    let mut at = from;
    // The middle of a word is not where one begins.
    while at > 0 && at < bytes.len() && is_word(bytes[at]) && is_word(bytes[at - 1]) {
        at += 1;
    }
    while let Some(byte) = bytes.get(at) {
        if !is_word(*byte) {
            if *byte == b':'
                && let Some(found) = password(text, at, from)
            {
                return Some(found);
            }
            at += 1;
            continue;
        }
        let length = bytes.get(at..)?.iter().position(|byte| !is_word(*byte)).unwrap_or(bytes.len() - at);
        if length >= SHORTEST
            && let Some(found) = word(text, at, length)
        {
            return Some(found);
        }
        if *byte == b'-'
            && length >= 10
            && let Some(found) = pem(text, at)
        {
            return Some(found);
        }
        at += length;
    }
    None
}

fn rule(is: fn(&Form) -> bool) -> Option<&'static SecretRule> {
    SECRET_RULES.iter().find(|rule| is(&rule.form))
}

/// A word that is a secret, or begins one.
fn word(text: &str, at: usize, length: usize) -> Option<Secret> {
    let word = text.as_bytes().get(at..at + length)?;
    // No rule takes a word that begins otherwise.
    if !matches!(word.first()?, b'w' | b'A' | b'g' | b'x' | b's' | b'h' | b'r' | b'd' | b'n' | b'p' | b'e') {
        return None;
    }
    if word.starts_with(b"eyJ") {
        return jwt(text, at, length);
    }
    for rule in SECRET_RULES {
        let Form::Prefix { prefixes, least, most, of } = rule.form else { continue };
        for prefix in prefixes {
            let Some(rest) = word.strip_prefix(prefix.as_bytes()) else { continue };
            if (least..=most).contains(&rest.len()) && of(rest) && distinct(rest) >= 8 {
                return Some(Secret { range: at..at + length, rule });
            }
        }
    }
    None
}

/// How many characters differ; `xxxxxxxx` is none that anybody made by chance.
pub(super) fn distinct(bytes: &[u8]) -> usize {
    let mut seen = [0_u64; 4];
    bytes.iter().for_each(|byte| seen[usize::from(byte >> 6)] |= 1 << (byte & 63));
    seen.iter().map(|bits| bits.count_ones() as usize).sum()
}

/// `eyJ….eyJ….…`, the first part of which is a word of this length.
fn jwt(text: &str, at: usize, length: usize) -> Option<Secret> {
    let bytes = text.as_bytes();
    let part = |from: usize| {
        let rest = bytes.get(from..)?.strip_prefix(b".")?;
        Some(from + 1 + rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len()))
    };
    let claims = part(at + length)?;
    let end = part(claims)?;
    let begins = bytes.get(at + length + 1..claims)?.starts_with(b"eyJ");
    (begins && end - claims > 8).then_some(Secret { range: at..end, rule: rule(|form| matches!(form, Form::Jwt))? })
}

/// The block that begins here, up to the end that belongs to it, else to the end of the text.
fn pem(text: &str, at: usize) -> Option<Secret> {
    let label = text.get(at..)?.strip_prefix("-----BEGIN ")?;
    let (label, _) = label.split_once("-----")?;
    if !label.contains("PRIVATE KEY") || label.len() > 40 {
        return None;
    }
    let last = format!("-----END {label}-----");
    let body = text.as_bytes().get(at..)?;
    let end = memmem::find(body, last.as_bytes()).map_or(text.len(), |end| at + end + last.len());
    Some(Secret { range: at..end, rule: rule(|form| matches!(form, Form::Pem))? })
}

/// The password of the URL whose `://` may be here.
fn password(text: &str, colon: usize, from: usize) -> Option<Secret> {
    let rest = text.get(colon..)?.strip_prefix("://")?;
    let before = text.as_bytes().get(colon.checked_sub(1)?)?;
    if !before.is_ascii_alphanumeric() {
        return None;
    }
    let over = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | '`' | '\\');
    let authority = rest.split(over).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let (name, password) = user.split_once(':')?;
    let start = colon + "://".len() + name.len() + 1;
    let range = start..start + password.len();
    let real = start >= from && password.len() >= 3 && !stands_for_another(password);
    real.then_some(Secret { range, rule: rule(|form| matches!(form, Form::Url))? })
}

/// True for what stands in the place of a secret: a variable, a mask, what was redacted already.
pub(super) fn stands_for_another(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let marks =
        ["redacted", "placeholder", "changeme", "change_me", "your_", "your-", "example", "hidden", "xxxx", "****"];
    text.starts_with(['$', '{', '<', '%', '[', '('])
        || text.ends_with(['}', '>'])
        || marks.iter().any(|mark| lower.contains(mark))
        || matches!(lower.as_str(), "password" | "passwd" | "pass" | "secret" | "token" | "none" | "null" | "pwd")
        || distinct(text.as_bytes()) < 3
}
