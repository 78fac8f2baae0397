//! A stored run table and a log with every byte changed and at every length: an error, the right answer, or a loss that is told.

use super::parquet::Answers;
use super::smoke::corpus;

/// Files that `runframe` wrote, by name.
fn tables() -> Vec<(String, Vec<u8>)> {
    let tables: Vec<_> = corpus("parquet").into_iter().filter(|(name, _)| name.starts_with("sealed")).collect();
    assert!(!tables.is_empty());
    tables
}

/// The same bytes as others would write them: without a seal.
fn unsealed(bytes: &[u8]) -> Vec<u8> {
    let (start, end) = footer(bytes);
    let count = u32::from_le_bytes(bytes[end - 16..end - 12].try_into().unwrap());
    let thrift = &bytes[start..end - 16 - 4 * count as usize];
    [&bytes[..start], thrift, &(thrift.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

/// Where the footer begins and ends.
fn footer(bytes: &[u8]) -> (usize, usize) {
    let end = bytes.len() - 8;
    (end - u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize, end)
}

#[test]
fn every_byte_of_a_stored_table_is_sealed() {
    for (name, bytes) in tables() {
        let good = Answers::of(&bytes).unwrap();
        assert!(good.are_of(&good) && Answers::of(&unsealed(&bytes)).unwrap().are_of(&good), "{name}");
        let (start, end) = footer(&bytes);
        let (mut told, small) = (0, bytes.len() < 8_000);
        for at in 0..bytes.len() {
            // Of the smaller file each bit of the footer.
            let flips: &[u8] = if small && at >= start { &[1, 2, 4, 8, 16, 32, 64, 128, 255] } else { &[0x41] };
            for flip in flips {
                let mut bad = bytes.clone();
                bad[at] ^= flip;
                match Answers::of(&bad) {
                    Ok(answers) => {
                        assert!(answers.are_of(&good), "{name}: byte {at} ^ {flip:#x}");
                        // Only its mark makes a file ours; the rest of it is still right.
                        assert!(
                            at < start || at >= end - 8,
                            "{name}: byte {at} ^ {flip:#x} of the footer is not missed"
                        );
                        told += usize::from(answers != good);
                    }
                    Err(_) => told += 1,
                }
            }
        }
        // What no answer needs are the first bytes, the indexes before the footer and the mark.
        assert!(told > bytes.len() * 3 / 4, "{name}: {told} of {}", bytes.len());
    }
}

#[test]
fn every_length_of_a_stored_table_is_an_error() {
    for (name, bytes) in tables() {
        for length in 0..bytes.len() {
            assert!(Answers::of(&bytes[..length]).is_err(), "{name}: {length} of {} bytes", bytes.len());
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(Answers::of(&longer).is_err(), "{name}");
    }
}

#[test]
fn a_footer_of_others_is_read_or_refused() {
    // It has no checksums: the answer may be another one, but the program goes on.
    for (_, bytes) in tables().into_iter().filter(|(_, bytes)| bytes.len() < 8_000) {
        let foreign = unsealed(&bytes);
        let (start, end) = footer(&foreign);
        for at in (start..end + 4).step_by(2) {
            let mut bad = foreign.clone();
            bad[at] ^= [0x02, 0x7f, 0xff][at % 3];
            let _ = Answers::of(&bad);
        }
    }
}

#[test]
fn swapped_parts_of_a_stored_table_are_told() {
    for (name, bytes) in tables() {
        let good = Answers::of(&bytes).unwrap();
        let pieces = bytes.len() / 256;
        for (a, b) in (0..pieces).flat_map(|a| (a + 1..pieces).map(move |b| (a, b))).step_by(23) {
            let mut bad = bytes.clone();
            let (first, second) = bad.split_at_mut(b * 256);
            first[a * 256..(a + 1) * 256].swap_with_slice(&mut second[..256]);
            if bad != bytes
                && let Ok(answers) = Answers::of(&bad)
            {
                assert!(answers.are_of(&good), "{name}: {a} for {b}");
            }
        }
    }
}

#[test]
fn types_found_for_all_columns_that_are_alike_are_those_of_each() {
    use crate::sink::{Format, Options, write};
    use crate::source::parquet::StoredTable;
    use polars::prelude::*;
    let utc = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
    let pair = DataType::Struct(vec![Field::new("a".into(), DataType::Int64), Field::new("t".into(), utc.clone())]);
    let types = [
        DataType::Float64,
        DataType::Int64,
        DataType::Boolean,
        DataType::String,
        DataType::Float64,
        DataType::Binary,
        DataType::Date,
        DataType::Float32,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Int64,
        DataType::Duration(TimeUnit::Microseconds),
        DataType::Datetime(TimeUnit::Milliseconds, None),
        utc,
        DataType::List(Box::new(DataType::String)),
        DataType::List(Box::new(pair.clone())),
        pair,
    ];
    let columns =
        types.iter().enumerate().map(|(at, dtype)| Column::full_null("n".repeat(at * at + 1).into(), 3, dtype));
    let table = DataFrame::new(3, columns.collect()).unwrap();
    let mut bytes = Vec::new();
    write(&table, Format::Parquet, &Options::default(), &mut bytes).unwrap();
    let open = |bytes: &[u8]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        (StoredTable::open(file.path()).unwrap(), file)
    };
    let ((ours, _ours), (others, _others)) = (open(&bytes), open(&unsealed(&bytes)));
    assert!(ours.metadata("runframe.types").is_some());
    assert!(ours.skipped().is_empty() && others.skipped().is_empty());
    for stored in [ours, others] {
        assert_eq!(stored.schema(), table.schema());
        for name in table.schema().iter_names() {
            assert!(
                stored.read(&[name]).unwrap().column(name).unwrap().equals_missing(table.column(name).unwrap()),
                "{name}"
            );
        }
        assert!(stored.read(&["n", "n"]).unwrap_err().to_string().contains("duplicate"));
        assert!(stored.read(&["m"]).unwrap_err().to_string().contains('m'));
    }
}

/// Makes the kept files anew, after a change of how tables are written.
#[test]
#[ignore = "writes tests/fuzz/corpus/parquet"]
fn write_the_kept_tables() {
    use crate::columns::Columns;
    use crate::frame::RunFrame;
    use crate::record::{ArtifactVersion, Document, Receipt, Run, Timestamp, Wanted};
    let run = |number: i64| Run {
        entity: Some("team".into()),
        project: Some("mnist".into()),
        name: format!("run{number}"),
        state: Some(if number % 2 == 0 { "finished" } else { "crashed" }.into()),
        created_at: Timestamp::from_seconds(1_700_000_000 + number, 0),
        tags: Some(vec!["good".into()]),
        config: Some(Document::plain(format!(r#"{{"lr":0.{number},"opt":"adam","n":{number}}}"#))),
        summary: Some(Document::plain(format!(r#"{{"loss":{number}.5,"ok":true,"list":[1,{number}]}}"#))),
        logged_artifacts: Some(vec![ArtifactVersion {
            name: "net".into(),
            version: Some(number),
            ..ArtifactVersion::default()
        }]),
        used_artifacts: Some(vec![]),
        ..Run::default()
    };
    let mut columns = Columns::new(Wanted { raw: false, ..Wanted::default() });
    (1..6).for_each(|number| columns.push(&run(number)));
    let frame = RunFrame::from_columns(columns, Receipt::default()).unwrap();
    let write = |name: &str, table: &polars::prelude::DataFrame| {
        let options = crate::sink::Options { metadata: frame.metadata(), ..Default::default() };
        let mut bytes = Vec::new();
        crate::sink::write(table, crate::sink::Format::Parquet, &options, &mut bytes).unwrap();
        std::fs::write(format!("{}/tests/fuzz/corpus/parquet/{name}", env!("CARGO_MANIFEST_DIR")), &bytes).unwrap();
        bytes
    };
    let whole = frame.collect().unwrap();
    let all = write("sealed-runs", &whole);
    let names = ["name", "state", "tags", "config.lr", "config.opt", "summary.list", "logged_artifacts"];
    let some = write("sealed-some", &whole.select(names).unwrap());
    for (name, bytes) in [("plain-runs", all), ("plain-some", some)] {
        let path = format!("{}/tests/fuzz/corpus/parquet/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, unsealed(&bytes)).unwrap();
    }
}
