//! libFuzzer: records and snapshots of the metadata log.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stormglass_fuzz::metadata(data));
