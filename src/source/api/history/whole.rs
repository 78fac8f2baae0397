//! A run's exported files from their opening to the jobs that are made of them, with its live rows among them.

use super::files::{File, Renew, Signed, clusters, together};
use super::job::Cluster;
use super::lists::RowText;
use super::load::{Live, Reader, Underway};
use super::lock;
use super::open::describe;
use crate::error::{Error, Result};
use std::pin::Pin;

/// How the reading of a run's files ended.
pub(super) enum Ended {
    Whole,
    /// The files cannot be read on; their rows up to before `from` are done.
    Broken {
        error: Error,
        from: Option<i64>,
    },
    Failed(Error),
}

/// The files of a run, as far as they can be opened.
pub(super) struct Opened<'a> {
    signed: Signed<'a>,
    files: std::result::Result<Vec<File>, Error>,
}

/// Asks for a run's URLs again.
struct Again<'a> {
    reader: &'a Reader<'a>,
    run: &'a String,
}

impl Renew for Again<'_> {
    fn urls(&self) -> Pin<Box<dyn Future<Output = Result<Vec<String>>> + '_>> {
        Box::pin(async {
            let described = describe(self.reader.remote, self.reader.parts, std::slice::from_ref(self.run)).await?;
            Ok(described.into_iter().flat_map(|of| of.urls).collect())
        })
    }
}

impl Reader<'_> {
    /// Opens the exported files of a run.
    pub(super) async fn open<'r>(&'r self, run: &'r Underway<'_>) -> Opened<'r> {
        let mut signed = Signed::new(self.storage, Box::new(Again { reader: self, run: &run.of.run }));
        let files = signed.open(run.of.urls.clone(), self.load.ask.keys, run.steps).await;
        Opened { signed, files }
    }

    /// The exported files of a run, and its live rows among them.
    pub(super) async fn exported(&self, run: &Underway<'_>, opened: Opened<'_>, mut live: Live, by_key: bool) -> Ended {
        live.sort_by_key(|(step, _)| *step);
        let Opened { mut signed, files } = opened;
        let mut from = None;
        let read = match files {
            Ok(files) => self.files(run, (files, live), by_key, &mut signed, &mut from).await,
            Err(error) => Err(error),
        };
        lock(self.load.totals).renewed += signed.renewed;
        match read {
            Ok(Ok(())) => Ended::Whole,
            Ok(Err(error)) => Ended::Failed(error),
            Err(error) => Ended::Broken { error, from },
        }
    }

    /// Outside what the files do wrong, inside what else does.
    async fn files(
        &self,
        run: &Underway<'_>,
        (mut files, live): (Vec<File>, Live),
        by_key: bool,
        signed: &mut Signed<'_>,
        from: &mut Option<i64>,
    ) -> std::result::Result<Result<()>, Error> {
        let mut live = live.into_iter().peekable();
        let all = clusters(&files, run.steps);
        let mut rest = &all[..];
        while let Some(first) = rest.first() {
            let next = live.peek().map(|(step, _)| *step);
            let count = together(&files, rest, next).min(rest.len());
            let (exported, count) = signed.fetch(&mut files, &rest[..count]).await?;
            let (now, later) = rest.split_at(count.min(rest.len()));
            rest = later;
            let mut among = Vec::new();
            let belongs = |step: &Option<i64>| first.steps.is_none_or(|(_, last)| step.is_none_or(|step| step <= last));
            while let Some((_, row)) = live.next_if(|(step, _)| belongs(step)) {
                among.push(row);
            }
            let parts = now.iter().map(|of| Cluster { groups: of.parts.len(), span: of.steps }).collect();
            if let Err(error) = self.send(run, exported, among.into(), by_key, parts).await {
                return Ok(Err(error));
            }
            *from = now.last().and_then(|of| Some(of.steps?.1.saturating_add(1)));
        }
        let rest: Vec<RowText> = live.map(|(_, row)| row).collect();
        match rest.is_empty() {
            true => Ok(Ok(())),
            false => Ok(self.send(run, Vec::new(), rest.into(), by_key, Vec::new()).await),
        }
    }
}
