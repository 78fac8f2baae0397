//! netrc, W&B's settings files and environment variables: no text panics, no error quotes a secret, what is written is found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::base_url::BaseUrl;
use super::super::netrc::{Found, look_up};
use super::{Settings, Surroundings, default_section};

/// The bytes are a netrc file.
pub(crate) fn netrc(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for machine in ["a", "api.wandb.ai", "h:1"] {
        if let Err(error) = look_up(&text, machine) {
            told(&error, text.lines().count());
        }
    }
    // An entry before all others is found, unless a later one has its name.
    let (machine, password) = ("runframe-fuzz.example:1", "p\"w\\ d");
    let quoted = password.replace('\\', "\\\\").replace('"', "\\\"");
    let whole = format!("machine {machine} password \"{quoted}\"\nmachine other\n{text}");
    match look_up(&whole, machine) {
        Ok(found) => assert!(found == Found::Password(password.to_owned()) || text.contains("example"), "{text:?}"),
        Err(error) => told(&error, whole.lines().count()),
    }
}

/// Messages name a line that there is, and are made of words of ours.
fn told(error: &str, lines: usize) {
    let line = error.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    let (line, what) = line.expect("a message without its line");
    assert!(line.parse::<usize>().is_ok_and(|line| line <= lines + 1), "{error} of {lines}");
    let known = [
        "a word is missing after this keyword",
        "this belongs to no machine",
        "unknown keyword",
        "a quote is not closed",
    ];
    assert!(known.contains(&what), "{error}");
}

/// The bytes are a settings file, and lines `NAME=value` of environment variables.
pub(crate) fn settings(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let values = default_section(&text);
    for (name, value) in &values {
        assert!(!value.is_empty() && value.trim() == value && name.trim() == name, "{name:?}: {value:?}");
        assert!(!name.bytes().any(|b| b.is_ascii_uppercase()), "{name:?}");
        assert!(text.contains(value.as_str()));
    }
    // In a section of another name nothing counts.
    let hidden = format!("[default]\nentity = ours\n[other]\n{}", text.replace('[', "("));
    assert_eq!(default_section(&hidden).len(), 1, "{text:?}");
    for line in text.lines().chain(values.values().map(String::as_str)) {
        url(line);
    }
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let env = text.lines().filter_map(pair).collect();
    let here = Surroundings { env, home: None, cwd: "/runframe-fuzz-nowhere".into() };
    let key = here.env.get("WANDB_API_KEY").cloned().filter(|key| key.len() >= 12);
    let others = here.env.iter().filter(|(name, _)| *name != "WANDB_API_KEY");
    // As they are shown: `\0` of a name ends with a digit that a key may begin with.
    let others: Vec<String> = others.map(|(name, value)| format!("{name:?} {value:?} {name} {value}")).collect();
    let seen = shown(&here);
    // A key that is also the name or value of another variable is no secret, nor one that is shown where it is not the key:
    // `WANDB_API_KEY` itself.
    let secret = key.filter(|key| !others.iter().any(|other| other.contains(key.trim())));
    let Some(key) = secret.filter(|key| key.trim().len() >= 12 && seen.contains(key.trim())) else { return };
    let mut without = here;
    let length = key.len();
    without.env.insert("WANDB_API_KEY".to_owned(), if key.contains('x') { "y" } else { "x" }.repeat(length));
    assert!(shown(&without).contains(key.trim()), "{seen}");
}

/// All that these surroundings let be seen.
fn shown(here: &Surroundings) -> String {
    let settings = match Settings::find_in(here) {
        Ok(settings) => format!("{settings:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    settings + &format!("{here:?}")
}

/// A server's URL is normal after one reading, and never holds credentials.
fn url(text: &str) {
    let Ok(read) = BaseUrl::parse(text, &["h".to_owned(), "h:1".to_owned()]) else { return };
    let again = BaseUrl::parse(read.as_str(), &["h".to_owned(), "h:1".to_owned()]);
    assert!(again.is_ok_and(|again| again == read), "{text:?} is {} first", read.as_str());
    assert!(!read.netloc().contains('@') && !read.as_str().contains(['?', '#']), "{text:?}");
}
