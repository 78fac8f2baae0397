//! Feeds the target `pages`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| runframe::fuzz::check("pages", data));
