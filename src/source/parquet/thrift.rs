//! A walk over Thrift's compact encoding, in which Parquet writes its metadata, that makes room for nothing.

/// Levels of structures and lists, which Parquet has 6 of.
const DEEPEST: usize = 32;

/// The type of integers of 32 and of 64 bits, of lists and of structures.
pub(super) const I32: u8 = 5;
pub(super) const I64: u8 = 6;
pub(super) const TEXT: u8 = 8;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;
/// In place of the two types that a field of a structure has if it is true or false, and no bytes of its own.
const TYPED_BOOL: u8 = 16;

/// Told the path of each integer inside of structures, and the integer.
pub(super) type Each<'e> = &'e mut dyn FnMut(&[i16], i64);

/// Where a walk is.
pub(super) struct Thrift<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    /// The numbers of the fields in which [`Thrift::integers`] is.
    path: Vec<i16>,
    depth: usize,
}

impl<'a> Thrift<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Thrift { bytes, at: 0, path: Vec::new(), depth: 0 }
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

    /// An integer.
    pub(super) fn zigzag(&mut self) -> Result<i64, String> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Where a text lies.
    pub(super) fn text(&mut self) -> Result<std::ops::Range<usize>, String> {
        let length = self.varint()?;
        let start = self.at;
        self.skip(length)?;
        Ok(start..self.at)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), String> {
        let left = (self.bytes.len() - self.at) as u64;
        if bytes > left {
            return Err(format!("a text in its metadata announces {bytes} bytes, and {left} are left"));
        }
        self.at += bytes as usize;
        Ok(())
    }

    /// The type of the next field, whose number is counted on; `None` at the end of the structure.
    #[inline]
    pub(super) fn field(&mut self, number: &mut i16) -> Result<Option<u8>, String> {
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

    /// Passes over a value.
    pub(super) fn pass(&mut self, kind: u8) -> Result<(), String> {
        match kind {
            TYPED_BOOL => return Ok(()),
            1..=3 => return self.skip(1),
            4..=I64 => return self.varint().map(drop),
            7 => return self.skip(8),
            TEXT => return self.text().map(drop),
            _ => {}
        }
        self.deeper()?;
        match kind {
            LIST | 10 => {
                let (kind, count) = self.elements()?;
                (0..count).try_for_each(|_| self.pass(kind))?;
            }
            11 => {
                let (kinds, count) = self.entries()?;
                (0..count).try_for_each(|_| kinds.iter().try_for_each(|kind| self.pass(*kind)))?;
            }
            STRUCT => {
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

    /// Tells the integers in the fields of a structure, and of those in it; lists and maps are passed over.
    pub(super) fn integers(&mut self, each: Each<'_>) -> Result<(), String> {
        self.deeper()?;
        let mut field = 0;
        while let Some(kind) = self.field(&mut field)? {
            self.path.push(field);
            match kind {
                4..=I64 => {
                    let value = self.zigzag()?;
                    each(&self.path, value);
                }
                STRUCT => self.integers(&mut *each)?,
                _ => self.pass(kind)?,
            }
            self.path.pop();
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads a list of structures, each by `one`.
    pub(super) fn structures<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let (kind, count) = self.elements()?;
        if kind != STRUCT && count > 0 {
            return Err(format!("a list in its metadata holds values of type {kind} in place of structures"));
        }
        (0..count).map(|_| one(self)).collect()
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

    /// Everything takes a byte at least.
    fn announced(&self, count: u64) -> Result<(), String> {
        let left = (self.bytes.len() - self.at) as u64;
        match count > left {
            true => Err(format!("a list in its metadata announces {count} elements, and {left} bytes are left")),
            false => Ok(()),
        }
    }
}
