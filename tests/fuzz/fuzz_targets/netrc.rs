//! Feeds the target `netrc`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| runframe::fuzz::check("netrc", data));
