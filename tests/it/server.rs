//! The stand-in for W&B's server: every switch, filters, order, paging, and the GraphQL around them.

#[path = "../server/mod.rs"]
pub mod wandb;
