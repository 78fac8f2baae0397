//! A look over a parsed statement before Polars runs it: unknown names, and where nulls are sorted.

use super::super::{fault, fault_of};
use crate::error::{Error, ErrorKind, Result, did_you_mean};
use polars::prelude::Schema;
use sqlparser::ast::{
    ExcludeSelectItem, Expr, FunctionArguments, Ident, ObjectName, OrderByKind, Query, Select, SelectItem, SetExpr,
    Spanned, Statement, TableFactor, Value, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

/// The names that a statement may use: the tables' columns, and what it names itself.
pub(super) struct Known<'a> {
    columns: &'a Schema,
    own: BTreeSet<String>,
    /// Tables and their aliases, as columns may be qualified by them.
    tables: BTreeSet<String>,
    /// Tables that the statement makes by `with`.
    with: BTreeSet<String>,
    /// How often each table is named.
    named: HashMap<String, usize>,
    computed: &'a [&'a str],
}

impl<'a> Known<'a> {
    pub(super) fn of(tree: &Statement, columns: &'a Schema, computed: &'a [&'a str]) -> Self {
        let mut known = Known {
            columns,
            own: computed.iter().map(|name| (*name).to_owned()).collect(),
            tables: BTreeSet::new(),
            with: BTreeSet::new(),
            named: HashMap::new(),
            computed,
        };
        let _: ControlFlow<()> = tree.visit(&mut known);
        known
    }

    /// Refuses the first name that nothing has.
    pub(super) fn check(&self, tree: &Statement, text: &str) -> Result<()> {
        let twice = |(table, count): (&String, &usize)| (*count > 1).then(|| table.clone());
        if let (Some(table), Some(call)) = (self.named.iter().find_map(twice), self.computed.first()) {
            let at = text.find(call).unwrap_or_default();
            let cure = format!("compute it in a first step: with t as (select *, {call} as x from {table}) select …");
            return Err(fault(at, &format!("{call} cannot be used where {table} is named twice"), &cure));
        }
        match tree.visit(&mut Check { known: self }) {
            ControlFlow::Break(error) => Err(*error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.columns.contains(name) || self.own.contains(name)
    }

    fn name(&mut self, ident: &Ident) {
        self.own.insert(ident.value.clone());
    }
}

impl Visitor for Known<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.tables.insert(table.alias.name.value.clone());
            self.with.insert(table.alias.name.value.clone());
            table.alias.columns.iter().for_each(|column| self.name(&column.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => self.name(alias),
                SelectItem::ExprWithAliases { aliases, .. } => aliases.iter().for_each(|alias| self.name(alias)),
                // Polars names it by its text.
                SelectItem::UnnamedExpr(expr) if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => {
                    self.own.insert(expr.to_string());
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let alias = match factor {
            TableFactor::Table { name, alias, .. } => {
                let table = last(name);
                *self.named.entry(table.clone()).or_default() += 1;
                self.tables.insert(table);
                alias
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => alias,
            _ => return ControlFlow::Continue(()),
        };
        if let Some(alias) = alias {
            self.tables.insert(alias.name.value.clone());
            // `unnest(x) as y` names a column, too.
            self.name(&alias.name);
            alias.columns.iter().for_each(|column| self.name(&column.name));
        }
        ControlFlow::Continue(())
    }
}

/// The last part of a table's name.
pub(super) fn last(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map_or_else(String::new, |ident| ident.value.clone())
}

struct Check<'a> {
    known: &'a Known<'a>,
}

impl Check<'_> {
    fn unknown(&self, what: &str, name: &str, at: &Ident) -> ControlFlow<Box<Error>> {
        let columns = self.known.columns.iter_names().map(|column| column.as_str());
        let hint = did_you_mean(name, columns.chain(self.known.own.iter().map(String::as_str)));
        let cure = hint.unwrap_or_else(|| "the schema verb lists all columns; text takes single quotes".to_owned());
        let at = (at.span.start.column as usize).saturating_sub(1);
        ControlFlow::Break(Box::new(fault_of(ErrorKind::Column, Some(at), &format!("unknown {what} {name}"), &cure)))
    }
}

impl Visitor for Check<'_> {
    type Break = Box<Error>;

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Self::Break> {
        let name = last(relation);
        if super::Table::ALL.iter().any(|table| table.name() == name) || self.known.with.contains(&name) {
            return ControlFlow::Continue(());
        }
        let names = super::Table::ALL.map(super::Table::name).join(", ");
        let at = relation.0.last().and_then(|part| part.as_ident()).map_or(0, |ident| ident.span.start.column as usize);
        let error = fault(at.saturating_sub(1), &format!("unknown table {name}"), &format!("the tables are {names}"));
        ControlFlow::Break(Box::new(error))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::Identifier(ident) if !self.known.has(&ident.value) => self.unknown("column", &ident.value, ident),
            Expr::CompoundIdentifier(parts) => {
                // After a table, or its alias, comes the column; after a column comes a struct's field.
                let qualified = parts.len() > 1 && parts.first().is_some_and(|t| self.known.tables.contains(&t.value));
                let spelled = &parts[usize::from(qualified)..];
                match spelled.first() {
                    Some(first) if !self.known.has(&first.value) => {
                        let name: Vec<&str> = spelled.iter().map(|part| part.value.as_str()).collect();
                        self.unknown("column", &name.join("."), first)
                    }
                    _ => ControlFlow::Continue(()),
                }
            }
            // Polars would leave the first list out.
            Expr::Function(call) if !matches!(call.parameters, FunctionArguments::None) => {
                let at = (call.name.span().start.column as usize).saturating_sub(1);
                let message = format!("{} has two lists of arguments", call.name);
                ControlFlow::Break(Box::new(fault(at, &message, "write name(value, …)")))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Sorts nulls last where the statement does not say, and keeps what was computed for it out of `*`.
pub(super) fn nulls_last(tree: &mut Statement, computed: &[&str]) {
    let _: ControlFlow<()> = tree.visit(&mut Change { computed });
}

/// Doubles the quotes in texts and names, so that they are printed as they are: the printer takes two in a row, or one behind a
/// backslash, for one that is doubled already.
pub(super) fn double_quotes(tree: &mut Statement) {
    let _: ControlFlow<()> = tree.visit(&mut Quotes);
}

struct Quotes;

impl VisitorMut for Quotes {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if let Value::SingleQuotedString(text) = &mut value.value {
            *text = text.replace('\'', "''");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let names = match expr {
            Expr::Identifier(name) => std::slice::from_mut(name),
            Expr::CompoundIdentifier(names) => names.as_mut_slice(),
            _ => &mut [],
        };
        names.iter_mut().for_each(|name| name.value = name.value.replace('"', "\"\""));
        ControlFlow::Continue(())
    }
}

struct Change<'a> {
    computed: &'a [&'a str],
}

impl VisitorMut for Change<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(order) = &mut query.order_by {
            match &mut order.kind {
                OrderByKind::All(options) => {
                    options.nulls_first.get_or_insert(false);
                }
                OrderByKind::Expressions(keys) => keys.iter_mut().for_each(|key| {
                    key.options.nulls_first.get_or_insert(false);
                }),
            }
        }
        self.hide(&mut query.body);
        ControlFlow::Continue(())
    }
}

impl Change<'_> {
    fn hide(&self, body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) if !self.computed.is_empty() => {
                for item in &mut select.projection {
                    let (SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options)) = item else {
                        continue;
                    };
                    let names = self.computed.iter().map(|name| ObjectName::from(Ident::with_quote('"', *name)));
                    options.opt_exclude.get_or_insert_with(|| ExcludeSelectItem::Multiple(names.collect()));
                }
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.hide(left);
                self.hide(right);
            }
            _ => {}
        }
    }
}
