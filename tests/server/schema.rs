//! The GraphQL schema: parsing and validating queries against it, also as an old server that lacks some fields.

use super::execute::Failure;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument, Schema};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const TEXT: &str = include_str!("schema.graphql");

/// The features that a present server says it has.
pub fn features() -> Vec<(String, bool)> {
    let names = ["ARTIFACT_TAGS", "ARTIFACT_COLLECTION_MEMBERSHIP", "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP"];
    names.iter().map(|name| ((*name).to_owned(), true)).collect()
}

/// The schema without the fields (`Run.host`) and arguments (`Run.config(keys)`) that are lacking.
pub fn schema(lacking: &BTreeSet<String>) -> Valid<Schema> {
    let mut schema = Schema::parse(TEXT, "schema.graphql").unwrap();
    for path in lacking {
        let (ty, field) = path.split_once('.').unwrap_or_else(|| panic!("{path} is no Type.field"));
        let (field, argument) = field.trim_end_matches(')').split_once('(').unwrap_or((field, ""));
        let Some(ExtendedType::Object(object)) = schema.types.get_mut(ty) else { panic!("there is no type {ty}") };
        let fields = &mut object.make_mut().fields;
        if argument.is_empty() {
            fields.shift_remove(field).unwrap_or_else(|| panic!("there is no field {path}"));
        } else {
            fields.get_mut(field).unwrap().make_mut().arguments.retain(|known| known.name != argument);
        }
    }
    schema.validate().unwrap()
}

/// The query as a document that fits the schema, or a 400 in the words that W&B's server (graphql-go) uses.
pub fn parse(schema: &Valid<Schema>, query: &str) -> Result<Valid<ExecutableDocument>, Failure> {
    ExecutableDocument::parse_and_validate(schema, query, "query.graphql").map_err(|wrong| refused(&wrong.errors))
}

fn refused(errors: &DiagnosticList) -> Failure {
    let told = errors.iter().map(|error| {
        let error = error.unstable_to_json_compat();
        let locations: Vec<Value> =
            error.locations.iter().map(|at| json!({"line": at.line, "column": at.column})).collect();
        json!({"message": graphql_go(&error.message), "locations": locations})
    });
    Failure { status: 400, body: json!({"errors": told.collect::<Vec<_>>()}) }
}

/// graphql-js says `on field "Run.config"` where graphql-go says `on field "config" of type "Run"`.
fn graphql_go(message: &str) -> String {
    let rewritten = message.strip_prefix("Unknown argument ").and_then(|rest| {
        let (argument, place) = rest.split_once(" on field \"")?;
        let (ty, field) = place.trim_end_matches("\".").split_once('.')?;
        Some(format!("Unknown argument {argument} on field \"{field}\" of type \"{ty}\"."))
    });
    rewritten.unwrap_or_else(|| message.to_owned())
}
