//! Texts of config and summary that look like secrets: which rules tell, where in a text they are, and what replaces them.

#[cfg(feature = "frame")]
mod json;
#[cfg(feature = "frame")]
mod look;
mod names;
#[cfg(feature = "frame")]
mod redaction;
mod shapes;

#[cfg(feature = "frame")]
pub(crate) use look::{Column, Found, Looking, look};
pub use names::Named;
#[cfg(feature = "frame")]
pub use redaction::Redaction;

use std::ops::Range;

/// A rule that tells secrets from other texts. [`SECRET_RULES`] are all of them.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SecretRule {
    /// Its name, as warnings and receipts have it.
    pub name: &'static str,
    /// What a text must be for it.
    pub what: &'static str,
    /// A key of config and a made-up value that the rule takes, in two parts, lest other tools take this file for a leak.
    pub example: (&'static str, [&'static str; 2]),
    form: Form,
}

/// How a rule knows its secrets.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// A word that begins so; how many characters follow, and which.
    Prefix { prefixes: &'static [&'static str], least: usize, most: usize, of: fn(&[u8]) -> bool },
    /// Three parts of base64 with dots between them.
    Jwt,
    /// A block of PEM.
    Pem,
    /// The password of a URL.
    Url,
    /// The whole text, by the name of its key.
    Key,
}

fn alphanumeric(rest: &[u8]) -> bool {
    rest.iter().all(u8::is_ascii_alphanumeric)
}

fn word(_: &[u8]) -> bool {
    true
}

fn upper(rest: &[u8]) -> bool {
    rest.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn hex(rest: &[u8]) -> bool {
    rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Small letters, capitals and digits, as made by chance.
fn mixed(rest: &[u8]) -> bool {
    let any = |test: fn(&u8) -> bool| rest.iter().any(test);
    any(u8::is_ascii_digit) && any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase)
}

/// As [`mixed`], without signs.
fn mixed_alphanumeric(rest: &[u8]) -> bool {
    alphanumeric(rest) && mixed(rest)
}

fn letters(rest: &[u8]) -> bool {
    let both = rest.iter().any(u8::is_ascii_uppercase) && rest.iter().any(u8::is_ascii_lowercase);
    alphanumeric(rest) && both
}

/// Digits in it; made by chance they are in all but one of a million.
fn digits(rest: &[u8]) -> bool {
    rest.iter().any(u8::is_ascii_digit)
}

const fn prefix(prefixes: &'static [&'static str], least: usize, most: usize, of: fn(&[u8]) -> bool) -> Form {
    Form::Prefix { prefixes, least, most, of }
}

/// Every rule, in the order in which they are asked.
pub const SECRET_RULES: &[SecretRule] = &[
    SecretRule {
        name: "W&B API key",
        what: "wandb_v1_ and 40 or more letters, digits, _ or -",
        example: ("notes_for_ci", ["wandb_v1_", "Zq3rT9wLmK2pXv8dJ5hNc7bGf4sYa1uEo6iRtQxMzWk"]),
        form: prefix(&["wandb_v1_"], 40, 200, word),
    },
    SecretRule {
        name: "AWS key id",
        what: "AKIA or ASIA and 16 capitals or digits",
        example: ("s3.user", ["AKIA", "Q3ZV7TLN2KXW5PRM"]),
        form: prefix(&["AKIA", "ASIA"], 16, 16, upper),
    },
    SecretRule {
        name: "GitHub token",
        what: "ghp_, gho_, ghu_, ghs_ or ghr_ and 36 or more letters or digits",
        example: ("remote.auth", ["ghp_", "x7Kq2mZ9tR4vB8nW1cL5jH3sD6fG0pYaEuQi"]),
        form: prefix(&["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], 36, 255, alphanumeric),
    },
    SecretRule {
        name: "GitHub token",
        what: "github_pat_ and 60 or more letters, digits or _",
        example: (
            "remote.auth",
            ["github_pat_", "11AB7Q2ZI0x7Kq2mZ9tR4v_B8nW1cL5jH3sD6fG0pYaEuQix7Kq2mZ9tR4vB8nW1cL5"],
        ),
        form: prefix(&["github_pat_"], 60, 255, mixed),
    },
    SecretRule {
        name: "GitLab token",
        what: "glpat- and 20 or more letters, digits, _ or -",
        example: ("remote.auth", ["glpat-", "x7Kq2mZ9tR4vB8nW1cL5"]),
        form: prefix(&["glpat-"], 20, 300, digits),
    },
    SecretRule {
        name: "Slack token",
        what: "xoxa-, xoxb-, xoxe-, xoxp-, xoxr- or xoxs- and 20 or more letters, digits or -",
        example: ("alerts.channel", ["xoxb-", "241739586014-7Kq2mZ9tR4vB8nW1cL5jH3sD"]),
        form: prefix(&["xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-"], 20, 300, digits),
    },
    SecretRule {
        name: "Anthropic key",
        what: "sk-ant- and 30 or more letters, digits, _ or -",
        example: ("judge.auth", ["sk-ant-", "api03-x7Kq2mZ9tR4vB8nW1cL5jH3sD6fG0pYa"]),
        form: prefix(&["sk-ant-"], 30, 300, mixed),
    },
    SecretRule {
        name: "OpenAI key",
        what: "sk- and 32 or more letters, digits, _ or -, of which some are small, some capital, some digits",
        example: ("judge.auth", ["sk-", "proj-x7Kq2mZ9tR4vB8nW1cL5jH3sD6fG0pYa"]),
        form: prefix(&["sk-"], 32, 300, mixed),
    },
    SecretRule {
        name: "Hugging Face token",
        what: "hf_ and 30 to 40 letters or digits",
        example: ("hub.auth", ["hf_", "xKqZmRtvBnWcLjHsDfGpYaEuQiOxKqZmRt"]),
        form: prefix(&["hf_"], 30, 40, letters),
    },
    SecretRule {
        name: "Google API key",
        what: "AIza and 35 letters, digits, _ or -",
        example: ("maps.auth", ["AIza", "SyD7x2mZ9tR4vB8nW1cL5jH3sD6fG0pYaEu"]),
        form: prefix(&["AIza"], 35, 35, mixed),
    },
    SecretRule {
        name: "Stripe key",
        what: "sk_live_ or rk_live_ and 24 or more letters or digits",
        example: ("billing", ["sk_live_", "x7Kq2mZ9tR4vB8nW1cL5jH3s"]),
        form: prefix(&["sk_live_", "rk_live_"], 24, 255, alphanumeric),
    },
    SecretRule {
        name: "Databricks token",
        what: "dapi and 32 hexadecimal digits",
        example: ("warehouse", ["dapi", "3f7a9c0e5b2d8146f7a9c0e5b2d81463"]),
        form: prefix(&["dapi"], 32, 32, hex),
    },
    SecretRule {
        name: "Replicate token",
        what: "r8_ and 37 letters or digits",
        example: ("serving", ["r8_", "x7Kq2mZ9tR4vB8nW1cL5jH3sD6fG0pYaEuQi7"]),
        form: prefix(&["r8_"], 37, 37, mixed_alphanumeric),
    },
    SecretRule {
        name: "Groq key",
        what: "gsk_ and 40 or more letters or digits",
        example: ("serving", ["gsk_", "x7Kq2mZ9tR4vB8nW1cL5jH3sD6fG0pYaEuQi7Kq2mZ9tR4vB8nW1"]),
        form: prefix(&["gsk_"], 40, 80, mixed_alphanumeric),
    },
    SecretRule {
        name: "NVIDIA key",
        what: "nvapi- and 40 or more letters, digits, _ or -",
        example: ("serving", ["nvapi-", "x7Kq2mZ9tR4vB8nW1cL5jH3sD6fG0pYaEuQi7Kq2mZ9tR4"]),
        form: prefix(&["nvapi-"], 40, 100, mixed),
    },
    SecretRule {
        name: "npm token",
        what: "npm_ and 36 letters or digits",
        example: ("publish", ["npm_", "x7Kq2mZ9tR4vB8nW1cL5jH3sD6fG0pYaEuQi"]),
        form: prefix(&["npm_"], 36, 36, mixed_alphanumeric),
    },
    SecretRule {
        name: "PyPI token",
        what: "pypi-AgEI and 50 or more letters, digits, _ or -",
        example: ("publish", ["pypi-AgEI", "cHlwaS5vcmcCJDRk7Kq2mZ9tR4vB8nW1cL5jH3sD6fG0pYaEuQi7Kq2"]),
        form: prefix(&["pypi-AgEI"], 50, 300, word),
    },
    SecretRule {
        name: "JSON web token",
        what: "eyJ….eyJ… and a signature: three parts of base64 with dots between them",
        example: ("session", ["eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiJhZGEifQ.x7Kq2mZ9tR4vB8nW1cL5"]),
        form: Form::Jwt,
    },
    SecretRule {
        name: "private key",
        what: "a PEM block: -----BEGIN … PRIVATE KEY----- and what follows",
        example: (
            "deploy",
            ["-----BEGIN RSA PRIVATE", " KEY-----\nMIIEow7Kq2mZ9tR4vB8n\n-----END RSA PRIVATE KEY-----\n"],
        ),
        form: Form::Pem,
    },
    SecretRule {
        name: "URL with a password",
        what: "scheme://user:password@host; only the password counts",
        example: ("db.url", ["postgres://ada:", "n3verTell@db.example:5432/runs"]),
        form: Form::Url,
    },
    SecretRule {
        name: "key name",
        what: "the whole text under a key that ends in password, passwd, passphrase, secret, secret_key, api_key, \
            access_key, private_key, access_token, auth_token, refresh_token, credentials, …: 8 or more characters of two \
            kinds or more, no path, no URL, no variable ($X, {x}, <x>, X_Y). Under one that ends in token or wandb_key: 20 \
            or more letters and digits, as made by chance",
        example: ("aws_secret_access_key", ["wJa7Kq2mZ9tR4vB8nW1", "cL5jH3sD6fG/pYaEuQi7Kq"]),
        form: Form::Key,
    },
];

/// Where a secret is in a text, and which rule found it.
#[derive(Debug, Clone)]
pub struct Secret {
    /// The bytes of the text.
    pub range: Range<usize>,
    /// The rule.
    pub rule: &'static SecretRule,
}

/// The first secret in a text at or after byte `from`; `key` is what the name of its key tells ([`Named::of`]).
///
/// ```
/// use runframe::{Named, find_secret};
///
/// let found = find_secret("postgres://ada:n3verTell@db.example/runs", 0, Named::Plain).unwrap();
/// assert_eq!((found.range, found.rule.name), (15..24, "URL with a password"));
/// assert!(find_secret("n3verTell", 0, Named::of("config.db.password")).is_some());
/// assert!(find_secret("n3verTell", 0, Named::of("config.dataset")).is_none());
/// ```
pub fn find_secret(text: &str, from: usize, key: Named) -> Option<Secret> {
    let found = shapes::find(text, from);
    if found.is_some() || from > 0 || !key.takes(text) {
        return found;
    }
    let rule = SECRET_RULES.iter().find(|rule| matches!(rule.form, Form::Key))?;
    Some(Secret { range: 0..text.len(), rule })
}

#[cfg(test)]
mod tests;
