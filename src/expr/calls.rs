//! Calls of functions and aggregates, and where each may stand.

use super::aggregates::{self, Aggregate};
use super::value::Value;
use super::walk::Walker;
use super::{fault, functions};
use crate::error::Result;
use polars::prelude::Expr;
use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments};

impl Walker<'_> {
    pub(super) fn call(&mut self, call: &ast::Function, place: usize) -> Result<Value> {
        let name = function_name(call);
        let list = arguments(call, &name, place)?;
        if let Some(aggregate) = aggregates::find(&name) {
            return self.aggregate(aggregate, list, place);
        }
        let unknown =
            || if self.groups.is_some() { aggregates::unknown(&name, place) } else { functions::unknown(&name, place) };
        let function = functions::find(&name).ok_or_else(unknown)?;
        if self.over_groups() && functions::reads_the_run(function) {
            let message = format!("{name} is neither grouped by nor inside an aggregate");
            return Err(fault(place, &message, &format!("write first({name}(…))")));
        }
        let arguments = self.values(list, &name, function.signature, place)?;
        functions::call(function, arguments, place, self)
    }

    fn values(&mut self, list: &[FunctionArg], name: &str, signature: &str, place: usize) -> Result<Vec<Value>> {
        let value = |argument: &FunctionArg| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(tree)) => self.value(tree),
            other => Err(fault(place, &format!("{name} does not take {other}"), &format!("it is {signature}"))),
        };
        list.iter().map(value).collect()
    }

    /// An aggregate over groups; its arguments are expressions of the rows.
    fn aggregate(&mut self, aggregate: &'static Aggregate, list: &[FunctionArg], place: usize) -> Result<Value> {
        let name = aggregate.name;
        if self.groups.is_none() {
            let message = format!("{name} is an aggregate, which stands for many runs");
            return Err(fault(place, &message, "the group verb takes it, after -a"));
        }
        if let Some(outer) = self.inside {
            let message = format!("{name} stands inside {outer}, but aggregates do not nest");
            return Err(fault(place, &message, &format!("{outer} takes values of the runs; group twice for more")));
        }
        // `n(*)` is SQL's way to say `n()`.
        let list = match list {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if name == "n" => &[],
            list => list,
        };
        aggregates::check(aggregate, list.len(), place)?;
        let values = self.inside_of(aggregate, list, place)?;
        match self.groups.as_mut() {
            Some(groups) => aggregates::call(aggregate, values, place, self.names, groups),
            None => Err(fault(place, &format!("{name} is not expected here"), "see docs/expressions.md")),
        }
    }

    /// The arguments of an aggregate, over the rows.
    pub(super) fn inside_of(
        &mut self,
        aggregate: &Aggregate,
        list: &[FunctionArg],
        place: usize,
    ) -> Result<Vec<Value>> {
        self.inside = Some(aggregate.name);
        let values = self.values(list, aggregate.name, aggregate.signature, place);
        self.inside = None;
        values
    }

    /// True where only aggregates and what is grouped by may stand.
    pub(super) fn over_groups(&self) -> bool {
        self.groups.is_some() && self.inside.is_none()
    }

    /// A column beside aggregates: one that is grouped by.
    pub(super) fn key(&self, column: &str, place: usize) -> Result<Value> {
        let keys = self.groups.iter().flat_map(|groups| &groups.keys);
        let value = Value::column(column, self.names, place)?;
        match keys.into_iter().find(|(key, _)| key == column) {
            Some((_, helper)) => Ok(Value::new(Expr::Column(helper.into()), value.dtype, place)),
            None => {
                let message = format!("{column} is neither grouped by nor inside an aggregate");
                Err(fault(place, &message, &format!("write first({column})")))
            }
        }
    }
}

/// The name of a function as called, in lower case. A schema before it stays, so that no function is found: there are none
/// of other schemas.
pub(super) fn function_name(call: &ast::Function) -> String {
    let parts: Vec<String> = call.name.0.iter().map(|part| part.to_string().trim_matches('"').to_lowercase()).collect();
    parts.join(".")
}

/// The values in a call's parentheses; SQL's `over`, `filter` and `distinct` are refused, and so are two lists in a row.
pub(super) fn arguments<'t>(call: &'t ast::Function, name: &str, place: usize) -> Result<&'t [FunctionArg]> {
    let plain = call.over.is_none()
        && call.filter.is_none()
        && call.within_group.is_empty()
        && call.null_treatment.is_none()
        && matches!(call.parameters, FunctionArguments::None);
    match &call.args {
        FunctionArguments::List(list) if plain && list.duplicate_treatment.is_none() && list.clauses.is_empty() => {
            Ok(list.args.as_slice())
        }
        FunctionArguments::None if plain => Ok(&[]),
        FunctionArguments::List(list) if plain && list.duplicate_treatment.is_some() && name == "n" => {
            Err(fault(place, "n takes only values in its parentheses", "nunique(value) counts different ones"))
        }
        _ => Err(fault(place, &format!("{name} takes only values in its parentheses"), "write name(value, …)")),
    }
}
