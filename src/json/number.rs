//! Numbers of the common sort, read in one pass over their bytes.

/// What a JSON number is, as far as one look tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plain {
    /// An integer within Int64.
    Int(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// The same, but with too many digits for the quick way: the text is to be parsed.
    Decimal,
}

/// The largest integer up to which a float holds every one.
const EXACT: u64 = 1 << 53;
/// Powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The number that all of the text is; `None` if it is none, or a rare one, and the [`Reader`](super::Reader) should look.
#[inline]
pub fn plain_number(text: &[u8]) -> Option<Plain> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (whole, rest) = digits(text, 0);
    let count = text.len() - rest.len();
    // A zero in front is no JSON; and 19 digits may be too many for the sum.
    if count == 0 || count > 18 || (count > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    if rest.is_empty() {
        // `-0` is a float.
        let int = i64::try_from(whole).ok().filter(|int| !(negative && *int == 0))?;
        return Some(Plain::Int(if negative { -int } else { int }));
    }
    let (mut sum, mut rest, mut scale) = (whole, rest, 0);
    if let [b'.', fraction @ ..] = rest {
        (sum, rest) = digits(fraction, whole);
        scale = fraction.len() - rest.len();
        if scale == 0 {
            return None;
        }
    }
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', rest @ ..] => exponent(rest)?,
        _ => return None,
    };
    let power = exponent - scale as i32;
    if count + scale > 19 || sum > EXACT || power.unsigned_abs() as usize >= POWERS.len() {
        return Some(Plain::Decimal);
    }
    // Both sides are exact, so that one rounding gives the nearest float.
    let scale = POWERS.get(power.unsigned_abs() as usize)?;
    let float = if power < 0 { sum as f64 / scale } else { sum as f64 * scale };
    Some(Plain::Float(if negative { -float } else { float }))
}

/// The digits at the front, behind those of `sum`, and what follows them. Too many of them make a sum that means nothing.
#[inline]
fn digits(mut text: &[u8], mut sum: u64) -> (u64, &[u8]) {
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        sum = sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        text = rest;
    }
    (sum, text)
}

fn exponent(text: &[u8]) -> Option<i32> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (value, rest) = digits(text, 0);
    // Longer ones are rare, and may be beyond all floats.
    let few = (1..=4).contains(&text.len()) && rest.is_empty();
    let value = i32::try_from(value).ok().filter(|_| few)?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Reader};
    use super::*;
    use proptest::prelude::*;

    /// What the reader and the standard library say.
    fn slowly(text: &str) -> Option<Plain> {
        let mut reader = Reader::new(text);
        let Ok(Event::Number(number)) = reader.next() else { return None };
        if number.len() != text.len() {
            return None;
        }
        match number.contains(['.', 'e', 'E']) || number == "-0" {
            true => number.parse().ok().map(Plain::Float),
            false => number.parse().ok().map(Plain::Int),
        }
    }

    fn check(text: &str) {
        let slow = slowly(text);
        match plain_number(text.as_bytes()) {
            // Look closer.
            None => {}
            Some(Plain::Decimal) => assert!(matches!(slow, Some(Plain::Float(_))), "{text}: {slow:?}"),
            fast => assert_eq!(fast, slow, "{text}"),
        }
    }

    #[test]
    fn edges_are_right() {
        for text in [
            "",
            "-",
            "0",
            "-0",
            "-0.0",
            "00",
            "01",
            "0.",
            ".5",
            "1e",
            "1e+",
            "1e5",
            "1E-05",
            "-1.5e+3",
            "1.",
            "1.e3",
            "1e22",
            "1e23",
            "9007199254740992.0",
            "9007199254740993.0",
            "999999999999999999",
            "9223372036854775807",
            "0.1",
            "1e400",
            "1e-400",
            "123456789012345678.5",
            "0.0000000000000000001",
            "12345678901234567890.1",
            "1 ",
            "1x",
            "1.5x",
            "1e5x",
            "--1",
            "NaN",
        ] {
            check(text);
        }
        assert_eq!(plain_number(b"0.5"), Some(Plain::Float(0.5)));
        assert_eq!(plain_number(b"-12"), Some(Plain::Int(-12)));
        assert_eq!(plain_number(b"1.7954335180617766e+09"), Some(Plain::Decimal));
    }

    proptest! {
        #[test]
        fn numbers_are_what_the_reader_says(text in "-?[0-9]{1,20}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,5})?") {
            check(&text);
        }

        #[test]
        fn floats_come_back(value in any::<f64>()) {
            check(&format!("{value:?}"));
            check(&format!("{value:e}"));
        }

        #[test]
        fn any_bytes_are_looked_at(text in "[-+.eE0-9 x]{0,8}") {
            check(&text);
        }
    }
}
