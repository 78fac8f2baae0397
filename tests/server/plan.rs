//! A query made ready to be executed many times over: fragments spread, directives decided, arguments given their values.

use apollo_compiler::ast::Value as Literal;
use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::response::JsonMap;
use apollo_compiler::schema::{ExtendedType, Implementers};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Name, Schema};
use serde_json::{Map, Value};

/// A field to be answered.
#[derive(Debug)]
pub struct Planned {
    /// What it is called in the answer, as it is written: `"name":`.
    pub key: String,
    pub name: String,
    pub args: Map<String, Value>,
    /// What is wanted of the object it gives, for each type that it can be.
    pub of: Vec<(String, Vec<Planned>)>,
}

impl Planned {
    pub fn text(&self, arg: &str) -> Option<&str> {
        self.args.get(arg).and_then(Value::as_str)
    }

    pub fn int(&self, arg: &str) -> Option<i64> {
        self.args.get(arg).and_then(Value::as_i64)
    }

    /// A list of texts; `None` if it was not given.
    pub fn texts(&self, arg: &str) -> Option<Vec<&str>> {
        Some(self.args.get(arg)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }
}

/// Turns the selections of a document into plans.
pub struct Planner<'a> {
    pub schema: &'a Valid<Schema>,
    pub document: &'a Valid<ExecutableDocument>,
    pub variables: &'a JsonMap,
}

impl Planner<'_> {
    /// What `sets` together ask of an object of type `ty`.
    pub fn plan(&self, ty: &str, sets: &[&SelectionSet]) -> Vec<Planned> {
        let mut fields: Vec<(String, Vec<&Field>)> = Vec::new();
        sets.iter().for_each(|set| self.collect(ty, set, &mut fields));
        fields.into_iter().map(|(key, same)| self.field(&key, &same)).collect()
    }

    fn field(&self, key: &str, same: &[&Field]) -> Planned {
        let field = same[0];
        let sets: Vec<&SelectionSet> = same.iter().map(|field| &field.selection_set).collect();
        let inner = field.ty().inner_named_type();
        let of = self.possible(inner).into_iter().map(|ty| (ty.to_string(), self.plan(&ty, &sets)));
        Planned {
            key: format!("\"{key}\":"),
            name: field.name.to_string(),
            args: self.arguments(field),
            of: of.collect(),
        }
    }

    /// The object types that a value of this type can be; none for a scalar.
    fn possible(&self, ty: &Name) -> Vec<Name> {
        match self.schema.types.get(ty) {
            Some(ExtendedType::Object(_)) => vec![ty.clone()],
            Some(ExtendedType::Union(union)) => union.members.iter().map(|member| member.name.clone()).collect(),
            Some(ExtendedType::Interface(_)) => {
                let all = self.schema.implementers_map();
                all.get(ty).map(|Implementers { objects, .. }| objects.iter().cloned().collect()).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn collect<'d>(&'d self, ty: &str, set: &'d SelectionSet, found: &mut Vec<(String, Vec<&'d Field>)>) {
        for selection in &set.selections {
            if !self.included(selection) {
                continue;
            }
            match selection {
                Selection::Field(field) => {
                    let key = field.response_key().as_str();
                    match found.iter_mut().find(|(known, _)| known == key) {
                        Some((_, same)) => same.push(field),
                        None => found.push((key.to_owned(), vec![field])),
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = &self.document.fragments[&spread.fragment_name];
                    if self.applies(fragment.type_condition(), ty) {
                        self.collect(ty, &fragment.selection_set, found);
                    }
                }
                Selection::InlineFragment(inline) => {
                    if inline.type_condition.as_ref().is_none_or(|condition| self.applies(condition, ty)) {
                        self.collect(ty, &inline.selection_set, found);
                    }
                }
            }
        }
    }

    fn applies(&self, condition: &Name, ty: &str) -> bool {
        condition == ty || self.schema.is_subtype(condition, ty)
    }

    fn included(&self, selection: &Selection) -> bool {
        let says = |directive: &str| {
            let directive = selection.directives().get(directive)?;
            self.value(directive.specified_argument_by_name("if")?).as_bool()
        };
        says("skip") != Some(true) && says("include") != Some(false)
    }

    fn arguments(&self, field: &Field) -> Map<String, Value> {
        let mut args = Map::new();
        for definition in &field.definition.arguments {
            if let Some(value) =
                field.specified_argument_by_name(&definition.name).or(definition.default_value.as_ref())
            {
                args.insert(definition.name.to_string(), self.value(value));
            }
        }
        args
    }

    fn value(&self, literal: &Literal) -> Value {
        match literal {
            Literal::Null => Value::Null,
            Literal::Enum(name) => Value::from(name.as_str()),
            Literal::Variable(name) => match self.variables.get(name.as_str()) {
                Some(value) => serde_json::to_value(value).unwrap(),
                None => Value::Null,
            },
            Literal::String(text) => Value::from(text.as_str()),
            Literal::Float(number) => number.try_to_f64().map(Value::from).unwrap_or_default(),
            Literal::Int(number) => number.as_str().parse::<i64>().map(Value::from).unwrap_or_default(),
            Literal::Boolean(value) => Value::from(*value),
            Literal::List(values) => values.iter().map(|value| self.value(value)).collect(),
            Literal::Object(members) => {
                members.iter().map(|(key, value)| (key.to_string(), self.value(value))).collect()
            }
        }
    }
}
