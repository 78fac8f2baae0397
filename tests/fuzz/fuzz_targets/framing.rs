//! Feeds the target `framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| runframe::fuzz::check("framing", data));
