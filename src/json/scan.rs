//! Finding quotes, backslashes and the ends of digits, eight bytes and more at a time.

use super::number::past_number;
use wide::u8x16;

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = ONES << 7;
/// Powers of ten; those beyond 64 bits wrap, as sums of so many digits do.
pub(super) const TENS: [u64; 24] = {
    let mut powers = [1u64; 24];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1].wrapping_mul(10);
        at += 1;
    }
    powers
};

/// Eight bytes, the first one lowest; `None` if there are fewer.
#[inline]
pub fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Sixteen bytes; `None` if there are fewer.
#[inline]
fn lanes(bytes: &[u8], at: usize) -> Option<u8x16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u8x16::new(*bytes))
}

/// A bit for each lane, the first one lowest, that is set where the lane is `byte`.
#[inline]
pub(super) fn are(lanes: u8x16, byte: u8) -> u32 {
    lanes.simd_eq(u8x16::splat(byte)).to_bitmask()
}

/// A bit for each lane that is set where the lane is a digit.
#[inline]
pub(super) fn are_digits(lanes: u8x16) -> u32 {
    let values = lanes - u8x16::splat(b'0');
    values.min(u8x16::splat(9)).simd_eq(values).to_bitmask()
}

/// Where the next backslash is or, if `QUOTES`, the next quote or backslash.
#[inline]
pub fn find<const QUOTES: bool>(bytes: &[u8], mut at: usize) -> Option<usize> {
    // Keys and most texts are short; setting up a vector search costs more than they do.
    for _ in 0..2 {
        let Some(lanes) = lanes(bytes, at) else { break };
        let quotes = if QUOTES { are(lanes, b'"') } else { 0 };
        let found = are(lanes, b'\\') | quotes;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += 16;
    }
    let rest = bytes.get(at..)?;
    let found = if QUOTES { memchr::memchr2(b'"', b'\\', rest) } else { memchr::memchr(b'\\', rest) };
    found.map(|found| at + found)
}

/// Passes over bytes of which every backslash stands before a quote and every quote behind a backslash: JSON inside a string.
/// `at` is behind a whole character or escape, and so is the result.
pub(super) fn past_quoted_json(bytes: &[u8], mut at: usize) -> usize {
    const STEP: usize = 32;
    // The last byte of an escape is not the first of another.
    if at.checked_sub(1).is_some_and(|last| bytes.get(last) == Some(&b'\\')) {
        return at;
    }
    while let Some(window) = bytes.get(at.wrapping_sub(1)..).and_then(|rest| rest.first_chunk::<{ STEP + 1 }>()) {
        let mut odd = 0;
        for (before, byte) in window.iter().zip(&window[1..]) {
            odd |= u8::from(*before == b'\\') ^ u8::from(*byte == b'"');
        }
        if odd != 0 {
            break;
        }
        at += STEP;
    }
    // The backslash of an escape that was cut in two.
    let cut = at.checked_sub(1).is_some_and(|last| bytes.get(last) == Some(&b'\\'));
    at - usize::from(cut)
}

/// The value of the digits from `at` on, behind those of `sum`, and where they end. Too many of them make a sum that means
/// nothing.
#[inline]
pub(super) fn digits(bytes: &[u8], mut at: usize, mut sum: u64) -> (u64, usize) {
    while let Some(word) = word(bytes, at) {
        let values = word ^ (ONES * u64::from(b'0'));
        // The high bit of each byte beyond 9; one that carries changes only what comes behind it.
        let others = (values.wrapping_add(ONES * 0x76) | values) & HIGH;
        if others == 0 {
            sum = sum.wrapping_mul(100_000_000).wrapping_add(eight(values));
            at += 8;
            continue;
        }
        let count = others.trailing_zeros() / 8;
        if count > 0 {
            // What is moved in at the low end are zeros in front.
            sum = sum.wrapping_mul(TENS[(count & 7) as usize]).wrapping_add(eight(values << (64 - 8 * count)));
        }
        return (sum, at + count as usize);
    }
    while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
        sum = sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    (sum, at)
}

/// The number of the first `count` digits, from 1 to 23 of them, in steps that do not depend on how many there are. Too many make a
/// number that means nothing.
#[inline]
pub(super) fn value_of(digits: &[u8; 24], count: usize) -> u64 {
    let (words, _) = digits.as_chunks::<8>();
    let [first, second, third] =
        [0, 1, 2].map(|at| words.get(at).map_or(0, |word| u64::from_le_bytes(*word) ^ (ONES * u64::from(b'0'))));
    let (most, rest) = (count.clamp(1, 16), count.saturating_sub(16).min(7));
    // What is moved in at the low end are zeros in front.
    let moved = (u128::from(second) << 64 | u128::from(first)) << (128 - 8 * most);
    let sum = eight(moved as u64) * 100_000_000 + eight((moved >> 64) as u64);
    sum.wrapping_mul(TENS[rest & 7]).wrapping_add(eight(third << (56 - 8 * rest) << 8))
}

/// The number of the first `count` digits, from 1 to 8 of them.
#[inline]
pub(super) fn value_of_few(digits: &[u8; 8], count: usize) -> u64 {
    eight((u64::from_le_bytes(*digits) ^ (ONES * u64::from(b'0'))) << (64 - 8 * count.clamp(1, 8)))
}

/// Where an object ends whose members begin at `at`, if it is a common one: no white space, keys and texts without escapes, and only
/// numbers, texts and the three words as values. `None` for any other, and for what is no JSON.
pub(super) fn past_flat_object(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = past_text(bytes, at)?;
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        at = match bytes.get(at + 1)? {
            b'"' => past_text(bytes, at + 1)?,
            b't' | b'n' => past_word(bytes, at + 1, &[b"true", b"null"])?,
            b'f' => past_word(bytes, at + 1, &[b"false"])?,
            _ => past_number(bytes, at + 1)?,
        };
        match bytes.get(at)? {
            b',' => at += 1,
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}

/// Behind a text without escapes that opens at `at`.
#[inline]
fn past_text(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let end = find::<true>(bytes, at + 1)?;
    (bytes.get(end) == Some(&b'"')).then_some(end + 1)
}

fn past_word(bytes: &[u8], at: usize, words: &[&[u8]]) -> Option<usize> {
    let rest = bytes.get(at..)?;
    words.iter().find(|word| rest.starts_with(word)).map(|word| at + word.len())
}

/// The number of eight digits, the lowest byte the first.
#[inline]
fn eight(values: u64) -> u64 {
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

/// Where the digits from `at` on end.
#[inline]
pub(super) fn past_digits(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = word(bytes, at) {
        let values = word ^ (ONES * u64::from(b'0'));
        let others = (values.wrapping_add(ONES * 0x76) | values) & HIGH;
        if others != 0 {
            return at + (others.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_a_byte_loop_finds(text in "[a\\\\\"é]{0,60}", at in 0usize..70) {
            let bytes = text.as_bytes();
            let slow = |wanted: &[u8]| (at..bytes.len()).find(|at| wanted.contains(&bytes[*at]));
            prop_assert_eq!(find::<true>(bytes, at), slow(b"\"\\"));
            prop_assert_eq!(find::<false>(bytes, at), slow(b"\\"));
        }

        #[test]
        fn digits_are_read_in_steps(text in "[0-9]{0,19}[^0-9]?.{0,9}", sum in 0u64..10) {
            let end = text.bytes().take_while(u8::is_ascii_digit).count();
            let value = format!("{sum}{}", &text[..end]).parse::<u128>().unwrap() as u64;
            prop_assert_eq!(digits(text.as_bytes(), 0, sum), (value, end));
            prop_assert_eq!(past_digits(text.as_bytes(), 0), end);
        }

        #[test]
        fn bytes_after_digits_do_not_matter(digits_before in "[0-9]{0,8}", after in proptest::collection::vec(any::<u8>(), 0..12)) {
            let bytes = [digits_before.as_bytes(), &after].concat();
            let end = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
            prop_assert_eq!(digits(&bytes, 0, 0).1, end);
            prop_assert_eq!(past_digits(&bytes, 0), end);
        }

        #[test]
        fn json_in_a_string_is_passed_over(inner in "([a-z:,{}]|\\\\\"){0,90}", rest in "[a\\\\\"]{0,50}") {
            prop_assert_eq!(past_quoted_json(b"\\\\\"..................................................", 2), 2);
            let text = format!("\"{inner}{rest}");
            let at = past_quoted_json(text.as_bytes(), 1);
            // Never beyond what is as it should be, nor between a backslash and its quote.
            let passed = &text[1..at];
            prop_assert!(!passed.replace("\\\"", "").contains(['"', '\\']), "{passed}");
            prop_assert!(at + 33 > inner.len(), "{at} of {}", inner.len());
        }
    }
}
