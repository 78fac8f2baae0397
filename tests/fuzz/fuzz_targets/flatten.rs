//! Feeds the target `flatten`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| runframe::fuzz::check("flatten", data));
