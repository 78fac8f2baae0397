//! A file that is there, brought up to date: what changed is loaded, what is gone leaves, the rest stays as it is.

use super::changes::{self, changes};
use super::condition::{Condition, Rejected, Seen};
use super::journal::Journal;
use super::splice::{self, Splice};
use super::{Known, Pull, Pulled, metadata, note, order, path};
use crate::columns::Columns;
use crate::error::Result;
use crate::frame::{RunFrame, redact};
use crate::load::{Key, keys, last_of_each, read_and};
use crate::record::Receipt;
use crate::source::api::{ApiSource, Heard, LightListing};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

impl Pull {
    pub(super) fn bring_up_to_date(
        &self,
        source: &ApiSource,
        journal: &Journal,
        manifest: &Value,
        condition: &Condition,
        mut known: Known,
    ) -> Result<Pulled> {
        let wanted = self.loader.what_is_wanted();
        // With conditions the latest runs may all be such as did not match: then nothing is guessed.
        let heard = if self.conditions.is_empty() { changes::heard(&known.columns) } else { Heard::new() };
        let listed = source.light_listing_and_recent(wanted, &heard);
        let (listing, guess) = listed.map_err(|error| self.loader.blamed(error))?;
        if condition.moves() {
            known.rejected = Rejected::default();
        }
        let mut changes = changes(&known.columns, &listing, &known.rejected);
        let mut receipt = Receipt { complete: Some(listing.complete), bytes: listing.bytes, ..Receipt::default() };
        receipt.served.get_or_insert_default().requests = listing.requests;
        receipt.redacted = self.loader.what_redaction().map(redact::told);
        if !listing.complete {
            note(&mut receipt, "the listing of names could not be proved complete, so nothing was removed".to_owned());
        }
        if known.file.is_some() && changes.load.is_empty() && changes.gone.is_empty() && !condition.moves() {
            receipt.runs = known.columns.height() as u64;
            return Ok(Pulled { receipt, loaded: 0, removed: 0, written: false, history: None });
        }
        if known.file.is_some() && !condition.is_of_each_run() {
            return self.load_all(source, journal, manifest, condition);
        }
        let mut fresh = Columns::new(wanted);
        changes.take(guess, &listing).iter().for_each(|run| fresh.push(run));
        redact::look(&mut fresh, self.loader.what_redaction());
        let announced = self.load_changed(source, journal, &changes.load, &mut fresh, &mut receipt)?;
        let loaded = fresh.height() as u64;
        let (gone, replaced) = rows_to_leave(&known.columns, changes.gone, &fresh, &announced);
        let removed = gone.len() as u64;
        let leave: HashSet<usize> = gone.into_iter().chain(replaced).collect();
        let keep = last_of_each(&fresh);
        fresh.retain(&keep);
        if !self.conditions.is_empty() {
            let told = Pulled { receipt, loaded, removed, written: true, history: None };
            return self.update_where(known, &leave, &fresh, told, condition, &listing, manifest);
        }
        let done = |receipt| Pulled { receipt, loaded, removed, written: true, history: None };
        if let Some(file) = &known.file {
            return self.update(file, &known.columns, &leave, fresh, receipt, manifest).map(done);
        }
        self.write_anew(known.columns, &leave, &fresh, receipt, manifest).map(done)
    }

    /// Loads the runs of these names, and tells those whose absence means that they are deleted.
    fn load_changed<'a>(
        &self,
        source: &ApiSource,
        journal: &Journal,
        load: &'a BTreeMap<(String, String), Vec<String>>,
        fresh: &mut Columns,
        receipt: &mut Receipt,
    ) -> Result<HashSet<(&'a str, &'a str, &'a str)>> {
        let mut announced = HashSet::new();
        for ((entity, project), names) in load {
            let part = source.clone().only(entity, project).only_names(names.clone());
            let keep = self.keeper(journal);
            let (wanted, redaction) = (self.loader.what_is_wanted(), self.loader.what_redaction());
            let (columns, told) = read_and(&part, wanted, self.loader.what_progress(), redaction, Some(&keep))?;
            // Only a load that is proved whole tells by what it lacks that a run is deleted.
            if told.complete == Some(true) {
                announced.extend(names.iter().map(|name| (entity.as_str(), project.as_str(), name.as_str())));
            }
            receipt.merge(told);
            fresh.merge(&columns);
        }
        Ok(announced)
    }

    /// Puts fresh runs among the old ones, evaluates the conditions on all of them, and writes those that match; `told` is what
    /// was loaded and removed so far.
    #[allow(clippy::too_many_arguments)]
    fn update_where(
        &self,
        known: Known,
        leave: &HashSet<usize>,
        fresh: &Columns,
        mut told: Pulled,
        condition: &Condition,
        listing: &LightListing,
        manifest: &Value,
    ) -> Result<Pulled> {
        let from_file = known.file.is_some();
        let came: HashSet<String> = keys(fresh).iter().map(path).collect();
        let had: HashSet<String> =
            if from_file { keys(&known.columns).iter().map(path).collect() } else { HashSet::new() };
        let mut whole = known.file.map_or(Ok(known.columns), |file| file.to_columns())?;
        let keep: Vec<bool> = (0..whole.height()).map(|row| !leave.contains(&row)).collect();
        whole.retain(&keep);
        whole.merge(fresh);
        whole.forget_receipt();
        told.receipt.found_secrets(fresh.receipt().secrets);
        let frame = RunFrame::from_columns(whole, told.receipt)?;
        if !from_file {
            condition.check(&self.loader, &frame)?;
        }
        let (frame, dropped) = condition.apply(frame, Seen::Part)?;
        let count = |set: &HashSet<String>| dropped.iter().filter(|run| set.contains(&run.path)).count() as u64;
        let (loaded, removed) = (told.loaded.saturating_sub(count(&came)), told.removed + count(&had));
        let now = if condition.moves() { Rejected::default() } else { known.rejected.renewed(listing, &dropped) };
        let written = !(from_file && loaded + removed == 0 && now == known.rejected);
        let receipt = match written {
            true => self.write_frame(&frame, &now.put_into(manifest.clone()))?.receipt().clone(),
            false => frame.receipt().clone(),
        };
        Ok(Pulled { receipt, loaded, removed, written, history: None })
    }

    /// Puts fresh runs into the file that is there and takes others out.
    fn update(
        &self,
        file: &RunFrame,
        old: &Columns,
        gone: &HashSet<usize>,
        mut fresh: Columns,
        receipt: Receipt,
        manifest: &Value,
    ) -> Result<Receipt> {
        let total = (old.height() - gone.len() + fresh.height()) as u64;
        order::sort(&mut fresh);
        let mut copy = Columns::new(fresh.wanted());
        copy.merge(&fresh);
        if splice::prepare(&mut copy, file) {
            let frame = RunFrame::from_columns(copy, receipt.clone())?.counting(total);
            let splice = Splice { old, file, gone, fresh: &frame };
            if splice.write(&self.output, &metadata(&frame, manifest))? {
                return Ok(frame.receipt().clone());
            }
        }
        self.write_anew(file.to_columns()?, gone, &fresh, receipt, manifest)
    }

    /// Writes the file from all its runs, the old and the fresh ones.
    fn write_anew(
        &self,
        mut whole: Columns,
        gone: &HashSet<usize>,
        fresh: &Columns,
        receipt: Receipt,
        manifest: &Value,
    ) -> Result<Receipt> {
        let keep: Vec<bool> = (0..whole.height()).map(|row| !gone.contains(&row)).collect();
        whole.retain(&keep);
        whole.forget_receipt();
        whole.merge(fresh);
        let frame = self.write(whole, receipt, manifest)?;
        Ok(frame.receipt().clone())
    }
}

/// The rows of runs that are deleted, and of those that came anew: what was announced and did not come is deleted by now.
fn rows_to_leave(
    known: &Columns,
    mut gone: HashSet<usize>,
    fresh: &Columns,
    announced: &HashSet<(&str, &str, &str)>,
) -> (HashSet<usize>, HashSet<usize>) {
    let mut replaced = HashSet::new();
    let came: HashSet<Key<'_>> = keys(fresh).into_iter().collect();
    for (row, key) in keys(known).iter().enumerate() {
        let announced = matches!(key, (Some(e), Some(p), Some(n)) if announced.contains(&(*e, *p, *n)));
        if came.contains(key) {
            replaced.insert(row);
        } else if announced {
            gone.insert(row);
        }
    }
    gone.retain(|row| !replaced.contains(row));
    (gone, replaced)
}
