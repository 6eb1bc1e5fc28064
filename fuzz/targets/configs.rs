//! libFuzzer: scenarios and node.toml.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stormglass_fuzz::configs(data));
