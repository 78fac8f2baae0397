//! From the parser's tree to Polars expressions, with our own type check.

use super::aggregates::Groups;
use super::compare::{self, Sign};
use super::literals::{literal, typed_string};
use super::names::Names;
use super::time::parse_span;
use super::value::{Const, Kind, Value, unify};
use super::{arithmetic, cast, fault};
use crate::error::Result;
use polars::prelude::{DataType, Expr, lit, when};
use sqlparser::ast::{self, AccessExpr, BinaryOperator, CaseWhen, Expr as Ast, Spanned, UnaryOperator};

/// The tree may be this deep, so that the walk cannot run out of stack. Chains of `and` and `or` count as one level,
/// parentheses as none.
const MAX_DEPTH: usize = 128;
/// Bytes of stack that must be left for one level, and how many are added where they are not.
const STACK_LEFT: usize = 256 * 1024;
const STACK_MORE: usize = 4 * 1024 * 1024;
/// A Polars expression may have this many nodes.
const MAX_NODES: usize = 20_000;

/// Walks one tree.
pub(super) struct Walker<'a> {
    pub(super) names: &'a Names<'a>,
    /// The user's text, for errors.
    pub(super) text: &'a str,
    depth: usize,
    /// What aggregates are made of, where they may stand.
    pub(super) groups: Option<Groups>,
    /// The aggregate whose arguments are read.
    pub(super) inside: Option<&'static str>,
}

/// The byte offset in the text at which `tree` begins.
pub(super) fn at(tree: &Ast) -> usize {
    let mut tree = tree;
    // Down the left side by hand: `span()` would walk the whole tree each time.
    loop {
        tree = match tree {
            Ast::BinaryOp { left, .. } => left,
            Ast::IsNull(inner) | Ast::IsNotNull(inner) | Ast::Nested(inner) => inner,
            Ast::InList { expr, .. } | Ast::Between { expr, .. } | Ast::Like { expr, .. } => expr,
            Ast::UnaryOp { expr, .. } | Ast::Cast { expr, .. } => expr,
            _ => return (tree.span().start.column as usize).saturating_sub(1),
        };
    }
}

impl<'a> Walker<'a> {
    /// Reads expressions of the rows.
    pub(super) fn new(names: &'a Names<'a>, text: &'a str) -> Self {
        Walker { names, text, depth: 0, groups: None, inside: None }
    }
}

impl Walker<'_> {
    /// The tree as a typed expression.
    pub(super) fn value(&mut self, tree: &Ast) -> Result<Value> {
        let mut tree = tree;
        while let Ast::Nested(inner) = tree {
            tree = inner;
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(fault(at(tree), "nested too deeply", &format!("at most {MAX_DEPTH} levels")));
        }
        // A level takes some 10 KB of stack, and threads may have little.
        let value = stacker::maybe_grow(STACK_LEFT, STACK_MORE, || self.any(tree))?;
        self.depth -= 1;
        // Some operators name their operands twice, so that the expression can grow faster than the text.
        if value.expr.into_iter().take(MAX_NODES + 1).count() > MAX_NODES {
            return Err(fault(at(tree), "the expression is too large", "split it up"));
        }
        Ok(value)
    }

    fn any(&mut self, tree: &Ast) -> Result<Value> {
        let place = at(tree);
        let truth = |expr: Expr| Value::new(expr, DataType::Boolean, place);
        Ok(match tree {
            Ast::Identifier(name) => self.column(&name.value, place)?,
            Ast::CompoundIdentifier(parts) => self.fields(parts, place)?,
            Ast::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain)?,
            Ast::Value(value) => literal(&value.value, place)?,
            Ast::TypedString(typed) => typed_string(typed, place)?,
            Ast::Interval(interval) => self.interval(interval, place)?,
            Ast::UnaryOp { op, expr } => self.unary(*op, expr, place)?,
            Ast::BinaryOp { left, op, right } => self.binary(tree, left, op, right)?,
            Ast::IsNull(inner) => truth(self.value(inner)?.absent(self.names)?),
            Ast::IsNotNull(inner) => truth(self.value(inner)?.absent(self.names)?.not()),
            Ast::IsTrue(inner) => truth(self.condition(inner, "is true")?.fill_null(lit(false))),
            Ast::IsNotTrue(inner) => truth(self.condition(inner, "is not true")?.fill_null(lit(false)).not()),
            Ast::IsFalse(inner) => truth(self.condition(inner, "is false")?.not().fill_null(lit(false))),
            Ast::IsNotFalse(inner) => truth(self.condition(inner, "is not false")?.fill_null(lit(true))),
            Ast::IsDistinctFrom(left, right) => truth(self.pair(left, Sign::Same, right)?.not()),
            Ast::IsNotDistinctFrom(left, right) => truth(self.pair(left, Sign::Same, right)?),
            Ast::InList { expr, list, negated } => {
                let list = list.iter().map(|item| self.value(item)).collect::<Result<Vec<Value>>>()?;
                let value = self.value(expr)?;
                truth(negate(compare::is_in(value, list, *negated, self.names)?, *negated))
            }
            Ast::Between { expr, negated, low, high } => {
                let (value, low, high) = (self.value(expr)?, self.value(low)?, self.value(high)?);
                truth(negate(compare::between(value, low, high, self.names)?, *negated))
            }
            Ast::Like { negated, any: false, expr, pattern, escape_char } => {
                truth(self.like(expr, pattern, false, escape_char.as_ref(), *negated)?)
            }
            Ast::ILike { negated, any: false, expr, pattern, escape_char } => {
                truth(self.like(expr, pattern, true, escape_char.as_ref(), *negated)?)
            }
            Ast::RLike { negated, expr, pattern, .. } => truth(self.regex(expr, pattern, false, *negated)?),
            Ast::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), place)?
            }
            Ast::Cast { kind: _, expr, data_type, array: false, format: None } => {
                cast::cast(self.value(expr)?, data_type, self.names)?
            }
            Ast::Function(call) => self.call(call, place)?,
            other => {
                return Err(fault(
                    place,
                    &format!("{} is not understood here", shorten(&other.to_string())),
                    "see docs/expressions.md",
                ));
            }
        })
    }

    /// The column, through aliases.
    fn column(&self, name: &str, place: usize) -> Result<Value> {
        match self.names.resolve(name) {
            Some(column) if self.over_groups() => self.key(&column, place),
            Some(column) => Value::column(&column, self.names, place),
            None => Err(self.names.unknown(name, Some((self.text, place)))),
        }
    }

    /// `struct.field.field`.
    fn fields(&self, parts: &[ast::Ident], place: usize) -> Result<Value> {
        let mut parts = parts.iter();
        let Some(first) = parts.next() else { return Err(fault(place, "a name is missing", "write a column's name")) };
        let mut value = self.column(&first.value, place)?;
        for part in parts {
            value = field(value, &part.value)?;
        }
        Ok(value)
    }

    /// `logged('model').version`.
    fn access(&mut self, root: &Ast, chain: &[AccessExpr]) -> Result<Value> {
        let mut value = self.value(root)?;
        for step in chain {
            value = match step {
                AccessExpr::Dot(Ast::Identifier(name)) => field(value, &name.value)?,
                other => {
                    return Err(fault(
                        at(root),
                        &format!("{other} is not understood here"),
                        "a field is .name; list elements are not reached",
                    ));
                }
            };
        }
        Ok(value)
    }

    fn interval(&mut self, interval: &ast::Interval, place: usize) -> Result<Value> {
        if interval.last_field.is_some()
            || interval.leading_precision.is_some()
            || interval.fractional_seconds_precision.is_some()
        {
            let message = format!("{} has more than a unit", shorten(&interval.to_string()));
            return Err(fault(place, &message, "for example interval '7 days' or interval '36' hour"));
        }
        let unit = interval.leading_field.as_ref().map(ToString::to_string);
        let text = match self.value(&interval.value)?.constant {
            Some(Const::Text(text)) => text,
            Some(Const::Int(number)) => number.to_string(),
            Some(Const::Float(number)) => number.to_string(),
            _ => return Err(fault(place, "an interval needs a fixed length", "for example interval '7 days'")),
        };
        Ok(Value::constant(Const::Span(parse_span(&text, unit.as_deref(), place)?), place))
    }

    fn unary(&mut self, op: UnaryOperator, inner: &Ast, place: usize) -> Result<Value> {
        match op {
            UnaryOperator::Not => Ok(Value::new(self.condition(inner, "not")?.not(), DataType::Boolean, place)),
            UnaryOperator::Minus => arithmetic::negate(self.value(inner)?, place),
            UnaryOperator::Plus => self.value(inner),
            _ => Err(fault(place, &format!("{op} is not understood here"), "not, - and + stand before a value")),
        }
    }

    fn binary(&mut self, tree: &Ast, left: &Ast, op: &BinaryOperator, right: &Ast) -> Result<Value> {
        let place = at(left);
        let truth = |expr: Expr| Value::new(expr, DataType::Boolean, place);
        use BinaryOperator as Op;
        Ok(match op {
            Op::And | Op::Or => truth(self.chain(tree, op)?),
            Op::Eq => truth(self.pair(left, Sign::Eq, right)?),
            Op::NotEq => truth(self.pair(left, Sign::NotEq, right)?),
            Op::Lt => truth(self.pair(left, Sign::Lt, right)?),
            Op::LtEq => truth(self.pair(left, Sign::LtEq, right)?),
            Op::Gt => truth(self.pair(left, Sign::Gt, right)?),
            Op::GtEq => truth(self.pair(left, Sign::GtEq, right)?),
            Op::PGRegexMatch => truth(self.regex(left, right, false, false)?),
            Op::PGRegexIMatch => truth(self.regex(left, right, true, false)?),
            Op::PGRegexNotMatch => truth(self.regex(left, right, false, true)?),
            Op::PGRegexNotIMatch => truth(self.regex(left, right, true, true)?),
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo | Op::StringConcat => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                arithmetic::combine(left, op, right, self.names)?
            }
            _ => {
                return Err(fault(
                    place,
                    &format!("the operator {op} is not known"),
                    "operators: and or not = != < <= > >= + - * / % || ~ like in between is",
                ));
            }
        })
    }

    /// `a and b and c …`, however long, as a tree of little depth.
    fn chain(&mut self, tree: &Ast, op: &BinaryOperator) -> Result<Expr> {
        let what = if *op == BinaryOperator::And { "each side of and" } else { "each side of or" };
        let terms =
            terms(tree, op).into_iter().map(|term| self.condition(term, what)).collect::<Result<Vec<Expr>>>()?;
        Ok(balanced(terms, if *op == BinaryOperator::And { Expr::and } else { Expr::or }))
    }

    fn condition(&mut self, tree: &Ast, what: &str) -> Result<Expr> {
        self.value(tree)?.condition(what, self.names)
    }

    fn pair(&mut self, left: &Ast, sign: Sign, right: &Ast) -> Result<Expr> {
        self.no_nan(left, right)?;
        self.no_nan(right, left)?;
        let (left, right) = (self.value(left)?, self.value(right)?);
        compare::compare(left, sign, right, self.names)
    }

    /// NaN is no literal, because nothing is equal to it.
    fn no_nan(&self, side: &Ast, other: &Ast) -> Result<()> {
        match side {
            Ast::Identifier(name)
                if name.value.eq_ignore_ascii_case("nan") && self.names.resolve(&name.value).is_none() =>
            {
                let other = if let Ast::Identifier(name) = other { &name.value } else { "…" };
                Err(fault(at(side), "NaN is equal to nothing, itself included", &format!("write is_nan({other})")))
            }
            _ => Ok(()),
        }
    }

    fn like(
        &mut self,
        value: &Ast,
        pattern: &Ast,
        ignore_case: bool,
        escape: Option<&ast::ValueWithSpan>,
        negated: bool,
    ) -> Result<Expr> {
        let escape = match escape.map(|escape| &escape.value) {
            None => None,
            Some(ast::Value::SingleQuotedString(text)) if text.chars().count() == 1 => text.chars().next(),
            Some(_) => return Err(fault(at(pattern), "escape takes one character", "for example escape '\\'")),
        };
        let (value, pattern) = (self.value(value)?, self.value(pattern)?);
        Ok(negate(compare::like(value, pattern, ignore_case, escape, self.names)?, negated))
    }

    fn regex(&mut self, value: &Ast, pattern: &Ast, ignore_case: bool, negated: bool) -> Result<Expr> {
        let (value, pattern) = (self.value(value)?, self.value(pattern)?);
        Ok(negate(compare::regex(value, pattern, ignore_case, self.names)?, negated))
    }

    fn case(
        &mut self,
        operand: Option<&Ast>,
        whens: &[CaseWhen],
        otherwise: Option<&Ast>,
        place: usize,
    ) -> Result<Value> {
        let operand = operand.map(|operand| self.value(operand)).transpose()?;
        let mut conditions = Vec::new();
        let mut results = Vec::new();
        for CaseWhen { condition, result } in whens {
            conditions.push(match &operand {
                Some(operand) => compare::compare(operand.clone(), Sign::Eq, self.value(condition)?, self.names)?,
                None => self.condition(condition, "what follows when")?,
            });
            results.push(self.value(result)?);
        }
        results.push(match otherwise {
            Some(otherwise) => self.value(otherwise)?,
            None => Value::constant(Const::Null, place),
        });
        if results.len() > MAX_DEPTH {
            return Err(fault(place, "too many cases", &format!("at most {MAX_DEPTH}")));
        }
        let (mut results, dtype) = unify(results, self.names)?;
        let last = results.pop().map_or_else(|| lit(polars::prelude::NULL), |value| value.expr);
        let expr = conditions
            .into_iter()
            .zip(results)
            .rev()
            .fold(last, |rest, (condition, result)| when(condition).then(result.expr).otherwise(rest));
        Ok(Value::new(expr, dtype, place))
    }
}

/// A field of a struct.
fn field(value: Value, name: &str) -> Result<Value> {
    let DataType::Struct(fields) = &value.dtype else {
        return Err(value
            .mismatch(&format!("{} has no field {name}", value.called()), "only logged(…) and used(…) have fields"));
    };
    let Some(found) = fields.iter().find(|field| field.name() == name) else {
        let known: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        return Err(value.mismatch(&format!("there is no field {name}"), &format!("fields: {}", known.join(", "))));
    };
    let dtype = found.dtype().clone();
    Ok(Value::new(value.expr.struct_().field_by_name(name), dtype, value.at))
}

fn negate(expr: Expr, negated: bool) -> Expr {
    if negated { expr.not() } else { expr }
}

/// The terms joined by `join`, as a tree whose depth is the logarithm of their number. No terms: false.
pub(super) fn balanced(mut terms: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Expr {
    while terms.len() > 1 {
        let mut next = Vec::with_capacity(terms.len().div_ceil(2));
        let mut pairs = terms.into_iter();
        while let Some(left) = pairs.next() {
            next.push(match pairs.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        terms = next;
    }
    terms.pop().unwrap_or_else(|| lit(false))
}

/// At most 40 characters of a text.
fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The kind that the value must have for `what`.
pub(super) fn expect(value: Value, kind: Kind, what: &str, names: &Names<'_>) -> Result<Value> {
    let value = value.of_kind_or_null(kind, names)?;
    let got = value.kind();
    if got == kind || got == Kind::Null {
        return Ok(value);
    }
    Err(value.mismatch(
        &format!("{what} needs {}, but {} is {}", kind.words(), value.called(), got.words()),
        "check the column with the schema verb",
    ))
}

/// The operands of `a op b op c …`.
pub(super) fn terms<'a>(tree: &'a Ast, op: &BinaryOperator) -> Vec<&'a Ast> {
    let mut terms = Vec::new();
    let mut rest = tree;
    while let Ast::BinaryOp { left, op: other, right } = rest {
        if other != op {
            break;
        }
        terms.push(right.as_ref());
        rest = left;
    }
    terms.push(rest);
    terms.reverse();
    terms
}
