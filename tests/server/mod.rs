//! A stand-in for W&B's GraphQL server, in this process, on loopback: real GraphQL, Mongo filters, cursors, and trouble on demand.
//!
//! ```ignore
//! let server = Server::start(World::generate(&Recipe::runs(200)), Switches::default());
//! // WANDB_BASE_URL = server.url(), WANDB_API_KEY = KEY
//! server.set(|switches| switches.fail(Fault::Status(503), 2));
//! server.on_request(|number, world| if number == 3 { world.delete("acme", "fleet", "r0000007"); });
//! assert_eq!(server.requests()[0].operation.as_deref(), Some("Runs"));
//! ```
//!
//! ```text
//! http ─► schema ─► plan ─► execute ─► resolve ─► filter, order ─► world
//! faults   validates  spreads  writes    fields     of the runs     generate · logs · schedule · history
//!
//! http on a second port ─► storage: exported histories behind signed URLs, by byte ranges
//! ```
//!
//! It imitates what the public clients, docs and issues say of the server; `schema.graphql` holds the fields it knows.
// Tests and examples include this folder and use different parts of it.
#![allow(dead_code, unused_imports, unreachable_pub, clippy::unwrap_used, clippy::panic)]

mod body;
mod control;
mod execute;
mod filter;
mod generate;
mod history;
mod http;
mod logs;
mod order;
mod plan;
mod resolve;
mod rng;
mod schedule;
mod schema;
mod state;
mod storage;
mod switches;
mod text;
mod wire;
mod world;

pub use control::control;
pub use generate::Recipe;
pub use history::{History, HistoryRecipe, Of};
pub use http::Server;
pub use schedule::{Change, Schedule};
pub use state::{Moment, Request, State};
pub use storage::{Spoil, StorageSwitches};
pub use switches::{Fault, Limiter, Limits, MaxFirst, Nulls, Switches};
pub use text::{Dates, cursor, members, parse_time};
pub use world::{Alias, Artifact, Input, Project, Run, User, World, global_id};

/// The API key that a new server wants.
pub const KEY: &str = "5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b";
