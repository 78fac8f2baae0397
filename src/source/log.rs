//! The log source: `.wandb` transaction logs as the SDK leaves them on disk.

mod artifacts;
mod document;
mod framing;
mod messages;
mod tree;
mod wire;
#[cfg(test)]
mod writer;
