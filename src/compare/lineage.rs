//! From a run to what it was made from, and to what was made from it.

use super::find::Names;
use super::links::{By, Index, Versions};
use super::tree;
use crate::error::Result;
use polars::prelude::*;
use std::collections::{HashSet, VecDeque};

/// The producers of a run's inputs and the consumers of its outputs, any number of steps away.
#[derive(Debug, Clone)]
pub struct Lineage {
    pub(super) run: RunName,
    pub(super) upstream: Vec<Step>,
    pub(super) downstream: Vec<Step>,
}

/// What a run is called.
#[derive(Debug, Clone)]
pub(super) struct RunName {
    pub(super) entity: Option<String>,
    pub(super) project: Option<String>,
    pub(super) name: Option<String>,
    pub(super) display_name: Option<String>,
    /// `entity/project/name`.
    pub(super) path: String,
}

/// One artifact version and the run at its other end.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Steps from the run that was asked for; 1 for its own inputs and outputs.
    pub(super) depth: usize,
    /// The run on this side: its path.
    pub(super) from: String,
    /// `model:v3`; `model:latest` where the version is not known.
    pub(super) artifact: String,
    pub(super) id: Option<String>,
    /// `None` if no run of the frame is known to have logged, or used, it.
    pub(super) run: Option<RunName>,
    pub(super) by: Option<By>,
    /// The run stands elsewhere in the tree too, where its own steps are.
    pub(super) again: bool,
}

/// Walks from a run to the runs that logged what it used, and to those that used what it logged, and so on, within the frame.
///
/// `runs` is a frame with the columns `name`, `logged_artifacts` and `used_artifacts`, and, as far as there, `entity`,
/// `project`, `display_name` and `created_at`; `run` names the run as for [`RunFrame::find_run`](crate::RunFrame::find_run).
/// Each run is gone on from once, so that cycles end.
///
/// A used artifact version is a logged one if both have the same id; else the same entity, project, name and version; else the
/// same entity, project, name and digest. Two versions that a server knows by different ids are different, whatever else
/// they share. Logs do not know which version `model:latest` was: it is taken for the last one that a run of the same
/// entity and project logged under this name and alias and that began before; such a link is told as `by` alias.
///
/// ```
/// # fn main() -> runframe::Result<()> {
/// use runframe::{RunFrame, compare};
///
/// let runs = RunFrame::open("examples/wandb")?.collect()?;
/// let lineage = compare::lineage(&runs, "eval-1")?;
/// assert!(lineage.tree().contains("model:latest ← still-lake-7 (lab/mnist/p1gtzh9t), by alias"));
/// assert_eq!(lineage.rows()?.column("direction")?.str()?.get(0), Some("upstream"));
/// # Ok(()) }
/// ```
///
/// # Errors
/// Unknown or ambiguous names; [`ErrorKind::Column`](crate::ErrorKind::Column) if the artifacts were not loaded.
pub fn lineage(runs: &DataFrame, run: &str) -> Result<Lineage> {
    let names = Names::of(runs)?;
    let (logged, used) = (Versions::of(runs, "logged_artifacts")?, Versions::of(runs, "used_artifacts")?);
    let root = names.find(run)?;
    let places = places(&names, runs.height());
    let began = match runs.column("created_at") {
        Ok(times) => times.cast(&DataType::Int64)?.i64()?.iter().collect(),
        Err(_) => vec![None; runs.height()],
    };
    let graph = Graph::of(names, &logged, &used, &Index::of(&logged, &places, &began));
    let upstream = graph.walk(root, |run| graph.inputs(run));
    let downstream = graph.walk(root, |run| graph.outputs(run));
    Ok(Lineage { run: graph.name(root), upstream, downstream })
}

/// A number for each entity and project.
fn places(names: &Names<'_>, height: usize) -> Vec<u32> {
    let mut numbers = PlHashMap::new();
    let mut place = |row| {
        let next = numbers.len() as u32;
        *numbers.entry(names.place(row)).or_insert(next)
    };
    (0..height).map(&mut place).collect()
}

/// All links of the frame.
struct Graph<'a> {
    names: Names<'a>,
    logged: &'a Versions,
    used: &'a Versions,
    /// For each used version the logged ones it is.
    producers: Vec<Option<(By, Vec<usize>)>>,
    /// For each logged version the used ones that are it.
    consumers: PlHashMap<usize, Vec<usize>>,
}

/// A way to go on from a run: the used and the logged version it goes by, and the run at the other end.
struct Way {
    used: Option<usize>,
    logged: Option<usize>,
    run: Option<usize>,
    by: Option<By>,
}

impl<'a> Graph<'a> {
    fn of(names: Names<'a>, logged: &'a Versions, used: &'a Versions, index: &Index<'_>) -> Self {
        let producers: Vec<_> = (0..used.len()).map(|at| index.find(used, at)).collect();
        let mut consumers: PlHashMap<usize, Vec<usize>> = PlHashMap::new();
        for (at, found) in producers.iter().enumerate() {
            for logged in found.iter().flat_map(|(_, logged)| logged) {
                consumers.entry(*logged).or_default().push(at);
            }
        }
        Graph { names, logged, used, producers, consumers }
    }

    /// From a run to the producers of what it used.
    fn inputs(&self, run: usize) -> Vec<Way> {
        let mut ways = Vec::new();
        for at in self.used.of_run(run) {
            match self.producers.get(at) {
                Some(Some((by, found))) => ways.extend(found.iter().map(|logged| Way {
                    used: Some(at),
                    logged: Some(*logged),
                    run: Some(self.logged.run(*logged)),
                    by: Some(*by),
                })),
                _ => ways.push(Way { used: Some(at), logged: None, run: None, by: None }),
            }
        }
        ways
    }

    /// From a run to the consumers of what it logged.
    fn outputs(&self, run: usize) -> Vec<Way> {
        let mut ways = Vec::new();
        for at in self.logged.of_run(run) {
            match self.consumers.get(&at) {
                Some(found) => ways.extend(found.iter().map(|used| Way {
                    used: Some(*used),
                    logged: Some(at),
                    run: Some(self.used.run(*used)),
                    by: self.producers.get(*used).and_then(|found| found.as_ref()).map(|(by, _)| *by),
                })),
                None => ways.push(Way { used: None, logged: Some(at), run: None, by: None }),
            }
        }
        ways
    }

    /// Every step from `root` on, parents before their children; the nearest place of a run is where it is gone on from.
    fn walk(&self, root: usize, ways: impl Fn(usize) -> Vec<Way>) -> Vec<Step> {
        let mut seen = HashSet::from([root]);
        let mut steps: Vec<Step> = Vec::new();
        let mut children: Vec<Vec<usize>> = vec![Vec::new()];
        // A run to go on from, and the step that led to it; 0 is the root, step n has number n + 1.
        let mut queue: VecDeque<(usize, usize)> = VecDeque::from([(root, 0)]);
        while let Some((run, parent)) = queue.pop_front() {
            let depth = parent.checked_sub(1).and_then(|at| steps.get(at)).map_or(1, |step| step.depth + 1);
            for way in ways(run) {
                let again = way.run.is_some_and(|run| !seen.insert(run));
                steps.push(Step {
                    depth,
                    from: self.names.path(run),
                    artifact: self.label(&way),
                    id: self.id(&way),
                    run: way.run.map(|run| self.name(run)),
                    by: way.by,
                    again,
                });
                children.push(Vec::new());
                children[parent].push(steps.len());
                if let (Some(next), false) = (way.run, again) {
                    queue.push_back((next, steps.len()));
                }
            }
        }
        in_tree_order(steps, &children)
    }

    /// `model:v3`; without version the aliases, `model:best,latest`.
    fn label(&self, way: &Way) -> String {
        let name = way.used.map(|at| self.used.name(at)).or(way.logged.map(|at| self.logged.name(at)));
        let name = name.unwrap_or_default();
        let version = way.used.and_then(|at| self.used.version(at));
        if let Some(version) = version.or_else(|| self.logged.version(way.logged?)) {
            return format!("{name}:v{version}");
        }
        let used = way.used.map(|at| self.used.aliases(at)).filter(|aliases| !aliases.is_empty());
        match used.or(way.logged.map(|at| self.logged.aliases(at))) {
            Some(aliases) if !aliases.is_empty() => format!("{name}:{}", aliases.join(",")),
            _ => name.to_owned(),
        }
    }

    fn id(&self, way: &Way) -> Option<String> {
        let used = way.used.and_then(|at| self.used.id(at));
        used.or_else(|| self.logged.id(way.logged?)).map(str::to_owned)
    }

    fn name(&self, run: usize) -> RunName {
        let (entity, project) = self.names.place(run);
        RunName {
            entity: entity.map(str::to_owned),
            project: project.map(str::to_owned),
            name: self.names.name(run).map(str::to_owned),
            display_name: self.names.display_name(run).map(str::to_owned),
            path: self.names.path(run),
        }
    }
}

/// Each step followed by those that go on from it. Not recursive: chains may be long.
fn in_tree_order(steps: Vec<Step>, children: &[Vec<usize>]) -> Vec<Step> {
    let mut steps: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(steps.len());
    let mut open: Vec<usize> = children[0].iter().rev().copied().collect();
    while let Some(number) = open.pop() {
        ordered.extend(steps.get_mut(number - 1).and_then(Option::take));
        open.extend(children[number].iter().rev());
    }
    ordered
}

impl Lineage {
    /// One row per step, in the order of [`Lineage::tree`]: `direction` (String: `upstream`, `downstream`), `depth` (Int64, from 1),
    /// `artifact` (String: `model:v3`) and `artifact.id`, then the run at its other end: `entity`, `project`, `name`,
    /// `display_name`, all null if no run of the frame is; `by` (String: what the link is known by: `id`, `version`, `digest`,
    /// `alias`); `from` (String: `entity/project/name` of the run on this side); `again` (Boolean: the run stands
    /// elsewhere too, where its own steps are).
    ///
    /// # Errors
    /// Only if Polars refuses a column.
    pub fn rows(&self) -> Result<DataFrame> {
        let steps: Vec<(&str, &Step)> = (self.upstream.iter().map(|step| ("upstream", step)))
            .chain(self.downstream.iter().map(|step| ("downstream", step)))
            .collect();
        let texts = |name: &str, get: &dyn Fn(&Step) -> Option<String>| {
            Column::new(name.into(), steps.iter().map(|(_, step)| get(step)).collect::<Vec<Option<String>>>())
        };
        let depths: Vec<i64> = steps.iter().map(|(_, step)| i64::try_from(step.depth).unwrap_or(i64::MAX)).collect();
        let columns = vec![
            Column::new("direction".into(), steps.iter().map(|(direction, _)| *direction).collect::<Vec<&str>>()),
            Column::new("depth".into(), depths),
            texts("artifact", &|step| Some(step.artifact.clone())),
            texts("artifact.id", &|step| step.id.clone()),
            texts("entity", &|step| step.run.as_ref()?.entity.clone()),
            texts("project", &|step| step.run.as_ref()?.project.clone()),
            texts("name", &|step| step.run.as_ref()?.name.clone()),
            texts("display_name", &|step| step.run.as_ref()?.display_name.clone()),
            texts("by", &|step| step.by.map(|by| by.name().to_owned())),
            texts("from", &|step| Some(step.from.clone())),
            Column::new("again".into(), steps.iter().map(|(_, step)| step.again).collect::<Vec<bool>>()),
        ];
        Ok(DataFrame::new(steps.len(), columns)?)
    }

    /// The lineage as text, a line per step, each indented below the one it goes on from.
    pub fn tree(&self) -> String {
        tree::text(self)
    }
}
