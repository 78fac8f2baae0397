//! Stored Parquet: whatever the bytes are, an answer or an error, and in files of ours never another answer.

use crate::source::parquet::StoredTable;
use polars::prelude::*;
use std::io::Write;

/// What is asked of a table: all of it, some rows by their values, by their place, and some fields only.
#[derive(Debug, PartialEq)]
pub(crate) struct Answers {
    all: Result<DataFrame, String>,
    few: Vec<Result<DataFrame, String>>,
}

impl Answers {
    /// Those of a file with these bytes.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn of(bytes: &[u8]) -> Result<Answers, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let told = |error: crate::error::Error| error.to_string();
        let table = StoredTable::open(file.path()).map_err(told)?;
        let names: Vec<&str> = table.schema().iter_names().map(|name| name.as_str()).collect();
        let all = table.read(&names).map_err(told);
        let few: Vec<&str> = names.iter().copied().take(3).collect();
        let last = table.height().saturating_sub(1) as IdxSize;
        let mut answers = vec![table.read_first(&few, 2), table.with_fields(&["name"]).read_first(&names, 3)];
        if table.height() > 0 {
            answers.push(table.read_rows(&few, &[last, 0]));
        }
        let numbers = table.schema().iter().filter(|(_, dtype)| dtype.is_primitive_numeric()).map(|(name, _)| name);
        for name in numbers.take(4) {
            answers.push(table.read_where(&few, &col(name.clone()).gt(lit(1))));
            answers.push(table.read_where(&few, &col(name.clone()).is_null()));
        }
        if names.contains(&"state") {
            answers.push(table.read_where(&few, &col("state").eq(lit("finished"))));
        }
        Ok(Answers { all, few: answers.into_iter().map(|answer| answer.map_err(told)).collect() })
    }

    /// True if every answer is an error or the one that `good` has.
    pub(crate) fn are_of(&self, good: &Answers) -> bool {
        let same = |(a, b): (&Result<DataFrame, String>, &Result<DataFrame, String>)| match (a, b) {
            (Ok(a), Ok(b)) => a.schema() == b.schema() && a.equals_missing(b),
            (a, _) => a.is_err(),
        };
        self.few.len() == good.few.len()
            && [(&self.all, &good.all)].into_iter().chain(self.few.iter().zip(&good.few)).all(same)
    }
}

/// The bytes are a Parquet file.
pub(crate) fn target(data: &[u8]) {
    let Ok(answers) = Answers::of(data) else { return };
    if let Ok(all) = &answers.all {
        // The same file gives the same answers.
        assert!(Answers::of(data).is_ok_and(|again| again.are_of(&answers)));
        assert!(all.columns().iter().all(|column| column.len() == all.height()));
    }
}
