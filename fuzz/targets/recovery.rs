//! libFuzzer: what a starting broker finds in its data directory.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stormglass_fuzz::recovery(data));
