//! What conditions are, row by row, by the rules of `docs/expressions.md`.

use super::conditions::{Cell, Node};
use polars::prelude::*;
use std::cmp::Ordering;

const INTS: [[Option<i64>; ROWS]; 2] = [
    [Some(0), Some(1), None, Some(-7), Some(9_007_199_254_740_993), Some(i64::MAX), Some(3), Some(-1)],
    [Some(2), None, Some(5), Some(3), Some(0), Some(2), Some(-3), Some(1)],
];
const FLOATS: [[Option<f64>; ROWS]; 2] = [
    [
        Some(0.5),
        Some(f64::NAN),
        Some(-0.0),
        None,
        Some(9_007_199_254_740_992.0),
        Some(f64::INFINITY),
        Some(3.0),
        Some(1e-3),
    ],
    [Some(f64::NAN), Some(f64::NAN), Some(2.5), Some(-3.0), None, Some(1.0), Some(0.0), Some(-1.5)],
];
const TEXTS: [[Option<&str>; ROWS]; 2] = [
    [Some("a"), Some(""), None, Some("Abc"), Some("é%_x"), Some("it's"), Some("a\nb"), Some("ABC")],
    [Some("abc"), Some("b"), Some("a"), None, Some("x"), Some("abc"), Some(""), Some("A")],
];
const BOOLS: [[Option<bool>; ROWS]; 2] = [
    [Some(true), Some(false), None, Some(true), Some(false), None, Some(true), Some(false)],
    [None, Some(true), Some(false), Some(false), Some(true), None, Some(true), Some(true)],
];
const ROWS: usize = 8;
pub(crate) const NAMES: [[&str; 2]; 4] =
    [["config.i", "summary.j k"], ["config.f", "summary.val/g"], ["name", "summary.s"], ["config.b", "select"]];

/// The table that conditions are asked of.
pub(crate) fn table() -> DataFrame {
    let columns = (0..2).flat_map(|at| {
        [
            Column::new(NAMES[0][at].into(), INTS[at]),
            Column::new(NAMES[1][at].into(), FLOATS[at]),
            Column::new(NAMES[2][at].into(), TEXTS[at]),
            Column::new(NAMES[3][at].into(), BOOLS[at]),
        ]
    });
    DataFrame::new(ROWS, columns.collect()).unwrap()
}

/// What a condition is in a row; `None` is null.
pub(crate) fn truth(node: &Node, row: usize) -> Option<bool> {
    match eval(node, row) {
        Cell::Bool(value) => Some(value),
        Cell::Null => None,
        other => panic!("{node} is {other:?}"),
    }
}

/// True if the values are floats.
fn is_float(node: &Node) -> bool {
    match node {
        Node::Value(value) => matches!(value, Cell::Float(_)),
        Node::Column(kind, _) => *kind == 1,
        Node::Minus(inner) => is_float(inner),
        Node::Binary("/", ..) => true,
        Node::Binary(_, left, right) => is_float(left) || is_float(right),
        Node::Case(parts) => is_float(&parts[1]) || is_float(&parts[2]),
        Node::Call("coalesce", arguments) => arguments.iter().any(is_float),
        Node::Call("nullif", arguments) => is_float(&arguments[0]),
        _ => false,
    }
}

fn eval(node: &Node, row: usize) -> Cell {
    let bool_of = |value: Option<bool>| value.map_or(Cell::Null, Cell::Bool);
    match node {
        Node::Value(value) => value.clone(),
        Node::Column(kind, at) => match kind {
            0 => INTS[*at][row].map_or(Cell::Null, Cell::Int),
            1 => FLOATS[*at][row].map_or(Cell::Null, Cell::Float),
            2 => TEXTS[*at][row].map_or(Cell::Null, |text| Cell::Text(text.to_owned())),
            _ => bool_of(BOOLS[*at][row]),
        },
        Node::Not(inner) => bool_of(truth(inner, row).map(|value| !value)),
        Node::Minus(inner) => match eval(inner, row) {
            Cell::Int(value) => value.checked_neg().map_or(Cell::Null, Cell::Int),
            Cell::Float(value) => Cell::Float(-value),
            _ => Cell::Null,
        },
        Node::Binary(sign, left, right) => binary(sign, left, right, row),
        Node::Between(negated, parts) => {
            let [value, low, high] = &**parts;
            let inside = and(compare(">=", value, low, row), compare("<=", value, high, row));
            bool_of(inside.map(|inside| inside != *negated))
        }
        Node::In(negated, value, items) => {
            let mut found = Some(false);
            for item in items {
                found = or(found, compare("=", value, item, row));
            }
            bool_of(found.map(|found| found != *negated))
        }
        Node::Like(negated, value, pattern) => match eval(value, row) {
            Cell::Text(text) => {
                let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
                Cell::Bool(like(&text, &pattern) != *negated)
            }
            _ => Cell::Null,
        },
        Node::Is(what, inner) => {
            let (negated, what) = what.strip_prefix("not ").map_or((false, *what), |what| (true, what));
            let value = eval(inner, row);
            let wanted = match what {
                "null" => Cell::Null,
                what => Cell::Bool(what == "true"),
            };
            Cell::Bool((value == wanted) != negated)
        }
        Node::Case(parts) => {
            let chosen = if truth(&parts[0], row) == Some(true) { &parts[1] } else { &parts[2] };
            widened(eval(chosen, row), is_float(node))
        }
        Node::Call(name, arguments) => call(name, arguments, is_float(node), row),
    }
}

/// An integer among floats is a float.
fn widened(value: Cell, float: bool) -> Cell {
    match value {
        Cell::Int(value) if float => Cell::Float(value as f64),
        other => other,
    }
}

fn call(name: &str, arguments: &[Node], float: bool, row: usize) -> Cell {
    let values: Vec<Cell> = arguments.iter().map(|argument| eval(argument, row)).collect();
    match (name, values.as_slice()) {
        ("coalesce", [first, second]) => {
            widened(if *first == Cell::Null { second.clone() } else { first.clone() }, float)
        }
        ("nullif", [first, _]) => match compare("=", &arguments[0], &arguments[1], row) {
            Some(true) => Cell::Null,
            _ => first.clone(),
        },
        (_, values) if values.contains(&Cell::Null) => Cell::Null,
        ("length", [Cell::Text(text)]) => Cell::Int(text.chars().count() as i64),
        ("lower", [Cell::Text(text)]) => Cell::Text(text.to_lowercase()),
        ("upper", [Cell::Text(text)]) => Cell::Text(text.to_uppercase()),
        ("replace", [Cell::Text(text), Cell::Text(part), Cell::Text(by)]) => Cell::Text(text.replace(part, by)),
        ("contains", [Cell::Text(text), Cell::Text(part)]) => Cell::Bool(text.contains(part)),
        ("starts_with", [Cell::Text(text), Cell::Text(part)]) => Cell::Bool(text.starts_with(part)),
        ("ends_with", [Cell::Text(text), Cell::Text(part)]) => Cell::Bool(text.ends_with(part)),
        ("is_nan", [Cell::Float(value)]) => Cell::Bool(value.is_nan()),
        ("is_nan", [_]) => Cell::Bool(false),
        other => panic!("{other:?}"),
    }
}

fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    if a == Some(false) || b == Some(false) { Some(false) } else { Some(a? && b?) }
}

fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    if a == Some(true) || b == Some(true) { Some(true) } else { Some(a? || b?) }
}

fn binary(sign: &str, left: &Node, right: &Node, row: usize) -> Cell {
    let bool_of = |value: Option<bool>| value.map_or(Cell::Null, Cell::Bool);
    let (a, b) = (eval(left, row), eval(right, row));
    match (sign, &a, &b) {
        ("and", ..) => bool_of(and(truth(left, row), truth(right, row))),
        ("or", ..) => bool_of(or(truth(left, row), truth(right, row))),
        ("is distinct from", ..) => Cell::Bool(!alike(left, right, row)),
        ("is not distinct from", ..) => Cell::Bool(alike(left, right, row)),
        ("||", Cell::Text(a), Cell::Text(b)) => Cell::Text(format!("{a}{b}")),
        ("+" | "-" | "*" | "%", Cell::Int(a), Cell::Int(b)) if !is_float(left) && !is_float(right) => {
            let whole = match sign {
                "+" => a.checked_add(*b),
                "-" => a.checked_sub(*b),
                "*" => a.checked_mul(*b),
                _ => {
                    if *b == 0 {
                        None
                    } else {
                        Some(a.wrapping_rem(*b))
                    }
                }
            };
            whole.map_or(Cell::Null, Cell::Int)
        }
        ("+" | "-" | "*" | "/" | "%", Cell::Int(_) | Cell::Float(_), Cell::Int(_) | Cell::Float(_)) => {
            let (Cell::Float(a), Cell::Float(b)) = (widened(a, true), widened(b, true)) else { return Cell::Null };
            Cell::Float(match sign {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" => a / b,
                _ => a % b,
            })
        }
        ("||" | "+" | "-" | "*" | "/" | "%", ..) => Cell::Null,
        _ => bool_of(compare(sign, left, right, row)),
    }
}

/// Null is a value here, and NaN is NaN.
fn alike(left: &Node, right: &Node, row: usize) -> bool {
    let nan = |value: &Cell| matches!(value, Cell::Float(value) if value.is_nan());
    match (eval(left, row), eval(right, row)) {
        (Cell::Null, Cell::Null) => true,
        (a, b) if nan(&a) && nan(&b) => true,
        _ => compare("=", left, right, row) == Some(true),
    }
}

fn compare(sign: &str, left: &Node, right: &Node, row: usize) -> Option<bool> {
    let order = match (eval(left, row), eval(right, row)) {
        (Cell::Null, _) | (_, Cell::Null) => return None,
        (Cell::Text(a), Cell::Text(b)) => Some(a.cmp(&b)),
        (Cell::Bool(a), Cell::Bool(b)) => Some(a.cmp(&b)),
        (Cell::Int(a), Cell::Int(b)) => Some(a.cmp(&b)),
        (Cell::Float(a), Cell::Float(b)) => a.partial_cmp(&b),
        // Fixed numbers are compared exactly, others as floats.
        (Cell::Int(a), Cell::Float(b)) if is_fixed(left) != is_fixed(right) => exactly(a, b),
        (Cell::Float(a), Cell::Int(b)) if is_fixed(left) != is_fixed(right) => exactly(b, a).map(Ordering::reverse),
        (Cell::Int(a), Cell::Float(b)) => (a as f64).partial_cmp(&b),
        (Cell::Float(a), Cell::Int(b)) => a.partial_cmp(&(b as f64)),
        (a, b) => panic!("{a:?} {sign} {b:?}"),
    };
    Some(match (sign, order) {
        ("=" | "==", order) => order == Some(Ordering::Equal),
        ("!=" | "<>", order) => order != Some(Ordering::Equal),
        ("<", order) => order == Some(Ordering::Less),
        ("<=", order) => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        (">", order) => order == Some(Ordering::Greater),
        _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    })
}

fn is_fixed(node: &Node) -> bool {
    match node {
        Node::Value(_) => true,
        Node::Minus(inner) => is_fixed(inner),
        _ => false,
    }
}

/// How an integer stands to a float, to the last digit.
fn exactly(int: i64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    let below = float.floor();
    if below.abs() >= 1e19 {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = i128::from(int).cmp(&(below as i128));
    Some(if whole == Ordering::Equal && float > below { Ordering::Less } else { whole })
}

/// `%` is any text, `_` one character.
fn like(text: &[char], pattern: &[char]) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        (['%', rest @ ..], _) => (0..=text.len()).any(|at| like(&text[at..], rest)),
        (['_', rest @ ..], [_, text @ ..]) => like(text, rest),
        ([c, rest @ ..], [d, text @ ..]) => c == d && like(text, rest),
        _ => false,
    }
}
