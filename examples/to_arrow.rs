//! The run table as arrow-rs record batches, for DataFusion, ADBC, or anything that speaks Arrow.
#![allow(clippy::print_stdout)]

use runframe::{Result, RunFrame, record_batch_reader};

fn main() -> Result<()> {
    let runs = RunFrame::open("examples/wandb")?;
    let frame = runs.select(&["name", "created_at", "runtime", "config.learning_rate", "tags"])?;
    let reader = record_batch_reader(&frame)?;
    for field in reader.schema().fields() {
        println!("{}: {}", field.name(), field.data_type());
    }
    let rows: usize = reader.map(|batch| batch.map_or(0, |batch| batch.num_rows())).sum();
    println!("{rows} rows; {}", runs.receipt());
    Ok(())
}
