//! Conditions made at random, and what they are, row by row, by the rules of `docs/expressions.md`.

use polars::prelude::*;
use std::cmp::Ordering;
use std::fmt;

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
const NAMES: [[&str; 2]; 4] =
    [["config.i", "summary.j k"], ["config.f", "summary.val/g"], ["name", "summary.s"], ["config.b", "select"]];
const WORDS: [&str; 8] = ["a", "abc", "", "b", "A", "it's", "%", "é"];

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

/// Bytes as choices; zeros, which choose the shortest, when they are used up.
pub(crate) struct Source<'a> {
    data: &'a [u8],
}

impl<'a> Source<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Source { data }
    }

    fn below(&mut self, end: usize) -> usize {
        let Some((byte, rest)) = self.data.split_first() else { return 0 };
        self.data = rest;
        usize::from(*byte) % end
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }
}

/// A condition, or a part of one.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Value(Cell),
    /// Kind (integers, floats, texts, booleans) and number.
    Column(usize, usize),
    Not(Box<Node>),
    Minus(Box<Node>),
    Binary(&'static str, Box<Node>, Box<Node>),
    Between(bool, Box<[Node; 3]>),
    In(bool, Box<Node>, Vec<Node>),
    Like(bool, Box<Node>, &'static str),
    Is(&'static str, Box<Node>),
    Case(Box<[Node; 3]>),
    Call(&'static str, Vec<Node>),
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// A condition.
pub(crate) fn generate(source: &mut Source<'_>) -> Node {
    boolean(source, 4)
}

fn boxed(node: Node) -> Box<Node> {
    Box::new(node)
}

fn boolean(source: &mut Source<'_>, depth: usize) -> Node {
    let signs = ["=", "!=", "<", "<=", ">", ">=", "==", "<>"];
    if depth == 0 {
        return Node::Column(3, source.below(2));
    }
    let next = depth - 1;
    match source.below(16) {
        0 => Node::Column(3, source.below(2)),
        1 | 2 => Node::Binary(source.pick(&["and", "or"]), boxed(boolean(source, next)), boxed(boolean(source, next))),
        3 => Node::Not(boxed(boolean(source, next))),
        4..=6 => Node::Binary(source.pick(&signs), boxed(number(source, next)), boxed(number(source, next))),
        7 => Node::Binary(source.pick(&signs), boxed(text(source, next)), boxed(text(source, next))),
        8 => Node::Between(source.flag(), Box::new([number(source, next), number(source, 0), number(source, next)])),
        9 => {
            let value = number(source, next);
            let items = (0..1 + source.below(3)).map(|_| number(source, 0)).collect();
            Node::In(source.flag(), boxed(value), items)
        }
        10 => {
            let value = text(source, next);
            let items = (0..1 + source.below(3)).map(|_| Node::Value(Cell::Text(source.pick(&WORDS).into()))).collect();
            Node::In(source.flag(), boxed(value), items)
        }
        11 => {
            let patterns = ["a%", "%b", "%", "_bc", "", "%b%", "a", "é%", "%\n%", "a_b", "%a%c"];
            Node::Like(source.flag(), boxed(text(source, next)), source.pick(&patterns))
        }
        12 => match source.below(3) {
            0 => Node::Is(source.pick(&["null", "not null"]), boxed(number(source, next))),
            1 => Node::Is(source.pick(&["null", "not null"]), boxed(text(source, next))),
            _ => Node::Is(source.pick(&["true", "not true", "false", "not false"]), boxed(boolean(source, next))),
        },
        13 => {
            let function = source.pick(&["contains", "starts_with", "ends_with"]);
            Node::Call(function, vec![text(source, next), Node::Value(Cell::Text(source.pick(&WORDS).into()))])
        }
        14 => Node::Call("is_nan", vec![number(source, next)]),
        _ => {
            let sign = source.pick(&["is distinct from", "is not distinct from"]);
            let kind = source.below(3);
            let side = |source: &mut Source<'_>| if kind == 0 { text(source, next) } else { number(source, next) };
            Node::Binary(sign, boxed(side(source)), boxed(side(source)))
        }
    }
}

fn number(source: &mut Source<'_>, depth: usize) -> Node {
    let leaf = |source: &mut Source<'_>| match source.below(4) {
        0 => Node::Column(0, source.below(2)),
        1 => Node::Column(1, source.below(2)),
        2 => Node::Value(Cell::Int(source.pick(&[0, 1, 2, 3, 7, 9_007_199_254_740_993, i64::MAX]))),
        _ => Node::Value(Cell::Float(source.pick(&[0.5, 0.0, 2.0, 3.0, 1e3, 9_007_199_254_740_992.0]))),
    };
    if depth == 0 {
        return leaf(source);
    }
    let next = depth - 1;
    match source.below(10) {
        0..=3 => leaf(source),
        4 | 5 => Node::Binary(
            source.pick(&["+", "-", "*", "/", "%"]),
            boxed(number(source, next)),
            boxed(number(source, next)),
        ),
        6 => Node::Minus(boxed(number(source, next))),
        7 => Node::Case(Box::new([boolean(source, next), number(source, next), number(source, next)])),
        8 => Node::Call("length", vec![text(source, next)]),
        _ => Node::Call(source.pick(&["coalesce", "nullif"]), vec![number(source, next), number(source, next)]),
    }
}

fn text(source: &mut Source<'_>, depth: usize) -> Node {
    if depth == 0 || source.below(3) == 0 {
        return match source.below(3) {
            0 | 1 => Node::Column(2, source.below(2)),
            _ => Node::Value(Cell::Text(source.pick(&WORDS).into())),
        };
    }
    let next = depth - 1;
    match source.below(5) {
        0 => Node::Binary("||", boxed(text(source, next)), boxed(text(source, next))),
        1 => Node::Call(source.pick(&["lower", "upper"]), vec![text(source, next)]),
        2 => Node::Case(Box::new([boolean(source, next), text(source, next), text(source, next)])),
        3 => Node::Call(source.pick(&["coalesce", "nullif"]), vec![text(source, next), text(source, next)]),
        _ => {
            let (part, by) = (source.pick(&["a", "b", "A", "é"]), source.pick(&WORDS));
            let word = |word: &str| Node::Value(Cell::Text(word.to_owned()));
            Node::Call("replace", vec![text(source, next), word(part), word(by)])
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |negated: &bool| if *negated { "not " } else { "" };
        let list = |nodes: &[Node]| nodes.iter().map(Node::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Node::Value(Cell::Text(text)) => write!(f, "'{}'", text.replace('\'', "''")),
            Node::Value(Cell::Float(value)) => write!(f, "{value:?}"),
            Node::Value(Cell::Int(value)) => write!(f, "{value}"),
            Node::Value(other) => write!(f, "{other:?}"),
            Node::Column(kind, at) if NAMES[*kind][*at].contains(' ') => write!(f, "\"{}\"", NAMES[*kind][*at]),
            Node::Column(kind, at) => f.write_str(NAMES[*kind][*at]),
            Node::Not(inner) => write!(f, "not {}", Part(inner)),
            Node::Minus(inner) => write!(f, "- {}", Part(inner)),
            Node::Binary(sign, left, right) => write!(f, "{} {sign} {}", Part(left), Part(right)),
            Node::Between(negated, parts) => {
                write!(f, "{} {}between {} and {}", Part(&parts[0]), not(negated), Part(&parts[1]), Part(&parts[2]))
            }
            Node::In(negated, value, items) => write!(f, "{} {}in ({})", Part(value), not(negated), list(items)),
            Node::Like(negated, value, pattern) => write!(f, "{} {}like '{pattern}'", Part(value), not(negated)),
            Node::Is(what, inner) => write!(f, "{} is {what}", Part(inner)),
            Node::Case(parts) => write!(f, "case when {} then {} else {} end", parts[0], parts[1], parts[2]),
            Node::Call(name, arguments) => write!(f, "{name}({})", list(arguments)),
        }
    }
}

/// A part of a larger expression, in parentheses where it has parts itself.
struct Part<'a>(&'a Node);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Node::Value(_) | Node::Column(..) | Node::Call(..) => write!(f, "{}", self.0),
            other => write!(f, "({other})"),
        }
    }
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
