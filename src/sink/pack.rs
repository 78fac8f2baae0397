//! Compressing the pages of Parquet columns: as Polars does, but with memory that is taken once and not for each page.

use crate::threads::lock;
use polars::prelude::{PolarsResult, polars_err};
use polars_parquet::parquet::CowBuffer;
use polars_parquet::parquet::compression::Compression;
use polars_parquet::parquet::page::{CompressedDataPage, CompressedDictPage, CompressedPage, Page};
use std::io;
use std::sync::Mutex;
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

/// zstd's level, that of Polars.
pub(super) const LEVEL: i32 = 3;

/// zstd's level for what hardly gets smaller: noise, as the digits of most metrics are. The others take half as long again and find
/// no more.
const FAST: i32 = 1;
/// Bytes in the middle of a page by which it is judged, and of a page that is worth judging.
const PROBE: usize = 16 << 10;
const WORTH: usize = 4 * PROBE;

/// Compresses pages, one at a time.
pub(super) struct Packer {
    zstd: Compressor<'static>,
    /// Made when it is needed.
    fast: Option<Compressor<'static>>,
    /// Room for one compressed page.
    room: Vec<u8>,
}

/// Packers that nobody uses at the moment, as many as there were threads at work.
#[derive(Default)]
pub(super) struct Packers(Mutex<Vec<Packer>>);

impl Packers {
    /// Lends a packer to `work`.
    ///
    /// # Errors
    /// If zstd has no memory for one.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Packer) -> T) -> io::Result<T> {
        let idle = lock(&self.0).pop();
        let mut packer = match idle {
            Some(packer) => packer,
            None => Packer { zstd: Compressor::new(LEVEL)?, fast: None, room: Vec::new() },
        };
        let done = work(&mut packer);
        lock(&self.0).push(packer);
        Ok(done)
    }
}

impl Packer {
    /// The page, compressed. Its levels are, too: it is of Parquet's first version.
    pub(super) fn page(&mut self, page: Page) -> PolarsResult<CompressedPage> {
        Ok(match page {
            Page::Data(page) => {
                let rows =
                    page.num_rows().ok_or_else(|| polars_err!(ComputeError: "a page that is written has rows"))?;
                let (size, packed) = (page.buffer().len(), self.pack(page.buffer())?);
                let (header, descriptor) = (page.header().clone(), page.descriptor);
                let packed = CompressedDataPage::new(header, packed, Compression::Zstd, size, descriptor, rows);
                CompressedPage::Data(packed)
            }
            Page::Dict(page) => {
                let (size, packed) = (page.buffer.len(), self.pack(&page.buffer)?);
                let packed = CompressedDictPage::new(packed, Compression::Zstd, size, page.num_values, page.is_sorted);
                CompressedPage::Dict(packed)
            }
        })
    }

    fn pack(&mut self, bytes: &[u8]) -> io::Result<CowBuffer> {
        self.room.clear();
        self.room.reserve(compress_bound(bytes.len()));
        let noise = self.is_noise(bytes)?;
        let Packer { zstd, fast, room } = self;
        let zstd = if noise { fast_one(fast)? } else { zstd };
        zstd.compress_to_buffer(bytes, room)?;
        Ok(CowBuffer::Owned(self.room.clone()))
    }

    /// True if what is in the middle of a large page gets smaller by less than an eighth.
    fn is_noise(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let middle = bytes.len() / 2;
        let Some(probe) = bytes.get(middle..middle + PROBE).filter(|_| bytes.len() >= WORTH) else { return Ok(false) };
        self.room.reserve(compress_bound(PROBE));
        let size = fast_one(&mut self.fast)?.compress_to_buffer(probe, &mut self.room)?;
        self.room.clear();
        Ok(size > PROBE / 8 * 7)
    }
}

fn fast_one<'f>(fast: &'f mut Option<Compressor<'static>>) -> io::Result<&'f mut Compressor<'static>> {
    match fast {
        Some(zstd) => Ok(zstd),
        None => Ok(fast.insert(Compressor::new(FAST)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a page of floats, its size at the usual level and the one it gets, and whether it was taken for noise.
    fn packed(float: impl Fn(u64) -> f64, floats: u64) -> (usize, usize, bool) {
        let bytes: Vec<u8> = (0..floats).flat_map(|at| float(at).to_le_bytes()).collect();
        let mut packer = Packer { zstd: Compressor::new(LEVEL).unwrap(), fast: None, room: Vec::new() };
        let noise = packer.is_noise(&bytes).unwrap();
        let pack = packer.pack(&bytes).unwrap();
        assert_eq!(zstd::bulk::decompress(&pack, bytes.len()).unwrap(), bytes);
        (packer.zstd.compress(&bytes).unwrap().len(), pack.len(), noise)
    }

    #[test]
    fn only_noise_is_packed_fast() {
        let dice = |at: u64| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at << 17) >> 11;
        let noise = |at: u64| dice(dice(at)) as f64 / (1u64 << 53) as f64;
        let (usual, packed_size, is_noise) = packed(noise, 60_000);
        assert!(is_noise && packed_size < usual + usual / 50, "{packed_size} of {usual}");
        // Steps, times, single precision, and few floats.
        for float in [|at: u64| at as f64, |at: u64| 1.7e9 + at as f64 * 0.25] {
            let (usual, size, is_noise) = packed(float, 60_000);
            assert!(!is_noise && size == usual, "{size} of {usual}");
        }
        let (usual, size, is_noise) = packed(|at| f64::from(noise(at) as f32), 60_000);
        assert!(!is_noise && size == usual, "{size} of {usual}");
        assert!(!packed(noise, 1_000).2);
    }
}
