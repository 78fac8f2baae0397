//! What one run, one answer or one file may take at most, so that hostile ones cost bounded memory.

/// The most that is taken from one place. What exceeds a limit is left out, counted and named in the receipt; all else is read.
///
/// The defaults lie far beyond what W&B itself accepts. The command line has a flag for each.
///
/// ```
/// # fn main() -> runframe::Result<()> {
/// let mut limits = runframe::Limits::default();
/// limits.keys = 5_000_000;
/// let runs = runframe::RunFrame::loader().limits(limits).source("examples/wandb")?.load()?;
/// assert!(runs.receipt().over_limits.is_empty());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one record of a log, and of a run's config or summary as text; 64 MB. `--max-value-bytes`.
    pub value_bytes: u64,
    /// Keys of a run's config or summary, and metrics of a history; 1,000,000. `--max-keys`.
    pub keys: u64,
    /// Objects and lists within each other in a JSON text; 10,000. It holds for the whole process: the highest that any loader asked
    /// for, and never less than the default. `--max-depth`.
    pub depth: usize,
    /// Bytes of one answer of a server, after decompression; 128 MB. `--max-answer-bytes`.
    pub answer_bytes: u64,
    /// Bytes of an exported history that are held at once: of one range, or of a whole file where the storage host knows no ranges;
    /// 2 GB. `--max-file-bytes`.
    pub file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            value_bytes: 64_000_000,
            keys: 1_000_000,
            depth: 10_000,
            answer_bytes: 128_000_000,
            file_bytes: 2_000_000_000,
        }
    }
}

/// Something that was left out since it exceeds a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverLimit {
    /// The run, as `entity/project/name`.
    pub run: String,
    /// What is missing: `config`, `summary`, or both.
    pub place: String,
    /// The limit, its value, and the flag that raises it.
    pub reason: String,
}

impl Limits {
    /// Why a text is left out that has too many bytes: so many, if that is known.
    pub(crate) fn too_long(&self, bytes: Option<usize>) -> String {
        let more = format!("more bytes than --max-value-bytes {}", self.value_bytes);
        bytes.map_or(more.clone(), |bytes| format!("{more}: {bytes}"))
    }

    /// Why a text with too many keys is left out.
    pub(crate) fn too_many_keys(&self) -> String {
        format!("more keys than --max-keys {}", self.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_that_are_documented() {
        let Limits { value_bytes, keys, depth, answer_bytes, file_bytes } = Limits::default();
        assert_eq!((value_bytes, keys, depth), (64_000_000, 1_000_000, 10_000));
        assert_eq!((answer_bytes, file_bytes), (128_000_000, 2_000_000_000));
    }
}
