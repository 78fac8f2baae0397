//! Conditions of the expression language, made at random from bytes.

use super::rows::NAMES;
use std::fmt;

const WORDS: [&str; 8] = ["a", "abc", "", "b", "A", "it's", "%", "é"];

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
