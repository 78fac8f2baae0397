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
    let mut walk = Thrift { bytes: footer, at: 0, path: Vec::new(), depth: 0 };
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
        let mut walk = Thrift { bytes: rest, at: 0, path: Vec::new(), depth: 0 };
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
}

/// Told of each structure that begins, and of each integer.
type Each<'e> = &'e mut dyn FnMut(&[i16], Option<i64>);

impl Thrift<'_> {
    fn byte(&mut self) -> Result<u8, String> {
        let byte = self.bytes.get(self.at).copied().ok_or("it ends inside of its metadata")?;
        self.at += 1;
        Ok(byte)
    }

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
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            field = match head >> 4 {
                0 => self.zigzag()? as i16,
                delta => field.wrapping_add(i16::from(delta)),
            };
            self.path.push(field);
            // In a field, true and false are types.
            if !matches!(head & 15, 1 | 2) {
                self.value(head & 15, &mut *each)?;
            }
            self.path.pop();
        }
    }

    fn value(&mut self, kind: u8, each: Each<'_>) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("its metadata is nested more than {DEEPEST} levels deep"));
        }
        let read = self.any(kind, each);
        self.depth -= 1;
        read
    }

    fn any(&mut self, kind: u8, each: Each<'_>) -> Result<(), String> {
        match kind {
            1..=3 => self.skip(1),
            4..=6 => {
                let value = self.zigzag()?;
                each(&self.path, Some(value));
                Ok(())
            }
            7 => self.skip(8),
            8 => {
                let length = self.varint()?;
                self.skip(length)
            }
            9 | 10 => self.list(each),
            11 => {
                let count = self.varint()?;
                let kinds = if count > 0 { self.byte()? } else { 0 };
                self.announced(count)?;
                (0..count).try_for_each(|_| {
                    self.value(kinds >> 4, &mut *each)?;
                    self.value(kinds & 15, &mut *each)
                })
            }
            12 => self.structure(each),
            other => Err(format!("its metadata holds a value of type {other}, which there is not")),
        }
    }

    fn list(&mut self, each: Each<'_>) -> Result<(), String> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        self.announced(count)?;
        (0..count).try_for_each(|_| self.value(head & 15, &mut *each))
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
