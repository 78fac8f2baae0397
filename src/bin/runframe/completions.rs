//! `completions`: the completion script for a shell.

use crate::args::Cli;
use clap::CommandFactory;
use clap_complete::Shell;
use runframe::{Error, Result, sink};
use std::path::Path;

/// Writes the script to the standard output.
pub(crate) fn run(shell: Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "runframe", &mut script);
    sink::save(Path::new("-"), |out| out.write_all(&script).map_err(|error| Error::io("stdout", error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_has_a_script() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "runframe", &mut script);
            assert!(String::from_utf8(script).unwrap().contains("no-artifacts"), "{shell}");
        }
    }
}
