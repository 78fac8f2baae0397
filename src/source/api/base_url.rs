//! The server's base URL: normalised, refused where W&B's own client refuses it, and plain http only where it is safe.

use crate::error::{Error, ErrorKind, Result};
use reqwest::Url;
use std::fmt;
use std::net::IpAddr;

/// Where W&B's own servers are. Since 0.31 its SDK uses `api.forge.coreweave.com` for the same deployment.
pub(super) const DEFAULT: &str = "https://api.wandb.ai";

/// Hosts that are one deployment under two names (SDK 0.31, `FORGE_HOSTS`).
const COUNTERPARTS: [(&str, &str); 2] =
    [("api.forge.coreweave.com", "api.wandb.ai"), ("api.forge-qa.coreweave.com", "api.qa.wandb.ai")];

/// A server's base URL; `{base}/graphql` is where queries go.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    url: Url,
    text: String,
}

impl BaseUrl {
    /// Reads and normalises a base URL. Plain http is taken for loopback hosts and those in `plain_http` (`host` or
    /// `host:port`).
    ///
    /// # Errors
    /// If it is no http(s) URL, holds credentials, names W&B's web page instead of its API, or would send the key in the
    /// clear.
    pub fn parse(text: &str, plain_http: &[String]) -> Result<Self> {
        let trimmed = text.trim().trim_end_matches('/');
        let bad = |what: &str| Error::new(ErrorKind::Usage, format!("the server's URL {what}"));
        let url = Url::parse(trimmed).map_err(|e| bad(&format!("does not parse: {e}")).hint(WRITE_IT))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("holds credentials").hint("put the key into WANDB_API_KEY or netrc"));
        }
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        if !matches!(url.scheme(), "http" | "https") || host.is_empty() {
            return Err(bad("is not of the form https://HOST").hint(WRITE_IT));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("has a ? or # part").hint(WRITE_IT));
        }
        if host == "forge.coreweave.com" {
            return match url.path().trim_matches('/') {
                "api/wandb" => BaseUrl::parse("https://api.forge.coreweave.com", plain_http),
                _ => Err(bad("names forge.coreweave.com without its API path")
                    .hint("write https://forge.coreweave.com/api/wandb")),
            };
        }
        let wandb = host == "wandb.ai" || host.ends_with(".wandb.ai");
        if wandb && (host == "wandb.ai" || host == "app.wandb.ai" || host == "www.wandb.ai") {
            return Err(bad(&format!("names {host}, which is the web page")).hint("write https://api.wandb.ai"));
        }
        // Read again, so that two spellings of one server are equal.
        let text = url.as_str().trim_end_matches('/').to_owned();
        let url = Url::parse(&text).unwrap_or(url);
        let base = BaseUrl { text, url };
        let named = plain_http.iter().any(|name| *name == host || *name == base.netloc());
        if base.url.scheme() == "http" && !base.is_loopback() && (wandb || !named) {
            let hint = format!("write https://, or name the host: RUNFRAME_INSECURE_HTTP={}", base.netloc());
            let hint = if wandb { "write https://".to_owned() } else { hint };
            return Err(bad("is plain http, which would send the API key in the clear").hint(hint));
        }
        Ok(base)
    }

    /// Host, with the port where one is written: netrc's `machine`.
    pub fn netloc(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The other name of the same deployment, if there is one.
    pub(super) fn counterpart(&self) -> Option<&'static str> {
        let netloc = self.netloc();
        COUNTERPARTS.iter().find_map(|(a, b)| match netloc.as_str() {
            n if n == *a => Some(*b),
            n if n == *b => Some(*a),
            _ => None,
        })
    }

    /// Where queries are posted.
    pub(super) fn graphql(&self) -> String {
        format!("{}/graphql", self.text)
    }

    /// Where identity tokens are exchanged.
    pub(super) fn token(&self) -> String {
        format!("{}/oidc/token", self.text)
    }

    /// True for 127.0.0.0/8, ::1 and `localhost`.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|a| a.is_loopback())
    }

    /// The URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

const WRITE_IT: &str = "write it as https://HOST, for example in WANDB_BASE_URL";

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_normalised() {
        let parse = |text| BaseUrl::parse(text, &[]).unwrap();
        assert_eq!(parse(" https://api.wandb.ai// ").as_str(), "https://api.wandb.ai");
        assert_eq!(parse("http://127.0.0.1/a/\u{15}"), parse("http://127.0.0.1/a"));
        assert_eq!(parse("https://corp.example/wandb/").graphql(), "https://corp.example/wandb/graphql");
        assert_eq!(parse("https://forge.coreweave.com/api/wandb").as_str(), "https://api.forge.coreweave.com");
        assert_eq!(parse("https://forge.coreweave.com/api/wandb").counterpart(), Some("api.wandb.ai"));
        assert_eq!(parse("http://127.0.0.1:8080").netloc(), "127.0.0.1:8080");
        assert!(parse("http://[::1]:8080").is_loopback() && parse("http://localhost").is_loopback());
    }

    #[test]
    fn unsafe_and_wrong_urls_are_refused() {
        for text in [
            "",
            "api.wandb.ai",
            "ftp://x",
            "https://wandb.ai",
            "https://app.wandb.ai",
            "http://api.wandb.ai",
            "http://corp.example",
            "https://forge.coreweave.com/x",
            "https://u:secret@h",
            "https://h?a",
            "http://127.0.0.1.evil",
        ] {
            let error = BaseUrl::parse(text, &["api.wandb.ai".to_owned()]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(BaseUrl::parse("http://corp.example:80", &["corp.example".to_owned()]).is_ok());
        assert!(BaseUrl::parse("http://corp.example:8080", &["corp.example:8080".to_owned()]).is_ok());
    }
}
