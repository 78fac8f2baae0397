//! The seal of a Parquet file: checksums of everything that stands before its footer, block by block, and of the footer itself.
//!
//! Parquet has none for its footer, and those of pages are optional: a flipped bit may change an answer unseen. The seal stands
//! inside of the footer, behind its Thrift structure, where readers look no further (encrypted files have their signature there):
//!
//! ```text
//! … row groups, indexes │ Thrift │ a CRC-32 for each block │ how many │ CRC-32 from Thrift to here │ RFSEAL01 │ length │ PAR1
//! ```

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes that share a checksum.
const BLOCK: usize = 32 << 10;
/// What a seal ends with.
const MARK: [u8; 8] = *b"RFSEAL01";
/// Count, checksum, mark.
const TAIL: usize = 16;
/// The length of the footer, and `PAR1`.
pub const END: usize = 8;
/// The key, among the pairs in the footer of a sealed file, of the Arrow schema of those columns whose type does not follow from
/// Parquet's own schema.
pub const TYPES: &str = "runframe.types";

/// Checksums of blocks, while a file is written.
#[derive(Debug, Default)]
pub struct Sums {
    done: Vec<u32>,
    hasher: crc32fast::Hasher,
    filled: usize,
}

impl Sums {
    /// Takes the next bytes of the file.
    pub fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
            self.hasher.update(now);
            self.filled += now.len();
            if self.filled == BLOCK {
                self.done.push(std::mem::take(&mut self.hasher).finalize());
                self.filled = 0;
            }
            bytes = later;
        }
    }

    fn finish(mut self) -> Vec<u32> {
        if self.filled > 0 {
            self.done.push(self.hasher.finalize());
        }
        self.done
    }

    /// The end of a file with its seal, given what Polars ends it with: indexes, Thrift, length and `PAR1`.
    pub fn sealed(mut self, end: Vec<u8>) -> Vec<u8> {
        let Some([a, b, c, d, b'P', b'A', b'R', b'1']) = end.last_chunk::<END>() else { return end };
        let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let Some(thrift) = end.len().checked_sub(END + length) else { return end };
        let (indexes, rest) = end.split_at(thrift);
        self.add(indexes);
        let mut footer = rest.get(..length).unwrap_or_default().to_vec();
        let sums = self.finish();
        sums.iter().for_each(|sum| footer.extend(sum.to_le_bytes()));
        footer.extend((sums.len() as u32).to_le_bytes());
        footer.extend(crc32fast::hash(&footer).to_le_bytes());
        footer.extend(MARK);
        let Ok(length) = u32::try_from(footer.len()) else { return end };
        [indexes, &footer, &length.to_le_bytes(), b"PAR1"].concat()
    }
}

/// The seal of a file that is read.
#[derive(Debug, Clone)]
pub struct Seal {
    sums: Arc<[u32]>,
    /// Blocks that were found sound.
    sound: Arc<[AtomicBool]>,
    /// Where the footer begins.
    end: u64,
}

impl Seal {
    /// The seal in `footer`, which begins at byte `start` of the file and ends before its length; `None` if it has none, as
    /// files of others.
    ///
    /// # Errors
    /// If the footer is not what was sealed.
    pub fn of(footer: &[u8], start: u64) -> Result<Option<Seal>, &'static str> {
        let Some((sealed, tail)) = footer.split_last_chunk::<TAIL>().filter(|(_, tail)| tail.ends_with(&MARK)) else {
            return Ok(None);
        };
        let [a, b, c, d, e, f, g, h, ..] = *tail;
        let (count, sum) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(sealed);
        hasher.update(&[a, b, c, d]);
        if hasher.finalize() != sum {
            return Err("its footer does not have the checksum that it was written with");
        }
        let sums = sealed.len().checked_sub(count as usize * 4).and_then(|at| sealed.get(at..)).unwrap_or_default();
        let sums: Arc<[u32]> = sums.as_chunks::<4>().0.iter().map(|sum| u32::from_le_bytes(*sum)).collect();
        if sums.len() as u64 != start.div_ceil(BLOCK as u64) {
            return Err("it is longer or shorter than it was written");
        }
        let sound = sums.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Some(Seal { sums, sound, end: start }))
    }

    /// Checks the blocks in which `range` lies; `file` is all of the file. Each block is checked once.
    ///
    /// # Errors
    /// Where a block begins whose checksum is wrong.
    pub fn check(&self, file: &[u8], range: Range<u64>) -> Result<(), u64> {
        let block = BLOCK as u64;
        for at in range.start / block..range.end.min(self.end).div_ceil(block) {
            let known = self.sound.get(at as usize);
            if known.is_some_and(|sound| sound.load(Ordering::Relaxed)) {
                continue;
            }
            let (from, to) = (at * block, ((at + 1) * block).min(self.end));
            let bytes = file.get(from as usize..to as usize).ok_or(from)?;
            if self.sums.get(at as usize) != Some(&crc32fast::hash(bytes)) {
                return Err(from);
            }
            if let Some(sound) = known {
                sound.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Where the footer begins: all before it has checksums.
    pub fn end(&self) -> u64 {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as Polars would write it, sealed: its bytes, and where its footer begins.
    fn file(data: &[u8]) -> (Vec<u8>, usize) {
        let mut sums = Sums::default();
        data.chunks(1_000).for_each(|piece| sums.add(piece));
        let end = [&b"index"[..], b"thrift", &6u32.to_le_bytes(), b"PAR1"].concat();
        let bytes = [data, &sums.sealed(end)].concat();
        (bytes, data.len() + 5)
    }

    fn seal(bytes: &[u8], start: usize) -> Result<Option<Seal>, &'static str> {
        Seal::of(&bytes[start..bytes.len() - END], start as u64)
    }

    #[test]
    fn whole_files_are_sound() {
        for length in [0, 1, BLOCK - 5, BLOCK, 3 * BLOCK + 7] {
            let data: Vec<u8> = (0..length).map(|at| (at * 31) as u8).collect();
            let (bytes, start) = file(&data);
            assert_eq!(bytes[start..start + 6], *b"thrift");
            let told = bytes.last_chunk::<8>().unwrap();
            assert_eq!(u32::from_le_bytes([told[0], told[1], told[2], told[3]]) as usize, bytes.len() - start - END);
            let found = seal(&bytes, start).unwrap().unwrap();
            assert_eq!(found.end(), start as u64);
            for _ in 0..2 {
                assert_eq!(found.check(&bytes, 0..bytes.len() as u64), Ok(()));
            }
        }
    }

    #[test]
    fn a_flipped_byte_anywhere_is_seen() {
        let (bytes, start) = file(&vec![7; BLOCK + 100]);
        for at in (0..BLOCK + 100).step_by(997) {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            let found = seal(&bad, start).unwrap().unwrap();
            assert_eq!(found.check(&bad, 0..start as u64), Err((at / BLOCK * BLOCK) as u64));
            // The other block is as good as before.
            let other = if at < BLOCK { BLOCK as u64..start as u64 } else { 0..BLOCK as u64 };
            assert_eq!(found.check(&bad, other), Ok(()));
        }
        for at in start..bytes.len() - END - MARK.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            assert!(seal(&bad, start).is_err(), "byte {at}");
        }
    }

    #[test]
    fn other_footers_have_no_seal() {
        for footer in [&b""[..], b"thrift", b"RFSEAL01"] {
            assert!(matches!(Seal::of(footer, 100), Ok(None)));
        }
        let (bytes, start) = file(&vec![7; BLOCK + 100]);
        assert!(Seal::of(&bytes[start..bytes.len() - END], 10).is_err());
    }
}
