//! The log source: `.wandb` transaction logs as the SDK leaves them on disk.

mod framing;
mod wire;
#[cfg(test)]
mod writer;
