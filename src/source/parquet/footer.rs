//! A look at the foreign numbers in a Parquet file before Polars makes room for what they announce: a room that the system does not
//! have would end the program.

use super::thrift::Thrift;
use polars_parquet::read::{ColumnChunkMetadata, FileMetadata};

/// Bytes that a footer may have.
pub(crate) const FOOTER: u64 = 512 << 20;
/// Rows, or values of a list, that any file may have.
const VALUES: u64 = 1 << 20;
/// Rows, or values of a list, that a file may have for each of its bytes.
const VALUES_A_BYTE: u64 = 1_000;
/// To how many bytes one may be decompressed; the algorithms come to 33,000 at most.
const SWELLING: u64 = 40_000;

/// Checks the Thrift structure of a footer.
///
/// # Errors
/// If it announces more than it holds, is nested too deeply, or its schema is no tree.
#[cfg(feature = "api")]
pub(crate) fn check(footer: &[u8]) -> Result<(), String> {
    super::outline::Outline::of(footer).map(drop)
}

/// How many rows, or values of a list, a file of so many bytes may have.
pub(super) fn most(length: u64) -> u64 {
    VALUES.max(length.saturating_mul(VALUES_A_BYTE))
}

/// Checks what a footer says of the columns of row groups; a file may have at most so many values.
///
/// # Errors
/// If there cannot be so many.
pub(super) fn check_groups(footer: &FileMetadata, most: u64) -> Result<(), String> {
    for group in &footer.row_groups {
        for leaf in group.parquet_columns() {
            let values = u64::try_from(leaf.num_values()).unwrap_or(u64::MAX);
            let name = || leaf.descriptor().path_in_schema.first().map_or_else(String::new, ToString::to_string);
            if leaf.descriptor().descriptor.max_rep_level == 0 && values != group.num_rows() as u64 {
                return Err(format!("column {} has {values} values in a group of {} rows", name(), group.num_rows()));
            }
            if values > most {
                return Err(format!("column {} announces {values} values; the limit for the file is {most}", name()));
            }
        }
    }
    Ok(())
}

/// Checks the headers of the pages of a column chunk.
///
/// # Errors
/// If they announce more than they can hold.
pub(crate) fn check_pages(leaf: &ColumnChunkMetadata, bytes: &[u8]) -> Result<(), String> {
    let (mut at, mut seen) = (0, 0i64);
    while seen < leaf.num_values() && at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let mut page = Page::default();
        let mut walk = Thrift::new(rest);
        walk.integers(&mut |path, value| page.take(path, value))?;
        at += walk.at + page.check(rest.len() - walk.at)?;
        seen = seen.saturating_add(page.values);
    }
    match seen == leaf.num_values() {
        true => Ok(()),
        false => Err(format!("pages hold {seen} values, the footer says {}", leaf.num_values())),
    }
}

/// What a page's header says.
#[derive(Default)]
struct Page {
    size: i64,
    compressed: i64,
    values: i64,
    dictionary: i64,
    /// Bytes of levels, which are not compressed.
    levels: [i64; 2],
}

impl Page {
    fn take(&mut self, path: &[i16], value: i64) {
        match path {
            [2] => self.size = value,
            [3] => self.compressed = value,
            [5 | 8, 1] => self.values = value,
            [7, 1] => self.dictionary = value,
            [8, 5] => self.levels[0] = value,
            [8, 6] => self.levels[1] = value,
            _ => {}
        }
    }

    /// Bytes behind the header.
    fn check(&self, left: usize) -> Result<usize, String> {
        let all = [self.size, self.compressed, self.values, self.dictionary, self.levels[0], self.levels[1]];
        if all.iter().any(|number| *number < 0 || *number > i64::from(i32::MAX)) {
            return Err("a page has a size that is none".to_owned());
        }
        let compressed = usize::try_from(self.compressed).ok().filter(|bytes| *bytes <= left);
        let compressed =
            compressed.ok_or_else(|| format!("a page of {} bytes goes beyond its column", self.compressed))?;
        if self.size as u64 > (compressed as u64 + 16).saturating_mul(SWELLING) {
            return Err(format!("a page announces {} bytes, which {compressed} cannot hold", self.size));
        }
        if self.dictionary > self.size {
            return Err(format!("a dictionary announces {} values in {} bytes", self.dictionary, self.size));
        }
        if self.levels[0] + self.levels[1] > self.compressed {
            return Err("the levels of a page are longer than the page".to_owned());
        }
        Ok(compressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_what_they_announce() {
        let page = |size, compressed, values| Page { size, compressed, values, ..Page::default() };
        assert_eq!(page(100, 20, 5).check(20), Ok(20));
        assert_eq!(page(32_768 * 100, 400, 1).check(400), Ok(400));
        for (page, message) in [
            (page(100, 21, 5), "a page of 21 bytes goes beyond its column"),
            (page(i64::from(i32::MAX), 20, 5), "a page announces 2147483647 bytes, which 20 cannot hold"),
            (page(-1, 20, 5), "a page has a size that is none"),
            (page(1 << 40, 20, 5), "a page has a size that is none"),
            (Page { dictionary: 101, ..page(100, 20, 0) }, "a dictionary announces 101 values in 100 bytes"),
            (Page { levels: [20, 1], ..page(100, 20, 0) }, "the levels of a page are longer than the page"),
        ] {
            assert_eq!(page.check(20), Err(message.to_owned()));
        }
    }
}
