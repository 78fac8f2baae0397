//! The projects among a loader's sources: the default entity, the server's filter, and which keys are asked for.

use super::{Loader, read_and};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::RunFrame;
use crate::record::{Receipt, Wanted};
use crate::source::api::{ApiOptions, ApiSource, Projection, Settings};
use crate::source::location::Location;

impl Loader {
    pub(super) fn load_projects(&self) -> Result<RunFrame> {
        let source = self.api_source()?;
        let read = read_and(&source, self.wanted, &self.progress, self.what_redaction(), None);
        let (columns, mut receipt) = read.map_err(|error| self.blamed(error))?;
        tell_keys(&mut receipt, self.wanted, &self.server.projection);
        RunFrame::from_columns(columns, receipt)
    }

    /// The projects among the sources, as one source.
    pub(crate) fn api_source(&self) -> Result<ApiSource> {
        let settings = match &self.server.settings {
            Some(settings) => settings.clone(),
            None => Settings::find()?,
        };
        crate::json::allow_depth(self.limits.depth);
        let options = ApiOptions { limits: self.limits, ..self.server.options.clone() };
        let mut source = ApiSource::new(settings).options(options).listened(self.server.listener.clone());
        source = source.projection(self.server.projection.clone());
        if let Some(filter) = &self.server.filter {
            source = source.filter(filter)?;
        }
        let mut default: Option<String> = None;
        for location in self.locations() {
            let Location::Project { entity, project } = location else { continue };
            let entity = match (entity, &default) {
                (Some(entity), _) | (None, Some(entity)) => entity.clone(),
                (None, None) => {
                    let found = source.default_entity().map_err(|error| self.blamed(error))?;
                    default.insert(found).clone()
                }
            };
            source = match project {
                Some(project) => source.project(entity, project),
                None => source.all_projects(entity),
            };
        }
        Ok(source)
    }

    /// The same sources, of which the servers leave out nothing.
    pub(crate) fn unfiltered(&self) -> Loader {
        let mut all = self.clone();
        all.server.filter = None;
        all
    }

    pub(crate) fn what_filter(&self) -> Option<&str> {
        self.server.filter.as_deref()
    }

    /// An error of the server's, where a project was named by a bare word: it may have been meant as a path.
    pub(crate) fn blamed(&self, error: Error) -> Error {
        let bare = self.locations.iter().find(|(name, location)| {
            matches!(location, Location::Project { entity: None, .. }) && !name.starts_with("wandb://")
        });
        let Some((name, _)) = bare.filter(|_| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Network)) else {
            return error;
        };
        let what = format!("{name} is no file or folder here; as a project: {}", error.message());
        let told = Error::new(error.kind(), what);
        match error.cure() {
            Some(cure) => told.hint(cure),
            None => told,
        }
    }
}

/// Says which keys were asked for, unless the server had to send all.
fn tell_keys(receipt: &mut Receipt, wanted: Wanted, projection: &Projection) {
    let Some(served) = &mut receipt.served else { return };
    if wanted.raw || served.fields_dropped.iter().any(|field| field == "Run.config(keys)") {
        return;
    }
    let parts = [("config", wanted.config, &projection.config), ("summary", wanted.summary, &projection.summary)];
    for (part, asked, keys) in parts {
        if let (true, Some(keys)) = (asked, keys) {
            served.projected.push(format!("{part}: {}", keys.join(", ")));
        }
    }
}
