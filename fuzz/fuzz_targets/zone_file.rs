//! The target `zone_file`; what it does is in `portolan_tests::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| portolan_tests::fuzzing::zone_file(input));
