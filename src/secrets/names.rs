//! What the name of a key tells of its value.

use super::shapes::{distinct, stands_for_another};

/// What the name of a key tells of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Named {
    /// Nothing.
    #[default]
    Plain,
    /// A token, as `hf_token`; of which most are tokens of languages, as `pad_token`.
    Token,
    /// A secret: `password`, `api_key`, ….
    Secret,
}

/// Last words of names of secrets.
const SECRETS: [&str; 8] =
    ["password", "passwd", "passphrase", "secret", "credentials", "apikey", "apitoken", "secretkey"];
/// What the last word of a secret's name ends in, without the plural's s.
const LAST: [&str; 7] = ["password", "passwd", "passphrase", "secret", "credential", "token", "key"];
/// Last two words of names of secrets.
const PAIRS: [[&str; 2]; 16] = [
    ["api", "key"],
    ["api", "token"],
    ["access", "key"],
    ["access", "token"],
    ["auth", "token"],
    ["auth", "key"],
    ["refresh", "token"],
    ["bearer", "token"],
    ["bot", "token"],
    ["private", "key"],
    ["secret", "key"],
    ["secret", "token"],
    ["client", "secret"],
    ["account", "key"],
    ["signing", "key"],
    ["encryption", "key"],
];

impl Named {
    /// What the last part of a path (`config.db.password`) or of a key (`aws-secretAccessKey`) tells.
    pub fn of(path: &str) -> Self {
        // A suffix of the kind, as in `config.key:string`, is no part of the name.
        let bare = ["string", "list", "json"].iter().find_map(|kind| path.strip_suffix(kind)?.strip_suffix(':'));
        let key = bare.unwrap_or(path).rsplit(['.', '/']).next().unwrap_or_default();
        match key.len() <= 60 && may_be_a_secret(key) {
            true => Named::by_words(key),
            false => Named::Plain,
        }
    }

    fn by_words(key: &str) -> Self {
        let words = words(key);
        let singular = |word: &String| word.strip_suffix('s').unwrap_or(word).to_owned();
        let ends: Vec<String> = words.iter().rev().take(2).map(singular).collect();
        let is = |at: usize, word: &str| ends.get(at).is_some_and(|end| end == word);
        if SECRETS.iter().any(|word| is(0, word.strip_suffix('s').unwrap_or(word)))
            || PAIRS.iter().any(|[first, second]| {
                let first = first.strip_suffix('s').unwrap_or(first);
                is(1, first) && is(0, second)
            })
        {
            return Named::Secret;
        }
        match is(0, "token") || (is(1, "wandb") && is(0, "key")) {
            true => Named::Token,
            false => Named::Plain,
        }
    }

    /// True if a whole text under such a key is a secret.
    pub(super) fn takes(self, text: &str) -> bool {
        match self {
            Named::Plain => false,
            Named::Secret => text.len() >= 8 && text.len() <= 4_096 && is_made_up(text),
            Named::Token => text.len() >= 20 && text.len() <= 4_096 && is_random(text),
        }
    }
}

/// A short look first, as every path of every batch is asked: false only if the last word cannot be a secret's.
fn may_be_a_secret(key: &str) -> bool {
    let end = key.trim_end_matches(BETWEEN);
    let end = end.strip_suffix(['s', 'S']).unwrap_or(end).as_bytes();
    let ends = |word: &&str| {
        let from = end.len().checked_sub(word.len());
        from.and_then(|from| end.get(from..)).is_some_and(|end| end.eq_ignore_ascii_case(word.as_bytes()))
    };
    // Other signs are no part of words, and may stand within one.
    let plain = |c: char| c.is_ascii_alphanumeric() || BETWEEN.contains(&c);
    LAST.iter().any(ends) || !key.chars().all(plain)
}

/// What stands between words.
const BETWEEN: [char; 3] = ['_', '-', ' '];

/// The words of a key, in small letters: at `_`, `-`, spaces, and where a capital follows a small letter.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in key.chars() {
        if BETWEEN.contains(&c) || (c.is_ascii_uppercase() && before.is_ascii_lowercase()) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A text that somebody may have made up as a password: no words, paths, names or variables.
fn is_made_up(text: &str) -> bool {
    let kinds = [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit].iter();
    let kinds = kinds.filter(|test| text.bytes().any(|byte| test(&byte))).count();
    let signs = text.chars().any(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.'));
    let variable = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let path = text.starts_with(['/', '~', '.']) || text.contains("://") || text.contains(":/") || text.contains('\\');
    let other = path || stands_for_another(text) || is_slashed_words(text) || (variable && text.contains('_'));
    let one_word = !text.chars().any(char::is_whitespace);
    one_word && !other && kinds + usize::from(signs) >= 2 && distinct(text.as_bytes()) >= 5
}

/// `secrets/prod`, `kv/data/db`: a name in a store of secrets.
fn is_slashed_words(text: &str) -> bool {
    text.contains('/') && text.split('/').all(|part| part.len() < 20 && !part.bytes().any(|byte| byte.is_ascii_digit()))
}

/// A text of letters and digits without any order.
fn is_random(text: &str) -> bool {
    let bytes = text.as_bytes();
    let of = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'=' | b'+' | b'/');
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let changes = bytes.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    bytes.iter().all(of)
        && digits >= 3
        && changes >= 5
        && bytes.iter().any(u8::is_ascii_alphabetic)
        && distinct(bytes) >= 10
        && is_made_up(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part() -> impl Strategy<Value = String> {
        let known = SECRETS.into_iter().chain(PAIRS.into_iter().flatten()).chain(["wandb", "token", "tokens", "lr"]);
        let cased = (proptest::sample::select(known.collect::<Vec<_>>()), 0..3).prop_map(|(word, case)| match case {
            0 => word.to_owned(),
            1 => word.to_uppercase(),
            _ => word[..1].to_uppercase() + &word[1..],
        });
        prop_oneof![3 => cased, 1 => "[a-zA-Z_ !é-]{0,3}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn a_short_look_overlooks_nothing(parts in proptest::collection::vec(part(), 1..4), joint in "[_ -]?", plural in "[sS]?") {
            let key = parts.join(&joint) + &plural;
            prop_assert!(may_be_a_secret(&key) || Named::by_words(&key) == Named::Plain, "{}", key);
        }
    }
}
