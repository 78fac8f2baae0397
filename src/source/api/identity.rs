//! Federated identity: a JWT from a file is exchanged at the server for access tokens (RFC 7523), which take the key's place.

use super::answer::{self, Complaint};
use super::base_url::BaseUrl;
use super::key::ApiKey;
use super::settings::read_text;
use crate::threads::lock;
use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Bytes of an answer that holds a token.
const LARGEST: usize = 1 << 20;
/// A token that is valid for no longer than this is exchanged for a new one, as in W&B's own client.
const SOON: Duration = Duration::from_secs(5 * 60);

/// The identity of one process, and the access token that it has at the moment.
pub(super) struct Identity {
    /// Read anew for each exchange: such tokens are short-lived, and written again to the same place.
    file: PathBuf,
    /// Held during an exchange, so that requests side by side need one.
    exchange: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    access: Option<(ApiKey, Instant)>,
    /// What must not be told: the tokens that were sent.
    secrets: Vec<ApiKey>,
}

/// Why there is no access token.
pub(super) enum Trouble {
    /// The file cannot be used.
    File(String),
    /// No answer.
    Transport(reqwest::Error),
    /// The server does not take the token.
    Refused(StatusCode, Vec<u8>),
    /// The answer holds no token.
    Malformed,
}

impl Identity {
    pub(super) fn new(file: PathBuf) -> Self {
        Identity { file, exchange: tokio::sync::Mutex::default(), state: Mutex::default() }
    }

    /// A token that is good for some minutes at least, if the server gives such.
    pub(super) async fn access(&self, http: &reqwest::Client, base: &BaseUrl) -> Result<ApiKey, Trouble> {
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let _alone = self.exchange.lock().await;
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let told = read_text(&self.file).map_err(|error| Trouble::File(error.to_string()))?;
        let told = zeroize::Zeroizing::new(told);
        let identity = ApiKey::new(told.trim()).map_err(|_| Trouble::File("it holds no token".to_owned()))?;
        self.remember(&identity);
        let form = Url::parse_with_params(base.as_str(), [("grant_type", GRANT), ("assertion", identity.reveal())]);
        let form = form.ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default();
        let request = http.post(base.token()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let asked = Instant::now();
        let mut answer = request.send().await.map_err(Trouble::Transport)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(Trouble::Transport)? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                return Err(Trouble::Malformed);
            }
        }
        if status != StatusCode::OK {
            return Err(Trouble::Refused(status, body));
        }
        let answer: Value = serde_json::from_slice(&body).map_err(|_| Trouble::Malformed)?;
        let token = answer.get("access_token").and_then(Value::as_str).and_then(|text| ApiKey::new(text).ok());
        let token = token.ok_or(Trouble::Malformed)?;
        let seconds = answer.get("expires_in").and_then(Value::as_f64).unwrap_or_default().clamp(0.0, 1e8);
        self.remember(&token);
        self.state().access = Some((token.clone(), asked + Duration::from_secs_f64(seconds)));
        Ok(token)
    }

    /// The text without the tokens, should a server echo them.
    pub(super) fn redact(&self, text: &str) -> String {
        self.state().secrets.iter().fold(text.to_owned(), |text, secret| secret.hide_in(&text, "[token]"))
    }

    fn fresh(&self) -> Option<ApiKey> {
        let state = self.state();
        let (token, until) = state.access.as_ref()?;
        (until.saturating_duration_since(Instant::now()) > SOON).then(|| token.clone())
    }

    fn remember(&self, secret: &ApiKey) {
        let secrets = &mut self.state().secrets;
        if !secrets.contains(secret) {
            secrets.push(secret.clone());
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// `: CODE; DESCRIPTION` of OAuth's errors; empty if the answer says nothing.
pub(super) fn said(body: &[u8]) -> String {
    let mut complaints = answer::complaints_of(body);
    let more = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let more = more.get("error_description").and_then(Value::as_str).map(str::to_owned);
    complaints.extend(more.map(|message| Complaint { message, ..Complaint::default() }));
    let said = answer::joined(&complaints);
    if said.is_empty() { said } else { format!(": {said}") }
}
