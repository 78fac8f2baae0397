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
        match past(self.bytes, self.at, kind, DEEPEST - self.depth.min(DEEPEST)) {
            Some(end) => {
                self.at = end;
                Ok(())
            }
            None => self.pass_with_care(kind),
        }
    }

    /// The same, saying what is wrong.
    fn pass_with_care(&mut self, kind: u8) -> Result<(), String> {
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

/// Where a value ends that has at most so many levels; `None` if anything is wrong with it, or rare.
fn past(bytes: &[u8], at: usize, kind: u8, levels: usize) -> Option<usize> {
    let within = |length: usize| at.checked_add(length).filter(|end| *end <= bytes.len());
    match kind {
        TYPED_BOOL => return Some(at),
        1..=3 => return within(1),
        4..=I64 => return past_varint(bytes, at),
        7 => return within(8),
        TEXT => {
            let first = usize::from(*bytes.get(at)?);
            if first < 0x80 {
                return within(1 + first);
            }
            let second = *bytes.get(at + 1).filter(|byte| **byte < 0x80)?;
            return within(2 + (first & 0x7f) + (usize::from(second) << 7));
        }
        _ => {}
    }
    let levels = levels.checked_sub(1)?;
    let mut at = at;
    match kind {
        LIST => {
            let head = *bytes.get(at).filter(|head| **head < 0xf0)?;
            let count = usize::from(head >> 4);
            at += 1;
            if count > bytes.len() - at {
                return None;
            }
            for _ in 0..count {
                at = past(bytes, at, head & 15, levels)?;
            }
            Some(at)
        }
        STRUCT => loop {
            let head = *bytes.get(at)?;
            at += 1;
            if head == 0 {
                return Some(at);
            }
            if head >> 4 == 0 {
                at = past_varint(bytes, at)?;
            }
            if !matches!(head & 15, 1 | 2) {
                at = past(bytes, at, head & 15, levels)?;
            }
        },
        _ => None,
    }
}

#[inline]
fn past_varint(bytes: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..10 {
        let byte = *bytes.get(at)?;
        at += 1;
        if byte < 0x80 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes as they stand in structures, more often than not.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            Just(0u8),
            1u8..8,
            Just(0x80u8),
            prop::sample::select(vec![
                0x15u8, 0x16, 0x18, 0x19, 0x1c, 0x1b, 0x11, 0x12, 0x05, 0x0c, 0x25, 0x2c, 0xf8, 0x17
            ]),
            any::<u8>(),
        ];
        prop::collection::vec(byte, 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn the_quick_way_ends_where_the_careful_one_does(bytes in bytes(), kind in 0u8..17) {
            let mut walk = Thrift::new(&bytes);
            let careful = walk.pass_with_care(kind);
            if let Some(end) = past(&bytes, 0, kind, DEEPEST) {
                prop_assert_eq!((careful, walk.at), (Ok(()), end));
            }
        }
    }

    #[test]
    fn texts_of_any_length_are_passed() {
        for length in [0usize, 1, 127, 128, 300, 16_383, 16_384, 70_000] {
            let mut bytes = vec![0x18];
            let mut left = length;
            while left >= 0x80 {
                bytes.push(left as u8 | 0x80);
                left >>= 7;
            }
            bytes.push(left as u8);
            bytes.extend(vec![b'x'; length]);
            bytes.push(0);
            let ends = |bytes: &[u8]| {
                let mut walk = Thrift::new(bytes);
                walk.pass(STRUCT).map(|()| walk.at)
            };
            assert_eq!(ends(&bytes), Ok(bytes.len()));
            assert!(past(&bytes, 0, STRUCT, DEEPEST).is_none_or(|end| end == bytes.len()));
            assert!(ends(&bytes[..bytes.len() - 1]).is_err());
            if length > 0 {
                assert!(ends(&bytes[..bytes.len() - 2]).is_err());
            }
        }
    }

    #[test]
    fn levels_are_counted_alike() {
        for levels in [1, DEEPEST - 1, DEEPEST, DEEPEST + 1] {
            let bytes = [vec![0x1c; levels - 1], vec![0; levels]].concat();
            let mut walk = Thrift::new(&bytes);
            let careful = walk.pass_with_care(STRUCT).is_ok();
            assert_eq!((careful, past(&bytes, 0, STRUCT, DEEPEST).is_some()), (levels <= DEEPEST, levels <= DEEPEST));
        }
    }
}
