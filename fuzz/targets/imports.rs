//! libFuzzer: other tools' files.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stormglass_fuzz::imports(data));
