//! A world of runs read from `.wandb` logs, as if they had been synced to a server.

use super::generate::alias;
use super::history::History;
use super::rng::Rng;
use super::text::{members, object, quote_non_finite};
use super::world::{Artifact, Input, Project, Run, User, World, global_id};
use runframe::{
    ArtifactVersion, Document, HistoryQuery, Kind, Loader, LogSource, Progress, Source, Timestamp, Wanted, sink,
};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What a log without entity or project is synced to.
const NOWHERE: (&str, &str) = ("local", "uncategorized");

impl World {
    /// Every run below `path`; `now` decides which are still running.
    pub fn from_logs(path: impl Into<PathBuf>, now: Timestamp) -> runframe::Result<World> {
        let path = path.into();
        let source = LogSource::open(std::slice::from_ref(&path))?.now(now);
        let batches = Mutex::new(Vec::new());
        let keep = |batch| {
            batches.lock().unwrap().push(batch);
            Ok(())
        };
        source.load(Wanted { raw: true, ..Wanted::default() }, &keep, &Progress::default())?;
        let mut batches: Vec<runframe::Batch> = batches.into_inner().unwrap();
        batches.sort_by_key(|batch| batch.order);
        let mut runs: Vec<runframe::Run> = batches.into_iter().flat_map(|batch| batch.runs).collect();
        runs.sort_by_key(|run| (run.created_at, run.name.clone()));
        let mut world = World { now: now.micros(), ..World::default() };
        let mut store = Store::default();
        runs.iter().for_each(|run| world.sync(run, &mut store));
        let last = store.settle();
        for run in world.projects.iter_mut().flat_map(|project| &mut project.runs) {
            let used = run.inputs.iter_mut().map(|input| &mut input.artifact);
            for version in run.outputs.iter_mut().chain(used).flatten() {
                *version = last[&version.id].clone();
            }
        }
        world.take_histories(&path)?;
        Ok(world)
    }

    /// Gives the runs the rows that their logs have, all of them live.
    fn take_histories(&mut self, path: &Path) -> runframe::Result<()> {
        let loader = Loader::default().source(path.to_str().unwrap())?;
        let history = loader.history(&HistoryQuery::new())?;
        let mut options = sink::Options::default();
        options.json_columns.extend(history.json_columns().iter().cloned());
        let mut lines = Vec::new();
        sink::write(&history.collect()?, sink::Format::Jsonl, &options, &mut lines)?;
        let mut rows: HashMap<String, Vec<(i64, String)>> = HashMap::new();
        for line in String::from_utf8(lines).unwrap().lines() {
            let mut row: Map<String, Value> = serde_json::from_str(line).unwrap();
            let mut part = |name: &str| row.remove(name).unwrap().as_str().map(str::to_owned);
            let (entity, project, name) = (part("entity"), part("project"), part("name").unwrap());
            let time = part("_timestamp").map(|text| Timestamp::parse(&text).unwrap().micros() as f64 / 1e6);
            row.insert("_timestamp".to_owned(), time.into());
            let Some(step) = row["_step"].as_i64() else { continue };
            let values = row.into_iter().filter(|(_, value)| !value.is_null());
            // The server has the keys as they were logged, without their kinds.
            let values: Map<String, Value> =
                values.map(|(key, value)| (Kind::split(&key).0.to_owned(), value)).collect();
            let entity = entity.unwrap_or_else(|| NOWHERE.0.to_owned());
            let project = project.unwrap_or_else(|| NOWHERE.1.to_owned());
            rows.entry(format!("{entity}/{project}/{name}")).or_default().push((step, Value::from(values).to_string()));
        }
        for project in &mut self.projects {
            for run in &mut project.runs {
                let rows = rows.remove(&format!("{}/{}/{}", project.entity, project.name, run.name));
                run.history_rows = rows.as_ref().map(|rows| rows.len() as i64).or(run.history_rows.map(|_| 0));
                run.history = rows.map(|rows| Arc::new(History::of(rows)));
            }
        }
        self.take_events(&loader)
    }

    /// Gives the runs the system metrics that their logs have.
    fn take_events(&mut self, loader: &Loader) -> runframe::Result<()> {
        let mut lines = Vec::new();
        let rows = loader.history(&HistoryQuery::new().system())?.collect()?;
        sink::write(&rows, sink::Format::Jsonl, &sink::Options::default(), &mut lines)?;
        let mut events: HashMap<String, Vec<String>> = HashMap::new();
        for line in String::from_utf8(lines).unwrap().lines() {
            let mut row: Map<String, Value> = serde_json::from_str(line).unwrap();
            let mut part = |name: &str| row.remove(name).unwrap().as_str().map(str::to_owned);
            let (entity, project, name) = (part("entity"), part("project"), part("name").unwrap());
            let time = part("_timestamp").map(|text| Timestamp::parse(&text).unwrap().micros() as f64 / 1e6);
            row.insert("_timestamp".to_owned(), time.into());
            row.retain(|_, value| !value.is_null());
            let entity = entity.unwrap_or_else(|| NOWHERE.0.to_owned());
            let project = project.unwrap_or_else(|| NOWHERE.1.to_owned());
            events.entry(format!("{entity}/{project}/{name}")).or_default().push(Value::from(row).to_string());
        }
        for project in &mut self.projects {
            for run in &mut project.runs {
                let rows = events.remove(&format!("{}/{}/{}", project.entity, project.name, run.name));
                run.events = Arc::new(rows.unwrap_or_default());
            }
        }
        Ok(())
    }

    fn sync(&mut self, run: &runframe::Run, store: &mut Store) {
        let entity = run.entity.clone().unwrap_or_else(|| NOWHERE.0.to_owned());
        let project = run.project.clone().unwrap_or_else(|| NOWHERE.1.to_owned());
        let user = self.user(&run.user, &entity);
        let created_at = run.created_at.map_or(self.now, Timestamp::micros);
        let mut synced = Run {
            name: run.name.clone(),
            display_name: run.display_name.clone(),
            state: run.state.clone(),
            created_at,
            heartbeat_at: run.heartbeat_at.map(Timestamp::micros),
            updated_at: run.heartbeat_at.or(run.created_at).map(Timestamp::micros),
            tags: Some(run.tags.clone().unwrap_or_default()),
            group: run.group.clone(),
            job_type: run.job_type.clone(),
            sweep: run.sweep.clone(),
            notes: run.notes.clone(),
            host: run.host.clone(),
            commit: run.commit.clone(),
            user,
            config: run.config.as_ref().map(wrapped),
            summary: run.summary.as_ref().map(|summary| quote_non_finite(&summary.text())),
            history_rows: run.history_rows,
            compute_seconds: run.compute_seconds.unwrap_or(0.0),
            ..Run::default()
        };
        let place = Place { entity: &entity, project: &project, created_at };
        let logged = run.logged_artifacts.iter().flatten();
        synced.outputs = logged.map(|version| Some(store.logged(version, &place))).collect();
        let used = run.used_artifacts.iter().flatten();
        synced.inputs =
            used.map(|version| Input { artifact: Some(store.used(version, &place)), used_as: Vec::new() }).collect();
        self.home(&entity, &project, created_at).runs.push(synced);
    }

    fn home(&mut self, entity: &str, project: &str, created_at: i64) -> &mut Project {
        let known = self.projects.iter().position(|known| known.entity == entity && known.name == project);
        let at = known.unwrap_or_else(|| {
            let internal_id = 4_096 + self.projects.len() as u64;
            let (entity, name) = (entity.to_owned(), project.to_owned());
            self.projects.push(Project { entity, name, internal_id, created_at, ..Project::default() });
            self.projects.len() - 1
        });
        &mut self.projects[at]
    }

    fn user(&mut self, user: &runframe::User, entity: &str) -> Option<Arc<User>> {
        let username = user.username.clone()?;
        let known = self.users.iter().find(|known| known.username.as_ref() == Some(&username));
        let found = known.cloned().unwrap_or_else(|| {
            let made = Arc::new(User {
                name: user.name.clone().unwrap_or_else(|| username.clone()),
                username: Some(username),
                email: user.email.clone(),
                entity: Some(entity.to_owned()),
                teams: vec![entity.to_owned()],
                admin: false,
            });
            self.users.push(made.clone());
            made
        });
        Some(found)
    }
}

/// Every top value in `{"value": …}`, as the server keeps a config.
fn wrapped(config: &Document) -> String {
    if config.wrapped {
        return config.text().into_owned();
    }
    object(
        members(&config.text()).into_iter().map(|(key, value)| (key, format!("{{\"desc\":null,\"value\":{value}}}"))),
    )
}

struct Place<'a> {
    entity: &'a str,
    project: &'a str,
    created_at: i64,
}

/// The versions that were synced, by collection.
#[derive(Default)]
struct Store(HashMap<String, Vec<Arc<Artifact>>>);

impl Store {
    fn collection(&mut self, name: &str, place: &Place<'_>) -> &mut Vec<Arc<Artifact>> {
        self.0.entry(format!("{}/{}/{name}", place.entity, place.project)).or_default()
    }

    /// The version that a run logged: a new one, unless one of the same content is there.
    fn logged(&mut self, version: &ArtifactVersion, place: &Place<'_>) -> Arc<Artifact> {
        let all = self.collection(&version.name, place);
        if let Some(same) = all.iter().find(|known| Some(&known.digest) == version.digest.as_ref()) {
            return same.clone();
        }
        let made = Arc::new(made(version, all.len() as i64, place));
        all.push(made.clone());
        made
    }

    /// Every version as it is in the end, by its id: an alias has moved on to the last version that was given it.
    fn settle(self) -> HashMap<String, Arc<Artifact>> {
        let mut last = HashMap::new();
        for versions in self.0.into_values() {
            let mut taken = HashSet::new();
            for mut version in versions.into_iter().rev() {
                Arc::make_mut(&mut version).aliases.retain(|alias| taken.insert(alias.alias.clone()));
                last.insert(version.id.clone(), version);
            }
        }
        last
    }

    /// The version that a run used: the one logged before, or one that somebody else logged.
    fn used(&mut self, version: &ArtifactVersion, place: &Place<'_>) -> Arc<Artifact> {
        let all = self.collection(&version.name, place);
        let same = all.iter().rev().find(|known| version.version.is_none_or(|wanted| known.version == Some(wanted)));
        if let Some(same) = same {
            return same.clone();
        }
        let made = Arc::new(made(version, version.version.unwrap_or(0), place));
        all.push(made.clone());
        made
    }
}

fn made(version: &ArtifactVersion, index: i64, place: &Place<'_>) -> Artifact {
    let mut made = Artifact {
        id: global_id(&["Artifact", place.project, &version.name, &index.to_string()]),
        collection: version.name.clone(),
        entity: place.entity.to_owned(),
        project: place.project.to_owned(),
        kind: version.kind.clone().unwrap_or_else(|| "unknown".to_owned()),
        version: Some(index),
        state: "COMMITTED",
        metadata: Some("{}".to_owned()),
        size: version.size.unwrap_or(0),
        files: 1,
        digest: version.digest.clone().unwrap_or_else(|| made_up(&version.name, index)),
        created_at: place.created_at,
        ..Artifact::default()
    };
    let numbered = format!("v{index}");
    let names = version.aliases.iter().chain([&numbered]);
    let aliases = names.map(|name| alias(&made, name)).collect();
    made.aliases = aliases;
    made
}

/// A digest for what no log says, the same every time.
fn made_up(name: &str, index: i64) -> String {
    let seed = name.bytes().fold(index as u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut rng = Rng::new(seed);
    format!("{:016x}{:016x}", rng.next(), rng.next())
}
