//! Artifact records: what a run logged and what it used.

use super::messages::Record;
use super::wire::{Fields, Malformed, Value};
use crate::record::ArtifactVersion;

/// The artifacts of one run, each version once.
#[derive(Debug, Default)]
pub(super) struct Artifacts {
    logged: Vec<ArtifactVersion>,
    used: Vec<ArtifactVersion>,
}

impl Artifacts {
    /// Takes an ArtifactRecord.
    pub(super) fn log(&mut self, record: &Record<'_>, repaired: &mut u64) -> Result<(), Malformed> {
        let artifact = logged(record.body, repaired)?;
        add(&mut self.logged, artifact);
        Ok(())
    }

    /// Takes a UseArtifactRecord.
    pub(super) fn use_(&mut self, record: &Record<'_>, repaired: &mut u64) -> Result<(), Malformed> {
        let artifact = used(record.body, repaired)?;
        add(&mut self.used, artifact);
        Ok(())
    }

    /// Hands out logged and used ones, aliases sorted, and is empty again.
    pub(super) fn take(&mut self) -> (Vec<ArtifactVersion>, Vec<ArtifactVersion>) {
        (std::mem::take(&mut self.logged), std::mem::take(&mut self.used))
    }
}

/// Adds a version, or unites its aliases with those of the same version: `link_artifact` writes a record again.
fn add(list: &mut Vec<ArtifactVersion>, mut artifact: ArtifactVersion) {
    let same = |known: &ArtifactVersion| match (&known.id, &artifact.id) {
        (Some(known), Some(id)) => known == id,
        (None, None) => {
            (&known.name, &known.kind, &known.digest, known.version)
                == (&artifact.name, &artifact.kind, &artifact.digest, artifact.version)
        }
        _ => false,
    };
    match list.iter().position(same).and_then(|at| list.get_mut(at)) {
        Some(known) => {
            known.aliases.append(&mut artifact.aliases);
            tidy(&mut known.aliases);
            known.version = known.version.or(artifact.version);
            known.size = known.size.or(artifact.size);
            known.digest = known.digest.take().or(artifact.digest);
        }
        None => {
            tidy(&mut artifact.aliases);
            list.push(artifact);
        }
    }
}

/// Writers give aliases in random order.
fn tidy(aliases: &mut Vec<String>) {
    aliases.sort_unstable();
    aliases.dedup();
}

/// An ArtifactRecord.
fn logged(bytes: &[u8], repaired: &mut u64) -> Result<ArtifactVersion, Malformed> {
    let mut artifact = ArtifactVersion::default();
    for field in Fields::new(bytes) {
        let (number, value) = field?;
        let bytes = value.bytes();
        match number {
            4 => artifact.kind = owned(bytes, repaired),
            5 => artifact.name = owned(bytes, repaired).unwrap_or_default(),
            6 => artifact.digest = owned(bytes, repaired),
            11 => artifact.aliases.extend(owned(bytes, repaired)),
            12 => artifact.size = size(bytes)?,
            15 => artifact.id = owned(bytes, repaired),
            _ => {}
        }
    }
    Ok(artifact)
}

/// The sum of a manifest's sizes; `None` if its entries are in a file of their own.
fn size(manifest: &[u8]) -> Result<Option<i64>, Malformed> {
    let mut total = 0i64;
    let mut elsewhere = false;
    for field in Fields::new(manifest) {
        match field? {
            (4, Value::Bytes(entry)) => {
                for field in Fields::new(entry) {
                    if let (4, value) = field? {
                        total = total.saturating_add(value.int().max(0));
                    }
                }
            }
            (5, Value::Bytes(path)) => elsewhere = !path.is_empty(),
            _ => {}
        }
    }
    Ok((!elsewhere || total > 0).then_some(total))
}

/// A UseArtifactRecord: `ds:v2` is version 2, `ds:latest` the alias `latest`.
fn used(bytes: &[u8], repaired: &mut u64) -> Result<ArtifactVersion, Malformed> {
    let mut artifact = ArtifactVersion::default();
    let mut name = String::new();
    for field in Fields::new(bytes) {
        let (number, value) = field?;
        let bytes = value.bytes();
        match number {
            1 => artifact.id = owned(bytes, repaired),
            2 => artifact.kind = owned(bytes, repaired),
            3 => name = owned(bytes, repaired).unwrap_or_default(),
            _ => {}
        }
    }
    // Names hold no slash; what stands before one is entity and project.
    let own = name.rsplit('/').next().unwrap_or_default();
    let (name, alias) = own.split_once(':').unwrap_or((own, ""));
    artifact.name = name.to_owned();
    let digits = alias.strip_prefix('v').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    artifact.version = digits.and_then(|digits| digits.parse().ok());
    if artifact.version.is_none() && !alias.is_empty() {
        artifact.aliases.push(alias.to_owned());
    }
    Ok(artifact)
}

/// A text; `None` if it is empty. Invalid UTF-8 is replaced and counted.
pub(super) fn owned(bytes: &[u8], repaired: &mut u64) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    *repaired += u64::from(matches!(text, std::borrow::Cow::Owned(_)));
    (!text.is_empty()).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::messages::Kind;
    use super::super::writer::{int, message, text as field};
    use super::*;

    fn record(bytes: &[u8]) -> Record<'_> {
        Record { num: 0, kind: Some(Kind::Artifact), body: bytes }
    }

    fn artifact(id: &str, aliases: &[&str], sizes: &[i64]) -> Vec<u8> {
        let contents: Vec<_> = sizes.iter().map(|size| message(4, &[field(1, "f"), int(4, *size)])).collect();
        let mut parts =
            vec![field(4, "model"), field(5, "net"), field(6, "abc"), message(12, &contents), field(15, id)];
        parts.extend(aliases.iter().map(|alias| field(11, alias)));
        parts.concat()
    }

    #[test]
    fn a_version_logged_twice_is_one_with_all_aliases() {
        let mut artifacts = Artifacts::default();
        for aliases in [&["latest", "best"][..], &["prod", "latest"]] {
            artifacts.log(&record(&artifact("id1", aliases, &[10, 0, 5])), &mut 0).unwrap();
        }
        artifacts.log(&record(&artifact("id2", &[], &[])), &mut 0).unwrap();
        let (logged, used) = artifacts.take();
        assert_eq!(logged.len(), 2);
        assert_eq!(used.len(), 0);
        let expected = ArtifactVersion {
            name: "net".into(),
            kind: Some("model".into()),
            aliases: vec!["best".into(), "latest".into(), "prod".into()],
            size: Some(15),
            digest: Some("abc".into()),
            id: Some("id1".into()),
            ..ArtifactVersion::default()
        };
        assert_eq!(logged[0], expected);
        assert_eq!(logged[1].size, Some(0));
    }

    #[test]
    fn a_manifest_elsewhere_has_no_size() {
        let bytes = [field(5, "net"), message(12, &[field(5, "/tmp/manifest.json")])].concat();
        assert_eq!(logged(&bytes, &mut 0).unwrap().size, None);
        assert_eq!(logged(&field(5, "net"), &mut 0).unwrap().size, None);
        let huge = [message(12, &[message(4, &[int(4, i64::MAX)]), message(4, &[int(4, i64::MAX)])])].concat();
        assert_eq!(logged(&huge, &mut 0).unwrap().size, Some(i64::MAX));
    }

    #[test]
    fn used_names_are_taken_apart() {
        let cases = [
            ("ds:v2", "ds", Some(2), vec![]),
            ("ds:latest", "ds", None, vec!["latest"]),
            ("ds", "ds", None, vec![]),
            ("team/project/ds:v10", "ds", Some(10), vec![]),
            ("ds:v", "ds", None, vec!["v"]),
            ("ds:v1beta", "ds", None, vec!["v1beta"]),
            ("ds:v99999999999999999999", "ds", None, vec!["v99999999999999999999"]),
        ];
        for (name, expected, version, aliases) in cases {
            let bytes = [field(1, "QXJ0"), field(2, "dataset"), field(3, name)].concat();
            let artifact = used(&bytes, &mut 0).unwrap();
            assert_eq!((artifact.name.as_str(), artifact.version), (expected, version), "{name}");
            assert_eq!(artifact.aliases, aliases, "{name}");
            assert_eq!(artifact.id.as_deref(), Some("QXJ0"));
        }
    }

    #[test]
    fn invalid_utf8_is_repaired_and_counted() {
        let mut repaired = 0;
        assert_eq!(owned(b"a\xffb", &mut repaired).as_deref(), Some("a\u{fffd}b"));
        assert_eq!(owned(b"fine", &mut repaired).as_deref(), Some("fine"));
        assert_eq!((owned(b"", &mut repaired), repaired), (None, 1));
    }
}
