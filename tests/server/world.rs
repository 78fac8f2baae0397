//! What the server serves: users, projects, runs and artifact versions, and every way to change them.

use super::history::History;
use super::text::{members, object};
use base64::Engine;
use std::sync::Arc;

/// All that a server knows. Cloning it makes a snapshot.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub users: Vec<Arc<User>>,
    /// Whom the API key belongs to: an index into `users`.
    pub viewer: usize,
    pub projects: Vec<Project>,
    /// The server's clock, in microseconds; every change moves it on by a second.
    pub now: i64,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct User {
    pub username: Option<String>,
    pub name: String,
    pub email: Option<String>,
    /// The default entity.
    pub entity: Option<String>,
    pub teams: Vec<String>,
    pub admin: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Project {
    pub entity: String,
    pub name: String,
    pub internal_id: u64,
    pub created_at: i64,
    /// Seen by the key's owner only, not without a key.
    pub private: bool,
    pub runs: Vec<Run>,
}

/// One run. Times are microseconds since the epoch; `config` is JSON text, wrapped as the server wraps it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    pub name: String,
    pub display_name: Option<String>,
    pub state: Option<String>,
    pub created_at: i64,
    pub heartbeat_at: Option<i64>,
    pub updated_at: Option<i64>,
    pub tags: Option<Vec<String>>,
    pub group: Option<String>,
    pub job_type: Option<String>,
    pub sweep: Option<String>,
    pub notes: Option<String>,
    pub host: Option<String>,
    pub commit: Option<String>,
    pub user: Option<Arc<User>>,
    pub config: Option<String>,
    pub summary: Option<String>,
    pub system_metrics: Option<String>,
    pub history_rows: Option<i64>,
    /// The logged steps; `None` where a test is about other things.
    pub history: Option<Arc<History>>,
    /// System metrics, each row as JSON.
    pub events: Arc<Vec<String>>,
    pub compute_seconds: f64,
    /// `None` inside is a version that was deleted or may not be seen.
    pub outputs: Vec<Option<Arc<Artifact>>>,
    pub inputs: Vec<Input>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    pub artifact: Option<Arc<Artifact>>,
    pub used_as: Vec<String>,
}

/// A version of an artifact.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Artifact {
    pub id: String,
    /// The collection's name, and the project it lives in: entity and name.
    pub collection: String,
    pub entity: String,
    pub project: String,
    pub kind: String,
    /// `None` while pending.
    pub version: Option<i64>,
    pub state: &'static str,
    pub description: Option<String>,
    pub metadata: Option<String>,
    pub size: i64,
    pub files: i64,
    pub digest: String,
    pub created_at: i64,
    pub aliases: Vec<Alias>,
    pub tags: Vec<String>,
    pub generated: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Alias {
    pub alias: String,
    /// The collection that the alias belongs to: not always the one the version came from.
    pub collection: String,
    pub entity: String,
    pub project: String,
    /// A registry's collection, not the source.
    pub portfolio: bool,
    /// False: the collection itself is not shown (`artifactCollection: null`).
    pub visible: bool,
}

/// A global id as W&B makes them: base64 of its parts.
pub fn global_id(parts: &[&str]) -> String {
    base64::engine::general_purpose::STANDARD.encode(parts.join(":"))
}

impl World {
    pub fn viewer(&self) -> Option<&Arc<User>> {
        self.users.get(self.viewer)
    }

    pub fn project(&self, entity: &str, name: &str) -> Option<&Project> {
        self.projects.iter().find(|p| p.entity == entity && p.name == name)
    }

    pub fn project_mut(&mut self, entity: &str, name: &str) -> Option<&mut Project> {
        self.projects.iter_mut().find(|p| p.entity == entity && p.name == name)
    }

    /// The time of the next change.
    pub fn tick(&mut self) -> i64 {
        self.now += 1_000_000;
        self.now
    }

    /// Adds a run, which gets `updated_at` if it has none.
    pub fn insert(&mut self, entity: &str, project: &str, mut run: Run) {
        let now = self.tick();
        run.updated_at = run.updated_at.or(Some(now));
        self.project_mut(entity, project).unwrap().runs.push(run);
    }

    /// Removes a run, which is handed back.
    pub fn delete(&mut self, entity: &str, project: &str, name: &str) -> Option<Run> {
        self.tick();
        let runs = &mut self.project_mut(entity, project)?.runs;
        let at = runs.iter().position(|run| run.name == name)?;
        Some(runs.remove(at))
    }

    /// Changes a run and its `updated_at`; false if there is none of this name.
    pub fn edit(&mut self, entity: &str, project: &str, name: &str, change: impl FnOnce(&mut Run)) -> bool {
        let now = self.tick();
        let Some(project) = self.project_mut(entity, project) else { return false };
        let Some(run) = project.runs.iter_mut().find(|run| run.name == name) else { return false };
        run.updated_at = Some(now);
        change(run);
        true
    }

    /// Gives a run another display name.
    pub fn rename(&mut self, entity: &str, project: &str, name: &str, display_name: &str) -> bool {
        self.edit(entity, project, name, |run| run.display_name = Some(display_name.to_owned()))
    }

    /// A sign of life: moves the run in every order by heartbeat or by update.
    pub fn bump(&mut self, entity: &str, project: &str, name: &str) -> bool {
        let now = self.now;
        self.edit(entity, project, name, |run| run.heartbeat_at = Some(now))
    }
}

impl Project {
    pub fn id(&self) -> String {
        global_id(&["Project", "v1", &self.name, &self.entity])
    }

    pub fn run(&self, name: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.name == name)
    }

    /// The names of the runs, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.runs.iter().map(|run| run.name.clone()).collect();
        names.sort();
        names
    }
}

impl Run {
    /// What the server knows of the history's keys, as JSON; without a history it is made from the summary.
    pub fn history_keys(&self) -> Option<String> {
        if let Some(history) = &self.history {
            return Some(history.keys().to_owned());
        }
        let rows = self.history_rows?;
        let keys = members(self.summary.as_deref()?).into_iter().filter(|(key, _)| key != "_wandb");
        let told = keys.map(|(key, value)| {
            let kind = match value.as_bytes()[0] {
                b'"' => "string",
                b'{' => "map",
                b'[' => "list",
                b't' | b'f' => "bool",
                b'n' => "nil",
                _ => "number",
            };
            let counts = format!("{{\"typeCounts\":[{{\"type\":\"{kind}\",\"count\":{rows}}}],\"monotonic\":false}}");
            (key, counts)
        });
        Some(format!("{{\"sets\":[],\"keys\":{},\"lastStep\":{}}}", object(told), rows - 1))
    }

    pub fn id(&self, project: &Project) -> String {
        global_id(&["Run", "v1", &self.name, &project.name, &project.entity])
    }
}
