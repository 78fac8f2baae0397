//! The command line and its help.

use super::help::ALL;
use super::*;
use clap::CommandFactory;

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_has_examples() {
    let mut command = Cli::command();
    for verb in command.get_subcommands_mut() {
        let help = verb.render_long_help().to_string();
        assert!(help.contains("Examples:"), "{help}");
        assert!(!verb.render_help().to_string().contains("Examples:"), "-h is short");
    }
    assert!(command.render_long_help().to_string().contains("Exit codes:"));
}

#[test]
fn every_example_parses() {
    for text in ALL {
        for line in text.lines().filter_map(|line| line.trim().strip_prefix("runframe ")) {
            let line = line.split([' ']).collect::<Vec<_>>().join(" ");
            let line = line.split(" | ").next().unwrap().split(" > ~").next().unwrap();
            let line = line.split("     ").next().unwrap();
            Cli::try_parse_from(std::iter::once("runframe".to_owned()).chain(words(line))).unwrap();
        }
    }
}

#[test]
fn prose_is_for_clap_to_wrap() {
    for text in ALL {
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')) {
            assert!(line.ends_with(['.', ':']), "broken by hand: {line}");
        }
    }
    let mut command = Cli::command().term_width(50);
    command.build();
    let help = command.find_subcommand_mut("query").unwrap().render_long_help().to_string();
    assert!(help.contains("Names\nthat hold spaces or quotes are quoted:\n"), "{help}");
}

#[test]
fn expressions_may_begin_with_a_minus() {
    let parsed = |words: &[&str]| Cli::try_parse_from([&["runframe", "query", "x"], words].concat());
    for words in [["-w", "-config.g = -1"], ["--where", "-1 < x"], ["-s", "-config.g"], ["--sort", "-name"]] {
        parsed(&words).unwrap();
    }
    for words in [["-w", "-q"], ["-s", "-n"], ["-s", "--sort"], ["--where", "--quiet"]] {
        let error = parsed(&words).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("is a flag"), "{error}");
    }
}

#[test]
fn every_short_flag_is_known_to_be_one() {
    for verb in Cli::command().get_subcommands() {
        for short in verb.get_arguments().chain(Cli::command().get_arguments()).filter_map(clap::Arg::get_short) {
            assert!(no_flag(&format!("-{short}")).is_err(), "-{short}");
        }
    }
}

/// Words as a shell splits them, as far as the examples go.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.trim().chars() {
        match (c, quote) {
            (' ', None) => words.push(String::new()),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words
}
