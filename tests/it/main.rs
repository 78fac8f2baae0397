//! The crate as its users meet it: the library's face, the binary, the bundled runs. One binary, since each links Polars.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod bundled;
mod cli;
mod compare;
mod expressions;
mod group;
mod history;
mod hostile;
mod identity;
mod lazy_history;
mod loads;
mod log;
mod output;
mod project;
mod pull;
mod pull_where;
mod push;
mod resources;
mod secrets;
mod server;
mod sql;
mod stored;
mod stored_history;
mod stored_rows;
#[path = "../server/mod.rs"]
mod wandb;
