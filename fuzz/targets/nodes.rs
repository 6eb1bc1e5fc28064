//! libFuzzer: what nodes of a cluster say to each other.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stormglass_fuzz::nodes(data));
