//! Folding the records of a run's folders, in order, into one run.

use super::artifacts::{Artifacts, owned};
use super::document::{Findings, Style, merge, render};
use super::items::{self, Change, Item};
use super::messages::{self, Environment, Exit, Kind, Record, RunMessage};
use super::metadata::Metadata;
use super::tree::{Full, Node, ROOT, Tree};
use super::wire::Malformed;
use crate::record::{Document, JsonFault, Limits, OverLimit, Receipt, Run, Timestamp, User, Wanted};

/// A run without an exit record is running if its last sign of life is no older; W&B's server has the same rule.
const ALIVE: f64 = 300.0;

/// A run while it is being folded. To be used again for the next run.
#[derive(Debug, Default)]
pub(super) struct Fold {
    config: Tree,
    pub(super) summary: Tree,
    artifacts: Artifacts,
    texts: Texts,
    totals: Totals,
    pub(super) folder: Folder,
    findings: Findings,
    limits: Limits,
    /// What of the run is left out, and why.
    over: Vec<(&'static str, String)>,
}

/// Texts of a run. A later one that is not empty replaces an earlier one, as in wandb-core.
#[derive(Debug, Default)]
struct Texts {
    id: Option<String>,
    entity: Option<String>,
    project: Option<String>,
    display_name: Option<String>,
    job_type: Option<String>,
    group: Option<String>,
    sweep: Option<String>,
    notes: Option<String>,
    tags: Option<Vec<String>>,
    host: Option<String>,
    commit: Option<String>,
    /// What the environment record, or the metadata file of older writers, says.
    machine: Machine,
}

#[derive(Debug, Default)]
struct Machine {
    username: Option<String>,
    email: Option<String>,
    host: Option<String>,
    commit: Option<String>,
}

/// What comes together over all folders of a run.
#[derive(Debug, Default)]
struct Totals {
    created: Option<Timestamp>,
    heartbeat: Option<Timestamp>,
    seconds: Option<i64>,
    rows: i64,
    exit: Option<Exit>,
    preempting: bool,
    /// Folders that held anything of a run.
    folders: u64,
}

/// What belongs to the folder that is being read.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// When the run was started, by its first run record.
    start: Option<Timestamp>,
    /// The same by the environment record.
    started_at: Option<Timestamp>,
    /// The latest time in any record.
    latest: Option<Timestamp>,
    /// Seconds that the run took before this folder, if it is a resumed one.
    before: i64,
    exit: Option<Exit>,
    preempting: bool,
    has_run: bool,
    /// True if anything of a run was found.
    pub(super) has_data: bool,
    /// True if there is an environment record, so that no metadata file is needed.
    pub(super) has_environment: bool,
    /// True if a summary record was found.
    pub(super) has_summary: bool,
    /// History rows.
    pub(super) rows: i64,
}

impl Fold {
    /// A fold that keeps these limits.
    pub(super) fn new(limits: Limits) -> Self {
        Fold { config: Tree::new(limits), summary: Tree::new(limits), limits, ..Fold::default() }
    }

    /// Forgets the last run.
    pub(super) fn clear(&mut self) {
        self.config.clear();
        self.summary.clear();
        self.artifacts.take();
        self.texts = Texts::default();
        self.totals = Totals::default();
        self.folder = Folder::default();
        self.findings = Findings::default();
        self.over.clear();
    }

    /// Begins the next folder of the run.
    pub(super) fn begin_folder(&mut self) {
        self.folder = Folder::default();
    }

    /// Takes one record; looks into it only as far as it is wanted.
    ///
    /// # Errors
    /// If its bytes are no message of its type; parts of it may have been taken.
    #[inline]
    pub(super) fn record(&mut self, record: &Record<'_>, wanted: Wanted) -> Result<(), Malformed> {
        let Some(kind) = record.kind else { return Ok(()) };
        self.folder.has_data = true;
        match kind {
            Kind::History => {
                self.folder.rows += 1;
                if wanted.heartbeat {
                    self.sign(items::row_time(record.body)?);
                }
            }
            Kind::Summary if wanted.summary || wanted.raw => {
                let any = items::changes(record.body, |change| fold_summary(&mut self.summary, change))?;
                self.folder.has_summary |= any;
            }
            Kind::Summary => self.folder.has_summary = true,
            Kind::Stats | Kind::Output | Kind::OutputRaw if wanted.heartbeat => {
                self.sign(messages::time_in(record.body, 2)?);
            }
            Kind::Stats | Kind::Output | Kind::OutputRaw | Kind::Metric => {}
            Kind::Config if wanted.config || wanted.raw => self.config_record(record.body, wanted)?,
            Kind::Artifact if wanted.artifacts => self.artifacts.log(record, &mut self.findings.repaired)?,
            Kind::UseArtifact if wanted.artifacts => self.artifacts.use_(record, &mut self.findings.repaired)?,
            Kind::Config | Kind::Artifact | Kind::UseArtifact => {}
            Kind::Run => self.run_record(record.body, wanted)?,
            Kind::Exit => self.folder.exit = Some(Exit::parse(record.body)?),
            Kind::Preempting => self.folder.preempting = true,
            Kind::Environment => self.environment(record.body)?,
        }
        Ok(())
    }

    /// Notes a sign of life.
    #[inline]
    fn sign(&mut self, time: Option<Timestamp>) {
        self.folder.latest = self.folder.latest.max(time);
    }

    fn config_record(&mut self, body: &[u8], wanted: Wanted) -> Result<(), Malformed> {
        let Fold { config, findings, .. } = self;
        items::changes(body, |change| {
            let (Change::Update(item) | Change::Remove(item)) = change;
            if !wanted.raw && item.path().next() == Some(b"_wandb") {
                return;
            }
            let node = node_of(config, &item);
            match change {
                Change::Update(_) => merge(config, node, item.json(), findings),
                Change::Remove(_) => config.remove(node),
            }
        })
        .map(drop)
    }

    fn run_record(&mut self, body: &[u8], wanted: Wanted) -> Result<(), Malformed> {
        let run = RunMessage::parse(body)?;
        let first = !self.folder.has_run;
        self.folder.has_run = true;
        let Fold { texts, findings, .. } = self;
        let repaired = &mut findings.repaired;
        if texts.id.is_none() {
            texts.id = owned(run.id, repaired);
        }
        let mut set = |slot: &mut Option<String>, bytes: &[u8]| {
            if let Some(text) = owned(bytes, repaired) {
                *slot = Some(text);
            }
        };
        set(&mut texts.entity, run.entity);
        set(&mut texts.project, run.project);
        set(&mut texts.group, run.group);
        set(&mut texts.job_type, run.job_type);
        set(&mut texts.display_name, run.display_name);
        set(&mut texts.notes, run.notes);
        set(&mut texts.sweep, run.sweep);
        set(&mut texts.host, run.host);
        set(&mut texts.commit, run.commit);
        let tags = texts.tags.get_or_insert_default();
        if !run.tags.is_empty() {
            *tags = run.tags.iter().map(|tag| owned(tag, &mut findings.repaired).unwrap_or_default()).collect();
        }
        if first {
            self.folder.start = run.start;
            self.folder.before = run.runtime;
            if wanted.config || wanted.raw {
                self.config_record(run.config, wanted)?;
            }
            if wanted.summary || wanted.raw {
                items::changes(run.summary, |change| fold_summary(&mut self.summary, change))?;
            }
        }
        Ok(())
    }

    fn environment(&mut self, body: &[u8]) -> Result<(), Malformed> {
        let part = Environment::parse(body)?;
        if !part.genuine {
            return Ok(());
        }
        self.folder.has_environment = true;
        self.folder.started_at = self.folder.started_at.or(part.started_at);
        let machine = &mut self.texts.machine;
        let slots = [
            (&mut machine.username, part.username),
            (&mut machine.email, part.email),
            (&mut machine.host, part.host),
            (&mut machine.commit, part.commit),
        ];
        for (slot, bytes) in slots {
            if let Some(text) = owned(bytes, &mut self.findings.repaired) {
                *slot = Some(text);
            }
        }
        Ok(())
    }

    /// Takes what the metadata file beside an older log says.
    pub(super) fn metadata(&mut self, metadata: Metadata) {
        let machine = &mut self.texts.machine;
        let slots = [
            (&mut machine.username, metadata.username),
            (&mut machine.email, metadata.email),
            (&mut machine.host, metadata.host),
            (&mut machine.commit, metadata.commit),
        ];
        for (slot, text) in slots {
            if text.is_some() {
                *slot = text;
            }
        }
        self.folder.started_at = self.folder.started_at.or(metadata.started_at);
    }

    /// Adds the folder that was read to the run.
    pub(super) fn end_folder(&mut self) {
        let Fold { folder, totals, .. } = self;
        if !folder.has_data {
            return;
        }
        totals.folders += 1;
        totals.rows = totals.rows.saturating_add(folder.rows);
        let start = folder.start.or(folder.started_at);
        totals.created = totals.created.or(start);
        // The exit record of a resumed run counts the seconds before it, too.
        let own = folder
            .exit
            .map(|exit| if exit.runtime >= folder.before { exit.runtime - folder.before } else { exit.runtime });
        let end = start.zip(own).and_then(|(start, own)| later(start, own));
        totals.heartbeat = totals.heartbeat.max(folder.latest).max(start).max(end);
        totals.exit = folder.exit;
        totals.preempting = folder.preempting;
        self.add_seconds();
    }

    /// Adds the time that the folder's exit record says the run took. One folder that does not say makes the sum unknown,
    /// unless a later one tells the seconds before it.
    fn add_seconds(&mut self) {
        let told = self.folder.before;
        let before = if told > 0 || self.totals.folders == 1 { Some(told) } else { self.totals.seconds };
        self.totals.seconds = self.folder.exit.zip(before).map(|(exit, before)| {
            let included = told > 0 && exit.runtime >= told;
            if included { exit.runtime } else { exit.runtime.saturating_add(before) }
        });
    }

    /// The run; `None` if no folder held anything of one. Its faults go to the receipt. `name` is for a run without an id.
    pub(super) fn finish(&mut self, name: &str, wanted: Wanted, now: Timestamp, receipt: &mut Receipt) -> Option<Run> {
        if self.totals.folders == 0 {
            return None;
        }
        let config = self.document(wanted.config || wanted.raw, wanted.raw, true);
        let summary = self.document(wanted.summary || wanted.raw, wanted.raw, false);
        let (logged, used) = self.artifacts.take();
        let state = self.state(wanted, now);
        let texts = std::mem::take(&mut self.texts);
        let run = Run {
            entity: texts.entity,
            project: texts.project,
            name: texts.id.unwrap_or_else(|| name.to_owned()),
            display_name: texts.display_name,
            state,
            created_at: self.totals.created,
            heartbeat_at: self.totals.heartbeat.filter(|_| wanted.heartbeat),
            updated_at: None,
            compute_seconds: self.totals.seconds.map(|seconds| seconds as f64),
            job_type: texts.job_type,
            group: texts.group,
            sweep: texts.sweep,
            notes: texts.notes,
            host: texts.host.or(texts.machine.host),
            commit: texts.commit.or(texts.machine.commit),
            tags: texts.tags,
            user: User { username: texts.machine.username, name: None, email: texts.machine.email },
            history_rows: Some(self.totals.rows),
            config,
            summary,
            logged_artifacts: wanted.artifacts.then_some(logged),
            used_artifacts: wanted.artifacts.then_some(used),
        };
        receipt.joined += u64::from(self.totals.folders > 1);
        receipt.repaired_texts += self.findings.repaired;
        receipt.repeated_keys += self.findings.repeated;
        for (place, reason) in self.over.drain(..) {
            receipt.over_limit(OverLimit { run: run.path(), place: place.to_owned(), reason });
        }
        for fault in std::mem::take(&mut self.findings.faults) {
            let (offset, reason) = (fault.error.offset as u64, fault.error.reason.to_owned());
            receipt.json_fault(JsonFault { run: run.path(), place: fault.place, offset, reason });
        }
        Some(run)
    }

    /// The state of the last folder. Whether a run without an exit record still runs, only its heartbeat tells.
    fn state(&self, wanted: Wanted, now: Timestamp) -> Option<String> {
        let state = match self.totals.exit {
            Some(exit) if exit.not_complete => "running",
            Some(exit) if exit.code == 0 => "finished",
            Some(_) => "failed",
            None if self.totals.preempting => "preempted",
            None if !wanted.heartbeat => return None,
            None => match self.totals.heartbeat {
                Some(heartbeat) if heartbeat.seconds_until(now) < ALIVE => "running",
                _ => "crashed",
            },
        };
        Some(state.to_owned())
    }

    fn document(&mut self, wanted: bool, internal: bool, config: bool) -> Option<Document> {
        let (tree, style) = match config {
            true => (&self.config, Style { name: "config", hide_null: false, internal }),
            false => (&self.summary, Style { name: "summary", hide_null: true, internal }),
        };
        if !wanted || tree.is_empty() {
            return None;
        }
        let reason = match tree.full() {
            Some(Full::Keys) => self.limits.too_many_keys(),
            Some(Full::Bytes) => self.limits.too_long(None),
            None => {
                let text = render(tree, style, &mut self.findings);
                if text.len() as u64 <= self.limits.value_bytes {
                    return Some(Document::plain(text));
                }
                self.limits.too_long(Some(text.len()))
            }
        };
        self.over.push((style.name, reason));
        None
    }
}

/// A time, seconds later.
fn later(start: Timestamp, seconds: i64) -> Option<Timestamp> {
    start.micros().checked_add(seconds.checked_mul(1_000_000)?).map(Timestamp::from_micros)
}

/// The node of an item's path.
#[inline]
pub(super) fn node_of(tree: &mut Tree, item: &Item<'_>) -> Node {
    match item.single() {
        Some(name) => tree.child(ROOT, name),
        None => item.path().fold(ROOT, |node, part| tree.child(node, part)),
    }
}

/// In a summary every value is one leaf, objects too.
#[inline]
fn fold_summary(tree: &mut Tree, change: Change<'_>) {
    match change {
        Change::Update(item) => {
            let node = node_of(tree, &item);
            tree.set(node, item.json());
        }
        Change::Remove(item) => {
            let node = node_of(tree, &item);
            tree.remove(node);
        }
    }
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;
