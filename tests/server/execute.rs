//! Executes a GraphQL request on a world, writing the answer as it goes.

use super::Switches;
use super::history::Answers;
use super::order::Listings;
use super::plan::{Planned, Planner};
use super::resolve::{Obj, Val};
use super::schema;
use super::storage::Storage;
use super::world::{User, World};
use apollo_compiler::Schema;
use apollo_compiler::introspection::partial_execute;
use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::response::JsonMap;
use apollo_compiler::validation::Valid;
use serde_json::{Value, json};

/// An answer that is no data: a status and a body.
#[derive(Debug)]
pub struct Failure {
    pub status: u16,
    pub body: Value,
}

impl Failure {
    pub fn new(status: u16, message: impl Into<String>) -> Failure {
        Failure { status, body: json!({"errors": [{"message": message.into()}]}) }
    }
}

/// Everything that answering one request needs.
pub struct Context<'a> {
    pub world: &'a World,
    pub switches: &'a Switches,
    pub listings: &'a Listings,
    pub answers: &'a Answers,
    pub storage: &'a Storage,
    /// Who asks; `None` without a key.
    pub viewer: Option<&'a User>,
    /// The request's number.
    pub request: u64,
}

/// The request as it came: `{"query": …, "variables": …, "operationName": …}`.
#[derive(Debug, Default, Clone)]
pub struct Asked {
    pub query: String,
    pub variables: Value,
    pub operation: Option<String>,
}

impl Asked {
    pub fn parse(body: &[u8]) -> Result<Asked, Failure> {
        let body: Value = serde_json::from_slice(body).map_err(|error| Failure::new(400, error.to_string()))?;
        let query = body["query"].as_str().ok_or_else(|| Failure::new(400, "Must provide an operation."))?;
        let operation = body["operationName"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Asked { query: query.to_owned(), variables: body["variables"].clone(), operation })
    }
}

/// The body of the answer.
pub fn execute(context: &Context<'_>, schema: &Valid<Schema>, asked: &Asked) -> Result<Vec<u8>, Failure> {
    let document = schema::parse(schema, &asked.query)?;
    let refused = |error: apollo_compiler::request::RequestError| Failure::new(400, error.message().to_string());
    let operation = document.operations.get(asked.operation.as_deref()).map_err(refused)?;
    let variables: JsonMap = serde_json::from_value(match &asked.variables {
        Value::Null => json!({}),
        given => given.clone(),
    })
    .map_err(|error| Failure::new(400, error.to_string()))?;
    let variables = coerce_variable_values(schema, operation, &variables).map_err(refused)?;

    let planner = Planner { schema, document: &document, variables: &variables };
    let mut plan = planner.plan("Query", &[&operation.selection_set]);
    let introspected = plan.iter().any(|field| field.name.starts_with("__s") || field.name == "__type");
    plan.retain(|field| !matches!(field.name.as_str(), "__schema" | "__type"));

    let mut out = Vec::with_capacity(1 << 14);
    out.extend_from_slice(b"{\"data\":");
    object(context, &mut out, "Query", &plan, &Obj::Query)?;
    if introspected {
        let implementers = schema.implementers_map();
        let part = partial_execute(schema, &implementers, &document, operation, &variables).map_err(refused)?;
        merge(&mut out, &serde_json::to_value(&part.data).unwrap());
    }
    out.push(b'}');
    Ok(out)
}

/// Adds the members of an object to the object that `out` ends with.
fn merge(out: &mut Vec<u8>, part: &Value) {
    for (key, value) in part.as_object().into_iter().flatten().filter(|(key, _)| *key != "__typename") {
        out.pop();
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        out.extend_from_slice(format!("{}:{value}}}", Value::from(key.as_str())).as_bytes());
    }
}

fn object<'a>(
    context: &Context<'a>,
    out: &mut Vec<u8>,
    ty: &str,
    fields: &[Planned],
    of: &Obj<'a>,
) -> Result<(), Failure> {
    out.push(b'{');
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(field.key.as_bytes());
        if field.name == "__typename" {
            text(out, ty);
        } else {
            let val = super::resolve::field(context, of, field)?;
            value(context, out, field, val)?;
        }
    }
    out.push(b'}');
    Ok(())
}

fn value<'a>(context: &Context<'a>, out: &mut Vec<u8>, field: &Planned, val: Val<'a>) -> Result<(), Failure> {
    match val {
        Val::Null => out.extend_from_slice(b"null"),
        Val::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Val::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Val::Float(value) => serde_json::to_writer(&mut *out, &value).unwrap(),
        Val::Text(value) => text(out, &value),
        Val::Texts(values) => serde_json::to_writer(&mut *out, &values).unwrap(),
        Val::Json(value) => out.extend_from_slice(value.as_bytes()),
        Val::Kept(value) => out.extend_from_slice(value.as_bytes()),
        Val::Obj(obj) => inner(context, out, field, &obj)?,
        Val::List(list) => {
            out.push(b'[');
            for (at, obj) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                inner(context, out, field, obj)?;
            }
            out.push(b']');
        }
    }
    Ok(())
}

fn inner<'a>(context: &Context<'a>, out: &mut Vec<u8>, field: &Planned, obj: &Obj<'a>) -> Result<(), Failure> {
    let plan =
        if field.of.len() == 1 { field.of.first() } else { field.of.iter().find(|(ty, _)| ty == obj.concrete()) };
    let (ty, fields) = plan.unwrap();
    object(context, out, ty, fields, obj)
}

fn text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).unwrap();
}
