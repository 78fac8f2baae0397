//! `files/wandb-metadata.json`: the only place where writers before 0.21 put user, host and commit.

use crate::json::{self, Event, Reader, Text};
use crate::record::Timestamp;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of a metadata file that are read.
const LARGEST: u64 = 4 << 20;

/// What a metadata file says of user and machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) username: Option<String>,
    pub(super) email: Option<String>,
    pub(super) host: Option<String>,
    pub(super) commit: Option<String>,
    pub(super) started_at: Option<Timestamp>,
}

impl Metadata {
    /// The metadata beside `log`; nothing if there is none, or if it cannot be read.
    pub(super) fn beside(log: &Path) -> Metadata {
        let file = log.parent().unwrap_or(Path::new("")).join("files").join("wandb-metadata.json");
        let mut bytes = Vec::new();
        // What is larger is none of the SDK's, and is read as far as that.
        let _ = File::open(file).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
        Metadata::parse(&String::from_utf8_lossy(&bytes))
    }

    /// Takes what there is, up to where the text stops being JSON.
    fn parse(text: &str) -> Metadata {
        let mut found = Metadata::default();
        // Leniently: a file that is cut keeps what stands before the cut.
        let _ = json::members(text, |key, value| match key.raw {
            "username" => found.username = string(value),
            "email" => found.email = string(value),
            "host" => found.host = string(value),
            "startedAt" => found.started_at = string(value).and_then(|text| Timestamp::parse(&text)),
            "git" => {
                let _ = json::members(value, |key: Text<'_>, value| {
                    if key.raw == "commit" {
                        found.commit = string(value);
                    }
                });
            }
            _ => {}
        });
        found
    }
}

/// A JSON string that is not empty.
fn string(value: &str) -> Option<String> {
    match Reader::new(value).next() {
        Ok(Event::Str(text)) => Some(text.decode().0.into_owned()).filter(|text| !text.is_empty()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_as_far_as_it_goes() {
        let whole = r#"{"os": "Linux", "startedAt": "2023-11-05T17:46:35.250", "host": "box", "username": "anna", "email": "",
            "git": {"remote": "x", "commit": "c0ffee"}, "gpu": null}"#;
        let expected = Metadata {
            username: Some("anna".into()),
            email: None,
            host: Some("box".into()),
            commit: Some("c0ffee".into()),
            started_at: Timestamp::parse("2023-11-05T17:46:35.250Z"),
        };
        assert_eq!(Metadata::parse(whole), expected);
        let cut = Metadata::parse(&whole[..100]);
        assert_eq!((cut.username.as_deref(), cut.commit), (Some("anna"), None));
        assert_eq!(Metadata::parse("[]"), Metadata::default());
        assert_eq!(Metadata::beside(Path::new("/nowhere/run-x.wandb")), Metadata::default());
    }
}
