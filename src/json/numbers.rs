//! Passing over lists of numbers, 64 bytes at a time: what each byte may stand behind is asked of all of them at once.

use super::scan::{are, are_digits};
use wide::u8x16;

/// Bytes that are looked at in one go; no number of a list may have as many.
const STEP: usize = 64;

/// What the bytes of one step are: a bit for each, the first one lowest.
#[derive(Debug, Clone, Copy, Default)]
struct Bits {
    digits: u64,
    zeros: u64,
    points: u64,
    exponents: u64,
    minus: u64,
    plus: u64,
    commas: u64,
}

impl Bits {
    #[inline]
    fn of(bytes: &[u8; STEP]) -> Bits {
        let mut bits = Bits::default();
        let (parts, _) = bytes.as_chunks::<16>();
        for (at, part) in parts.iter().enumerate() {
            let lanes = u8x16::new(*part);
            let placed = |found: u32| u64::from(found) << (16 * at);
            bits.digits |= placed(are_digits(lanes));
            bits.zeros |= placed(are(lanes, b'0'));
            bits.points |= placed(are(lanes, b'.'));
            // The small letter: bit 5 is what tells it from the large one.
            bits.exponents |= placed(are(lanes | u8x16::splat(0x20), b'e'));
            bits.minus |= placed(are(lanes, b'-'));
            bits.plus |= placed(are(lanes, b'+'));
            bits.commas |= placed(are(lanes, b','));
        }
        bits
    }

    /// All bytes that may stand in a list of numbers.
    #[inline]
    fn all(&self) -> u64 {
        self.digits | self.points | self.exponents | self.minus | self.plus | self.commas
    }

    /// Whether the bytes up to the one at `end` are whole numbers of JSON with commas between them, the first of them beginning at the
    /// first byte. The byte at `end` is the comma behind the last one, or the end of the list.
    #[inline]
    fn are_numbers(&self, end: u32) -> bool {
        let inside = (1u64 << end) - 1;
        let [digits, zeros, points, exponents, minus, plus, commas] =
            [self.digits, self.zeros, self.points, self.exponents, self.minus, self.plus, self.commas]
                .map(|bits| bits & inside);
        let behind = |bits: u64| bits << 1;
        // Where a number begins, with its minus or without.
        let starts = behind(commas) | 1;
        let signs = minus & starts;
        let firsts = digits & (starts | behind(signs));
        // What follows the letter of an exponent, with its sign or without.
        let powers = behind(exponents);
        let power_signs = (minus | plus) & powers;
        let power_digits = digits & (powers | behind(power_signs));
        let fractions = digits & behind(points);
        // Adding the first digit of a row of digits to it moves the bit to the byte behind the row; rows that nothing is added to stay.
        let behind_row = |first: u64| (digits | first).wrapping_add(first) & !digits;
        let wrong = (minus & !(starts | powers))
            | (plus & !powers)
            | (behind(minus | plus) & !digits)
            | (behind(points) & !digits)
            | (powers & !(digits | minus | plus))
            // A comma, a point, an exponent and the end stand behind a digit.
            | ((commas | points | exponents | 1 << end) & !behind(digits))
            // Nothing but an exponent follows a fraction, and nothing an exponent.
            | (behind_row(fractions) & points)
            | (behind_row(power_digits) & (points | exponents))
            // A zero in front stands alone.
            | (behind(firsts & zeros) & digits);
        wrong & (inside << 1 | 1) == 0
    }
}

/// Where a list ends that has nothing but numbers and no white space, of which the first begins at `at`: behind its bracket. `None` for
/// any other list, and for what is no JSON.
pub fn past_numbers(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let rest = bytes.get(at..)?;
        let bits = match rest.first_chunk() {
            Some(step) => Bits::of(step),
            None => {
                // What is not there is no part of a list.
                let mut step = [0; STEP];
                step.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
                Bits::of(&step)
            }
        };
        let known = bits.all();
        if known != u64::MAX {
            let end = (!known).trailing_zeros();
            let closes = rest.get(end as usize) == Some(&b']') && bits.are_numbers(end);
            return closes.then_some(at + end as usize + 1);
        }
        // The next step begins with a number.
        let comma = 63u32.checked_sub(bits.commas.leading_zeros())?;
        if !bits.are_numbers(comma) {
            return None;
        }
        at += comma as usize + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Reader};
    use super::*;
    use proptest::prelude::*;

    /// What the reader says of `[` and this text.
    fn slowly(text: &str) -> Option<usize> {
        let list = format!("[{text}");
        let mut reader = Reader::new(&list);
        reader.next().ok()?;
        loop {
            match reader.next().ok()? {
                Event::Number(_) => {}
                Event::EndArray => return Some(reader.offset() - 1),
                _ => return None,
            }
        }
    }

    fn check(text: &str) {
        let slow = slowly(text).filter(|end| *end > 1 && !text[..*end].contains([' ', '\t', '\n', '\r']));
        let found = past_numbers(text.as_bytes(), 0);
        if found != slow {
            // A number longer than a step is left to others, and only that.
            assert!(
                found.is_none() && text.split(',').any(|number| number.len() >= STEP),
                "{text}: {found:?}, not {slow:?}"
            );
        }
    }

    #[test]
    fn edges_are_right() {
        for text in [
            "",
            "]",
            "1",
            "1]",
            "1,]",
            ",1]",
            "1,,2]",
            "-]",
            "-1]",
            "--1]",
            "+1]",
            "1-2]",
            "01]",
            "-01]",
            "0]",
            "-0,0.0]",
            "00]",
            "0.]",
            ".5]",
            "1.5.2]",
            "1.e5]",
            "1e]",
            "1e+]",
            "1e5]",
            "1E-05]",
            "1e5.5]",
            "1e5e5]",
            "1.5e+3,2]",
            "1e1-1]",
            "1e+-1]",
            "1 ]",
            "1, 2]",
            "NaN]",
            "1,[2]]",
            "1}",
            "1]]",
            "1.5e3,01]",
            "1e01]",
            "1e00,2]",
        ] {
            check(text);
            for before in 55..70 {
                check(&format!("{},{text}", "7".repeat(before)));
                check(&format!("{}{text}", "12,".repeat(before)));
                check(&format!("{}{text}", "1,".repeat(before)));
            }
        }
        assert_eq!(past_numbers(b"[1.5,-2e3]x", 1), Some(10));
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(text in "[-+.eE0-9,]{0,12}[\\] x]", before in "([0-9]{1,4},|-0.5e-7,){0,40}") {
            check(&text);
            check(&format!("{before}{text}"));
        }

        #[test]
        fn lists_of_numbers_are_passed_over(
            numbers in proptest::collection::vec("-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?", 1..40),
            wrong in any::<proptest::sample::Index>(),
            byte in "[-+.eE0-9, \\]]",
            after in "[\\],}0-9]{0,70}",
        ) {
            let text = format!("{}]{after}", numbers.join(","));
            prop_assert_eq!(past_numbers(text.as_bytes(), 0), Some(text.len() - after.len()));
            let mut text = text;
            let at = wrong.index(text.len());
            text.replace_range(at..at + 1, &byte);
            check(&text);
        }
    }
}
