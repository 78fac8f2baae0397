//! The limits of one run, one answer and one file, as typed.

use clap::Args;

const HEADING: &str = "Limits";

/// How much hostile input may take. What exceeds a limit is left out, counted and named in the receipt.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Limits {
    /// Bytes of one record of a log, and of one run's config or summary [default: 64MB].
    #[arg(long, value_name = "BYTES", value_parser = bytes, hide_short_help = true, help_heading = HEADING)]
    pub(crate) max_value_bytes: Option<u64>,
    /// Keys of one run's config or summary, and metrics of a history [default: 1000000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), hide_short_help = true, help_heading = HEADING)]
    pub(crate) max_keys: Option<u64>,
    /// Objects and lists within each other in a JSON text [default: 10000, the least].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10_000..), hide_short_help = true, help_heading = HEADING)]
    pub(crate) max_depth: Option<u32>,
    /// Bytes of one answer of a server, decompressed [default: 128MB].
    #[arg(long, value_name = "BYTES", value_parser = bytes, hide_short_help = true, help_heading = HEADING)]
    pub(crate) max_answer_bytes: Option<u64>,
    /// Bytes of an exported history that are held at once [default: 2GB].
    #[arg(long, value_name = "BYTES", value_parser = bytes, hide_short_help = true, help_heading = HEADING)]
    pub(crate) max_file_bytes: Option<u64>,
}

impl From<Limits> for runframe::Limits {
    fn from(typed: Limits) -> Self {
        let mut limits = runframe::Limits::default();
        limits.value_bytes = typed.max_value_bytes.unwrap_or(limits.value_bytes);
        limits.keys = typed.max_keys.unwrap_or(limits.keys);
        limits.depth = typed.max_depth.map_or(limits.depth, |depth| depth as usize);
        limits.answer_bytes = typed.max_answer_bytes.unwrap_or(limits.answer_bytes);
        limits.file_bytes = typed.max_file_bytes.unwrap_or(limits.file_bytes);
        limits
    }
}

/// `1000`, `64MB`, `1.5 GB`, `64MiB`.
fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text} is no number of bytes; write it like 1000, 64MB or 2GiB");
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" | "k" => 1e3,
        "mb" | "m" => 1e6,
        "gb" | "g" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let bytes = number * factor;
    if (1.0..1e18).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_limits_stand_under_their_heading() {
        use clap::CommandFactory;
        for verb in super::super::Cli::command().get_subcommands() {
            let headed: Vec<_> = verb.get_arguments().filter(|arg| arg.get_help_heading() == Some(HEADING)).collect();
            assert!(headed.iter().all(|arg| arg.get_id().as_str().starts_with("max_")), "{}", verb.get_name());
            assert_eq!(headed.is_empty(), verb.get_name() == "completions");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, expected) in
            [("1000", 1_000), ("64MB", 64_000_000), ("1.5 gb", 1_500_000_000), ("2GiB", 2 << 30), ("1k", 1_000)]
        {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "-1", "MB", "1 TB", "many", "1e30", "NaN"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_given_is_the_librarys_default() {
        assert_eq!(runframe::Limits::from(Limits::default()), runframe::Limits::default());
        let typed = Limits { max_keys: Some(7), max_depth: Some(20_000), ..Limits::default() };
        let limits = runframe::Limits::from(typed);
        assert_eq!((limits.keys, limits.depth, limits.answer_bytes), (7, 20_000, 128_000_000));
    }
}
