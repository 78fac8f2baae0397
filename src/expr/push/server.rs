//! One condition in W&B's Mongo JSON, if the server's answer is sure to hold every run that the condition keeps.

use super::super::calls::function_name;
use super::super::compare::Sign;
use super::super::names::{Names, is_flattened, is_whole_path};
use super::super::value::{Const, Value};
use super::super::walk::{Walker, terms};
use super::times;
use polars::prelude::Schema;
use serde_json::{Value as Json, json};
use sqlparser::ast::{
    BinaryOperator as Op, Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator,
};

/// Why something is evaluated here.
type Reason = &'static str;
/// A filter, and why it is asked again here (`None`: the answer is exact); or why it is not sent at all.
pub(super) type Found = Result<(Json, Option<Reason>), Reason>;

/// Fields of text, and the server's names for them.
const TEXTS: [(&str, &str); 8] = [
    ("name", "name"),
    ("display_name", "display_name"),
    ("state", "state"),
    ("user.username", "username"),
    ("job_type", "jobType"),
    ("group", "group"),
    ("sweep", "sweep"),
    ("host", "host"),
];
/// Fields of text that may be unset; the server may hold an empty text for that.
const OPTIONAL: [&str; 5] = ["display_name", "job_type", "group", "sweep", "host"];
const TIMES: [&str; 2] = ["created_at", "heartbeat_at"];
/// Integers below this are the same as floats.
const EXACT: i64 = 1 << 53;
const MAX_DEPTH: usize = 64;

const LISTS: Reason = "the server also matches lists that hold such a value";
const UNSET: Reason = "the server may also send runs without a value";
const KINDS: Reason = "it depends on the kinds of all runs' values";

/// What to send for the condition, and why it is evaluated here.
pub(super) fn push(tree: &Ast, names: &Names<'_>) -> (Option<Json>, Option<Reason>) {
    let none = Schema::default();
    let server = Server { names, none: &Names::new(&none).within(names.context.clone()) };
    match server.truth(tree, true, 0) {
        Ok((json, here)) => (Some(json), here),
        Err(reason) => (None, Some(reason)),
    }
}

struct Server<'a> {
    names: &'a Names<'a>,
    /// No names: what parses with them is constant.
    none: &'a Names<'a>,
}

impl Server<'_> {
    /// The runs for which the condition is true, or those for which it is false (not null).
    fn truth(&self, tree: &Ast, wanted: bool, depth: usize) -> Found {
        if depth > MAX_DEPTH {
            return Err("it is nested deeply");
        }
        match tree {
            Ast::Nested(inner) => self.truth(inner, wanted, depth + 1),
            Ast::UnaryOp { op: UnaryOperator::Not, expr } => self.truth(expr, !wanted, depth + 1),
            Ast::BinaryOp { op: op @ (Op::And | Op::Or), .. } => {
                let terms = terms(tree, op);
                let terms = terms.into_iter().map(|term| self.truth(term, wanted, depth + 1));
                if (*op == Op::And) == wanted { all(terms) } else { any(terms) }
            }
            Ast::BinaryOp { left, op, right } => {
                let sign = sign_of(op).ok_or("the server has no such operator")?;
                match (self.column(left), self.column(right)) {
                    (Some(column), None) => self.compare(&column, sign, &self.constant(right)?, wanted),
                    (None, Some(column)) => self.compare(&column, sign.turned(), &self.constant(left)?, wanted),
                    _ => Err("the server compares fields with fixed values only"),
                }
            }
            Ast::Between { expr, negated, low, high } => {
                let column = self.column(expr).ok_or("the server compares fields with fixed values only")?;
                let (low, high) = (self.constant(low)?, self.constant(high)?);
                self.between(&column, &low, &high, *negated != wanted)
            }
            Ast::InList { expr, list, negated } => {
                let column = self.column(expr).ok_or("the server compares fields with fixed values only")?;
                let list = list.iter().map(|item| self.constant(item)).collect::<Result<Vec<Const>, Reason>>()?;
                within(&column, &list, *negated != wanted)
            }
            Ast::IsNull(inner) => self.null(inner, wanted),
            Ast::IsNotNull(inner) => self.null(inner, !wanted),
            Ast::Function(call) => self.tagged(call, wanted),
            Ast::Like { .. } | Ast::ILike { .. } | Ast::RLike { .. } => {
                Err("the server's patterns are of another dialect")
            }
            _ => Err("the server has nothing like it"),
        }
    }

    /// The column that the tree is.
    fn column(&self, tree: &Ast) -> Option<String> {
        match tree {
            Ast::Nested(inner) => self.column(inner),
            Ast::Identifier(name) => self.names.resolve(&name.value),
            _ => None,
        }
    }

    fn constant(&self, tree: &Ast) -> Result<Const, Reason> {
        let value = Walker::new(self.none, "").value(tree);
        value.ok().and_then(|value: Value| value.constant).ok_or("the server compares fields with fixed values only")
    }

    fn compare(&self, column: &str, sign: Sign, constant: &Const, wanted: bool) -> Found {
        if TIMES.contains(&column) {
            return times::compare(column, if wanted { sign } else { opposite(sign) }, constant);
        }
        if let Some((_, field)) = TEXTS.iter().find(|(name, _)| *name == column) {
            let Const::Text(text) = constant else { return Err("it compares a text with something else") };
            return match if wanted { sign } else { opposite(sign) } {
                Sign::Eq if text.is_empty() => Ok((unset(field), Some(UNSET))),
                Sign::Eq => Ok((json!({ *field: text }), None)),
                Sign::NotEq => Ok((json!({ *field: { "$ne": text } }), Some(UNSET))),
                _ => Err("the server may order texts otherwise"),
            };
        }
        let path = path(column)?;
        if !wanted {
            return Err("NaN and missing values are neither above nor below");
        }
        Ok((compare_path(&path, sign, constant)?, Some(LISTS)))
    }

    fn between(&self, column: &str, low: &Const, high: &Const, wanted: bool) -> Found {
        let compare = |sign, constant| self.compare(column, sign, constant, true);
        match (wanted, path(column)) {
            (true, Ok(path)) => {
                let range = json!({ path: { "$gte": number(low)?, "$lte": number(high)? } });
                Ok((range, Some(LISTS)))
            }
            (true, _) => all([compare(Sign::GtEq, low), compare(Sign::LtEq, high)].into_iter()),
            (false, Ok(_)) => Err("NaN and missing values are neither above nor below"),
            (false, _) => any([compare(Sign::Lt, low), compare(Sign::Gt, high)].into_iter()),
        }
    }

    fn null(&self, inner: &Ast, wanted: bool) -> Found {
        let column = self.column(inner).ok_or("the server has nothing like it")?;
        if is_flattened(&column) && !is_whole_path(&column) {
            return Err(KINDS);
        }
        if !wanted {
            return Err("how the server excludes null is not documented");
        }
        match TEXTS.iter().find(|(name, _)| *name == column && OPTIONAL.contains(name)) {
            Some((_, field)) => Ok((unset(field), Some(UNSET))),
            None if column == "heartbeat_at" => Ok((json!({ "heartbeat_at": null }), None)),
            None => Err("the server may hold something else for null"),
        }
    }

    /// `contains(tags, 'x')`.
    fn tagged(&self, call: &Function, wanted: bool) -> Found {
        const OTHER: Reason = "the server has no functions";
        let name = function_name(call);
        let FunctionArguments::List(list) = &call.args else { return Err(OTHER) };
        let [list, item] = list.args.as_slice() else { return Err(OTHER) };
        let (FunctionArg::Unnamed(FunctionArgExpr::Expr(list)), FunctionArg::Unnamed(FunctionArgExpr::Expr(item))) =
            (list, item)
        else {
            return Err(OTHER);
        };
        if name != "contains" || self.column(list).as_deref() != Some("tags") {
            return Err(OTHER);
        }
        let Const::Text(tag) = self.constant(item)? else { return Err(OTHER) };
        Ok(match wanted {
            true => (json!({ "tags": { "$in": [tag] } }), None),
            false => (json!({ "$or": [{ "tags": null }, { "tags": { "$ne": tag } }] }), Some(UNSET)),
        })
    }
}

/// All must hold: those that cannot be sent are left out, and the whole is asked again here.
fn all(terms: impl Iterator<Item = Found>) -> Found {
    let (mut sent, mut here) = (Vec::new(), None);
    for term in terms {
        match term {
            Ok((json, reason)) => {
                sent.push(json);
                here = here.or(reason);
            }
            Err(reason) => here = here.or(Some(reason)),
        }
    }
    match (super::all_of(sent), here) {
        (Some(json), here) => Ok((json, here)),
        (None, here) => Err(here.unwrap_or("it is empty")),
    }
}

/// One must hold: all can be sent, or none is.
fn any(terms: impl Iterator<Item = Found>) -> Found {
    let (mut sent, mut here) = (Vec::new(), None);
    for term in terms {
        let (json, reason) = term?;
        sent.push(json);
        here = here.or(reason);
    }
    Ok((json!({ "$or": sent }), here))
}

/// No value, however the server keeps that.
fn unset(field: &str) -> Json {
    json!({ "$or": [{ field: null }, { field: "" }] })
}

/// `column in (list)`.
fn within(column: &str, list: &[Const], wanted: bool) -> Found {
    let texts: Vec<&String> =
        list.iter().filter_map(|c| if let Const::Text(text) = c { Some(text) } else { None }).collect();
    let all_text = texts.len() == list.len();
    if let Some((_, field)) = TEXTS.iter().find(|(name, _)| *name == column) {
        return match (all_text && !texts.iter().any(|text| text.is_empty()), wanted) {
            (false, _) => Err("an empty text or no text is in the list"),
            (true, true) => Ok((json!({ *field: { "$in": texts } }), None)),
            (true, false) => Ok((json!({ *field: { "$nin": texts } }), Some(UNSET))),
        };
    }
    let path = path(column)?;
    if !wanted {
        return Err("values of other kinds and missing ones are treated otherwise");
    }
    let items = match all_text {
        true => texts.into_iter().map(|text| plain_text(text)).collect::<Result<Vec<Json>, Reason>>()?,
        false => list.iter().map(number).collect::<Result<Vec<Json>, Reason>>()?,
    };
    Ok((json!({ path: { "$in": items } }), Some(LISTS)))
}

/// The server's name for a value of config or summary.
fn path(column: &str) -> Result<String, Reason> {
    let (config, key) = match (column.strip_prefix("config."), column.strip_prefix("summary.")) {
        (Some(key), _) => (true, key),
        (_, Some(key)) => (false, key),
        _ => return Err("the server has no such field, or another meaning of it"),
    };
    if key.contains('.') {
        return Err("a run may hold the nested path as one key with a dot, which the server does not find");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || (c == '/' && !config);
    if key.is_empty() || !key.chars().all(plain) {
        return Err("the server may read the signs in the key otherwise");
    }
    Ok(if config { format!("config.{key}.value") } else { format!("summary_metrics.{key}") })
}

fn compare_path(path: &str, sign: Sign, constant: &Const) -> Result<Json, Reason> {
    let (operator, spelled) = match (sign, constant) {
        (Sign::Eq, Const::Text(text)) => return Ok(json!({ path: plain_text(text)? })),
        (Sign::Eq, Const::Bool(flag)) => return Ok(json!({ path: flag })),
        (Sign::Eq, _) => return Ok(json!({ path: number(constant)? })),
        (Sign::Gt, _) => ("$gt", ["Infinity", "Inf"]),
        (Sign::GtEq, _) => ("$gte", ["Infinity", "Inf"]),
        (Sign::Lt, _) => ("$lt", ["-Infinity", "-Inf"]),
        (Sign::LtEq, _) => ("$lte", ["-Infinity", "-Inf"]),
        (Sign::NotEq | Sign::Same, _) => return Err("values of other kinds and missing ones are treated otherwise"),
    };
    // The server keeps infinite numbers as texts.
    Ok(json!({ "$or": [{ path: { operator: number(constant)? } }, { path: { "$in": spelled } }] }))
}

/// A number that the server and we hold alike.
fn number(constant: &Const) -> Result<Json, Reason> {
    match constant {
        Const::Int(number) if (-EXACT + 1..EXACT).contains(number) => Ok(json!(number)),
        Const::Float(number) if number.is_finite() && number.abs() < EXACT as f64 => Ok(json!(number)),
        Const::Int(_) | Const::Float(_) | Const::Digits(_) => Err("beyond 2^53 integers and floats differ"),
        _ => Err("it depends on the kinds of all runs' values"),
    }
}

/// A text that only a text can be equal to: no spelling of a number, no JSON.
pub(super) fn plain_text(text: &str) -> Result<Json, Reason> {
    let odd = text.starts_with(|c: char| c.is_ascii_digit() || "-{[".contains(c));
    if odd || ["NaN", "nan", "Infinity", "Inf"].contains(&text) {
        return Err("such a text may be a number, or JSON, at the server");
    }
    Ok(json!(text))
}

pub(super) fn sign_of(op: &Op) -> Option<Sign> {
    Some(match op {
        Op::Eq => Sign::Eq,
        Op::NotEq => Sign::NotEq,
        Op::Lt => Sign::Lt,
        Op::LtEq => Sign::LtEq,
        Op::Gt => Sign::Gt,
        Op::GtEq => Sign::GtEq,
        _ => return None,
    })
}

/// The sign that is true where this one is false.
fn opposite(sign: Sign) -> Sign {
    match sign {
        Sign::Eq => Sign::NotEq,
        Sign::NotEq => Sign::Eq,
        Sign::Lt => Sign::GtEq,
        Sign::LtEq => Sign::Gt,
        Sign::Gt => Sign::LtEq,
        Sign::GtEq => Sign::Lt,
        Sign::Same => Sign::Same,
    }
}
