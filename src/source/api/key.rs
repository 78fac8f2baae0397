//! The API key, in a type that cannot be printed.

use std::fmt;
use zeroize::Zeroizing;

/// A W&B API key. It has no `Display`, and its `Debug` hides it; its memory is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// Takes a key; the length is not checked, since W&B has had several.
    ///
    /// # Errors
    /// If it is empty or holds white space or control characters; the message does not quote it.
    pub fn new(text: impl Into<String>) -> Result<Self, &'static str> {
        let text = Zeroizing::new(text.into());
        match text.as_str() {
            "" => Err("the API key is empty"),
            text if text.chars().any(|c| c.is_whitespace() || c.is_control()) => {
                Err("the API key holds white space or control characters")
            }
            _ => Ok(ApiKey(text)),
        }
    }

    /// The key itself, for the one header that needs it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_it_and_odd_keys_are_refused_unquoted() {
        assert_eq!(format!("{:?}", ApiKey::new("abc").unwrap()), "ApiKey(hidden)");
        for odd in ["", "a b", "a\n", "\u{7}a"] {
            assert!(ApiKey::new(odd).is_err(), "{odd:?}");
        }
        assert!(ApiKey::new(format!("wandb_v1_{}", "x".repeat(77))).is_ok());
    }
}
