//! Compressing the pages of Parquet columns: as Polars does, but with memory that is taken once and not for each page.

use polars::prelude::{PolarsResult, polars_err};
use polars_parquet::parquet::CowBuffer;
use polars_parquet::parquet::compression::Compression;
use polars_parquet::parquet::page::{CompressedDataPage, CompressedDictPage, CompressedPage, Page};
use std::io;
use std::sync::{Mutex, PoisonError};
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

/// zstd's level, that of Polars.
pub(super) const LEVEL: i32 = 3;

/// Compresses pages, one at a time.
pub(super) struct Packer {
    zstd: Compressor<'static>,
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
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut packer = match idle {
            Some(packer) => packer,
            None => Packer { zstd: Compressor::new(LEVEL)?, room: Vec::new() },
        };
        let done = work(&mut packer);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(packer);
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
        self.zstd.compress_to_buffer(bytes, &mut self.room)?;
        Ok(CowBuffer::Owned(self.room.clone()))
    }
}
