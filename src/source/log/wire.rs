//! Protobuf's wire format: a walk over the fields of a message, borrowed and bounds-checked.

/// A message that breaks the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A field's value as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A varint: integers, booleans, enums.
    Varint(u64),
    /// Eight bytes: doubles and fixed integers.
    Fixed64(u64),
    /// Four bytes: floats and fixed integers.
    Fixed32(u32),
    /// Length-delimited: texts, bytes, messages, packed lists.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes; empty for other wire types, as an absent field would be.
    #[inline]
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Value::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// The signed integer; 0 for other wire types. Protobuf sign-extends negative `int32`s to 64 bits.
    #[inline]
    pub(super) fn int(self) -> i64 {
        match self {
            Value::Varint(value) => value.cast_signed(),
            _ => 0,
        }
    }
}

/// The fields of a message, in the order they stand. Unknown fields come like any others.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of `message`.
    #[inline]
    pub(super) fn new(message: &'a [u8]) -> Self {
        Fields { rest: message }
    }

    /// What is not read yet.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        match self.rest.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            // Two bytes: the tag of `value_json`, which every item has, and lengths of most records.
            Some((low, [high, rest @ ..])) if *high < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*low & 0x7f) | u64::from(*high) << 7)
            }
            // Three: the numbers of most records of long logs.
            Some((low, [middle, high, rest @ ..])) if *high < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*low & 0x7f) | u64::from(*middle & 0x7f) << 7 | u64::from(*high) << 14)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for (index, byte) in self.rest.iter().take(10).enumerate() {
            // Bits beyond the 64th are dropped, as protobuf's own readers do.
            value |= u64::from(byte & 0x7f).wrapping_shl(7 * index as u32);
            if *byte < 0x80 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    #[inline]
    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline]
    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
        if number == 0 {
            return Err(Malformed);
        }
        let value = match tag & 7 {
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            // Groups, which proto3 does not have, and numbers that mean nothing.
            _ => return Err(Malformed),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // Short messages in fields 1 to 15, which is nearly everything there is.
        if let [tag @ 0x08..0x80, length @ 0..0x80, rest @ ..] = self.rest
            && tag & 7 == 2
            && let Some((bytes, rest)) = rest.split_at_checked(usize::from(*length))
        {
            self.rest = rest;
            return Some(Ok((u32::from(tag >> 3), Value::Bytes(bytes))));
        }
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        Fields::new(bytes).collect()
    }

    #[test]
    fn all_wire_types_are_walked() {
        let bytes = [
            0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 1, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 0, 0, 0, 0x82, 0x01, 0x00,
        ];
        let expected = [
            (1, Value::Varint(150)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Fixed32(1)),
            (4, Value::Fixed64(2)),
            (16, Value::Bytes(b"")),
        ];
        assert_eq!(fields(&bytes).unwrap(), expected);
    }

    #[test]
    fn negative_int32_takes_ten_bytes() {
        let bytes = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(fields(&bytes).unwrap()[0].1.int(), -1);
    }

    #[test]
    fn malformed_messages_are_refused() {
        let cases: [&[u8]; 7] = [
            &[0x08],
            &[0x12, 0x05, b'a'],
            &[0x0b, 0x0c],
            &[0x00, 0x01],
            &[0x09, 1, 2, 3],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ];
        for bytes in cases {
            assert_eq!(fields(bytes), Err(Malformed), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let steps = Fields::new(&bytes).count();
            prop_assert!(steps <= bytes.len());
        }
    }
}
