#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| electrumx_fuzz_checks::parse_block(data));
