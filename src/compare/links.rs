//! Which logged artifact version a used one is: the links between runs.

use super::artifacts::not_loaded;
use crate::error::Result;
use crate::ops::Lists;
use polars::prelude::*;

/// By what a used version was recognised as a logged one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Id,
    Version,
    Digest,
    Alias,
}

impl By {
    pub(super) fn name(self) -> &'static str {
        match self {
            By::Id => "id",
            By::Version => "version",
            By::Digest => "digest",
            By::Alias => "alias",
        }
    }
}

/// The artifact versions of one list column, opened.
pub(super) struct Versions {
    /// Start and end of each run's own.
    spans: Vec<(usize, usize)>,
    /// The run of each.
    runs: Vec<u32>,
    names: StringChunked,
    versions: Int64Chunked,
    aliases: Vec<Vec<String>>,
    digests: StringChunked,
    ids: StringChunked,
}

impl Versions {
    pub(super) fn of(runs: &DataFrame, column: &str) -> Result<Self> {
        let lists = Lists::of(runs.column(column).map_err(|_| not_loaded(column))?)?;
        let spans: Vec<(usize, usize)> = lists.spans.iter().map(|span| span.unwrap_or((0, 0))).collect();
        let Some(items) = lists.items else {
            let (texts, ints) = (StringChunked::default(), Int64Chunked::default());
            let none = (texts.clone(), texts.clone(), texts);
            let (names, digests, ids) = none;
            return Ok(Versions { spans, runs: Vec::new(), names, versions: ints, aliases: Vec::new(), digests, ids });
        };
        let fields = items.struct_()?;
        // A table of somebody else's may lack a field, or have it without a type.
        let field = |name: &str, dtype: &DataType| match fields.field_by_name(name) {
            Ok(field) => field.cast(dtype).map(|field| field.rechunk()),
            Err(_) => Ok(Series::full_null(name.into(), items.len(), dtype)),
        };
        let texts = |name: &str| -> Result<StringChunked> { Ok(field(name, &DataType::String)?.str()?.clone()) };
        let mut owners = vec![u32::MAX; items.len()];
        for (run, (start, end)) in spans.iter().enumerate() {
            owners[*start..*end].fill(run as u32);
        }
        let lists = field("aliases", &DataType::List(Box::new(DataType::String)))?;
        let alias = |list: Option<Series>| -> PolarsResult<Vec<String>> {
            let Some(list) = list else { return Ok(Vec::new()) };
            Ok(list.str()?.iter().flatten().map(str::to_owned).collect())
        };
        let lists = lists.list()?;
        Ok(Versions {
            spans,
            runs: owners,
            names: texts("name")?,
            versions: field("version", &DataType::Int64)?.i64()?.clone(),
            aliases: (0..lists.len()).map(|at| alias(lists.get_as_series(at))).collect::<PolarsResult<_>>()?,
            digests: texts("digest")?,
            ids: texts("id")?,
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    /// The artifact versions of one run.
    pub(super) fn of_run(&self, run: usize) -> std::ops::Range<usize> {
        self.spans.get(run).map_or(0..0, |(start, end)| *start..*end)
    }

    pub(super) fn run(&self, at: usize) -> usize {
        self.runs.get(at).map_or(usize::MAX, |run| *run as usize)
    }

    pub(super) fn name(&self, at: usize) -> &str {
        self.names.get(at).unwrap_or_default()
    }

    pub(super) fn version(&self, at: usize) -> Option<i64> {
        self.versions.get(at)
    }

    pub(super) fn aliases(&self, at: usize) -> &[String] {
        self.aliases.get(at).map_or(&[], Vec::as_slice)
    }

    pub(super) fn id(&self, at: usize) -> Option<&str> {
        self.ids.get(at)
    }

    /// All that belong to a run; a null list may hide some that do not.
    fn all(&self) -> impl Iterator<Item = usize> {
        (0..self.runs.len()).filter(|at| self.runs[*at] != u32::MAX)
    }

    /// Known to a server, so that another id means another version.
    fn is_served(&self, at: usize) -> bool {
        self.ids.get(at).is_some() && self.versions.get(at).is_some()
    }
}

/// Logged artifact versions by all that a used one may be recognised by. Built once.
pub(super) struct Index<'a> {
    logged: &'a Versions,
    /// The number of each run's entity and project.
    places: &'a [u32],
    /// When each run began.
    began: &'a [Option<i64>],
    by_id: PlHashMap<&'a str, Vec<usize>>,
    by_version: PlHashMap<(u32, &'a str, i64), Vec<usize>>,
    by_digest: PlHashMap<(u32, &'a str, &'a str), Vec<usize>>,
    /// In the order in which their runs began.
    by_alias: PlHashMap<(u32, &'a str, &'a str), Vec<usize>>,
}

impl<'a> Index<'a> {
    pub(super) fn of(logged: &'a Versions, places: &'a [u32], began: &'a [Option<i64>]) -> Self {
        let mut index = Index {
            logged,
            places,
            began,
            by_id: PlHashMap::new(),
            by_version: PlHashMap::new(),
            by_digest: PlHashMap::new(),
            by_alias: PlHashMap::new(),
        };
        for at in logged.all() {
            let (place, name) = (places[logged.run(at)], logged.name(at));
            if let Some(id) = logged.ids.get(at) {
                index.by_id.entry(id).or_default().push(at);
            }
            if let Some(version) = logged.version(at) {
                index.by_version.entry((place, name, version)).or_default().push(at);
            }
            if let Some(digest) = logged.digests.get(at) {
                index.by_digest.entry((place, name, digest)).or_default().push(at);
            }
            if logged.version(at).is_none() && began[logged.run(at)].is_some() {
                for alias in logged.aliases(at) {
                    index.by_alias.entry((place, name, alias)).or_default().push(at);
                }
            }
        }
        index.by_alias.values_mut().for_each(|list| list.sort_by_key(|at| began[logged.run(*at)]));
        index
    }

    /// The logged versions that the used one is, and by what that is known; the first rule that finds any decides.
    pub(super) fn find(&self, used: &Versions, at: usize) -> Option<(By, Vec<usize>)> {
        let run = used.run(at);
        let (place, name) = (*self.places.get(run)?, used.name(at));
        let by_id = used.ids.get(at).and_then(|id| self.by_id.get(id));
        if let Some(found) = by_id {
            return Some((By::Id, found.clone()));
        }
        let served = used.is_served(at);
        let may_be = |logged: &&usize| !(served && self.logged.is_served(**logged));
        let version = used.version(at);
        let by_version = version.and_then(|version| self.by_version.get(&(place, name, version)));
        let found: Vec<usize> = by_version.into_iter().flatten().filter(may_be).copied().collect();
        if !found.is_empty() {
            return Some((By::Version, found));
        }
        let same_version = |logged: &&usize| match (version, self.logged.version(**logged)) {
            (Some(used), Some(logged)) => used == logged,
            _ => true,
        };
        let by_digest = used.digests.get(at).and_then(|digest| self.by_digest.get(&(place, name, digest)));
        let found = by_digest.into_iter().flatten().filter(may_be).filter(same_version);
        let found: Vec<usize> = found.copied().collect();
        if !found.is_empty() {
            return Some((By::Digest, found));
        }
        match version {
            Some(_) => None,
            None => self.by_alias(used, at).map(|logged| (By::Alias, vec![logged])),
        }
    }

    /// The last version that had one of the aliases when the run began, by all that logs tell.
    fn by_alias(&self, used: &Versions, at: usize) -> Option<usize> {
        let run = used.run(at);
        let (place, name, began) = (*self.places.get(run)?, used.name(at), (*self.began.get(run)?)?);
        let last = |alias: &String| {
            let list = self.by_alias.get(&(place, name, alias.as_str()))?;
            let before = list.partition_point(|logged| self.began[self.logged.run(*logged)] <= Some(began));
            list[..before].iter().rev().copied().find(|logged| self.logged.run(*logged) != run)
        };
        used.aliases(at).iter().filter_map(last).max_by_key(|logged| self.began[self.logged.run(*logged)])
    }
}
