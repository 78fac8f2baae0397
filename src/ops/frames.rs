//! Small run tables for tests.

use super::artifact::version_dtype;
use polars::prelude::*;

/// One artifact version: name, type, version, aliases.
pub(crate) type Version<'a> = (&'a str, &'a str, Option<i64>, &'a [&'a str]);

/// A column of artifact versions of the run table's type.
pub(crate) fn artifacts(name: &str, rows: &[Option<&[Version<'_>]>]) -> Column {
    let rows: Vec<Option<Series>> = rows.iter().map(|row| row.map(list)).collect();
    let column = Series::new(name.into(), rows);
    column.cast(&DataType::List(Box::new(version_dtype()))).unwrap().into_column()
}

fn list(versions: &[Version<'_>]) -> Series {
    let aliases: Vec<Series> = versions.iter().map(|v| Series::new("".into(), v.3)).collect();
    let texts_type = DataType::List(Box::new(DataType::String));
    let aliases = match aliases.is_empty() {
        true => Series::new_empty("aliases".into(), &texts_type),
        false => Series::new("aliases".into(), aliases).cast(&texts_type).unwrap(),
    };
    let texts = |name: &str, get: fn(&Version<'_>) -> String| {
        Column::new(name.into(), versions.iter().map(get).collect::<Vec<String>>())
    };
    let numbers: Vec<Option<i64>> = versions.iter().map(|v| v.2).collect();
    let size: Vec<i64> = versions.iter().map(|v| 10 * v.2.unwrap_or(0)).collect();
    let time = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
    let created = Column::new("created_at".into(), vec![1_767_225_600_000_000i64; versions.len()]).cast(&time).unwrap();
    let columns = vec![
        texts("name", |v| v.0.to_owned()),
        texts("type", |v| v.1.to_owned()),
        Column::new("version".into(), numbers),
        aliases.into_column(),
        Column::new("size".into(), size),
        texts("digest", |_| "d".to_owned()),
        texts("state", |_| "COMMITTED".to_owned()),
        created,
        texts("id", |v| format!("{}-{:?}", v.0, v.2)),
    ];
    DataFrame::new(versions.len(), columns).unwrap().into_struct("".into()).into_series()
}

/// Texts of RFC 3339 as a column of type `Datetime[μs, UTC]`.
pub(crate) fn times(name: &str, texts: &[Option<&str>]) -> Column {
    let micros: Vec<Option<i64>> =
        texts.iter().map(|text| text.map(|text| crate::record::Timestamp::parse(text).unwrap().micros())).collect();
    Column::new(name.into(), micros).cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))).unwrap()
}

/// The names of the runs for which `filter` holds.
pub(crate) fn names(frame: &DataFrame, filter: Expr) -> PolarsResult<Vec<String>> {
    let kept = frame.clone().lazy().filter(filter).collect()?;
    Ok(kept.column("name")?.str()?.iter().flatten().map(str::to_owned).collect())
}
