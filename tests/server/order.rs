//! The order of runs, and which of them a page holds.

use super::filter::{Field, Filter, compare};
use super::switches::MaxFirst;
use super::text::offset;
use super::world::{Project, Run};
use super::{Nulls, Switches};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

/// Runs in a page if nobody says how many.
const DEFAULT_FIRST: usize = 50;
/// Lists that are remembered.
const REMEMBERED: usize = 64;

/// The positions of a project's runs that a filter leaves, in an order.
pub type Listing = Arc<Vec<u32>>;

/// Listings since the world changed last, so that the pages of one walk are not sorted anew.
#[derive(Default)]
pub struct Listings(Mutex<HashMap<String, Listing>>);

impl Listings {
    /// To be called whenever the world has changed.
    pub fn forget(&self) {
        self.0.lock().unwrap().clear();
    }

    /// The runs of a listing. The error is what the server says, with status 400.
    pub fn get(
        &self,
        project: &Project,
        filters: &str,
        order: Option<&str>,
        switches: &Switches,
        request: u64,
    ) -> Result<Listing, String> {
        let unstable = if switches.unstable_ties { request } else { 0 };
        let known = format!(
            "{}/{} {filters} {order:?} {unstable} {:?} {:?}",
            project.entity, project.name, switches.nulls, switches.lacking_filters
        );
        if let Some(listing) = self.0.lock().unwrap().get(&known) {
            return Ok(listing.clone());
        }
        let filter = Filter::parse(filters, &switches.lacking_filters)?;
        let listing = Arc::new(list(project, &filter, order, switches.nulls, unstable)?);
        let mut all = self.0.lock().unwrap();
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(known, listing.clone());
        Ok(listing)
    }
}

fn list(
    project: &Project,
    filter: &Filter,
    order: Option<&str>,
    nulls: Nulls,
    unstable: u64,
) -> Result<Vec<u32>, String> {
    let (descending, field) = parse(order.filter(|order| !order.is_empty()).unwrap_or("-created_at"))?;
    let mut found: Vec<(Key, u64, u32)> = (0u32..)
        .zip(&project.runs)
        .filter(|(_, run)| filter.holds(run, nulls))
        .map(|(at, run)| (Key::of(&field, run), tie(unstable, run, at), at))
        .collect();
    found.sort_by(|(a, tie_a, _), (b, tie_b, _)| {
        let order = a.cmp(b);
        (if descending { order.reverse() } else { order }).then(tie_a.cmp(tie_b))
    });
    Ok(found.into_iter().map(|(.., at)| at).collect())
}

/// Equal runs stay as they are, or are shuffled anew for each request.
fn tie(unstable: u64, run: &Run, at: u32) -> u64 {
    if unstable == 0 {
        return u64::from(at);
    }
    let mut hasher = DefaultHasher::new();
    (unstable, &run.name).hash(&mut hasher);
    hasher.finish()
}

/// `+field` or `-field`; no sign is `+`.
fn parse(order: &str) -> Result<(bool, Field), String> {
    let (descending, name) = match order.strip_prefix('-') {
        Some(name) => (true, name),
        None => (false, order.strip_prefix('+').unwrap_or(order)),
    };
    let refused = || format!("invalid order: \"{order}\"");
    match Field::parse(name, &Default::default()).map_err(|_| refused())? {
        Field::Column("createdAt" | "updatedAt" | "heartbeatAt" | "name" | "sweep")
        | Field::Config(_)
        | Field::Summary(_) => Ok((descending, Field::parse(name, &Default::default())?)),
        _ => Err(refused()),
    }
}

/// A value to sort by: nulls first, then numbers, texts, and the rest.
enum Key {
    Time(i64),
    Value(Option<Value>),
}

impl Key {
    fn of(field: &Field, run: &Run) -> Key {
        match field {
            Field::Column("createdAt") => Key::Time(run.created_at),
            field => Key::Value(field.values(run).into_iter().next()),
        }
    }

    fn cmp(&self, other: &Key) -> Ordering {
        let rank = |value: &Option<Value>| match value {
            None => 0,
            Some(Value::Number(_)) => 1,
            Some(Value::String(_)) => 2,
            Some(_) => 3,
        };
        match (self, other) {
            (Key::Time(a), Key::Time(b)) => a.cmp(b),
            (Key::Value(Some(a)), Key::Value(Some(b))) if rank(&Some(a.clone())) == rank(&Some(b.clone())) => {
                compare(a, b).unwrap_or(Ordering::Equal)
            }
            (Key::Value(a), Key::Value(b)) => rank(a).cmp(&rank(b)),
            _ => Ordering::Equal,
        }
    }
}

/// The part of a list of `len` that a page holds. The error is what the server says, with status 400.
pub fn page(
    len: usize,
    after: Option<&str>,
    first: Option<i64>,
    max: Option<MaxFirst>,
) -> Result<std::ops::Range<usize>, String> {
    let start = match after.filter(|after| !after.is_empty()) {
        Some(cursor) => offset(cursor).ok_or_else(|| format!("invalid cursor: \"{cursor}\""))? + 1,
        None => 0,
    };
    let first = match first {
        Some(first) => usize::try_from(first).map_err(|_| "first must not be negative".to_owned())?,
        None => DEFAULT_FIRST,
    };
    let first = match max {
        Some(MaxFirst::Cap(max)) => first.min(max),
        Some(MaxFirst::Refuse(max)) if first > max => return Err(format!("first must be at most {max}, got {first}")),
        _ => first,
    };
    let start = start.min(len);
    Ok(start..start.saturating_add(first).min(len))
}
