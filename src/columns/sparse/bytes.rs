//! The values of a path as bytes, for temporary files and for what stored histories know of their metrics: little-endian, lengths in
//! front, no format for others. Rows at the front may be written down or not: earlier versions wrote all of them.

use super::{Pairs, Sparse, Texts};
use crate::flatten::List;
use crate::json::NonFinite;

/// Something that a temporary file can hold.
trait Bytes: Sized {
    fn write(&self, out: &mut Vec<u8>);
    /// `None` if the bytes are too few.
    fn read(from: &mut &[u8]) -> Option<Self>;
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(*bytes)
}

macro_rules! numbers {
    ($($number:ty),*) => {$(impl Bytes for $number {
        fn write(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(&self.to_le_bytes());
        }

        fn read(from: &mut &[u8]) -> Option<Self> {
            take(from).map(<$number>::from_le_bytes)
        }
    })*};
}

numbers!(u8, u32, u64, i64, f64);

impl Bytes for () {
    fn write(&self, _: &mut Vec<u8>) {}

    fn read(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl Bytes for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        u8::read(from).map(|byte| byte != 0)
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    (text.len() as u64).write(out);
    out.extend_from_slice(text.as_bytes());
}

impl Bytes for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_text(self, out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let length = usize::try_from(u64::read(from)?).ok()?;
        let (bytes, rest) = from.split_at_checked(length)?;
        *from = rest;
        String::from_utf8(bytes.to_vec()).ok()
    }
}

impl<T: Bytes> Bytes for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u64).write(out);
        self.iter().for_each(|value| value.write(out));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        (0..u64::read(from)?).map(|_| T::read(from)).collect()
    }
}

impl<T: Bytes> Bytes for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        self.iter().for_each(|value| value.write(out));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::read(from)? { Some(T::read(from)?) } else { None })
    }
}

impl Bytes for (NonFinite, Box<str>) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.spelling().to_owned().write(out);
        self.1.to_string().write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some((NonFinite::from_spelling(&String::read(from)?)?, String::read(from)?.into()))
    }
}

impl Bytes for List {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            List::Nulls(count) => {
                out.push(0);
                (*count as u64).write(out);
            }
            List::Ints(values) => {
                out.push(1);
                values.write(out);
            }
            List::Floats(values) => {
                out.push(2);
                values.write(out);
            }
            List::Strs(values) => {
                out.push(3);
                values.write(out);
            }
            List::Bools(values) => {
                out.push(4);
                values.write(out);
            }
        }
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(match u8::read(from)? {
            0 => List::Nulls(usize::try_from(u64::read(from)?).ok()?),
            1 => List::Ints(Bytes::read(from)?),
            2 => List::Floats(Bytes::read(from)?),
            3 => List::Strs(Bytes::read(from)?),
            4 => List::Bools(Bytes::read(from)?),
            _ => return None,
        })
    }
}

impl<T: Bytes> Bytes for Pairs<T> {
    fn write(&self, out: &mut Vec<u8>) {
        let (rows, values) = self.parts();
        rows.write(out);
        values.write(out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Pairs::of(Bytes::read(from)?, Bytes::read(from)?)
    }
}

impl Bytes for Texts {
    fn write(&self, out: &mut Vec<u8>) {
        self.ends.write(out);
        write_text(self.bytes(), out);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(Texts { ends: Bytes::read(from)?, bytes: Bytes::read(from)?, shared: None })
    }
}

impl Sparse {
    /// Appends the values, but not what was declared, to `out`.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        self.nulls.write(out);
        self.ints.write(out);
        self.floats.write(out);
        self.bigs.write(out);
        self.spelled.write(out);
        self.strs.write(out);
        self.bools.write(out);
        self.lists.write(out);
        self.jsons.write(out);
    }

    /// Reads what [`Sparse::write_bytes`] wrote and moves `from` behind it; `None` if it is something else.
    pub fn read_bytes(from: &mut &[u8]) -> Option<Sparse> {
        Some(Sparse {
            nulls: Bytes::read(from)?,
            ints: Bytes::read(from)?,
            floats: Bytes::read(from)?,
            bigs: Bytes::read(from)?,
            spelled: Bytes::read(from)?,
            strs: Bytes::read(from)?,
            bools: Bytes::read(from)?,
            lists: Bytes::read(from)?,
            jsons: Bytes::read(from)?,
            declared: Vec::new(),
            declared_empty: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flatten::Leaf;

    #[test]
    fn every_kind_of_value_comes_back() {
        let mut values = Sparse::default();
        let list = |list| Leaf::List(list);
        let leaves = [
            Leaf::Null,
            Leaf::Int(i64::MIN),
            Leaf::Float(f64::NEG_INFINITY),
            Leaf::Big("123456789012345678901234567890"),
            Leaf::Spelled(NonFinite::Nan, "nan".into()),
            Leaf::Str("é".into()),
            Leaf::Str("".into()),
            Leaf::Bool(true),
            list(List::Nulls(2)),
            list(List::Ints(vec![Some(1), None])),
            list(List::Floats(vec![Some(0.5), None])),
            list(List::Strs(vec![Some("x".into()), None])),
            list(List::Bools(vec![Some(false), None])),
            Leaf::Json("{}".into()),
        ];
        leaves.into_iter().enumerate().for_each(|(row, leaf)| values.push(row as u32, leaf));
        let mut bytes = Vec::new();
        values.write_bytes(&mut bytes);
        bytes.push(9);
        let mut rest = &bytes[..];
        let back = Sparse::read_bytes(&mut rest).unwrap();
        assert_eq!(rest, [9]);
        assert_eq!(format!("{back:?}"), format!("{values:?}"));
        assert!(Sparse::read_bytes(&mut &bytes[..bytes.len() - 2]).is_none());
    }

    #[test]
    fn rows_that_are_written_in_full_are_read() {
        let mut bytes = Vec::new();
        vec![0u32, 1, 5].write(&mut bytes);
        vec![7i64, 8, 9].write(&mut bytes);
        let back: Pairs<i64> = Bytes::read(&mut &bytes[..]).unwrap();
        assert_eq!(back.iter().collect::<Vec<_>>(), [(0, &7), (1, &8), (5, &9)]);
        // More rows than values are nothing that was ever written.
        let mut bytes = Vec::new();
        vec![0u32, 1].write(&mut bytes);
        vec![7i64].write(&mut bytes);
        assert!(<Pairs<i64> as Bytes>::read(&mut &bytes[..]).is_none());
    }
}
