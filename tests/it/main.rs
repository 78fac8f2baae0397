//! The crate as its users meet it: the library's face, the binary, the bundled runs. One binary, since each links Polars.

mod bad_input;
mod bundled;
mod cli;
mod log;
mod output;
mod push;
