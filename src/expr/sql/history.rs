//! What of the history a statement needs: the metrics that its text may name, and the steps and runs that its `where` picks.

use super::super::lexer::quoted;
use super::super::names::{is_name_char, needs_quotes};
use super::check::last;
use super::words::{Table as TableNames, Words};
use crate::columns::resolve_alias;
use crate::ops::history::OWN;
use crate::record::HistoryNeeds;
use sqlparser::ast::{
    BinaryOperator, Expr, JoinOperator, Query, Select, Statement as Tree, TableFactor, TableWithJoins, UnaryOperator,
    Value, Visit, Visitor,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Of texts that may name more than this, every metric is taken.
const MAX_NAMES: usize = 4096;

/// What the statement needs; `tables` are those whose columns are known, the history with its own columns only.
pub(super) fn needs(text: &str, words: &Words<'_>, tables: &[TableNames<'_>]) -> HistoryNeeds {
    let all = ["from"].contains(&words.first().map_or("", |first| first.1).to_ascii_lowercase().as_str())
        || words.has_wildcard()
        // They name columns without their names.
        || ["natural", "table", "columns", "pivot", "unpivot", "top"].iter().any(|word| words.has_word(word));
    let Some(metrics) = names(text).filter(|_| !all) else { return HistoryNeeds::everything() };
    let whole = HistoryNeeds { metrics: Some(metrics), ..HistoryNeeds::default() };
    let tree = words.outlined(tables).and_then(|tokens| {
        let parsed = Parser::new(&GenericDialect {}).with_tokens_with_locations(tokens).parse_statements().ok()?;
        <[Tree; 1]>::try_from(parsed).ok()
    });
    let Some([tree]) = tree else { return whole };
    let mut search = Search { text, found: whole.clone(), named: 0, unsure: false };
    let _: ControlFlow<()> = tree.visit(&mut search);
    let empty = |set: &Option<BTreeSet<String>>| set.as_ref().is_some_and(BTreeSet::is_empty);
    let found = &search.found;
    let steps = found.first_step.zip(found.last_step).is_some_and(|(first, last)| first > last);
    let none = steps || [&found.entities, &found.projects, &found.names].into_iter().any(empty);
    match search.named == 1 && !search.unsure && !none {
        true => search.found,
        false => whole,
    }
}

/// Every name that a column may have which the text spells; `None` if they are too many.
fn names(text: &str) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut before: Option<char> = None;
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        let begins = before.is_none_or(|before| !is_name_char(before) || before.is_numeric());
        if begins && !needs_quotes(c) {
            let rest = rest.get(..rest.find(needs_quotes).unwrap_or(rest.len())).unwrap_or_default();
            let ends = rest.char_indices().filter(|(end, c)| *end > 0 && !is_name_char(*c)).map(|(end, _)| end);
            found.extend(ends.chain([rest.len()]).filter_map(|end| Some(rest.get(..end)?.to_owned())));
        }
        if let ('"' | '`', Some((name, _))) = (c, quoted(rest, c)) {
            found.insert(name);
        }
        if found.len() > MAX_NAMES {
            return None;
        }
        before = Some(c);
    }
    let aliases: Vec<String> = found.iter().filter_map(|name| resolve_alias(name)).collect();
    found.extend(aliases);
    Some(found)
}

/// Looks for the one `select` over the history.
struct Search<'a> {
    text: &'a str,
    found: HistoryNeeds,
    /// How often the history is named.
    named: usize,
    unsure: bool,
}

impl Visitor for Search<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let own = query.with.iter().flat_map(|with| &with.cte_tables).any(|table| table.alias.name.value == "history");
        self.unsure |= own;
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &sqlparser::ast::ObjectName) -> ControlFlow<()> {
        self.named += usize::from(last(relation) == "history");
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let (Some(table), Some(condition)) = (history(select), &select.selection) {
            self.conjuncts(condition, &table);
        }
        ControlFlow::Continue(())
    }
}

/// How a `select` names the history's columns.
struct Named {
    by: String,
    /// No other table is there, so that bare names are its columns.
    alone: bool,
}

/// The history among the tables of a `select`, if what its `where` says of it holds for each of its rows that come to count.
fn history(select: &Select) -> Option<Named> {
    let of = |factor: &TableFactor| match factor {
        TableFactor::Table { name, alias, args: None, sample: None, .. } if last(name) == "history" => match alias {
            Some(alias) => alias.columns.is_empty().then(|| alias.name.value.clone()),
            None => Some("history".to_owned()),
        },
        _ => None,
    };
    let first = select.from.first()?;
    let joins = || select.from.iter().flat_map(|TableWithJoins { joins, .. }| joins);
    let leads = of(&first.relation).is_some() && select.from.len() == 1;
    let keeps = joins().all(|join| match &join.join_operator {
        JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => true,
        JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => leads,
        _ => false,
    });
    let plain = select.prewhere.is_none() && select.lateral_views.is_empty() && select.connect_by.is_empty();
    let relations = select.from.iter().map(|from| &from.relation).chain(joins().map(|join| &join.relation));
    let by = relations.into_iter().find_map(of)?;
    (keeps && plain).then_some(Named { by, alone: select.from.len() == 1 && joins().next().is_none() })
}

impl Search<'_> {
    fn conjuncts(&mut self, condition: &Expr, table: &Named) {
        match condition {
            Expr::Nested(inner) => self.conjuncts(inner, table),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.conjuncts(left, table);
                self.conjuncts(right, table);
            }
            Expr::BinaryOp { left, op, right } => {
                if let Some(column) = self.column(left, table) {
                    self.compare(&column, op, right);
                } else if let (Some(column), Some(op)) = (self.column(right, table), flipped(op)) {
                    self.compare(&column, &op, left);
                }
            }
            Expr::InList { expr, list, negated: false } => {
                let texts = list.iter().map(text_of).collect::<Option<BTreeSet<String>>>();
                if let (Some(column), Some(texts)) = (self.column(expr, table), texts) {
                    self.among(&column, texts);
                }
            }
            Expr::Between { expr, negated: false, low, high } => {
                if let Some(column) = self.column(expr, table) {
                    self.compare(&column, &BinaryOperator::GtEq, low);
                    self.compare(&column, &BinaryOperator::LtEq, high);
                }
            }
            _ => {}
        }
    }

    /// The history's own column that this is, if it is spelled as it is called: another spelling may be that of a metric.
    fn column(&self, expr: &Expr, table: &Named) -> Option<String> {
        let ident = match expr {
            Expr::Identifier(ident) if table.alone => ident,
            Expr::CompoundIdentifier(parts) => match &parts[..] {
                [by, ident] if by.value == table.by => ident,
                _ => return None,
            },
            Expr::Nested(inner) => return self.column(inner, table),
            _ => return None,
        };
        let at = usize::try_from(ident.span.start.column).ok()?.checked_sub(1)?;
        let spelled = self.text.get(at..)?.trim_start_matches(['"', '`']);
        (OWN.contains(&ident.value.as_str()) && spelled.starts_with(&ident.value)).then(|| ident.value.clone())
    }

    fn compare(&mut self, column: &str, op: &BinaryOperator, value: &Expr) {
        if column != "_step" {
            if let (BinaryOperator::Eq, Some(text)) = (op, text_of(value)) {
                self.among(column, BTreeSet::from([text]));
            }
            return;
        }
        let Some(value) = integer_of(value) else { return };
        let (first, last) = match op {
            BinaryOperator::Eq => (Some(value), Some(value)),
            BinaryOperator::Gt => (value.checked_add(1), None),
            BinaryOperator::GtEq => (Some(value), None),
            BinaryOperator::Lt => (None, value.checked_sub(1)),
            BinaryOperator::LtEq => (None, Some(value)),
            _ => return,
        };
        self.found.keep_steps(first, last);
    }

    fn among(&mut self, column: &str, texts: BTreeSet<String>) {
        let part = match column {
            "entity" => &mut self.found.entities,
            "project" => &mut self.found.projects,
            "name" => &mut self.found.names,
            _ => return,
        };
        *part = Some(match part.take() {
            Some(known) => known.intersection(&texts).cloned().collect(),
            None => texts,
        });
    }
}

/// The operator with its sides changed.
fn flipped(op: &BinaryOperator) -> Option<BinaryOperator> {
    Some(match op {
        BinaryOperator::Eq => BinaryOperator::Eq,
        BinaryOperator::Lt => BinaryOperator::Gt,
        BinaryOperator::LtEq => BinaryOperator::GtEq,
        BinaryOperator::Gt => BinaryOperator::Lt,
        BinaryOperator::GtEq => BinaryOperator::LtEq,
        _ => return None,
    })
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn integer_of(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => integer_of(expr)?.checked_neg(),
        Expr::Nested(inner) => integer_of(inner),
        _ => None,
    }
}
