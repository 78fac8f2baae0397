//! Changes to a server from outside of its process, by `POST /control`.

use super::generate::Recipe;
use super::rng::Rng;
use super::state::State;
use super::world::World;
use serde_json::{Value, json};
use std::time::Duration;

/// Carries out `{"edit": n, "edit_newest": n, "delete": n, "insert": n, "latency_ms": n, "requests": true, "forget": true}` on the first project.
pub fn control(state: &State, path: &str, body: &[u8]) -> Option<(u16, String)> {
    if path != "/control" {
        return None;
    }
    let Ok(asked) = serde_json::from_slice::<Value>(body) else { return Some((400, "no JSON".to_owned())) };
    let wanted = |key: &str| asked[key].as_u64().unwrap_or(0) as usize;
    // Only looking changes nothing, and nothing that was prepared is forgotten.
    if ["edit", "edit_newest", "delete", "insert"].into_iter().any(|key| wanted(key) > 0) {
        state.change(|world| {
            edit(world, wanted("edit"));
            edit_newest(world, wanted("edit_newest"));
            delete(world, wanted("delete"));
            insert(world, wanted("insert"));
        });
    }
    if let Some(latency) = asked["latency_ms"].as_u64() {
        let mut switches = state.switches.lock().unwrap();
        switches.latency = Duration::from_millis(latency);
        switches.storage.latency = switches.latency;
    }
    if asked["forget"] == true {
        state.forget_requests();
        state.storage.forget();
    }
    let requests: Vec<_> = state.requests().into_iter().filter(|request| request.path == "/graphql").collect();
    let bytes: usize = requests.iter().map(|request| request.bytes_out).sum();
    let in_flight = requests.iter().map(|request| request.in_flight).max();
    let files = state.storage.requests().len();
    Some((200, json!({"requests": requests.len(), "files": files, "bytes": bytes, "in_flight": in_flight}).to_string()))
}

/// The first project, and names of its runs spread evenly over it.
fn spread(world: &World, count: usize) -> (String, String, Vec<String>) {
    let project = &world.projects[0];
    let step = (project.runs.len() / count.max(1)).max(1);
    let names = project.runs.iter().step_by(step).take(count).map(|run| run.name.clone()).collect();
    (project.entity.clone(), project.name.clone(), names)
}

fn edit(world: &mut World, count: usize) {
    let names = spread(world, count).2;
    edit_runs(world, names);
}

/// What runs that are under way do: another summary, and a sign of life.
fn edit_newest(world: &mut World, count: usize) {
    let (entity, project, _) = spread(world, 0);
    let mut newest: Vec<_> = world.projects[0].runs.iter().map(|run| (run.created_at, run.name.clone())).collect();
    newest.sort_unstable();
    let names: Vec<String> = newest.into_iter().rev().take(count).map(|(_, name)| name).collect();
    for name in &names {
        world.bump(&entity, &project, name);
    }
    edit_runs(world, names);
}

fn edit_runs(world: &mut World, names: Vec<String>) {
    let (entity, project, _) = spread(world, 0);
    let mut rng = Rng::new(world.now as u64);
    for name in names {
        let loss = rng.unit();
        world.edit(&entity, &project, &name, |run| {
            let summary = run.summary.get_or_insert_with(|| "{}".to_owned());
            let members = super::text::members(summary).into_iter().filter(|(key, _)| key != "loss");
            let members = members.map(|(key, value)| (key, value.to_owned()));
            *summary = super::text::object(members.chain([("loss".to_owned(), loss.to_string())]));
        });
    }
}

fn delete(world: &mut World, count: usize) {
    let (entity, project, names) = spread(world, count);
    names.iter().for_each(|name| drop(world.delete(&entity, &project, name)));
}

fn insert(world: &mut World, count: usize) {
    let (entity, project, _) = spread(world, 0);
    for _ in 0..count {
        let index = 9_000_000 + (world.now / 1_000_000 % 1_000_000) as usize;
        let mut run = Recipe::runs(0).run(index, world.now, &world.users);
        run.updated_at = None;
        world.insert(&entity, &project, run);
    }
}
