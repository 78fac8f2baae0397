//! The order in which a run table's columns tell most, for a terminal that has no room for all of them.

use polars::prelude::DataFrame;

/// What everybody wants to see of a run.
const FIRST: [&str; 6] = ["name", "display_name", "state", "user.username", "created_at", "runtime"];

/// The column names in an order for eyes: the run, its config, everything else, its metrics.
///
/// Of config and metrics those that most runs have, and that differ, stand towards the outer ends, because a table that is too
/// wide loses its middle. Files keep the order of the table; this is for terminals only.
pub fn telling_first(frame: &DataFrame) -> Vec<String> {
    let names: Vec<&str> = frame.columns().iter().map(|column| column.name().as_str()).collect();
    let telling = |name: &str| {
        let Ok(column) = frame.column(name) else { return (false, 0) };
        let varies = column.n_unique().is_ok_and(|distinct| distinct > 1);
        let internal = name.starts_with("summary._");
        (varies && !internal, column.len() - column.null_count())
    };
    let sorted = |prefix: &str| {
        let mut found: Vec<&str> = names.iter().copied().filter(|name| name.starts_with(prefix)).collect();
        // A stable sort: among equals the table's own order stays.
        found.sort_by_cached_key(|name| std::cmp::Reverse(telling(name)));
        found
    };
    let first = FIRST.into_iter().filter(|name| names.contains(name));
    let mut order: Vec<&str> = first.chain(sorted("config.")).collect();
    let metrics = sorted("summary.");
    order.extend(
        names
            .iter()
            .copied()
            .filter(|name| !name.starts_with("config.") && !name.starts_with("summary.") && !FIRST.contains(name)),
    );
    order.extend(metrics.into_iter().rev());
    order.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::*;

    #[test]
    fn what_tells_most_stands_outside() {
        let frame = df!(
            "entity" => ["a", "a"], "name" => ["x", "y"], "config.none" => [None::<i64>, None], "config.lr" => [1, 2],
            "config.same" => [1, 1], "summary._step" => [1, 2], "summary.acc" => [0.1, 0.2], "summary.rare" => [Some(1), None],
        )
        .unwrap();
        let expected = [
            "name",
            "config.lr",
            "config.same",
            "config.none",
            "entity",
            "summary._step",
            "summary.rare",
            "summary.acc",
        ];
        assert_eq!(telling_first(&frame), expected);
        assert_eq!(telling_first(&DataFrame::empty()), [""; 0]);
    }
}
