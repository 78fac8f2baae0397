//! Which parts of the runs some texts need, and which top-level keys of config and summary, before any schema is known.

use super::lexer::quoted;
use super::mongo::Mongo;
use super::names::{is_name_char, needs_quotes};
use super::select::mentions;
use crate::columns::{PREFIXES, resolve_alias};
use crate::record::Wanted;
use polars::prelude::Schema;
use std::collections::BTreeSet;

/// A name that may end at more places than this is not looked into: then every key is asked for.
const MAX_ENDS: usize = 64;

/// What must be loaded for some texts: never too little, sometimes too much.
///
/// A text that is evaluated on runs with these parts and keys only means what it means on whole runs; only errors differ,
/// which name the nearest of the columns that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// The parts; config and summary only if some of their keys are needed.
    pub wanted: Wanted,
    /// The top-level keys of config that may hold a column that is named; `None`: all keys.
    pub config: Option<BTreeSet<String>>,
    /// The same of the summary.
    pub summary: Option<BTreeSet<String>>,
}

/// What conditions (`filters`) and lists of columns (`lists`, as in `--select` and `--sort`) need.
///
/// A key of its own may hold a dot: `config.optimizer.lr` is `lr` in the object `optimizer` or the key `optimizer.lr`, so
/// that both keys are needed. A glob that may mean a column of config needs all of config.
///
/// ```
/// use runframe::expr;
///
/// let needs = expr::needs(&["summary.val/loss < 0.1"], &["name, config.optimizer.lr"]);
/// assert_eq!(needs.config.unwrap().into_iter().collect::<Vec<_>>(), ["optimizer", "optimizer.lr"]);
/// assert_eq!(needs.summary.unwrap().into_iter().collect::<Vec<_>>(), ["val", "val/loss"]);
/// assert!(needs.wanted.config && !needs.wanted.artifacts);
/// ```
pub fn needs<S: AsRef<str>>(filters: &[S], lists: &[S]) -> Needs {
    let mut needs = Needs::nothing();
    filters.iter().for_each(|text| needs.add_filter(text.as_ref()));
    lists.iter().for_each(|text| needs.add_list(text.as_ref()));
    needs
}

impl Needs {
    /// Only what is always loaded.
    pub fn nothing() -> Self {
        let wanted = Wanted { config: false, summary: false, artifacts: false, heartbeat: false, raw: false };
        Needs { wanted, config: Some(BTreeSet::new()), summary: Some(BTreeSet::new()) }
    }

    /// Everything but the raw texts.
    pub fn everything() -> Self {
        Needs { wanted: Wanted::default(), config: None, summary: None }
    }

    /// Adds what a condition needs.
    pub fn add_filter(&mut self, text: &str) {
        self.add_names(text);
    }

    /// Adds what a list of columns, globs and expressions needs.
    pub fn add_list(&mut self, text: &str) {
        self.add_names(text);
        for glob in text.split(',').filter_map(glob) {
            let glob = resolve_alias(glob).unwrap_or_else(|| glob.to_owned());
            let fixed = glob.split(['*', '?']).next().unwrap_or_default();
            let may_be = |root: &str| root.starts_with(fixed) || fixed.starts_with(root);
            if may_be("config.") {
                self.config = None;
            }
            if may_be("summary.") {
                self.summary = None;
            }
        }
        self.settle();
    }

    /// Adds what a filter in W&B's own language needs where it is evaluated here.
    pub fn add_mongo(&mut self, filter: &Mongo) {
        self.add_parts(&filter.json().to_string());
        filter.missing(&Schema::default()).iter().for_each(|column| self.add_column(column));
        self.settle();
    }

    /// The parts without config and summary, whose keys tell whether they are needed.
    fn add_parts(&mut self, text: &str) {
        let found = mentions(text);
        let wanted = &mut self.wanted;
        wanted.artifacts |= found.artifacts;
        wanted.heartbeat |= found.heartbeat;
        wanted.raw |= found.raw;
    }

    fn add_names(&mut self, text: &str) {
        self.add_parts(text);
        for (prefix, _) in PREFIXES {
            // Wherever it stands, and as far as a bare name can go: the longest column that is there counts.
            for (at, _) in text.match_indices(prefix) {
                let rest = text.get(at..).unwrap_or_default();
                self.add_column(&rest[..rest.find(needs_quotes).unwrap_or(rest.len())]);
            }
        }
        for (at, quote) in text.match_indices(['"', '`']) {
            let quote = quote.chars().next().unwrap_or('"');
            if let Some((name, _)) = text.get(at..).and_then(|rest| quoted(rest, quote)) {
                self.add_column(&name);
            }
        }
        self.settle();
    }

    /// Adds every top-level key that the column, or one whose name is a part of this one, can come from.
    fn add_column(&mut self, name: &str) {
        let found = PREFIXES.iter().find_map(|(spelled, prefix)| Some((name.strip_prefix(spelled)?, *prefix)));
        let Some((path, prefix)) = found else { return };
        let part = if prefix == "config." { &mut self.config } else { &mut self.summary };
        match (&mut *part, ends(path)) {
            (Some(keys), Some(more)) => keys.extend(more),
            _ => *part = None,
        }
    }

    fn settle(&mut self) {
        let needed = |keys: &Option<BTreeSet<String>>| keys.as_ref().is_none_or(|keys| !keys.is_empty());
        (self.wanted.config, self.wanted.summary) = (needed(&self.config), needed(&self.summary));
    }
}

/// The glob that an item of a list may be, without a sort's sign and direction. Globs hold no spaces.
fn glob(item: &str) -> Option<&str> {
    let item = item.trim().trim_start_matches(['-', '+']).trim_start();
    let mut words = item.split_whitespace();
    let (first, second, third) = (words.next()?, words.next(), words.next());
    let alone = second.is_none_or(|word| word.eq_ignore_ascii_case("asc") || word.eq_ignore_ascii_case("desc"));
    (alone && third.is_none() && first.contains(['*', '?']) && !first.contains(needs_quotes)).then_some(first)
}

/// The keys that a path can begin with: all that end before a character that no name goes on with, escapes undone.
/// `None` if they are too many.
fn ends(path: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut key = String::new();
    let mut chars = path.chars().peekable();
    if path.is_empty() || path.starts_with('.') {
        found.push(String::new());
    }
    while let Some(next) = chars.next() {
        if !is_name_char(next) && !key.is_empty() {
            found.push(key.clone());
        }
        let escaped = chars.next_if(|after| next == '\\' && matches!(after, '\\' | '.' | ':'));
        key.push(escaped.unwrap_or(next));
        if found.len() > MAX_ENDS {
            return None;
        }
    }
    found.push(key);
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(needs: &Option<BTreeSet<String>>) -> Vec<&str> {
        needs.as_ref().unwrap().iter().map(String::as_str).collect()
    }

    #[test]
    fn every_key_that_a_name_may_begin_with() {
        let config = |text: &str| needs(&[text], &[]).config.unwrap().into_iter().collect::<Vec<_>>();
        assert_eq!(config("config.lr > 0.1"), ["lr"]);
        assert_eq!(config("config.opt:string = 'adam'"), ["opt", "opt:string"]);
        assert_eq!(config("config.a.b.c = 1"), ["a", "a.b", "a.b.c"]);
        assert_eq!(config(r"config.optimizer\.lr = 1"), ["optimizer", "optimizer.lr"]);
        assert_eq!(config(r#""config.a\\b c" = 1"#), ["a", r"a\b", r"a\b c"]);
        assert_eq!(
            config(r#"`config.x:y` = 1 and "config.say ""hi""" = 2"#),
            ["say", "say ", "say \"hi", "say \"hi\"", "x", "x:y"]
        );
        assert_eq!(config("runConfig.lr=2*config.seed"), ["lr", "seed"]);
        assert_eq!(config("config.a/config.b > 1"), ["a", "a/config", "a/config.b", "b"]);
        assert_eq!(config("\"config..x\" = 1"), ["", ".x"]);
        assert_eq!(config("name = 'config'"), [""; 0]);
        assert_eq!(
            keys(&needs(&["summary_metrics.val/loss<1 and runSummary._step > 2"], &[]).summary),
            ["_step", "val", "val/loss"]
        );
    }

    #[test]
    fn parts_are_needed_only_where_a_key_is() {
        let wanted = needs(&["config.lr > 1"], &["name", "runtime"]).wanted;
        assert!(wanted.config && !wanted.summary && wanted.heartbeat && !wanted.artifacts && !wanted.raw);
        assert!(!needs(&["notes = 'config and summary'"], &[]).wanted.config);
        assert!(needs(&["logged('model') is null"], &[]).wanted.artifacts);
    }

    #[test]
    fn globs_mean_all_of_what_they_may_match() {
        let all = |list: &str| {
            let found = needs(&[], &[list]);
            (found.config.is_none(), found.summary.is_none())
        };
        assert_eq!(all("*"), (true, true));
        assert_eq!(all("name,config.optimizer.*"), (true, false));
        assert_eq!(all("-summary_metrics.val*"), (false, true));
        assert_eq!(all("c*"), (true, false));
        assert_eq!(all("?ummary.x"), (true, true));
        assert_eq!(all("config.lr*2"), (true, false), "it may be a glob");
        assert_eq!(all("runtime*2, 2*config.lr, name*"), (false, false));
        assert_eq!(all("config.lr * 2 as twice, least(summary.a*2, 1)"), (false, false));
        assert_eq!((all("- config.* desc"), all("name,*")), ((true, false), (true, true)));
        assert!(needs(&["config.lr*2 > 1"], &[]).config.is_some(), "conditions have no globs");
    }

    #[test]
    fn filters_in_json_name_keys_too() {
        let mut found = Needs::nothing();
        let json =
            r#"{"$or": [{"config.a.value.b": 1}, {"summary_metrics.val loss": {"$lt": 1}}, {"duration": {"$gt": 1}}]}"#;
        found.add_mongo(&super::super::mongo::parse(json).unwrap());
        assert_eq!((keys(&found.config), keys(&found.summary)), (vec!["a", "a.b"], vec!["val", "val loss"]));
        assert!(found.wanted.config && found.wanted.summary);
    }

    #[test]
    fn names_that_go_on_for_ever_mean_everything() {
        let long = format!("config.{} = 1", "a.".repeat(1_000));
        assert_eq!(needs(&[long.as_str()], &[]).config, None);
    }
}
