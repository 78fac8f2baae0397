//! Which server, which key, which defaults: from the environment, netrc and W&B's settings files, and where each came from.

#[cfg(any(test, fuzzing))]
#[path = "../../fuzz/settings.rs"]
pub(crate) mod fuzz;

use super::base_url::{self, BaseUrl};
use super::key::ApiKey;
use super::netrc::{self, Found};
use crate::error::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What settings are found in: environment, home and working directory, as values, so that tests can choose them.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// The home directory.
    pub home: Option<PathBuf>,
    /// The working directory.
    pub cwd: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    pub fn here() -> Self {
        let text = |text: OsString| text.into_string().ok();
        Surroundings {
            env: std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect(),
            home: std::env::home_dir().filter(|home| !home.as_os_str().is_empty()),
            cwd: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// A variable that is set and not empty.
    fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// `~` and `~/…` below the home directory.
    fn expand(&self, path: &str) -> PathBuf {
        match (path.strip_prefix('~'), &self.home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => home.join(rest.trim_matches('/')),
            _ => self.cwd.join(path),
        }
    }
}

impl fmt::Debug for Surroundings {
    /// Names of variables only: their values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.keys().collect();
        f.debug_struct("Surroundings").field("env", &names).field("home", &self.home).field("cwd", &self.cwd).finish()
    }
}

/// How to reach a W&B server.
///
/// The key is looked for in `WANDB_API_KEY`, then in netrc (`$NETRC`, `~/.netrc`, `~/_netrc`) under the server's host and
/// port, unless `WANDB_IDENTITY_TOKEN_FILE` names a file with a JWT to exchange for access tokens; the server in `WANDB_BASE_URL`, then in W&B's settings files (`./wandb/settings` before
/// `~/.config/wandb/settings`), then it is W&B's own. Without a key, public projects can be read.
///
/// Plain http is taken for loopback only. `RUNFRAME_INSECURE_HTTP=HOST[:PORT],…` names further hosts that may have the
/// key in the clear. Certificates are always checked; `SSL_CERT_FILE` adds an authority.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The server.
    pub base_url: BaseUrl,
    /// The key; without it and an identity the access is anonymous.
    pub key: Option<ApiKey>,
    /// A file with an identity token (`WANDB_IDENTITY_TOKEN_FILE`), which is exchanged at this server for access tokens. They
    /// take the key's place; nothing of it is stored.
    pub identity: Option<PathBuf>,
    /// The default entity (`WANDB_ENTITY`, settings files).
    pub entity: Option<String>,
    /// The default project (`WANDB_PROJECT`, settings files).
    pub project: Option<String>,
    /// How long one attempt of a request may take (`WANDB_HTTP_TIMEOUT`, seconds; 30).
    pub attempt_timeout: Duration,
    /// Where the key and the server came from, one line each, for verbose output. Never the key itself.
    pub origins: Vec<String>,
    /// What was found and could not be used, one line each.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Finds the settings of this process.
    ///
    /// # Errors
    /// If the server's URL is wrong or unsafe, or the key or a number is malformed.
    pub fn find() -> Result<Self> {
        Settings::find_in(&Surroundings::here())
    }

    /// Settings for one server and key, whatever the surroundings say.
    pub fn new(base_url: BaseUrl, key: Option<ApiKey>) -> Self {
        Settings {
            base_url,
            key,
            identity: None,
            entity: None,
            project: None,
            attempt_timeout: Duration::from_secs(30),
            origins: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Finds the settings in the given surroundings.
    ///
    /// # Errors
    /// If the server's URL is wrong or unsafe, or the key or a number is malformed.
    pub fn find_in(here: &Surroundings) -> Result<Self> {
        let mut warnings = Vec::new();
        let files = SettingsFiles::read(here, &mut warnings);
        let pick = |env: &str, name: &str| -> Option<(String, String)> {
            let var = here.var(env).map(|value| (value.to_owned(), env.to_owned()));
            var.or_else(|| files.get(name))
        };
        let plain_http: Vec<String> = here
            .var("RUNFRAME_INSECURE_HTTP")
            .map(|names| names.split(',').map(|name| name.trim().to_ascii_lowercase()).collect())
            .unwrap_or_default();
        let (url, from) =
            pick("WANDB_BASE_URL", "base_url").unwrap_or_else(|| (base_url::DEFAULT.to_owned(), "default".to_owned()));
        let base_url = BaseUrl::parse(&url, &plain_http).map_err(|error| {
            let place = Error::new(error.kind(), format!("{from}: {}", error.message()));
            error.cure().map(|cure| place.hint(cure)).unwrap_or_else(|| Error::new(error.kind(), error.message()))
        })?;
        let mut settings = Settings::new(base_url, None);
        settings.origins.push(format!("server {} ({from})", settings.base_url));
        settings.warnings = warnings;
        settings.find_key(here)?;
        if let Some((entity, from)) = pick("WANDB_ENTITY", "entity") {
            settings.origins.push(format!("default entity {entity} ({from})"));
            settings.entity = Some(entity);
        }
        settings.project = pick("WANDB_PROJECT", "project").map(|(value, _)| value);
        if let Some(text) = here.var("WANDB_HTTP_TIMEOUT") {
            let seconds = text.parse::<f64>().ok().filter(|s| *s > 0.0 && *s < 1e6);
            let seconds = seconds.ok_or_else(|| {
                Error::new(ErrorKind::Usage, format!("WANDB_HTTP_TIMEOUT is {text:?}"))
                    .hint("give a number of seconds above 0")
            })?;
            settings.attempt_timeout = Duration::from_secs_f64(seconds);
        }
        Ok(settings)
    }

    /// True if there is neither a key nor an identity.
    pub fn is_anonymous(&self) -> bool {
        self.key.is_none() && self.identity.is_none()
    }

    fn find_key(&mut self, here: &Surroundings) -> Result<()> {
        if let Some(file) = here.var("WANDB_IDENTITY_TOKEN_FILE") {
            if here.var("WANDB_API_KEY").is_some() {
                let both = "both WANDB_API_KEY and WANDB_IDENTITY_TOKEN_FILE are set";
                return Err(Error::new(ErrorKind::Usage, both).hint("unset one of them"));
            }
            let file = here.expand(file);
            self.origins.push(format!("identity token from {} (WANDB_IDENTITY_TOKEN_FILE)", file.display()));
            self.identity = Some(file);
            return Ok(());
        }
        if let Some(text) = here.env.get("WANDB_API_KEY").filter(|text| !text.is_empty()) {
            let key = ApiKey::new(text.as_str())
                .map_err(|reason| Error::new(ErrorKind::Auth, format!("WANDB_API_KEY: {reason}")))?;
            self.key = Some(key);
            self.origins.push("API key from WANDB_API_KEY".to_owned());
            return Ok(());
        }
        let Some(path) = netrc_path(here) else {
            self.origins.push("no API key: WANDB_API_KEY is not set, and there is no netrc file".to_owned());
            return Ok(());
        };
        let name = path.display();
        let text = match read_text(&path) {
            Ok(text) => zeroize::Zeroizing::new(text),
            Err(error) => {
                self.warnings.push(format!("{name} is not used: {error}"));
                self.origins.push(format!("no API key: WANDB_API_KEY is not set, {name} cannot be read"));
                return Ok(());
            }
        };
        let netloc = self.base_url.netloc();
        // A `default` entry answers for every name, so the counterpart matters only where there is none.
        for machine in [Some(netloc.as_str()), self.base_url.counterpart()].into_iter().flatten() {
            match netrc::look_up(&text, machine).map(|found| match found {
                Found::Password(password) => Some(ApiKey::new(password)),
                Found::NoPassword => Some(Err("the entry has no password")),
                Found::Nothing => None,
            }) {
                Ok(Some(Ok(key))) => {
                    self.key = Some(key);
                    self.origins.push(format!("API key from {name} (machine {machine})"));
                    return Ok(());
                }
                Ok(Some(Err(reason))) => self.warnings.push(format!("{name}, machine {machine}: {reason}")),
                Ok(None) => {}
                Err(reason) => {
                    self.warnings.push(format!("{name} is not used: {reason}"));
                    break;
                }
            }
        }
        self.origins.push(format!("no API key: WANDB_API_KEY is not set, {name} has none for {netloc}"));
        Ok(())
    }
}

/// Bytes of a file with settings or secrets that are read.
const LARGEST: u64 = 4 << 20;

/// A small file's text.
///
/// # Errors
/// If it cannot be read, is no UTF-8, or is larger than any such file.
pub(super) fn read_text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    match text.len() as u64 > LARGEST {
        true => Err(std::io::Error::other("it is larger than 4 MB")),
        false => Ok(text),
    }
}

/// The netrc file that there is, or that `NETRC` names.
fn netrc_path(here: &Surroundings) -> Option<PathBuf> {
    if let Some(path) = here.var("NETRC") {
        return Some(here.expand(path));
    }
    let home = here.home.as_ref()?;
    [".netrc", "_netrc"].iter().map(|name| home.join(name)).find(|path| path.exists())
}

/// W&B's settings files, the one that counts more first.
struct SettingsFiles(Vec<(PathBuf, BTreeMap<String, String>)>);

impl SettingsFiles {
    fn read(here: &Surroundings, warnings: &mut Vec<String>) -> Self {
        let hidden = here.cwd.join(".wandb");
        let local = if hidden.is_dir() { hidden } else { here.cwd.join("wandb") };
        let global = match here.var("WANDB_CONFIG_DIR") {
            Some(dir) => Some(here.expand(dir)),
            None => here.home.as_ref().map(|home| home.join(".config/wandb")),
        };
        let mut files = Vec::new();
        for path in [Some(local), global].into_iter().flatten().map(|dir| dir.join("settings")) {
            match read_text(&path) {
                Ok(text) => files.push((path, default_section(&text))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {}
                Err(error) => warnings.push(format!("{} is not used: {error}", path.display())),
            }
        }
        SettingsFiles(files)
    }

    fn get(&self, name: &str) -> Option<(String, String)> {
        let found = |(path, values): &(PathBuf, BTreeMap<String, String>)| {
            values.get(name).map(|value| (value.clone(), display(path)))
        };
        self.0.iter().find_map(found)
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

/// `key = value` lines of an INI text's `[default]` section.
fn default_section(text: &str) -> BTreeMap<String, String> {
    let mut inside = false;
    let mut values = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.trim_end().trim_end_matches(']').eq_ignore_ascii_case("default");
        } else if inside
            && !line.starts_with(['#', ';'])
            && let Some((key, value)) = line.split_once(['=', ':']).filter(|(_, value)| !value.trim().is_empty())
        {
            values.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    values
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
