//! What a server answers: data, or errors in any of the forms that W&B's servers and what stands before them use.

use crate::json::JsonError;
use serde_json::Value;

/// Why an answer is not data.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is not whole JSON, or not of the form that was asked for: cut on its way, or not from W&B.
    Malformed(String),
    /// The server says what is wrong.
    Refused(Vec<Complaint>),
}

impl Fault {
    /// What is wrong, in words.
    pub(super) fn reason(&self) -> String {
        match self {
            Fault::Malformed(what) => what.clone(),
            Fault::Refused(complaints) => joined(complaints),
        }
    }
}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Self {
        Fault::Malformed(error.to_string())
    }
}

/// Bytes of an answer that is made a tree of, which takes many times as much.
const LARGEST: usize = 16 << 20;

/// The one error code of W&B's that is known.
pub(super) const DENIED: &str = "PERMISSION_ERROR";

/// One of a server's errors.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Complaint {
    /// Its message.
    pub message: String,
    /// `extensions.code`, of which only `PERMISSION_ERROR` is known.
    pub code: Option<String>,
    /// The field of a run, or below, that the account may not see; `None` if it is more than that.
    pub denied: Option<String>,
}

/// The `data` of a GraphQL answer. Any `errors` beside it make it a failure, as in W&B's own client.
pub(super) fn data(body: &[u8]) -> Result<Value, Fault> {
    if body.len() > LARGEST {
        return Err(Fault::Malformed(format!("{} bytes where a few were asked for", body.len())));
    }
    let mut answer: Value = serde_json::from_slice(body).map_err(|e| Fault::Malformed(e.to_string()))?;
    let found = complaints(&answer);
    if !found.is_empty() {
        return Err(Fault::Refused(found));
    }
    match answer.get_mut("data").map(Value::take) {
        Some(data @ Value::Object(_)) => Ok(data),
        _ => Err(Fault::Malformed("no data in it".to_owned())),
    }
}

/// The complaints in the body of an answer that is no success; its text where it is no JSON.
pub(super) fn complaints_of(body: &[u8]) -> Vec<Complaint> {
    if body.len() > LARGEST {
        let message = format!("errors, told at a length of {} bytes", body.len());
        return vec![Complaint { message, ..Complaint::default() }];
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(answer) => complaints(&answer),
        Err(_) => {
            let text = String::from_utf8_lossy(body.get(..body.len().min(2_000)).unwrap_or_default());
            let text = text.trim();
            // A gateway's HTML page tells nothing that the status does not.
            let plain = !text.is_empty() && !text.starts_with('<') && !text.starts_with('{');
            plain.then(|| Complaint { message: text.to_owned(), ..Complaint::default() }).into_iter().collect()
        }
    }
}

/// The complaints in an answer that has errors; one at least, also where they say nothing that can be read.
pub(super) fn refusal(body: &[u8]) -> Fault {
    let found = complaints_of(body);
    let unsaid = || vec![Complaint { message: "errors without a message".to_owned(), ..Complaint::default() }];
    Fault::Refused(if found.is_empty() { unsaid() } else { found })
}

/// `errors: [{message, extensions: {code}}]`, `errors: ["text"]`, `error: "text"` or `error: {message}`.
fn complaints(answer: &Value) -> Vec<Complaint> {
    let one = |error: &Value| {
        let text = error.as_str().or_else(|| error.get("message").and_then(Value::as_str));
        let code = error.pointer("/extensions/code").and_then(Value::as_str).map(str::to_owned);
        let message = text.map_or_else(|| error.to_string(), str::to_owned);
        // Below `project.runs.edges[n].node`; further up it is no matter of one field.
        let path = error.get("path").and_then(Value::as_array).filter(|path| path.len() > 4);
        let denied = path.and_then(|path| path.last()?.as_str()).filter(|_| code.as_deref() == Some(DENIED));
        Complaint { message, denied: denied.map(str::to_owned), code }
    };
    let many = answer.get("errors").and_then(Value::as_array).into_iter().flatten();
    let single = answer.get("error").filter(|error| !error.is_null());
    many.chain(single).map(one).collect()
}

/// The complaints' messages as one text, short and without control characters.
pub(super) fn joined(complaints: &[Complaint]) -> String {
    let text = complaints.iter().map(|c| c.message.trim()).filter(|m| !m.is_empty()).collect::<Vec<_>>().join("; ");
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = clean.take(500).collect();
    if text.chars().nth(500).is_some() {
        short.push('…');
    }
    short
}

/// A field or argument that a server does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unknown {
    /// Its name.
    pub name: String,
    /// The type it was asked of, where the server says so.
    pub on: Option<String>,
}

/// The fields and arguments that complaints say the server does not have, or does not show.
pub(super) fn unknown_fields(complaints: &[Complaint]) -> Vec<Unknown> {
    let denied = |complaint: &Complaint| complaint.denied.clone().map(|name| Unknown { name, on: None });
    complaints.iter().filter_map(|complaint| denied(complaint).or_else(|| unknown_field(&complaint.message))).collect()
}

/// Reads `Cannot query field "x" on type "T"` and `Unknown argument "x" on field "T.f"` or `"f" of type "T"`.
fn unknown_field(message: &str) -> Option<Unknown> {
    let lower = message.to_lowercase();
    if !["cannot query field", "unknown argument", "unknown field"].iter().any(|words| lower.contains(words)) {
        return None;
    }
    let mut quoted = message.split(['"', '\'', '`']).skip(1).step_by(2).map(|word| word.trim_end_matches('\\'));
    let name = quoted.next()?.to_owned();
    let on = message.split(" type ").nth(1).and_then(|rest| rest.split(['"', '\'', '`']).nth(1));
    let on = on.or_else(|| quoted.next().and_then(|field| field.split_once('.')).map(|(on, _)| on));
    Some(Unknown { name, on: on.map(|on| on.trim_end_matches('\\').to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_in_every_form() {
        for (body, message) in [
            (r#"{"error":"rate limit exceeded"}"#, "rate limit exceeded"),
            (r#"{"error":{"message":"no"}}"#, "no"),
            (r#"{"errors":["Server down", "x"]}"#, "Server down; x"),
            (
                r#"{"errors":[{"message":"context deadline exceeded","path":["a"]}],"data":{"project":null}}"#,
                "context deadline exceeded",
            ),
            ("upstream\u{1}gone", "upstream gone"),
            ("<html>502</html>", ""),
            ("", ""),
        ] {
            assert_eq!(joined(&complaints_of(body.as_bytes())), message);
        }
        assert!(matches!(data(br#"{"data":{"a":1},"errors":[{"message":"m"}]}"#), Err(Fault::Refused(_))));
        assert!(data(br#"{"data":{"a":1},"errors":[]}"#).is_ok());
        assert!(matches!(data(br#"{"data":{"a":"#), Err(Fault::Malformed(_))));
        assert!(matches!(data(br#"{"data":null}"#), Err(Fault::Malformed(_))));
    }

    #[test]
    fn unknown_fields_in_several_dialects() {
        let read = |text: &str| unknown_field(text).map(|u| (u.name, u.on.unwrap_or_default()));
        let some = |name: &str, on: &str| Some((name.to_owned(), on.to_owned()));
        assert_eq!(read(r#"Cannot query field "updatedAt" on type "Run"."#), some("updatedAt", "Run"));
        let hint = r#"Cannot query field 'tags' on type 'Artifact'. Did you mean "tag"?"#;
        assert_eq!(read(hint), some("tags", "Artifact"));
        assert_eq!(read(r#"Unknown argument "keys" on field "Run.config"."#), some("keys", "Run"));
        assert_eq!(read(r#"Unknown argument "keys" on field "config" of type "Run"."#), some("keys", "Run"));
        assert_eq!(read("permission denied"), None);
    }
}
