//! Tests of the framing: every case of the format sheet, every cut, every flipped byte.

use super::super::writer::LogWriter;
use super::*;
use proptest::prelude::*;

/// A record or damage, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Record(u64, Vec<u8>),
    Damage(u64, u64, &'static str),
}

/// Hands out a few bytes at a time, as pipes and network drives do.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.1.min(self.0.len()).min(out.len());
        out[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

fn read(bytes: &[u8]) -> (Vec<Seen>, End) {
    read_from(bytes, bytes.len())
}

/// Everything in a log; checks that the accounts add up.
fn read_from(bytes: impl Read, size: usize) -> (Vec<Seen>, End) {
    let mut buffers = Buffers::default();
    let mut frames = Frames::new(bytes, &mut buffers);
    let mut seen = Vec::new();
    if frames.start().unwrap() == Start::Log {
        while let Some(frame) = frames.next().unwrap() {
            seen.push(match frame {
                Frame::Record { offset, bytes } => Seen::Record(offset, bytes.to_vec()),
                Frame::Damage { offset, bytes, reason } => Seen::Damage(offset, bytes, reason),
            });
        }
    }
    let end = frames.end();
    assert_eq!(end.bytes, size as u64);
    assert_eq!(end.sound + end.padding + end.lost + end.cut, end.bytes, "{end:?} {seen:?}");
    (seen, end)
}

fn records(seen: &[Seen]) -> Vec<&[u8]> {
    seen.iter().filter_map(|s| if let Seen::Record(_, bytes) = s { Some(&bytes[..]) } else { None }).collect()
}

fn damages(seen: &[Seen]) -> Vec<(u64, u64, &'static str)> {
    seen.iter().filter_map(|s| if let Seen::Damage(a, b, c) = s { Some((*a, *b, *c)) } else { None }).collect()
}

fn start_of(bytes: &[u8]) -> Start {
    Frames::new(bytes, &mut Buffers::default()).start().unwrap()
}

/// Bytes that differ from place to place and hold no chunk.
fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251) as u8 | 0x80).collect()
}

#[test]
fn the_file_header_decides() {
    assert_eq!(start_of(b""), Start::Empty);
    for length in 1..7 {
        assert_eq!(start_of(&MAGIC[..length]), Start::Empty);
    }
    assert_eq!(start_of(&MAGIC), Start::Log);
    let foreign = [
        (&b"PK\x03\x04...."[..], "not a W&B log: it begins with 50 4b 03 04 2e 2e 2e 2e"),
        (b"{\"a\": 1}", "not a W&B log: it begins with \"{\\\"a\\\": 1}\""),
        (b":W&B\xe1\xbe\x01rest", "a W&B log of version 1, which this program cannot read"),
        (b":W&C", "not a W&B log: it begins with \":W&C\""),
        (b"\0\0", "not a W&B log: it begins with 00 00"),
    ];
    for (bytes, reason) in foreign {
        assert_eq!(start_of(bytes), Start::Foreign(reason.to_owned()));
    }
}

#[test]
fn known_bytes_are_read() {
    // Written out by hand: the checksum is over type and payload.
    let sum = crc32fast::hash(b"\x01hi").to_le_bytes();
    let bytes = [&MAGIC[..], &sum, &[2, 0, FULL], b"hi"].concat();
    let (seen, end) = read(&bytes);
    assert_eq!(seen, [Seen::Record(7, b"hi".to_vec())]);
    assert_eq!(end, End { bytes: 16, sound: 16, ..End::default() });
}

#[test]
fn the_checksum_is_zlibs() {
    assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
}

#[test]
fn records_cross_blocks() {
    let long = noise(3 * BLOCK);
    let mut log = LogWriter::new();
    log.record(b"a");
    log.record(&long);
    log.record(b"");
    let (seen, end) = read(&log.bytes);
    assert_eq!(records(&seen), [b"a", &long[..], b""]);
    assert_eq!((end.lost, end.cut), (0, 0));
    for step in [1, 7, 4096, BLOCK - 1] {
        assert_eq!(read_from(Trickle(&log.bytes, step), log.bytes.len()), (seen.clone(), end));
    }
}

#[test]
fn every_rest_of_a_block_is_handled() {
    // 0..=6 bytes left: padding; 7: a FIRST of no bytes; more: a piece of the record.
    for left in 0..20 {
        let mut log = LogWriter::new();
        let filler = noise(log.left() - HEAD - left);
        log.record(&filler);
        log.record(b"next record");
        if left == HEAD {
            assert_eq!(log.bytes[BLOCK - 3..BLOCK], [0, 0, FIRST]);
        }
        let (seen, end) = read(&log.bytes);
        assert_eq!(records(&seen), [&filler[..], b"next record"], "{left} left");
        assert_eq!((end.lost, end.padding), (0, if left < HEAD { left as u64 } else { 0 }));
    }
}

#[test]
fn files_longer_than_the_buffer() {
    let all: Vec<Vec<u8>> = (0..200).map(|i| noise(i * 97)).collect();
    let bytes = LogWriter::of(&all);
    assert!(bytes.len() > 3 * BUFFER);
    let (seen, _) = read(&bytes);
    assert_eq!(records(&seen), all.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[test]
fn zero_tails_are_no_damage() {
    for zeros in [1, 6, 7, 100, BLOCK, 5 * BLOCK + 3] {
        let mut bytes = LogWriter::of(&[b"one".to_vec()]);
        bytes.resize(bytes.len() + zeros, 0);
        let (seen, end) = read(&bytes);
        assert_eq!(records(&seen), [b"one"]);
        assert_eq!((end.padding, end.lost, end.cut), (zeros as u64, 0, 0));
    }
}

#[test]
fn zeros_up_to_the_next_block_are_passed_over() {
    let mut log = LogWriter::new();
    log.record(b"one");
    log.bytes.resize(BLOCK, 0);
    log.record(b"two");
    let (seen, end) = read(&log.bytes);
    assert_eq!(records(&seen), [b"one", b"two"]);
    assert_eq!(end.lost, 0);
}

#[test]
fn wiped_records_are_damage() {
    let mut bytes = LogWriter::of(&[b"one".to_vec(), noise(50), b"three".to_vec()]);
    bytes[17..17 + 57].fill(0);
    let (seen, _) = read(&bytes);
    assert_eq!(records(&seen), [&b"one"[..], b"three"]);
    assert_eq!(damages(&seen), [(17, 57, "zeros where a record should begin")]);
}

#[test]
fn zeros_inside_a_record_lose_it() {
    let mut log = LogWriter::new();
    log.record(&noise(3 * BLOCK));
    log.record(b"after");
    log.bytes[BLOCK..2 * BLOCK].fill(0);
    let (seen, _) = read(&log.bytes);
    assert_eq!(records(&seen), [b"after"]);
    assert_eq!(damages(&seen), [(7, 3 * BLOCK as u64 + 28, "zeros inside a record")]);
}

#[test]
fn a_wrong_checksum_loses_one_record() {
    let mut bytes = LogWriter::of(&[b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
    bytes[25] ^= 1;
    let (seen, end) = read(&bytes);
    assert_eq!(records(&seen), [&b"one"[..], b"three"]);
    assert_eq!(damages(&seen), [(17, 10, "a wrong checksum")]);
    assert_eq!(end.cut, 0);
}

#[test]
fn wrong_types_and_lengths_lose_one_record() {
    let whole = LogWriter::of(&[b"one".to_vec(), b"two".to_vec(), noise(300), b"four".to_vec()]);
    for (at, value) in [(23, 9), (23, 0), (22, 0xff), (21, 200), (21, 0), (22, 1)] {
        let mut bytes = whole.clone();
        bytes[at] = value;
        let (seen, _) = read(&bytes);
        assert_eq!(records(&seen), [b"one", &noise(300)[..], b"four"], "byte {at} = {value}");
        assert_eq!(damages(&seen).len(), 1);
        assert_eq!((damages(&seen)[0].0, damages(&seen)[0].1), (17, 10));
    }
}

#[test]
fn a_damaged_middle_loses_its_record_only() {
    let mut log = LogWriter::new();
    log.record(b"before");
    log.record(&noise(3 * BLOCK));
    let after = log.bytes.len() as u64;
    log.record(b"after");
    log.bytes[BLOCK + 500] ^= 0x10;
    let (seen, _) = read(&log.bytes);
    assert_eq!(records(&seen), [&b"before"[..], b"after"]);
    assert_eq!(damages(&seen), [(20, after - 20, "a wrong checksum")]);
}

#[test]
fn chunks_out_of_order_are_damage() {
    let mut log = LogWriter::new();
    log.chunk(MIDDLE, b"stray");
    log.chunk(LAST, b"stray");
    log.chunk(FIRST, b"begun");
    log.chunk(FULL, b"whole");
    log.chunk(FIRST, b"begun");
    log.chunk(FIRST, b"again, ");
    log.chunk(LAST, b"ended");
    let (seen, _) = read(&log.bytes);
    let expected = [
        Seen::Damage(7, 24, "a record has no beginning"),
        Seen::Damage(31, 12, "a record has no end"),
        Seen::Record(43, b"whole".to_vec()),
        Seen::Damage(55, 12, "a record has no end"),
        Seen::Record(67, b"again, ended".to_vec()),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_first_without_last_at_the_end_is_cut() {
    let mut log = LogWriter::new();
    log.record(b"one");
    log.record(&noise(2 * BLOCK));
    for blocks in 1..=2 {
        let (seen, end) = read(&log.bytes[..blocks * BLOCK]);
        assert_eq!(seen, [Seen::Record(7, b"one".to_vec())]);
        assert_eq!((end.cut, end.lost), ((blocks * BLOCK - 17) as u64, 0));
    }
}

#[test]
fn every_cut_gives_the_records_before_it() {
    let all = [b"one".to_vec(), noise(40), Vec::new(), noise(BLOCK), b"last".to_vec()];
    let bytes = LogWriter::of(&all);
    let ends: Vec<usize> = (1..=all.len()).map(|n| LogWriter::of(&all[..n]).len()).collect();
    let interesting = (0..200).chain(BLOCK - 50..BLOCK + 50).chain(bytes.len() - 30..=bytes.len());
    for length in interesting {
        let (seen, end) = read(&bytes[..length]);
        let whole = ends.iter().filter(|end| **end <= length).count();
        assert_eq!(records(&seen), all[..whole].iter().map(Vec::as_slice).collect::<Vec<_>>(), "cut at {length}");
        assert_eq!(end.lost, 0, "cut at {length}");
        let last = ends.iter().rev().find(|end| **end <= length).copied().unwrap_or(7);
        let rest = &bytes[last.min(length)..length];
        let clean = length < 7 || rest.iter().all(|byte| *byte == 0);
        assert_eq!(end.cut == 0, clean, "cut at {length}");
    }
}

#[test]
fn every_flipped_byte_loses_one_record_at_most() {
    let all: Vec<Vec<u8>> = (1..8).map(|i| noise(i * 9)).collect();
    let whole = LogWriter::of(&all);
    for at in 7..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            let (seen, end) = read(&bytes);
            assert_eq!(records(&seen).len(), all.len() - 1, "byte {at}");
            assert!(end.lost + end.cut > 0, "byte {at}");
            assert!(records(&seen).iter().all(|r| all.iter().any(|a| a == r)), "byte {at}");
        }
    }
}

#[test]
fn an_input_that_fails_keeps_what_came_before() {
    struct Fails<'a>(&'a [u8]);
    impl Read for Fails<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() { Err(io::ErrorKind::ConnectionReset.into()) } else { self.0.read(out) }
        }
    }
    let all: Vec<Vec<u8>> = (0..20).map(|_| noise(30_000)).collect();
    let bytes = LogWriter::of(&all);
    let mut buffers = Buffers::default();
    let mut frames = Frames::new(Fails(&bytes), &mut buffers);
    assert_eq!(frames.start().unwrap(), Start::Log);
    let mut read = 0;
    let error = loop {
        match frames.next() {
            Ok(Some(frame)) => {
                assert!(matches!(frame, Frame::Record { bytes, .. } if bytes == all[read]));
                read += 1;
            }
            Ok(None) => panic!("no error"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(read, all.len());
}

#[test]
fn hostile_blocks_are_searched_with_a_bound() {
    // Every second byte may be a type, every length is long: without the bound this takes minutes.
    let mut bytes = MAGIC.to_vec();
    bytes.extend([0x02, 0x3c].repeat(4 << 20));
    let began = std::time::Instant::now();
    let (seen, _) = read(&bytes);
    assert_eq!(records(&seen).len(), 0);
    assert!(began.elapsed().as_secs() < 20);
}

/// How many records are found in blocks full of `trap`s, each before a sound record of one byte, and behind them.
fn found_among(trap: &[u8], blocks: usize) -> (usize, usize) {
    let mut log = LogWriter::new();
    let mut written = 0;
    while log.bytes.len() < blocks * BLOCK {
        if log.left() < trap.len() + 2 * HEAD {
            log.bytes.resize(log.bytes.len() + log.left(), 0);
        }
        log.bytes.extend(trap);
        log.chunk(FULL, b"t");
        written += 1;
    }
    log.bytes.resize((blocks + 1) * BLOCK, 0);
    log.record(b"behind");
    let (seen, _) = read(&log.bytes);
    assert_eq!(records(&seen).last(), Some(&&b"behind"[..]));
    (records(&seen).len() - 1, written)
}

#[test]
fn the_searches_of_a_block_share_one_bound() {
    // Heads that overlap and say 15,362 bytes: a few of them eat up what one search may checksum.
    let (found, written) = found_among(&[0x02, 0x3c].repeat(30), 4);
    assert!(found > 4 && found < written / 4, "{found} of {written}");
    // One head, with a checksum that is wrong over half a block, before every record.
    let (found, written) = found_among(&[1, 2, 3, 4, 0, 0x40, FULL], 4);
    assert!(found > 4 && found < written * 2 / 3, "{found} of {written}");
    // Honest records are far from it: of every two the first is damaged, all others are found.
    let honest: Vec<Vec<u8>> = (0..600).map(|_| noise(100)).collect();
    let mut bytes = LogWriter::of(&honest);
    let starts: Vec<u64> = read(&bytes).0.iter().map(|s| if let Seen::Record(at, _) = s { *at } else { 0 }).collect();
    starts.iter().step_by(2).for_each(|at| bytes[*at as usize + 50] ^= 1);
    assert_eq!(records(&read(&bytes).0).len(), 300);
}

#[test]
fn wiped_heads_lose_nothing_behind_them() {
    for zeros in [7, 8, 57, 63, 64, 65, 70, 71, 72, 127, 128, 129, 1_000] {
        // A checksum that begins with zeros would be taken for more of them.
        let mut log = LogWriter::new();
        log.bytes.resize(7 + zeros, 0);
        log.record(b"two");
        log.bytes.resize(log.bytes.len() + zeros, 0);
        log.record(b"");
        let (seen, _) = read(&log.bytes);
        assert_eq!(records(&seen), [&b"two"[..], b""], "{zeros} zeros");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(lengths in proptest::collection::vec(0usize..70_000, 0..12), step in 1usize..100_000) {
        let all: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(i, n)| noise(*n).iter().map(|b| b ^ i as u8).collect()).collect();
        let bytes = LogWriter::of(&all);
        let (seen, end) = read_from(Trickle(&bytes, step), bytes.len());
        prop_assert_eq!(records(&seen), all.iter().map(Vec::as_slice).collect::<Vec<_>>());
        prop_assert_eq!(end.lost + end.cut, 0);
    }

    #[test]
    fn any_damage_comes_to_an_end(
        lengths in proptest::collection::vec(0usize..9_000, 1..12),
        blows in proptest::collection::vec((any::<u32>(), any::<u8>()), 1..30),
    ) {
        let all: Vec<Vec<u8>> = lengths.iter().map(|n| noise(*n)).collect();
        let mut bytes = LogWriter::of(&all);
        for (at, value) in blows {
            let at = 7 + at as usize % bytes.len().saturating_sub(7).max(1);
            if let Some(byte) = bytes.get_mut(at) { *byte = value; }
        }
        let (seen, _) = read(&bytes);
        let mut rest = all.iter();
        for record in records(&seen) {
            prop_assert!(rest.any(|written| written == record), "a record that nobody wrote, or out of order");
        }
    }
}
