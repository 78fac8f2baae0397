//! Aggregates of random tables against the same computed row by row, in plain Rust.

use super::super::super::{Context, Grouping};
use super::now;
use polars::prelude::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const AGGREGATES: &str = "n(), n(config.x), sum(config.x), mean(config.x), min(config.x), max(config.x), median(config.x), \
                          q(config.x, 0.25), std(config.x), sem(config.x), nunique(config.x), first(config.x), last(config.x)";

type Row = (Option<u8>, Option<f64>);

fn quantile(sorted: &[f64], fraction: f64) -> Option<f64> {
    let place = fraction * (sorted.len().checked_sub(1)? as f64);
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(if place.fract() == 0.0 || low == high { low } else { low + (high - low) * place.fract() })
}

/// What the aggregates should be, in their order.
fn expected(rows: &[Option<f64>]) -> Vec<Option<f64>> {
    let values: Vec<f64> = rows.iter().flatten().copied().collect();
    let n = values.len() as f64;
    let some = |value: f64| (!values.is_empty()).then_some(value);
    let mut sorted = values.clone();
    sorted.sort_by(|a, b| a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(b)));
    let numbers: Vec<f64> = sorted.iter().copied().filter(|value| !value.is_nan()).collect();
    let nan = some(f64::NAN);
    let sum: f64 = values.iter().sum();
    let mean = sum / n;
    let std = (values.len() > 1).then(|| (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt());
    let mut different: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    different.sort();
    different.dedup();
    vec![
        Some(rows.len() as f64),
        Some(n),
        some(sum),
        some(mean),
        numbers.first().copied().or(nan),
        numbers.last().copied().or(nan),
        quantile(&sorted, 0.5),
        quantile(&sorted, 0.25),
        std,
        std.map(|std| std / n.sqrt()),
        Some(different.len() as f64),
        values.first().copied(),
        values.last().copied(),
    ]
}

fn same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() < 1e-9 * (1.0 + a.abs()),
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = prop_oneof![
        Just(None),
        Just(Some(f64::NAN)),
        (-3i8..4).prop_map(|n| Some(f64::from(n))),
        (-1e3..1e3).prop_map(Some)
    ];
    proptest::collection::vec((proptest::option::of(0u8..4), value), 0..40)
}

proptest! {
    #[test]
    fn aggregates_are_those_of_the_rows(rows in rows()) {
        let keys: Vec<Option<String>> = rows.iter().map(|(key, _)| key.map(|key| format!("k{key}"))).collect();
        let values: Vec<Option<f64>> = rows.iter().map(|(_, value)| *value).collect();
        // In the order of creation, which is not that of the names.
        let names: Vec<String> = (0..rows.len()).map(|at| format!("{}", 100 - at)).collect();
        let frame = df!("config.k" => &keys, "config.x" => &values, "name" => names, "created_at" => (0..rows.len() as i64).collect::<Vec<_>>());
        let frame = frame.unwrap();
        let mut groups: BTreeMap<(bool, Option<String>), Vec<Option<f64>>> = BTreeMap::new();
        keys.into_iter().zip(values).for_each(|(key, value)| groups.entry((key.is_none(), key)).or_default().push(value));
        let grouping = Grouping::by("config.k", frame.schema(), Context::new(now())).unwrap().aggregates(AGGREGATES).unwrap();
        let table = grouping.apply(frame.lazy()).unwrap().collect().unwrap();
        prop_assert_eq!(table.height(), groups.len());
        for (row, ((_, key), values)) in groups.into_iter().enumerate() {
            prop_assert_eq!(table[0].str().unwrap().get(row).map(str::to_owned), key);
            for (column, wanted) in table.columns()[1..].iter().zip(expected(&values)) {
                let got = column.cast(&DataType::Float64).unwrap().f64().unwrap().get(row);
                prop_assert!(same(got, wanted), "{} of {values:?}: {got:?}, not {wanted:?}", column.name());
            }
        }
    }
}
