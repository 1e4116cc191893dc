//! The target `ipam`; what it does is in `portolan_tests::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| portolan_tests::fuzzing::ipam(input));
