//! runCreatedAt, runHeartbeatAt, runRuntime: recent runs, order, days, activity, hours and minutes.
#![allow(clippy::print_stdout)]

use runframe::polars::prelude::*;
use runframe::{Result, RunFrame, Timestamp, run};
use std::time::Duration;

fn main() -> Result<()> {
    let runs = RunFrame::open("examples/wandb")?;
    // The bundled runs are of November 2026; "now" is set so that the output stays the same.
    let now = Timestamp::from_micros(1_794_587_040_000_000); // 2026-11-13T16:24:00Z

    // Runs of the last week.
    let week_ago = Timestamp::from_micros(now.micros() - 7 * 24 * 3_600 * 1_000_000);
    let week_ago = lit(week_ago.micros()).cast(DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)));
    println!("last week: {} runs", runs.lazy().filter(run::created_at().gt(week_ago)).collect()?.height());

    // Chronological order.
    let order =
        runs.lazy().sort(["created_at"], SortMultipleOptions::default()).select([run::name(), run::created_at()]);
    println!("first runs:\n{}", order.limit(3).collect()?);

    // Runs by the day they were created.
    let days = runs.lazy().group_by([run::created_at().dt().date().alias("day")]).agg([len().alias("runs")]);
    println!("by day:\n{}", days.sort(["day"], SortMultipleOptions::default()).limit(5).collect()?);

    // Active: a heartbeat within five minutes.
    let active =
        runs.lazy().filter(run::is_active_at(Duration::from_secs(300), now)).select([run::name()]).collect()?;
    println!("active at {now}: {}", active.height());

    // Runtime as hours and minutes, and runs over an hour.
    let long = runs
        .lazy()
        .filter(run::runtime().gt(lit(3_600)))
        .sort(["runtime"], SortMultipleOptions::default().with_order_descending(true));
    println!("over an hour:\n{}", long.select([run::name(), run::runtime(), run::runtime_hm()]).limit(5).collect()?);
    Ok(())
}
