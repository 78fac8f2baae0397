//! Changing inputs at random, the same way each time.

/// A small random generator (SplitMix64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, or 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.next().checked_rem(end as u64).unwrap_or(0) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Pieces that mean something in one of the formats.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b":W&B\xe1\xbe\0",
    b"\0\0\0\0\0\0\0",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"{}",
    b"[]",
    b"null",
    b"true",
    b"NaN",
    b"-Infinity",
    b"\"NaN\"",
    b"\"Inf\"",
    b"1e400",
    b"-0",
    b"1e-7",
    b"9007199254740993",
    b"18446744073709551616",
    b"\\ud800",
    b"\\u0000",
    b"\\n",
    b"\"_type\":1",
    b"\"value\":",
    b"\"a\":",
    b"\"a.b\":",
    b"_wandb",
    b".",
    b"machine ",
    b"password ",
    b"default ",
    b"macdef ",
    b"login ",
    b"#",
    b"\n",
    b"\n\n",
    b"=",
    b"[default]",
    b"http://",
    b"https://",
    b"WANDB_BASE_URL=",
    b"\"node\":",
    b"\"edges\":[",
    b"\"errors\":[",
    b"\"data\":{",
    b"PAR1",
    b"\x15\x00",
    b"\x19",
    b"\x1c",
    b"\xc3\xa9",
    b"\xe2\x80\x8b",
];

/// A changed copy of one input, perhaps with parts of another.
pub(crate) fn mutated(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut data = rng.pick(corpus).clone();
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(data.len() + 1);
        let to = (at + 1 + rng.below(16)).min(data.len());
        match rng.below(9) {
            0 | 1 if at < data.len() => data[at] ^= 1 << rng.below(8),
            2 if at < data.len() => data[at] = rng.next() as u8,
            3 => drop(data.drain(at..to)),
            4 => {
                let piece = data[at..to].to_vec();
                let to = rng.below(data.len() + 1);
                data.splice(to..to, piece);
            }
            5 | 6 => drop(data.splice(at..at, rng.pick(WORDS).iter().copied())),
            7 => drop(data.splice(at..to, rng.pick(WORDS).iter().copied())),
            _ => {
                let other = rng.pick(corpus);
                let from = rng.below(other.len() + 1);
                let end = (from + rng.below(200)).min(other.len());
                data.splice(at..to, other[from..end].iter().copied());
            }
        }
    }
    data
}
