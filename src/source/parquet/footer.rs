//! A look at the foreign numbers in a Parquet file before Polars makes room for what they announce: a room that the system does not
//! have would end the program.

use polars_parquet::read::{ColumnChunkMetadata, FileMetadata};

/// Bytes that a footer may have.
pub(crate) const FOOTER: u64 = 512 << 20;
/// Levels of the schema.
const LEVELS: usize = 100;
/// Levels of the structures of Thrift, which Parquet has 6 of.
const DEEPEST: usize = 32;
/// Rows, or values of a list, that any file may have.
const VALUES: u64 = 1 << 20;
/// Rows, or values of a list, that a file may have for each of its bytes.
const VALUES_A_BYTE: u64 = 1_000;
/// To how many bytes one may be decompressed; the algorithms come to 33,000 at most.
const SWELLING: u64 = 40_000;

/// Checks the Thrift structure of a footer.
///
/// # Errors
/// If it announces more than it holds, or is nested too deeply.
pub(crate) fn check(footer: &[u8]) -> Result<(), String> {
    let mut children: Vec<i64> = Vec::new();
    // Nearly all of a footer are row groups, of which nothing is asked here.
    let mut walk = Thrift { watched: Some(2), ..Thrift::new(footer) };
    walk.structure(&mut |path, value| match (path, value, children.last_mut()) {
        ([2], None, _) => children.push(0),
        ([2, 5], Some(value), Some(last)) => *last = value,
        _ => {}
    })?;
    // The elements of the schema stand in order, each before its children.
    let mut open: Vec<i64> = Vec::new();
    for count in &children {
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if *count < 0 || *count >= children.len() as i64 {
            return Err(format!("its schema says that a group has {count} children"));
        }
        if *count > 0 {
            open.push(*count);
        }
        if open.len() > LEVELS {
            return Err(format!("its schema is nested more than {LEVELS} levels deep"));
        }
    }
    Ok(())
}

/// Checks what a footer says of the row groups of a file of `length` bytes.
///
/// # Errors
/// If there cannot be so many rows or values.
pub(super) fn check_groups(footer: &FileMetadata, length: u64) -> Result<(), String> {
    let most = VALUES.max(length.saturating_mul(VALUES_A_BYTE));
    let mut rows = 0u64;
    for group in &footer.row_groups {
        rows = rows.saturating_add(group.num_rows() as u64);
        for leaf in group.parquet_columns() {
            let values = u64::try_from(leaf.num_values()).unwrap_or(u64::MAX);
            let name = || leaf.descriptor().path_in_schema.first().map_or_else(String::new, ToString::to_string);
            if leaf.descriptor().descriptor.max_rep_level == 0 && values != group.num_rows() as u64 {
                return Err(format!("column {} has {values} values in a group of {} rows", name(), group.num_rows()));
            }
            if values > most {
                return Err(format!(
                    "column {} announces {values} values; the limit is {most} in {length} bytes",
                    name()
                ));
            }
        }
    }
    if rows != footer.num_rows as u64 {
        return Err(format!("its groups have {rows} rows, its footer says {}", footer.num_rows));
    }
    if rows > most {
        return Err(format!("it announces {rows} rows; the limit is {most} in {length} bytes"));
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
        walk.structure(&mut |path, value| page.take(path, value))?;
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
    fn take(&mut self, path: &[i16], value: Option<i64>) {
        let Some(value) = value else { return };
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

/// A walk over Thrift's compact encoding that keeps nothing.
struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The numbers of the fields in which the walk is.
    path: Vec<i16>,
    depth: usize,
    /// The only field of the whole of which something is told; `None` for all.
    watched: Option<i16>,
}

/// In place of the two types that a field of a structure has if it is true or false, and no bytes of its own.
const TYPED_BOOL: u8 = 16;

/// Told of each structure that begins, and of each integer.
type Each<'e> = &'e mut dyn FnMut(&[i16], Option<i64>);

impl<'a> Thrift<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Thrift { bytes, at: 0, path: Vec::new(), depth: 0, watched: None }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, String> {
        let byte = self.bytes.get(self.at).copied().ok_or("it ends inside of its metadata")?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0u64;
        for place in 0..10 {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).wrapping_shl(7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number in its metadata has no end".to_owned())
    }

    fn zigzag(&mut self) -> Result<i64, String> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn skip(&mut self, bytes: u64) -> Result<(), String> {
        let left = (self.bytes.len() - self.at) as u64;
        if bytes > left {
            return Err(format!("a text in its metadata announces {bytes} bytes, and {left} are left"));
        }
        self.at += bytes as usize;
        Ok(())
    }

    fn structure(&mut self, each: Each<'_>) -> Result<(), String> {
        if !self.path.is_empty() {
            each(&self.path, None);
        }
        let mut field = 0i16;
        loop {
            let Some(kind) = self.field(&mut field)? else { return Ok(()) };
            if self.path.is_empty() && self.watched.is_some_and(|watched| watched != field) {
                self.pass(kind)?;
                continue;
            }
            self.path.push(field);
            self.value(kind, &mut *each)?;
            self.path.pop();
        }
    }

    /// The type of the next field, whose number is counted on; `None` at the end of the structure.
    #[inline]
    fn field(&mut self, number: &mut i16) -> Result<Option<u8>, String> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        *number = match head >> 4 {
            0 => self.zigzag()? as i16,
            delta => number.wrapping_add(i16::from(delta)),
        };
        Ok(Some(if matches!(head & 15, 1 | 2) { TYPED_BOOL } else { head & 15 }))
    }

    /// Passes over a value, of which nothing is told.
    fn pass(&mut self, kind: u8) -> Result<(), String> {
        match kind {
            TYPED_BOOL => return Ok(()),
            1..=3 => return self.skip(1),
            4..=6 => return self.varint().map(drop),
            7 => return self.skip(8),
            8 => {
                let length = self.varint()?;
                return self.skip(length);
            }
            _ => {}
        }
        self.deeper()?;
        match kind {
            9 | 10 => {
                let (kind, count) = self.elements()?;
                (0..count).try_for_each(|_| self.pass(kind))?;
            }
            11 => {
                let (kinds, count) = self.entries()?;
                (0..count).try_for_each(|_| kinds.iter().try_for_each(|kind| self.pass(*kind)))?;
            }
            12 => {
                let mut field = 0;
                while let Some(kind) = self.field(&mut field)? {
                    self.pass(kind)?;
                }
            }
            other => return Err(format!("its metadata holds a value of type {other}, which there is not")),
        }
        self.depth -= 1;
        Ok(())
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        match self.depth > DEEPEST {
            true => Err(format!("its metadata is nested more than {DEEPEST} levels deep")),
            false => Ok(()),
        }
    }

    /// The type of a list's elements, and how many there are.
    fn elements(&mut self) -> Result<(u8, u64), String> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        self.announced(count)?;
        Ok((head & 15, count))
    }

    /// The types of a map's keys and values, and how many there are.
    fn entries(&mut self) -> Result<([u8; 2], u64), String> {
        let count = self.varint()?;
        let kinds = if count > 0 { self.byte()? } else { 0 };
        self.announced(count)?;
        Ok(([kinds >> 4, kinds & 15], count))
    }

    fn value(&mut self, kind: u8, each: Each<'_>) -> Result<(), String> {
        if !matches!(kind, 4..=6 | 9..=12) {
            return self.pass(kind);
        }
        self.deeper()?;
        match kind {
            9 | 10 => {
                let (kind, count) = self.elements()?;
                (0..count).try_for_each(|_| self.value(kind, &mut *each))?;
            }
            11 => {
                let (kinds, count) = self.entries()?;
                (0..count).try_for_each(|_| kinds.iter().try_for_each(|kind| self.value(*kind, &mut *each)))?;
            }
            12 => self.structure(each)?,
            _ => {
                let value = self.zigzag()?;
                each(&self.path, Some(value));
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Everything takes a byte at least.
    fn announced(&self, count: u64) -> Result<(), String> {
        let left = (self.bytes.len() - self.at) as u64;
        match count > left {
            true => Err(format!("a list in its metadata announces {count} elements, and {left} bytes are left")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of the schema: a list of groups, each with so many children.
    fn schema(children: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x29, 0xfc, children.len() as u8];
        // Field 5, an i32, in zigzag; then the end of the structure.
        children.iter().for_each(|count| bytes.extend([0x55, count * 2, 0]));
        bytes.push(0);
        bytes
    }

    #[test]
    fn what_a_footer_announces_is_bounded() {
        assert_eq!(check(&[0]), Ok(()));
        assert_eq!(check(&schema(&[2, 0, 1, 0])), Ok(()));
        let cases: [(&[u8], &str); 6] = [
            (&[], "it ends inside of its metadata"),
            // A list of 2^31 - 1 structures in field 4.
            (
                &[0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0],
                "a list in its metadata announces 2147483647 elements, and 1 bytes are left",
            ),
            (&[0x18, 0x7f, b'a'], "a text in its metadata announces 127 bytes, and 1 are left"),
            (&[0x15, 0x80], "it ends inside of its metadata"),
            (&[0x1d, 0], "its metadata holds a value of type 13, which there is not"),
            (
                &[0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                "a number in its metadata has no end",
            ),
        ];
        for (bytes, message) in cases {
            assert_eq!(check(bytes), Err(message.to_owned()), "{bytes:x?}");
        }
        // What is passed over is looked at all the same.
        for (bytes, message) in [
            (&[0x40, 0][..], "its metadata holds a value of type 0, which there is not"),
            (&[0x49, 0x10, 0], "its metadata holds a value of type 0, which there is not"),
            (&[0x20, 0], "its metadata holds a value of type 0, which there is not"),
        ] {
            assert_eq!(check(bytes), Err(message.to_owned()), "{bytes:x?}");
        }
        assert_eq!(check(&[0x41, 0x11, 0x49, 0x21, 1, 2, 0]), Ok(()), "bools in fields and in lists");
        // Structures in structures, and lists in lists.
        for deep in [vec![0x1c; 1_000_000], vec![0x19; 1_000_000]] {
            let error = check(&deep).unwrap_err();
            assert!(error.starts_with("its metadata is nested more than 32") || error.starts_with("a list"), "{error}");
        }
        let lists = [&[0x19][..], &[0x19; 100], &[0x10, 0]].concat();
        assert_eq!(check(&lists).unwrap_err(), "its metadata is nested more than 32 levels deep");
    }

    #[test]
    fn schemas_are_trees_of_their_own_size() {
        assert_eq!(check(&schema(&[1; 90])), Ok(()));
        assert_eq!(check(&schema(&[1; 110])).unwrap_err(), "its schema is nested more than 100 levels deep");
        assert_eq!(check(&schema(&[1, 9, 0])).unwrap_err(), "its schema says that a group has 9 children");
        // Many groups side by side are no depth.
        let wide: Vec<u8> = [vec![60], [1, 0].repeat(60)].concat();
        assert_eq!(check(&schema(&wide)), Ok(()));
    }

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
