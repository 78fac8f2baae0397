//! A stand-in for W&B's server, to try `runframe` on `entity/project` without an account.
//!
//! ```text
//! cargo run --example wandb_server -- --serve                                  # the bundled runs, on port 8765
//! cargo run --release --example wandb_server -- --serve --runs 10000 --latency-ms 50
//! cargo run --release --example wandb_server -- --serve --runs 100 --steps 1000   # with logged steps; --wide 5 adds metrics, --row-group 64 cuts files
//! ```
//!
//! Without `--serve` it asks itself one question and ends. While it serves, `POST /control` changes the world:
//! `{"edit": 100}` (so many runs get another summary), `{"edit_newest": 100}`, `{"delete": 3}`, `{"insert": 3}`, `{"latency_ms": 20}`, `{"requests": true}`.
#![allow(clippy::print_stdout)]

#[path = "../tests/server/mod.rs"]
mod server;

use base64::Engine;
use runframe::Timestamp;
use serde_json::{Value, json};
use server::{HistoryRecipe, KEY, Recipe, Server, StorageSwitches, Switches, World};
use std::time::Duration;

/// The value that follows an option.
fn option(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1)
}

fn flag(name: &str) -> bool {
    std::env::args().any(|arg| arg == name)
}

fn number(name: &str, default: u64) -> u64 {
    option(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let serve = flag("--serve");
    let world = match option("--runs").and_then(|runs| runs.parse().ok()) {
        Some(runs) => {
            // With logged steps, the last tenth of which is not exported yet.
            let rows = option("--steps").and_then(|rows| rows.parse().ok());
            let wide = option("--wide").and_then(|wide| wide.parse().ok()).unwrap_or(0);
            // As many rows to a group as writers of Parquet put there by themselves, or more.
            let row_group = number("--row-group", 65_536) as usize;
            let history = rows.map(|rows| {
                let live = rows / 10;
                HistoryRecipe { live, structs: true, wide, row_group, ..HistoryRecipe::rows(rows) }
            });
            World::generate(&Recipe { seed: number("--seed", 7), history, ..Recipe::runs(runs) })
        }
        // The bundled runs are of November 2026; "now" is set so that their states stay the same.
        None => {
            let now = Timestamp::parse("2026-11-13T16:24:00Z").ok_or("no time")?;
            World::from_logs("examples/wandb", now)?
        }
    };
    let projects: Vec<(String, usize)> =
        world.projects.iter().map(|p| (format!("{}/{}", p.entity, p.name), p.runs.len())).collect();
    let latency = Duration::from_millis(number("--latency-ms", 0));
    // Of the storage host, too.
    let storage = StorageSwitches { latency, ..StorageSwitches::default() };
    let switches = Switches { latency, storage, gzip: flag("--gzip"), ..Switches::default() };
    let port = if serve { u16::try_from(number("--port", 8765))? } else { 0 };
    let server = Server::start_at(port, world, switches, Some(Box::new(server::control)));

    for (path, runs) in &projects {
        println!("{path}: {runs} runs");
    }
    if serve {
        println!("export WANDB_BASE_URL={} WANDB_API_KEY={KEY}", server.url());
        println!("Ctrl-C ends it.");
        loop {
            std::thread::park();
        }
    }
    ask(&server, &projects[0].0)
}

/// One query, as any client sends it.
fn ask(server: &Server, path: &str) -> Result<(), Box<dyn std::error::Error>> {
    let (entity, project) = path.split_once('/').ok_or("no path")?;
    let query = "query Newest($entity: String!, $project: String!) {
        project(name: $project, entityName: $entity) {
            runCount(filters: \"{\\\"state\\\": \\\"finished\\\"}\")
            runs(first: 2, order: \"-created_at\") { edges { node { name displayName createdAt } cursor } }
        }
    }";
    let body = json!({"query": query, "variables": {"entity": entity, "project": project}});
    let key = base64::engine::general_purpose::STANDARD.encode(format!("api:{KEY}"));
    let asked = ureq::post(format!("{}/graphql", server.url())).header("authorization", format!("Basic {key}"));
    let mut answer = asked.send_json(&body)?;
    let answer: Value = answer.body_mut().read_json()?;
    println!("{answer:#}");
    Ok(())
}
