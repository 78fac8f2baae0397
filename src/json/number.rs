//! Numbers of the common sort, read in one pass over their bytes.

use super::scan::{TENS, are_digits, digits, past_digits, value_of, value_of_few};
use wide::u8x16;

/// What a JSON number is, as far as one look tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plain {
    /// An integer within Int64.
    Int(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// The same, but one that the quick way does not find, or larger than all floats: the text is to be parsed.
    Decimal,
}

/// The largest integer up to which a float holds every one.
const EXACT: u64 = 1 << 53;
/// Powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Powers of five that 64 bits hold, to divide by.
const FIVES: [Divisor; 28] = {
    let mut powers = [Divisor::new(1); 28];
    let (mut at, mut power) = (1, 1);
    while at < powers.len() {
        power *= 5;
        powers[at] = Divisor::new(power);
        at += 1;
    }
    powers
};

/// A number that others are divided by, with its reciprocal: two multiplications take less time than a division.
#[derive(Debug, Clone, Copy)]
struct Divisor {
    /// Places by which it is moved up until its highest bit is set.
    up: u32,
    moved: u64,
    /// 2^128 / `moved`, without the highest bit.
    reciprocal: u64,
}

impl Divisor {
    const fn new(number: u64) -> Divisor {
        let up = number.leading_zeros();
        let moved = number << up;
        Divisor { up, moved, reciprocal: (u128::MAX / moved as u128) as u64 }
    }

    /// The quotient of `high` · 2^64 + `low` and `moved`, and whether there is a remainder; `high` is less than `moved`. See Möller
    /// and Granlund, "Improved division by invariant integers", algorithm 4.
    #[inline]
    const fn divide(self, high: u64, low: u64) -> (u64, bool) {
        let guess = self.reciprocal as u128 * high as u128 + ((high as u128) << 64 | low as u128);
        let mut quotient = ((guess >> 64) as u64).wrapping_add(1);
        let mut rest = low.wrapping_sub(quotient.wrapping_mul(self.moved));
        if rest > guess as u64 {
            quotient = quotient.wrapping_sub(1);
            rest = rest.wrapping_add(self.moved);
        }
        if rest >= self.moved {
            quotient = quotient.wrapping_add(1);
            rest -= self.moved;
        }
        (quotient, rest != 0)
    }
}

/// The number that begins at `at`, and where it ends. `None` if none does; no number but an end if it is a rare one, such as an
/// integer of 19 digits, or `-0`, so that the [`Reader`](super::Reader) should look. What follows the number is not looked at.
#[inline]
pub fn number_at(bytes: &[u8], at: usize) -> Option<(Option<Plain>, usize)> {
    match common(bytes, at) {
        Some(found) => Some(found),
        None => rare(bytes, at),
    }
}

/// The number, if it is one of up to seven digits before the point and up to 23 behind it, and does not stand at the end of the
/// bytes. Its digits are counted at once: a step for each eight of them would be a branch that nobody can foresee.
// Its answer must not go through memory: what is written in pieces and read as a whole waits for the stores.
#[inline(always)]
fn common(bytes: &[u8], at: usize) -> Option<(Option<Plain>, usize)> {
    let negative = bytes.get(at) == Some(&b'-');
    let start = at + usize::from(negative);
    let window: &[u8; 32] = bytes.get(start..)?.first_chunk()?;
    let (low, high) = window.split_first_chunk::<16>()?;
    let are = are_digits(u8x16::new(*low)) | are_digits(u8x16::new(*high.first_chunk()?)) << 16;
    let count = (!are).trailing_zeros() as usize;
    if count == 0 || count > 7 || (count > 1 && window[0] == b'0') {
        return None;
    }
    let whole = value_of_few(window.first_chunk()?, count);
    let mut next = *window.get(count)?;
    let (mut sum, mut places) = (whole, 0);
    if next == b'.' {
        places = (!(are >> (count + 1))).trailing_zeros() as usize;
        if places == 0 || places > 23 {
            return None;
        }
        sum = whole.wrapping_mul(TENS[places]).wrapping_add(value_of(window.get(count + 1..)?.first_chunk()?, places));
        next = *bytes.get(start + count + 1 + places)?;
    } else if !matches!(next, b'e' | b'E') {
        if negative && whole == 0 {
            return None;
        }
        return Some((Some(Plain::Int(if negative { -(whole as i64) } else { whole as i64 })), start + count));
    }
    let mut end = start + count + usize::from(places > 0) + places;
    let mut power = 0;
    if matches!(next, b'e' | b'E') {
        (power, end) = exponent(bytes, end + 1)?;
    }
    Some((Some(with_fraction(negative, sum, (whole, count), places, power)), end))
}

/// Any number, step by step.
#[inline(never)]
fn rare(bytes: &[u8], at: usize) -> Option<(Option<Plain>, usize)> {
    let negative = bytes.get(at) == Some(&b'-');
    let start = at + usize::from(negative);
    let (whole, mut end) = digits(bytes, start, 0);
    let count = end - start;
    // A zero in front is no JSON.
    if count == 0 || (count > 1 && bytes.get(start) == Some(&b'0')) {
        return None;
    }
    let mut next = bytes.get(end);
    if !matches!(next, Some(b'.' | b'e' | b'E')) {
        // 19 digits may be too many for the sum, and `-0` is a float.
        let plain = count <= 18 && !(negative && whole == 0);
        let int = if negative { (whole as i64).wrapping_neg() } else { whole as i64 };
        return Some((plain.then_some(Plain::Int(int)), end));
    }
    let (mut sum, mut places) = (whole, 0);
    if next == Some(&b'.') {
        let fraction = end + 1;
        (sum, end) = digits(bytes, fraction, whole);
        places = end - fraction;
        if places == 0 {
            return None;
        }
        next = bytes.get(end);
    }
    let mut power = 0;
    if matches!(next, Some(b'e' | b'E')) {
        (power, end) = exponent(bytes, end + 1)?;
    }
    Some((Some(with_fraction(negative, sum, (whole, count), places, power)), end))
}

/// What the digits `sum` with so many places behind the point are, times a power of ten; `whole` is the number in front of the point
/// and how many digits it has.
#[inline(always)]
fn with_fraction(negative: bool, sum: u64, (whole, count): (u64, usize), places: usize, power: i32) -> Plain {
    let used = count + places;
    // Zeros in front do not count: `0.000…`. The sum of more digits wraps, and may be 0, too.
    let fits = used <= 19 || (count == 1 && whole == 0 && places <= 19);
    let float = if fits && used < 1_000 { scaled(sum, power - places as i32) } else { None };
    float.map_or(Plain::Decimal, |float| Plain::Float(if negative { -float } else { float }))
}

/// `sum` times this power of ten, to the nearest float; `None` if that takes longer thought.
#[inline]
fn scaled(sum: u64, power: i32) -> Option<f64> {
    let size = power.unsigned_abs() as usize;
    if sum == 0 {
        return Some(0.0);
    }
    if sum <= EXACT && size < POWERS.len() {
        // Both sides are exact, so that one rounding gives the nearest float.
        let scale = POWERS.get(size)?;
        return Some(if power < 0 { sum as f64 / scale } else { sum as f64 * scale });
    }
    let five = FIVES.get(size).filter(|_| power < 0)?;
    // sum / 10^size is (sum / 5^size) / 2^size. With the highest bits of both set, the quotient has 62 or 63 bits; a last bit
    // stands for the remainder, and making it a float is the only rounding.
    let up = sum.leading_zeros();
    let above = sum << up;
    let (quotient, rest) = five.divide(above >> 2, above << 62);
    let float = (quotient | u64::from(rest)) as i64 as f64;
    let exponent = i64::from(five.up) - i64::from(up) - 62 - size as i64;
    Some(float * f64::from_bits(((1_023 + exponent) as u64) << 52))
}

/// The exponent from `at` on, and where it ends; one of many digits counts as one that no float has.
fn exponent(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let negative = bytes.get(at) == Some(&b'-');
    let start = at + usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
    let (value, end) = digits(bytes, start, 0);
    if end == start {
        return None;
    }
    let value = if end - start <= 4 { value as i32 } else { 9_999 };
    Some((if negative { -value } else { value }, end))
}

/// Where the number that begins at `at` ends; `None` if none does.
#[inline]
pub fn past_number(bytes: &[u8], at: usize) -> Option<usize> {
    let start = at + usize::from(bytes.get(at) == Some(&b'-'));
    let mut end = past_digits(bytes, start);
    if end == start || (end > start + 1 && bytes.get(start) == Some(&b'0')) {
        return None;
    }
    if bytes.get(end) == Some(&b'.') {
        let fraction = end + 1;
        end = past_digits(bytes, fraction);
        if end == fraction {
            return None;
        }
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let exponent = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        end = past_digits(bytes, exponent);
        if end == exponent {
            return None;
        }
    }
    Some(end)
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
        let found = number_at(text.as_bytes(), 0);
        // In the middle of a document, whatever comes behind it.
        for behind in [",", "]", " "] {
            let within = format!("{text}{behind}{}", "1.5e3,".repeat(8));
            let (common, rare) = (common(within.as_bytes(), 0), rare(within.as_bytes(), 0));
            assert!(common.is_none() || common == rare, "{within}: {common:?}, not {rare:?}");
            assert!(found.is_none() || rare == found, "{within}: {rare:?}, not {found:?}");
        }
        assert_eq!(past_number(text.as_bytes(), 0), found.map(|(_, end)| end), "{text}");
        let fast = found.filter(|(_, end)| *end == text.len());
        assert!(slow.is_none() || fast.is_some(), "{text}");
        match fast.and_then(|(number, _)| number) {
            // Look closer.
            None => {}
            Some(Plain::Decimal) => assert!(matches!(slow, Some(Plain::Float(_))), "{text}: {slow:?}"),
            fast => assert_eq!(fast, slow, "{text}"),
        }
    }

    #[test]
    fn divisions_are_exact() {
        let numbers = [0, 1, 2, 3, 1 << 61, (1 << 62) - 1, 0x1234_5678_9abc_def0 >> 2, 0x3fff_ffff_0000_0001];
        for five in FIVES {
            let edges = [five.moved - 1, five.moved / 2, five.moved >> 1 | 1];
            for high in numbers.into_iter().chain(edges) {
                for low in [0, 1, five.moved - 1, five.moved, u64::MAX, 3 << 62] {
                    let (whole, by) = (u128::from(high) << 64 | u128::from(low), u128::from(five.moved));
                    let expected = ((whole / by) as u64, whole % by != 0);
                    assert_eq!(five.divide(high, low), expected, "{high} {low} / {by}");
                }
            }
        }
    }

    #[test]
    fn sums_that_wrap_to_zero_are_no_zeros() {
        for tail in ["e+15", ".5", ".0e3", "e-70"] {
            let text = format!("1{}{tail}", "0".repeat(64));
            check(&text);
            assert_eq!(number_at(text.as_bytes(), 0), Some((Some(Plain::Decimal), text.len())), "{text}");
        }
    }

    #[test]
    fn what_is_common_is_read_at_once() {
        for (text, value) in
            [("0.16703498914055104", 0.167_034_989_140_551_04), ("-1234567.5e-3", -1_234.567_5), ("0.0", 0.0)]
        {
            let within = format!("{text},{}", "0".repeat(32));
            assert_eq!(common(within.as_bytes(), 0), Some((Some(Plain::Float(value)), text.len())));
        }
        for text in ["0", "1234567", "-1234567", "-7"] {
            let within = format!("{text}}}{}", "0".repeat(32));
            assert_eq!(common(within.as_bytes(), 0), Some((Some(Plain::Int(text.parse().unwrap())), text.len())));
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
        assert_eq!(number_at(b"0.5", 0), Some((Some(Plain::Float(0.5)), 3)));
        assert_eq!(number_at(b"-12", 0), Some((Some(Plain::Int(-12)), 3)));
        assert_eq!(number_at(b"1.7954335180617766e+09", 0), Some((Some(Plain::Float(1_795_433_518.061_776_6)), 22)));
        assert_eq!(number_at(b"1.5777777777770001,", 0), Some((Some(Plain::Float(1.577_777_777_777_000_1)), 18)));
        assert_eq!(number_at(b"1e400", 0), Some((Some(Plain::Decimal), 5)));
        assert_eq!(number_at(b"[12345]", 1), Some((Some(Plain::Int(12_345)), 6)));
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
        fn halves_between_floats_are_rounded_to_even(bits in 0u64..1 << 52, power in -20i32..20, more in "0{0,3}1?") {
            // A float and a half of its last place, in full; and a little more.
            let below = f64::from_bits(bits | ((1_023 + power) as u64) << 52);
            let above = f64::from_bits(below.to_bits() + 1);
            let text = format!("{:.60}", below / 2.0 + above / 2.0);
            let half = text.trim_end_matches('0');
            check(&format!("{half}{more}"));
            check(&format!("{:.18}", below));
        }

        #[test]
        fn any_digits_are_rounded_to_the_nearest(sum in any::<u64>(), places in 0usize..30) {
            let digits = format!("{sum:030}");
            let (whole, fraction) = digits.split_at(30 - places);
            let whole = match whole.trim_start_matches('0') {
                "" => "0",
                whole => whole,
            };
            check(&format!("{whole}.{fraction}0"));
            check(&format!("{sum}e-{places}"));
        }

        #[test]
        fn any_bytes_are_looked_at(text in "[-+.eE0-9 x]{0,8}") {
            check(&text);
        }
    }
}
