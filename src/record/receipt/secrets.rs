//! What a receipt says of values that look like secrets: where they are and whether they were replaced, never what they are.

use super::{Receipt, count};
use serde_json::{Value, json};

/// A column that holds values that look like secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretColumn {
    /// Its path: `config.db.url`.
    pub column: String,
    /// How many values.
    pub values: u64,
    /// What the first of them looks like: the name of one of [`SECRET_RULES`](crate::SECRET_RULES).
    pub what: String,
}

/// How values were replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// What tells the key from others; not the key.
    pub key_check: String,
    /// The key was made for this load alone.
    pub random: bool,
    /// Columns all of whose texts were replaced, as the user named them.
    pub columns: Vec<String>,
}

/// Adds other columns to these, each column once.
pub(super) fn merge(all: &mut Vec<SecretColumn>, others: Vec<SecretColumn>) {
    for other in others {
        match all.binary_search_by(|one| one.column.cmp(&other.column)) {
            Ok(at) => all[at].values += other.values,
            Err(at) => all.insert(at, other),
        }
    }
}

impl Receipt {
    /// Adds columns with values that look like secrets.
    pub fn found_secrets(&mut self, columns: Vec<SecretColumn>) {
        merge(&mut self.secrets, columns);
    }

    /// One line for each column with values that look like secrets, if they are still there; one for all if they were replaced.
    pub fn secret_lines(&self) -> Vec<String> {
        let Some(redacted) = &self.redacted else {
            let line = |found: &SecretColumn| {
                let values = count(found.values, "value");
                let verb = if found.values == 1 { "looks" } else { "look" };
                format!("{}: {values} {verb} like a secret ({}); --redact replaces such", found.column, found.what)
            };
            return self.secrets.iter().map(line).collect();
        };
        let values = count(self.secrets.iter().map(|found| found.values).sum(), "value");
        let mut line = format!("redacted {values} in {}", count(self.secrets.len() as u64, "column"));
        if !redacted.columns.is_empty() {
            line += &format!(", and all texts of {}", redacted.columns.join(", "));
        }
        if redacted.random {
            line += "; with a key of this output alone: --redact-key-file makes equal values equal in others too";
        }
        vec![line]
    }

    pub(super) fn secrets_to_json(&self, receipt: &mut Value) {
        if !self.secrets.is_empty() {
            let column =
                |found: &SecretColumn| json!({"column": found.column, "values": found.values, "what": found.what});
            receipt["secrets"] = self.secrets.iter().map(column).collect();
        }
        if let Some(redacted) = &self.redacted {
            receipt["redacted"] =
                json!({"key": redacted.key_check, "random": redacted.random, "columns": redacted.columns});
        }
    }
}
