//! Pages as a source of runs, as a server is one: each thread reads and flattens pages, and the parts are put together in order.

use crate::pages::PAGE;
use runframe::{ApiSource, Batch, Columns, Progress, Receipt, Result, Source, Wanted};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pages that are handed out once.
struct Kept {
    pages: Vec<Mutex<Vec<u8>>>,
    threads: usize,
}

impl Source for Kept {
    fn load(&self, _: Wanted, each: &(dyn Fn(Batch) -> Result<()> + Sync), progress: &Progress) -> Result<Receipt> {
        // As a server says how many runs there are.
        progress.expect((self.pages.len() * PAGE) as u64);
        let next = AtomicUsize::new(0);
        let work = || -> Result<()> {
            loop {
                let order = next.fetch_add(1, Ordering::Relaxed);
                let Some(page) = self.pages.get(order) else { return Ok(()) };
                let page = std::mem::take(&mut *page.lock().expect("a page"));
                each(Batch { order, runs: ApiSource::runs_in(page)? })?;
            }
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..self.threads).map(|_| scope.spawn(work)).collect();
            work()?;
            others.into_iter().try_for_each(|other| other.join().expect("a thread"))
        })?;
        Ok(Receipt::default())
    }
}

/// The columns of all pages.
pub fn loaded(pages: Vec<Vec<u8>>, threads: usize) -> Columns {
    let source = Kept { pages: pages.into_iter().map(Mutex::new).collect(), threads };
    runframe::read(&source, Wanted::default(), &Progress::default()).expect("columns").0
}
