//! Whether a condition means the same however many other runs there are, whose values decide the kinds of columns.

use super::super::calls::function_name;
use super::super::compare::Sign;
use super::super::names::{Names, is_flattened, is_whole_path};
use super::super::walk::terms;
use super::server::{plain_text, sign_of};
use sqlparser::ast::{
    BinaryOperator as Op, Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
    visit_expressions,
};
use std::ops::ControlFlow;

/// Deep trees need a deep stack.
const STACK: usize = 16 * 1024 * 1024;
const MAX_DEPTH: usize = 64;
const NUMBERS: [&str; 8] = ["abs", "round", "floor", "ceil", "sqrt", "ln", "log10", "exp"];

/// True if other runs cannot change for which runs the condition is true. Integers beyond 2^53 in arithmetic, and beyond
/// Int64 anywhere, are not looked at.
pub(super) fn independent(tree: &Ast, names: &Names<'_>) -> bool {
    stacker::maybe_grow(STACK, STACK, || Kinds { names }.same(tree, true, 0))
}

struct Kinds<'a> {
    names: &'a Names<'a>,
}

impl Kinds<'_> {
    /// `positive`: only for which runs it is true matters, not whether it is false or null for the others.
    fn same(&self, tree: &Ast, positive: bool, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            return false;
        }
        match tree {
            Ast::Nested(inner) => self.same(inner, positive, depth + 1),
            Ast::UnaryOp { op: UnaryOperator::Not, expr } => self.same(expr, false, depth + 1),
            Ast::BinaryOp { op: op @ (Op::And | Op::Or), .. } => {
                terms(tree, op).into_iter().all(|term| self.same(term, positive, depth + 1))
            }
            _ => !self.mentions(tree) || self.leaf(tree, positive),
        }
    }

    /// True if it names a column of config or summary.
    fn mentions(&self, tree: &Ast) -> bool {
        let found = visit_expressions(tree, |part| match part {
            Ast::Identifier(name) if self.flattened(&name.value) => ControlFlow::Break(()),
            Ast::CompoundIdentifier(_) | Ast::CompoundFieldAccess { .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        found.is_break()
    }

    fn flattened(&self, name: &str) -> bool {
        self.names.resolve(name).is_some_and(|column| is_flattened(&column))
    }

    /// True for all columns of a path; which of them is called `PATH:string` depends on the runs.
    fn whole(&self, name: &str) -> bool {
        self.names.resolve(name).is_some_and(|column| is_whole_path(&column))
    }

    fn leaf(&self, tree: &Ast, positive: bool) -> bool {
        match tree {
            Ast::BinaryOp { left, op, right } => {
                let Some(sign) = sign_of(op) else { return false };
                [(left, right), (right, left)].into_iter().any(|(side, other)| match text_or_flag(other) {
                    Some(Literal::Text(text)) => {
                        sign == Sign::Eq && positive && self.is_path(side) && plain_text(text).is_ok()
                    }
                    Some(Literal::Flag) => self.is_path(side),
                    None => is_number(other) && self.numeric(side, 0),
                })
            }
            Ast::Between { expr, low, high, .. } => is_number(low) && is_number(high) && self.numeric(expr, 0),
            Ast::InList { expr, list, negated } => {
                let plain = |item: &Ast| matches!(text_or_flag(item), Some(Literal::Text(t)) if plain_text(t).is_ok());
                (list.iter().all(is_number) && self.numeric(expr, 0))
                    || (positive && !negated && self.is_path(expr) && list.iter().all(plain))
            }
            Ast::IsNull(inner) | Ast::IsNotNull(inner) => self.is_path(inner),
            Ast::Function(call) => argument(call, &["is_nan"]).is_some_and(|inner| self.numeric(inner, 0)),
            _ => false,
        }
    }

    fn is_path(&self, tree: &Ast) -> bool {
        match tree {
            Ast::Nested(inner) => self.is_path(inner),
            Ast::Identifier(name) => self.whole(&name.value),
            _ => false,
        }
    }

    /// True if only numbers can stand in it, so that each path means its column of numbers.
    fn numeric(&self, tree: &Ast, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            return false;
        }
        match tree {
            Ast::Nested(inner) => self.numeric(inner, depth + 1),
            Ast::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => self.numeric(expr, depth + 1),
            Ast::Identifier(name) => self.whole(&name.value) || name.value == "runtime",
            Ast::BinaryOp { left, op: Op::Plus | Op::Minus | Op::Multiply | Op::Divide, right } => {
                self.numeric(left, depth + 1) && self.numeric(right, depth + 1)
            }
            Ast::Function(call) => argument(call, &NUMBERS).is_some_and(|inner| self.numeric(inner, depth + 1)),
            other => is_number(other),
        }
    }
}

enum Literal<'a> {
    Text(&'a str),
    Flag,
}

fn text_or_flag(tree: &Ast) -> Option<Literal<'_>> {
    match tree {
        Ast::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(Literal::Text(text)),
            Value::Boolean(_) => Some(Literal::Flag),
            _ => None,
        },
        _ => None,
    }
}

/// A number as written, with or without a sign.
fn is_number(tree: &Ast) -> bool {
    match tree {
        Ast::Value(value) => matches!(value.value, Value::Number(..)),
        Ast::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => {
            matches!(expr.as_ref(), Ast::Value(value) if matches!(value.value, Value::Number(..)))
        }
        _ => false,
    }
}

/// The first argument of a call of one of these functions; what follows must be numbers.
fn argument<'a>(call: &'a Function, functions: &[&str]) -> Option<&'a Ast> {
    let name = function_name(call);
    let FunctionArguments::List(list) = &call.args else { return None };
    let mut arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(tree)) => Some(tree),
        _ => None,
    });
    let first = arguments.next()??;
    (functions.contains(&name.as_str()) && arguments.all(|other| other.is_some_and(is_number))).then_some(first)
}
