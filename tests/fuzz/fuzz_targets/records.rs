//! Feeds the target `records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| runframe::fuzz::check("records", data));
