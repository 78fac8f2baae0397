//! The netrc grammar: which password a file has for a machine.

/// What a netrc file says of one machine.
#[derive(PartialEq, Eq)]
pub(super) enum Found {
    /// Its password.
    Password(String),
    /// An entry without a password.
    NoPassword,
    /// No entry, and no `default` one.
    Nothing,
}

/// Looks `machine` (host, or `host:port`) up in the text of a netrc file; a `default` entry answers for all others.
///
/// # Errors
/// If the text is no netrc file; the message names the line and never quotes the text, which holds passwords.
pub(super) fn look_up(text: &str, machine: &str) -> Result<Found, String> {
    let mut tokens = Tokens { text, at: 0 };
    let (mut named, mut default) = (None, None);
    let mut entry: Option<Entry> = None;
    while let Some(word) = tokens.next(true)? {
        let missing = |tokens: &Tokens<'_>| format!("line {}: a word is missing after this keyword", tokens.line());
        match word.as_str() {
            "machine" => {
                keep(entry.take(), machine, &mut named, &mut default);
                let name = tokens.next(false)?.ok_or_else(|| missing(&tokens))?;
                entry = Some(Entry { name: Some(name), password: None });
            }
            "default" => {
                keep(entry.take(), machine, &mut named, &mut default);
                entry = Some(Entry { name: None, password: None });
            }
            "macdef" => {
                tokens.next(false)?;
                tokens.skip_macro();
            }
            "login" | "user" | "account" | "password" => {
                let value = tokens.next(false)?.ok_or_else(|| missing(&tokens))?;
                let Some(entry) = &mut entry else {
                    return Err(format!("line {}: this belongs to no machine", tokens.line()));
                };
                if word == "password" {
                    entry.password = Some(value);
                }
            }
            _ => return Err(format!("line {}: unknown keyword", tokens.line())),
        }
    }
    keep(entry, machine, &mut named, &mut default);
    Ok(match named.or(default) {
        Some(Some(password)) if !password.is_empty() => Found::Password(password),
        Some(_) => Found::NoPassword,
        None => Found::Nothing,
    })
}

struct Entry {
    /// `None` for `default`.
    name: Option<String>,
    password: Option<String>,
}

/// Puts an entry that is over where it belongs; of several for one machine the last one counts, as in Python.
fn keep(entry: Option<Entry>, machine: &str, named: &mut Option<Option<String>>, default: &mut Option<Option<String>>) {
    match entry {
        Some(Entry { name: None, password }) => *default = Some(password),
        Some(Entry { name: Some(name), password }) if name.eq_ignore_ascii_case(machine) => *named = Some(password),
        _ => {}
    }
}

/// Words between white space; `"…"` holds white space, `\` takes the next character as it is.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl Tokens<'_> {
    /// The next word. Where a keyword is due, `#` opens a comment up to the end of the line; a password may begin with it.
    fn next(&mut self, keyword: bool) -> Result<Option<String>, String> {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            let rest = self.rest();
            if rest.is_empty() {
                return Ok(None);
            }
            if !(keyword && rest.starts_with('#')) {
                break;
            }
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
        let rest = self.rest();
        let quoted = rest.starts_with('"');
        let mut word = String::new();
        let mut chars = rest.char_indices().skip(usize::from(quoted));
        while let Some((at, c)) = chars.next() {
            match c {
                '"' if quoted => {
                    self.at += at + 1;
                    return Ok(Some(word));
                }
                '\\' => word.extend(chars.next().map(|(_, c)| c)),
                c if !quoted && c.is_whitespace() => {
                    self.at += at;
                    return Ok(Some(word));
                }
                c => word.push(c),
            }
        }
        if quoted {
            return Err(format!("line {}: a quote is not closed", self.line()));
        }
        self.at = self.text.len();
        Ok(Some(word))
    }

    /// A macro's body ends at an empty line.
    fn skip_macro(&mut self) {
        let rest = self.rest();
        let end = ["\n\n", "\n\r\n"].iter().filter_map(|end| rest.find(end)).min();
        self.at += end.unwrap_or(rest.len());
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn line(&self) -> usize {
        self.text.get(..self.at).unwrap_or_default().matches('\n').count() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn password(text: &str, machine: &str) -> Option<String> {
        match look_up(text, machine).unwrap() {
            Found::Password(password) => Some(password),
            _ => None,
        }
    }

    #[test]
    fn machines_defaults_quotes_comments_and_macros() {
        let text = "# mine\nmachine api.wandb.ai\n  login user\n  password abc\n\
                    machine corp:8080 login user password \"with \\\" space\"\n\
                    macdef init\nmachine evil password no\n\n\
                    machine hash login u password #1 # tail\nmachine bare login u\ndefault login u password rest";
        assert_eq!(password(text, "api.wandb.ai").unwrap(), "abc");
        assert_eq!(password(text, "corp:8080").unwrap(), "with \" space");
        assert_eq!(password(text, "hash").unwrap(), "#1");
        assert_eq!(password(text, "evil").unwrap(), "rest");
        assert_eq!(password(text, "corp").unwrap(), "rest");
        assert!(look_up(text, "bare").unwrap() == Found::NoPassword);
        assert!(look_up("machine a password b", "c").unwrap() == Found::Nothing);
        assert_eq!(password("machine a password 1\nmachine a password 2", "a").unwrap(), "2");
    }

    #[test]
    fn errors_name_the_line_and_not_the_secret() {
        for text in ["machine a\nsecret-key", "machine a password \"secret-key", "password secret-key"] {
            let Err(error) = look_up(text, "a") else { panic!("{text}") };
            assert!(error.starts_with("line ") && !error.contains("secret"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(machine|default|macdef|password|login|#|\"|\\\\|\n| |[a-z]|é){0,40}", raw in ".{0,80}") {
            let _ = look_up(&text, "a");
            let _ = look_up(&raw, "a");
        }

        #[test]
        fn written_passwords_are_read(key in "[!-~]{1,60}") {
            let quoted = key.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("machine other password no\nmachine h:1\n login user\n password \"{quoted}\"\n");
            prop_assert_eq!(password(&text, "h:1"), Some(key));
        }
    }
}
