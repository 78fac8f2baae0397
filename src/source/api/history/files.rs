//! A run's exported files: which parts of them are wanted, fetched in the order of their steps.

use super::exported::{Bytes, Exported, OWN};
use super::parquet::Footer;
use super::storage::{Got, Part, Storage, Trouble};
use super::{Keys, Steps};
use crate::error::{Error, ErrorKind};
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a file's end that are read at once: enough for most footers, and for all of a small file. They take as long as another
/// request would.
const TAIL: u64 = 192 << 10;
/// Parts of a file that are no farther apart are read in one request.
const GAP: u64 = 16 << 10;
/// How often in a row new URLs are asked for.
const REFRESHES: u32 = 3;
/// Bytes that the clusters which are read together have, and rows.
const TOGETHER: (u64, usize) = (512 << 10, 1 << 16);

/// A file of which the footer was read.
pub(super) struct File {
    url: String,
    footer: Arc<Footer>,
    /// All its bytes, where it is small or came whole.
    whole: Option<Bytes>,
    /// The columns that are wanted.
    columns: Arc<[String]>,
    name: Arc<str>,
}

/// Row groups whose steps may overlap: they are read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cluster {
    /// Files' and row groups' numbers, by their first steps.
    pub parts: Vec<(usize, usize)>,
    /// First and last step; `None` if a file does not say.
    pub steps: Option<(i64, i64)>,
}

/// A row group: its steps, if the file says so, and the file's and its own number.
type Placed = (Option<(i64, i64)>, (usize, usize));

/// The signed URLs of a run's files, and how to get new ones.
pub(super) struct Signed<'a> {
    storage: &'a Storage<'a>,
    /// What new URLs come from.
    renew: Box<dyn Renew + 'a>,
    /// New URLs asked for since something could be read.
    asked: u32,
    /// New URLs asked for in all.
    pub renewed: u64,
}

/// Where new signed URLs come from.
pub(super) trait Renew {
    /// The URLs of a run's files as they are signed now.
    fn urls(&self) -> std::pin::Pin<Box<dyn Future<Output = Result<Vec<String>, Error>> + '_>>;
}

impl<'a> Signed<'a> {
    pub(super) fn new(storage: &'a Storage<'a>, renew: Box<dyn Renew + 'a>) -> Self {
        Signed { storage, renew, asked: 0, renewed: 0 }
    }

    /// Reads the footers of these files; files without any wanted column are left out.
    ///
    /// # Errors
    /// If a file cannot be had, or is no exported history.
    pub(super) async fn open(
        &mut self,
        mut urls: Vec<String>,
        keys: &dyn Keys,
        steps: Steps,
    ) -> Result<Vec<File>, Error> {
        loop {
            let read = try_join_all(urls.iter().map(|url| open(self.storage, url, keys))).await;
            match read {
                Ok(files) => {
                    self.asked = 0;
                    let wanted = |file: &File| file.footer.groups.iter().any(|group| steps.meet(group.steps));
                    return Ok(files.into_iter().flatten().filter(wanted).collect());
                }
                Err(trouble) => urls = self.renew(trouble).await?,
            }
        }
    }

    /// Fetches the wanted columns of the row groups of the first clusters, and how many these are: all of them, or one where signatures
    /// expire meanwhile.
    ///
    /// # Errors
    /// If they cannot be had.
    pub(super) async fn fetch(
        &mut self,
        files: &mut [File],
        clusters: &[Cluster],
    ) -> Result<(Vec<Exported>, usize), Error> {
        let mut count = clusters.len();
        loop {
            match self.fetch_parts(files, clusters.get(..count).unwrap_or(clusters)).await {
                Ok(exported) => {
                    self.asked = 0;
                    return Ok((exported, count));
                }
                Err(trouble) => {
                    count = count.min(1);
                    let urls = self.renew(trouble).await?;
                    for file in files.iter_mut() {
                        let same = urls.iter().find(|url| path(url) == path(&file.url));
                        let gone =
                            || Error::new(ErrorKind::Network, "an exported history was replaced while it was read");
                        file.url.clone_from(same.ok_or_else(gone)?);
                    }
                }
            }
        }
    }

    /// The row groups of these clusters, in their order; those of one file are fetched together.
    async fn fetch_parts(&self, files: &[File], clusters: &[Cluster]) -> Result<Vec<Exported>, Trouble> {
        let parts: Vec<(usize, usize)> = clusters.iter().flat_map(|cluster| cluster.parts.iter().copied()).collect();
        let numbers: BTreeSet<usize> = parts.iter().map(|(file, _)| *file).collect();
        let of_file = |number| parts.iter().filter(move |(file, _)| *file == number).map(|(_, group)| *group);
        let each = numbers.iter().filter_map(|number| Some((files.get(*number)?, of_file(*number).collect())));
        let exported = try_join_all(each.map(|(file, groups)| fetch(self.storage, file, groups))).await?;
        let mut of_files: BTreeMap<usize, _> =
            numbers.iter().copied().zip(exported.into_iter().map(Vec::into_iter)).collect();
        Ok(parts.iter().filter_map(|(file, _)| of_files.get_mut(file)?.next()).collect())
    }

    async fn renew(&mut self, trouble: Trouble) -> Result<Vec<String>, Error> {
        match trouble {
            Trouble::Stale(error) if self.asked >= REFRESHES => Err(error),
            Trouble::Stale(_) => {
                self.asked += 1;
                self.renewed += 1;
                self.renew.urls().await
            }
            Trouble::Failed(error) => Err(error),
        }
    }
}

/// The last part of a URL's path.
fn name_of(url: &str) -> String {
    path(url).rsplit('/').next().unwrap_or_default().to_owned()
}

/// An error of a file, with its name.
fn of_file(url: &str, error: Error) -> Trouble {
    let told = Error::new(error.kind(), format!("{}: {}", name_of(url), error.message()));
    Trouble::Failed(told)
}

/// A URL without its signature.
fn path(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

async fn open(storage: &Storage<'_>, url: &str, keys: &dyn Keys) -> Result<Option<File>, Trouble> {
    let mut got = storage.get(url, Part::Tail(TAIL)).await?;
    let length = Footer::length(&got.bytes).map_err(|error| of_file(url, error))?;
    if length > got.size {
        let error = Error::new(ErrorKind::Format, "an exported history has a footer larger than itself");
        return Err(of_file(url, error));
    }
    if length > got.bytes.len() as u64 {
        let start = got.size - length;
        let before = storage.get(url, Part::Of(start..got.start)).await?;
        let mut bytes = slice(&before, &(start..got.start)).ok_or_else(|| short(url))?.to_vec();
        bytes.append(&mut got.bytes);
        got = Got { bytes, start, size: got.size };
    }
    let footer = slice(&got, &(got.size - length..got.size)).ok_or_else(|| short(url))?.to_vec();
    let footer = Footer::read(footer, got.size - length).map_err(|error| of_file(url, error))?;
    let whole = (got.start == 0).then(|| got.bytes.into());
    if !footer.columns().any(|name| name == "_step") {
        return Err(of_file(url, Error::new(ErrorKind::Format, "an exported history without a column _step")));
    }
    let wanted = |name: &&str| OWN.contains(name) || (*name != "_wandb" && (keys.all() || keys.may_take_below(name)));
    let columns: Vec<String> = footer.columns().filter(wanted).map(str::to_owned).collect();
    if let Some(name) = footer.unreadable(&columns) {
        let what = format!("column {name} of an exported history has a type that is not read");
        return Err(of_file(url, Error::new(ErrorKind::Unsupported, what)));
    }
    let any = keys.keeps_all_rows() || columns.iter().any(|name| !OWN.contains(&name.as_str()));
    let name = name_of(url).into();
    Ok(any.then(|| File { url: url.to_owned(), footer: Arc::new(footer), whole, columns: columns.into(), name }))
}

/// The wanted columns of these row groups, in their order.
async fn fetch(storage: &Storage<'_>, file: &File, groups: Vec<usize>) -> Result<Vec<Exported>, Trouble> {
    let ranges: Vec<Vec<(usize, Range<u64>)>> =
        groups.iter().map(|group| file.footer.ranges(*group, &file.columns)).collect();
    let fetched: Vec<(u64, Bytes)> = match &file.whole {
        Some(whole) => vec![(0, whole.clone())],
        None => {
            let spans = coalesced(ranges.iter().flatten().map(|(_, range)| range.clone()).collect());
            let got = try_join_all(spans.into_iter().map(|span| storage.get(&file.url, Part::Of(span)))).await?;
            got.into_iter().map(|got| (got.start, got.bytes.into())).collect()
        }
    };
    let part = |range: &Range<u64>| {
        // The spans rise, and each range is in one of them.
        let (start, bytes) =
            fetched.get(fetched.partition_point(|(start, _)| *start <= range.start).checked_sub(1)?)?;
        bytes.part(usize::try_from(range.start - start).ok()?..usize::try_from(range.end.checked_sub(*start)?).ok()?)
    };
    let mut exported = Vec::with_capacity(groups.len());
    for (group, ranges) in groups.into_iter().zip(ranges) {
        let chunk = |(at, range): &(usize, Range<u64>)| Some((*at, part(range)?));
        let chunks = ranges.iter().map(chunk).collect::<Option<BTreeMap<_, _>>>().ok_or_else(|| short(&file.url))?;
        let (name, footer, columns) = (file.name.clone(), file.footer.clone(), file.columns.clone());
        exported.push(Exported { file: name, footer, group, columns, chunks });
    }
    Ok(exported)
}

/// How many of the first clusters are read together, the next rows that are in no file beginning with `live`.
pub(super) fn together(files: &[File], clusters: &[Cluster], live: Option<Option<i64>>) -> usize {
    let (mut bytes, mut rows) = (0, 0);
    let fits = |cluster: &&Cluster| {
        for (file, group) in &cluster.parts {
            let Some(file) = files.get(*file) else { continue };
            bytes +=
                file.footer.ranges(*group, &file.columns).iter().map(|(_, range)| range.end - range.start).sum::<u64>();
            rows += file.footer.groups.get(*group).map_or(0, |group| group.rows);
        }
        let among = |last| live.is_some_and(|step| step.is_none_or(|step| step <= last));
        bytes <= TOGETHER.0 && rows <= TOGETHER.1 && cluster.steps.is_some_and(|(_, last)| !among(last))
    };
    clusters.iter().take_while(fits).count().max(1)
}

fn short(url: &str) -> Trouble {
    of_file(url, Error::new(ErrorKind::Format, "an exported history is shorter than its footer says"))
}

/// A range of the file among the bytes that came.
fn slice<'g>(got: &'g Got, range: &Range<u64>) -> Option<&'g [u8]> {
    let from = usize::try_from(range.start.checked_sub(got.start)?).ok()?;
    let to = usize::try_from(range.end.checked_sub(got.start)?).ok()?;
    got.bytes.get(from..to)
}

/// Ranges with those joined that overlap or are nearly neighbours.
fn coalesced(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut spans: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match spans.last_mut() {
            Some(last) if range.start <= last.end + GAP => last.end = last.end.max(range.end),
            _ => spans.push(range),
        }
    }
    spans
}

/// The wanted row groups of all files, those that may overlap together, by their steps.
pub(super) fn clusters(files: &[File], steps: Steps) -> Vec<Cluster> {
    let mut groups: Vec<Placed> = Vec::new();
    for (file, of) in files.iter().enumerate() {
        let wanted = of.footer.groups.iter().enumerate().filter(|(_, group)| group.rows > 0 && steps.meet(group.steps));
        groups.extend(wanted.map(|(at, group)| (group.steps, (file, at))));
    }
    cluster(groups)
}

fn cluster(mut groups: Vec<Placed>) -> Vec<Cluster> {
    groups.sort();
    if groups.iter().any(|(steps, _)| steps.is_none()) {
        return vec![Cluster { parts: groups.into_iter().map(|(_, at)| at).collect(), steps: None }];
    }
    let mut found: Vec<Cluster> = Vec::new();
    for (steps, at) in groups {
        let Some((first, last)) = steps else { continue };
        match found.last_mut() {
            Some(Cluster { parts, steps: Some((_, end)) }) if first <= *end => {
                parts.push(at);
                *end = last.max(*end);
            }
            _ => found.push(Cluster { parts: vec![at], steps }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_fetched_together() {
        let far = 10 * GAP;
        assert_eq!(coalesced(vec![far..far + 5, 0..10, 10..20, 3..3]), [0..20, far..far + 5]);
    }

    #[test]
    fn row_groups_that_share_steps_are_read_together() {
        let some = |first, last, at| (Some((first, last)), at);
        let found = cluster(vec![some(10, 19, (1, 0)), some(0, 9, (0, 0)), some(15, 30, (0, 1))]);
        let parts: Vec<_> = found.iter().map(|cluster| (cluster.parts.clone(), cluster.steps)).collect();
        assert_eq!(parts, [(vec![(0, 0)], Some((0, 9))), (vec![(1, 0), (0, 1)], Some((10, 30)))]);
        assert_eq!(cluster(vec![some(0, 9, (0, 0)), (None, (0, 1))]).len(), 1);
    }
}
